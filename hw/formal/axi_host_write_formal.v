// SPDX-License-Identifier: MIT
// axi_host_write_formal: the write half of the host's AXI4 port keeps the handshake rules (AMBA AXI, A3.2, A3.3): one
// response for each burst, after its last beat, with its ID and the worst of its beats, unchanged until it is taken.
//
// Assumed of the host: WLAST comes with the last beat of the burst and with no other. The cache is free.

`default_nettype none

module axi_host_write_formal #(
    parameter PAGE_BITS = 4
) (
    input  wire         clk_i,
    input  wire         rst_ni,
    input  wire [7:0]   awid,
    input  wire [7:0]   awlen,
    input  wire [39:0]  awaddr,
    input  wire [2:0]   awsize,
    input  wire [1:0]   awburst,
    input  wire         awvalid,
    input  wire         wlast,
    input  wire         wvalid,
    input  wire         bready,
    input  wire [511:0] wdata,
    input  wire [63:0]  wstrb,
    input  wire         line_ready,
    input  wire         line_error
);
    localparam [1:0] OKAY = 2'b00, SLVERR = 2'b10, DECERR = 2'b11;

    wire         awready, wready, bvalid, line_valid, again, idle;
    wire [7:0]   bid;
    wire [1:0]   bresp;
    wire [511:0] line_data;
    wire [63:0]  line_strobe;
    wire [5:0]   line_index;
    wire [PAGE_BITS-1:0] line_page;

    axi_host_write #(
        .PAGE_BITS(PAGE_BITS)
    ) dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .idle_o(idle),
        .s_axi_awid(awid),
        .s_axi_awaddr(awaddr),
        .s_axi_awlen(awlen),
        .s_axi_awsize(awsize),
        .s_axi_awburst(awburst),
        .s_axi_awvalid(awvalid),
        .s_axi_awready(awready),
        .s_axi_wdata(wdata),
        .s_axi_wstrb(wstrb),
        .s_axi_wlast(wlast),
        .s_axi_wvalid(wvalid),
        .s_axi_wready(wready),
        .s_axi_bid(bid),
        .s_axi_bresp(bresp),
        .s_axi_bvalid(bvalid),
        .s_axi_bready(bready),
        .line_valid_o(line_valid),
        .line_ready_i(line_ready),
        .line_error_i(line_error),
        .line_page_o(line_page),
        .line_index_o(line_index),
        .line_data_o(line_data),
        .line_strobe_o(line_strobe),
        .line_again_o(again)
    );

    (* hierconn *) wire [39:0] \dut.address_q ;
    (* hierconn *) wire [1:0] \dut.state_q ;

    reg         open_q, data_done_q;   // a burst was taken; all its data too
    reg [7:0]   id_q, left_q;
    reg [1:0]   worst_q;
    reg         held_q, before_q, line_held_q;
    reg [9:0]   answer_q;
    reg [1:0]   seen_q;                // bursts answered with DECERR, SLVERR

    wire outside = |\dut.address_q [39:PAGE_BITS+12];
    wire beat = wvalid && wready;

    initial assume (!rst_ni);
    always @* if (wvalid && open_q && !data_done_q) assume (wlast == (left_q == 0));

    always @(posedge clk_i) begin
        before_q <= rst_ni;
        held_q   <= bvalid && !bready;
        answer_q <= {bid, bresp};
        if (awvalid && awready) begin
            {open_q, data_done_q} <= 2'b10;
            {id_q, left_q, worst_q} <= {awid, awlen, OKAY};
        end
        if (beat) begin
            left_q <= left_q - 8'd1;
            if (left_q == 0) data_done_q <= 1'b1;
            if (outside) worst_q <= DECERR;
            else if (line_valid && line_error && worst_q == OKAY) worst_q <= SLVERR;
        end
        if (bvalid && bready) begin
            open_q <= 1'b0;
            if (bresp == DECERR) seen_q[0] <= 1'b1;
            if (bresp == SLVERR) seen_q[1] <= 1'b1;
        end
        if (!rst_ni) {open_q, data_done_q, held_q, seen_q} <= 0;
    end

    always @(posedge clk_i) if (rst_ni) begin
        if (before_q && held_q) assert (bvalid && {bid, bresp} == answer_q);
        assert (bvalid == (open_q && data_done_q));
        if (bvalid) assert (bid == id_q && bresp == worst_q && bresp != 2'b01);
        assert (awready == !open_q);
        if (wready) assert (open_q && !data_done_q);
        // lines: only of the pages there are, only of beats with strobes, with the beat's content
        if (line_valid) assert (wvalid && !outside && wstrb != 0 && line_data == wdata && line_strobe == wstrb);
        if (wvalid && open_q && !data_done_q && !outside && wstrb != 0) assert (line_valid && wready == line_ready);
        if (wvalid && open_q && !data_done_q && (outside || wstrb == 0)) assert (wready);
        // what induction needs
        assert (\dut.state_q == (open_q ? (data_done_q ? 2'd2 : 2'd1) : 2'd0));
        if (open_q) assert (bid == id_q && bresp == worst_q && worst_q != 2'b01);
        cover (seen_q == 2'b11 && !open_q);
        cover (bvalid && bresp == OKAY && held_q);
        cover (beat && left_q == 0 && again);
    end
endmodule

`default_nettype wire
