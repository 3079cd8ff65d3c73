// SPDX-License-Identifier: MIT
// chain_reader_formal: AXI4 on the read side of the media port. The sectors of a page are asked for in chain order, each
// once, for as many beats as the page has in it, stable until taken; no more data is taken than was asked for; what is shown
// are the beats that the media gives, in order, the last one marked with its bytes, none after a drop or a bad response.
// `bad_o` names the sectors with a beat whose response was bad and not late, `late_o` tells whether one was late.
//
// Assumed: a page has 1 to 4096 bytes and starts while none is being read; the allocator answers in the cycle after it took
// an operation; the media gives beats of bursts it took only.

`default_nettype none

module chain_reader_formal #(
    parameter SECTOR_BYTES = 256,
    parameter BITS         = 14
) (
    input  wire            clk_i,
    input  wire            rst_ni,
    input  wire            start,
    input  wire            drop,
    input  wire            data_ready,
    input  wire            op_ready,
    input  wire            result_valid,
    input  wire            arready,
    input  wire            rvalid,
    input  wire            late_in,
    input  wire [BITS-1:0] first,
    input  wire [BITS-1:0] result,
    input  wire [12:0]     bytes,
    input  wire [511:0]    rdata,
    input  wire [1:0]      rresp
);
    localparam [6:0] SECTOR_BEATS = SECTOR_BYTES / 64;

    wire [63:0]     bad;
    wire            busy, late, error, data_valid, data_last, op_valid, arvalid, rready;
    wire [511:0]    data;
    wire [6:0]      data_bytes;
    wire [BITS-1:0] sector;
    wire [39:0]     araddr;
    wire [7:0]      arlen;

    chain_reader #(
        .SECTOR_BYTES(SECTOR_BYTES),
        .SECTOR_BITS(BITS)
    ) dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .start_i(start),
        .first_i(first),
        .bytes_i(bytes),
        .drop_i(drop),
        .busy_o(busy),
        .error_o(error),
        .late_o(late),
        .bad_o(bad),
        .late_i(late_in),
        .data_valid_o(data_valid),
        .data_ready_i(data_ready),
        .data_o(data),
        .data_bytes_o(data_bytes),
        .data_last_o(data_last),
        .op_valid_o(op_valid),
        .op_ready_i(op_ready),
        .sector_o(sector),
        .result_valid_i(result_valid),
        .result_i(result),
        .m_axi_araddr(araddr),
        .m_axi_arlen(arlen),
        .m_axi_arvalid(arvalid),
        .m_axi_arready(arready),
        .m_axi_rdata(rdata),
        .m_axi_rresp(rresp),
        .m_axi_rvalid(rvalid),
        .m_axi_rready(rready)
    );

    (* hierconn *) wire [6:0]      \dut.ask_q ;
    (* hierconn *) wire [6:0]      \dut.left_q ;
    (* hierconn *) wire [6:0]      \dut.last_bytes_q ;
    (* hierconn *) wire [BITS-1:0] \dut.sector_q ;
    (* hierconn *) wire            \dut.address_valid_q ;
    (* hierconn *) wire            \dut.follow_q ;
    (* hierconn *) wire            \dut.waiting_q ;
    (* hierconn *) wire            \dut.drop_q ;
    (* hierconn *) wire            \dut.error_q ;

    reg            before_q, held_q, answer_q;   // answer_q: the allocator's result comes in this cycle
    reg [47:0]     ar_q;
    reg [12:0]     bytes_q;
    reg [6:0]      beats_q;                      // of the page
    reg [6:0]      unasked_q, missing_q;         // beats: not asked for, not come
    reg [BITS-1:0] turn_q;                       // the sector whose turn it is
    reg            known_q;                      // it is known: its predecessor was followed
    reg            hidden_q;                     // a drop or a bad beat before
    reg [6:0]      come_q;                       // beats
    (* anyconst *) reg [5:0] watched;            // a sector's position, whichever
    reg            watched_bad_q, late_q, bad_q;

    (* hierconn *) wire [5:0] \dut.come_q ;

    wire       ask    = arvalid && arready;
    wire       beat   = rvalid && rready;
    wire [6:0] share  = unasked_q < SECTOR_BEATS ? unasked_q : SECTOR_BEATS;
    wire [6:0] beats  = (bytes + 13'd63) >> 6;
    wire       hides  = hidden_q || rresp[1];

    initial assume (!rst_ni);
    always @* begin
        assume (result_valid == answer_q);
        if (busy) assume (!start);
        if (start) assume (bytes != 0 && bytes <= 13'd4096);
        if (rvalid) assume (missing_q > unasked_q);
    end

    always @(posedge clk_i) begin
        before_q <= rst_ni;
        held_q   <= arvalid && !arready;
        ar_q     <= {araddr, arlen};
        answer_q <= op_valid && op_ready;
        if (ask) {unasked_q, known_q} <= {unasked_q - share, 1'b0};
        if (answer_q) {turn_q, known_q} <= {result, 1'b1};
        if (beat) missing_q <= missing_q - 7'd1;
        if (drop || (beat && rresp[1])) hidden_q <= 1'b1;
        if (beat) begin
            come_q <= come_q + 7'd1;
            if (rresp[1]) bad_q <= 1'b1;
            if (rresp[1] && late_in) late_q <= 1'b1;
            if (rresp[1] && !late_in && come_q / SECTOR_BEATS == watched) watched_bad_q <= 1'b1;
        end
        if (start) {come_q, late_q, watched_bad_q, bad_q} <= 0;
        if (start) begin
            {turn_q, known_q, hidden_q} <= {first, 2'b10};
            {bytes_q, unasked_q, missing_q, beats_q} <= {bytes, beats, beats, beats};
        end
        if (!rst_ni) {late_q, watched_bad_q, bad_q} <= 0;
        if (!rst_ni) {answer_q, held_q, missing_q, unasked_q, known_q} <= 0;
    end

    always @(posedge clk_i) if (rst_ni) begin
        if (before_q && held_q) assert (arvalid && {araddr, arlen} == ar_q);
        if (arvalid) assert (unasked_q != 0 && known_q && araddr == turn_q * SECTOR_BYTES && arlen == {1'b0, share} - 8'd1);
        if (op_valid) assert (unasked_q != 0 && !known_q && sector == turn_q);
        assert (busy == (missing_q != 0));
        if (rready) assert (missing_q != 0);
        assert (data_valid == (rvalid && missing_q != 0 && !hides));
        if (data_valid) assert (data == rdata && rready == data_ready && data_last == (missing_q == 1));
        if (data_valid) assert (data_bytes == (data_last && bytes_q[5:0] != 0 ? {1'b0, bytes_q[5:0]} : 7'd64));
        assert (error == bad_q && late == late_q && bad[watched] == watched_bad_q);
        // what induction needs
        if (busy) assert (\dut.come_q == come_q[5:0] && come_q == beats_q - missing_q && missing_q <= beats_q && beats_q <= 7'd64);
        if (watched_bad_q && busy) assert ({6'd0, come_q} > {7'd0, watched} * {6'd0, SECTOR_BEATS});
        assert (\dut.ask_q == unasked_q || !busy);
        assert (\dut.left_q == missing_q && unasked_q <= missing_q && missing_q <= 7'd64);
        assert (\dut.address_valid_q == (known_q && unasked_q != 0));
        assert (\dut.follow_q == (!known_q && unasked_q != 0) && \dut.waiting_q == answer_q);
        if (answer_q) assert (!known_q && unasked_q != 0);
        if (unasked_q != 0) assert (\dut.sector_q == turn_q);
        if (busy) begin
            assert ((\dut.drop_q || \dut.error_q ) == hidden_q);
            assert (\dut.last_bytes_q == (bytes_q[5:0] == 0 ? 7'd64 : {1'b0, bytes_q[5:0]}));
        end
        cover (beat && data_last && data_valid && data_bytes == 7 && bytes_q > SECTOR_BYTES + 64);
        cover (beat && missing_q == 1 && hidden_q && !error);
        cover (error && !busy);
        cover (busy && missing_q == 1 && late && bad == 64'd2);
    end
endmodule

`default_nettype wire
