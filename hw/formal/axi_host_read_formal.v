// SPDX-License-Identifier: MIT
// axi_host_read_formal: the read half of the host's AXI4 port keeps the handshake rules (AMBA AXI, A3.2, A3.3): every
// burst is answered with as many beats as it has, the last one marked, with its ID, in order; a beat stays unchanged until
// it is taken; none comes without a request; the queue behind never overflows.
//
// One burst, whichever (`watch` is free), is followed. The cache is free: any data, any refusal, any delay.

`default_nettype none

module axi_host_read_formal #(
    parameter PAGE_BITS = 4
) (
    input  wire         clk_i,
    input  wire         rst_ni,
    input  wire [7:0]   arid,
    input  wire [7:0]   arlen,
    input  wire [39:0]  araddr,
    input  wire [2:0]   arsize,
    input  wire [1:0]   arburst,
    input  wire         arvalid,
    input  wire         rready,
    input  wire         line_ready,
    input  wire         line_error,
    input  wire [511:0] line_data,
    input  wire         watch
);
    wire         arready, rvalid, rlast, line_valid, first, idle;
    wire [7:0]   rid;
    wire [1:0]   rresp;
    wire [511:0] rdata;
    wire [5:0]   line_index;
    wire [PAGE_BITS-1:0] line_page;

    axi_host_read #(
        .PAGE_BITS(PAGE_BITS)
    ) dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .idle_o(idle),
        .s_axi_arid(arid),
        .s_axi_araddr(araddr),
        .s_axi_arlen(arlen),
        .s_axi_arsize(arsize),
        .s_axi_arburst(arburst),
        .s_axi_arvalid(arvalid),
        .s_axi_arready(arready),
        .s_axi_rid(rid),
        .s_axi_rdata(rdata),
        .s_axi_rresp(rresp),
        .s_axi_rlast(rlast),
        .s_axi_rvalid(rvalid),
        .s_axi_rready(rready),
        .line_valid_o(line_valid),
        .line_ready_i(line_ready),
        .line_page_o(line_page),
        .line_index_o(line_index),
        .line_first_o(first),
        .line_data_i(line_data),
        .line_error_i(line_error)
    );

    (* hierconn *) wire \dut.active_q ;
    (* hierconn *) wire \dut.asked_q ;
    (* hierconn *) wire \dut.asked_last_q ;
    (* hierconn *) wire [7:0] \dut.asked_id_q ;
    (* hierconn *) wire \dut.flight_q ;
    (* hierconn *) wire \dut.flight_last_q ;
    (* hierconn *) wire \dut.queued ;
    (* hierconn *) wire [2:0] \dut.ahead_q ;
    (* hierconn *) wire [2:0] \dut.u_answers.level ;
    (* hierconn *) wire \dut.ask ;
    (* hierconn *) wire \dut.last ;
    (* hierconn *) wire [7:0] \dut.left_q ;

    // beats owed to the host: of bursts before the watched one, then its own
    reg [12:0]  owed_q;
    reg         watched_q;
    reg [12:0]  before_it_q;
    reg [8:0]   its_q;
    reg [7:0]   its_id_q;
    reg         up_q, held_q;
    reg [522:0] answer_q;
    reg         done_q;

    wire taken = rvalid && rready;
    wire start = arvalid && arready;

    wire [12:0] end_q = before_it_q + {4'd0, its_q};
    wire [12:0] level  = {10'd0, \dut.u_answers.level };
    wire [12:0] behind = level + {12'd0, \dut.flight_q };

    (* hierconn *) wire [7:0] \dut.id_q ;
    (* hierconn *) wire [7:0] \dut.flight_id_q ;
    (* hierconn *) wire [2:0] \dut.u_answers.head_q ;
    (* hierconn *) wire [4*523-1:0] \dut.u_answers.memory_seen ;

    genvar k;

    generate
        for (k = 0; k < 4; k = k + 1) begin : gen_queued
            wire [1:0]   place = \dut.u_answers.head_q [1:0] + k;
            wire [522:0] entry = \dut.u_answers.memory_seen [place*523 +: 523];

            always @(posedge clk_i) if (rst_ni && k < level) begin
                assert (entry[513:512] != 2'b01);
                if (watched_q && k >= before_it_q && k < end_q)
                    assert (entry[522:515] == its_id_q && entry[514] == (k == end_q - 13'd1));
            end
        end
    endgenerate

    initial assume (!rst_ni);

    always @(posedge clk_i) begin
        up_q     <= rst_ni;
        held_q   <= rvalid && !rready;
        answer_q <= {rid, rlast, rresp, rdata};
        owed_q   <= owed_q + (start ? {5'd0, arlen} + 13'd1 : 13'd0) - {12'd0, taken};
        if (start && watch && !watched_q) begin
            watched_q   <= 1'b1;
            before_it_q <= owed_q - {12'd0, taken};
            its_q       <= {1'b0, arlen} + 9'd1;
            its_id_q    <= arid;
        end else if (watched_q && taken) begin
            if (before_it_q != 0) before_it_q <= before_it_q - 13'd1;
            else begin
                its_q <= its_q - 9'd1;
                if (its_q == 1) {watched_q, done_q} <= 2'b01;
            end
        end
        if (!rst_ni) {owed_q, watched_q, held_q, done_q} <= 0;
    end

    always @(posedge clk_i) if (rst_ni) begin
        if (up_q && held_q) assert (rvalid && {rid, rlast, rresp, rdata} == answer_q);
        if (rvalid) assert (owed_q != 0 && rresp != 2'b01);
        if (watched_q && before_it_q == 0 && rvalid) assert (rid == its_id_q && rlast == (its_q == 1));
        // what the two counters of the module stand for, and no overflow
        assert (\dut.ahead_q == \dut.u_answers.level + {2'd0, \dut.flight_q } + {2'd0, \dut.asked_q } && \dut.ahead_q <= 4);
        assert (owed_q == {10'd0, \dut.ahead_q } + (\dut.active_q ? {5'd0, \dut.left_q } + 13'd1 : 13'd0));
        if (\dut.flight_q ) assert (\dut.u_answers.level < 4);
        assert (!idle || owed_q == 0);
        // what induction needs: where the beats of the watched burst lie
        if (watched_q) assert (its_q != 0 && its_q <= 256 && end_q <= owed_q && before_it_q <= owed_q && owed_q < 13'd300);
        if (watched_q && end_q > {10'd0, \dut.ahead_q }) assert (\dut.active_q && \dut.id_q == its_id_q && end_q == owed_q);
        if (watched_q && \dut.flight_q && level >= before_it_q && level < end_q)
            assert (\dut.flight_id_q == its_id_q && \dut.flight_last_q == (level == end_q - 13'd1));
        if (watched_q && \dut.asked_q && behind >= before_it_q && behind < end_q)
            assert (\dut.asked_id_q == its_id_q && \dut.asked_last_q == (behind == end_q - 13'd1));
        cover (done_q && owed_q == 0);
        cover (watched_q && before_it_q > 2 && rvalid && rresp == 2'b11);
        cover (\dut.ahead_q == 4 && \dut.active_q );
        cover (taken && rlast && \dut.active_q && \dut.left_q == 1);
    end
endmodule

`default_nettype wire
