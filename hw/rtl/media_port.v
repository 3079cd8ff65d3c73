// SPDX-License-Identifier: MIT
// media_port: the AXI4 master of the device, and what keeps it true to AXI while the core behind it is reset or the media
// in front of it does not answer (docs/device/media.md).
//
//     page_store --> media_read_port, media_write_port --> m_axi
//
// To the core it is a media that always answers: with an error and `late` when the media has made no progress for
// `limit_i` cycles. To the media it is a master that never takes anything back: it is in the media's reset domain
// (`media_rst_ni`), and a reset of the core (`rst_ni`) finds it at work.
//
// Handshake: that of its two halves. `busy_o`: the media owes something, or is owed. `timeout_o` pulses when the limit
//            is passed.
// Latency:   none on any channel.

`default_nettype none

module media_port #(
    parameter USER_BITS   = 1,  // side-band beside each beat, stored by the media with it
    parameter EPOCHS      = 4,  // AXI IDs, of reads and of writes
    parameter GATE_CLOCKS = 1
) (
    input  wire                 clk_i,
    input  wire                 rst_ni,
    input  wire                 media_rst_ni,
    input  wire [31:0]          limit_i,
    output wire                 busy_o,
    output wire                 timeout_o,
    output wire                 settled_o,    // the media owes no write: it will do none any more

    // ---- core ----
    input  wire [39:0]          s_axi_awaddr,
    input  wire [7:0]           s_axi_awlen,
    input  wire                 s_axi_awvalid,
    output wire                 s_axi_awready,
    input  wire [511:0]         s_axi_wdata,
    input  wire [USER_BITS-1:0] s_axi_wuser,
    input  wire                 s_axi_wvalid,
    output wire                 s_axi_wready,
    output wire [1:0]           s_axi_bresp,
    output wire                 s_axi_blate,
    output wire                 s_axi_bowed,  // beside a late B: the media was shown the burst, and may still do it
    output wire                 s_axi_bvalid,
    input  wire [39:0]          s_axi_araddr,
    input  wire [7:0]           s_axi_arlen,
    input  wire                 s_axi_arvalid,
    output wire                 s_axi_arready,
    output wire [511:0]         s_axi_rdata,
    output wire [USER_BITS-1:0] s_axi_ruser,
    output wire [1:0]           s_axi_rresp,
    output wire                 s_axi_rlate,
    output wire                 s_axi_rvalid,
    input  wire                 s_axi_rready,

    // ---- media ----
    output wire [7:0]           m_axi_awid,
    output wire [39:0]          m_axi_awaddr,
    output wire [7:0]           m_axi_awlen,
    output wire [2:0]           m_axi_awsize,
    output wire [1:0]           m_axi_awburst,
    output wire                 m_axi_awvalid,
    input  wire                 m_axi_awready,
    output wire [511:0]         m_axi_wdata,
    output wire [USER_BITS-1:0] m_axi_wuser,
    output wire [63:0]          m_axi_wstrb,
    output wire                 m_axi_wlast,
    output wire                 m_axi_wvalid,
    input  wire                 m_axi_wready,
    input  wire [7:0]           m_axi_bid,
    input  wire [1:0]           m_axi_bresp,
    input  wire                 m_axi_bvalid,
    output wire                 m_axi_bready,
    output wire [7:0]           m_axi_arid,
    output wire [39:0]          m_axi_araddr,
    output wire [7:0]           m_axi_arlen,
    output wire [2:0]           m_axi_arsize,
    output wire [1:0]           m_axi_arburst,
    output wire                 m_axi_arvalid,
    input  wire                 m_axi_arready,
    input  wire [7:0]           m_axi_rid,
    input  wire [511:0]         m_axi_rdata,
    input  wire [USER_BITS-1:0] m_axi_ruser,
    input  wire [1:0]           m_axi_rresp,
    input  wire                 m_axi_rvalid,
    output wire                 m_axi_rready
);
    localparam [1:0] INCR    = 2'b01;
    localparam [2:0] SIZE_64 = 3'd6;

    // The engines of page_store that rest may miss the first edge of a reset, so that theirs lasts a cycle longer.
    reg  reset_q;
    wire forget = !rst_ni || reset_q;
    wire port_clk, read_busy, write_busy, read_moves, write_moves, read_timeout, write_timeout;

    clock_gate #(
        .GATE(GATE_CLOCKS)
    ) u_clock (
        .clk_i(clk_i),
        .enable_i(forget || !media_rst_ni || read_moves || write_moves),
        .clk_o(port_clk)
    );

    always @(posedge port_clk) reset_q <= !rst_ni;

    media_read_port #(
        .USER_BITS(USER_BITS),
        .EPOCHS(EPOCHS)
    ) u_read (
        .clk_i(port_clk),
        .rst_ni(media_rst_ni),
        .forget_i(forget),
        .limit_i(limit_i),
        .busy_o(read_busy),
        .moves_o(read_moves),
        .timeout_o(read_timeout),
        .s_axi_araddr(s_axi_araddr),
        .s_axi_arlen(s_axi_arlen),
        .s_axi_arvalid(s_axi_arvalid),
        .s_axi_arready(s_axi_arready),
        .s_axi_rdata(s_axi_rdata),
        .s_axi_ruser(s_axi_ruser),
        .s_axi_rresp(s_axi_rresp),
        .s_axi_rlate(s_axi_rlate),
        .s_axi_rvalid(s_axi_rvalid),
        .s_axi_rready(s_axi_rready),
        .m_axi_arid(m_axi_arid),
        .m_axi_araddr(m_axi_araddr),
        .m_axi_arlen(m_axi_arlen),
        .m_axi_arvalid(m_axi_arvalid),
        .m_axi_arready(m_axi_arready),
        .m_axi_rid(m_axi_rid),
        .m_axi_rdata(m_axi_rdata),
        .m_axi_ruser(m_axi_ruser),
        .m_axi_rresp(m_axi_rresp),
        .m_axi_rvalid(m_axi_rvalid),
        .m_axi_rready(m_axi_rready)
    );

    media_write_port #(
        .USER_BITS(USER_BITS),
        .EPOCHS(EPOCHS)
    ) u_write (
        .clk_i(port_clk),
        .rst_ni(media_rst_ni),
        .forget_i(forget),
        .limit_i(limit_i),
        .busy_o(write_busy),
        .moves_o(write_moves),
        .timeout_o(write_timeout),
        .settled_o(settled_o),
        .s_axi_awaddr(s_axi_awaddr),
        .s_axi_awlen(s_axi_awlen),
        .s_axi_awvalid(s_axi_awvalid),
        .s_axi_awready(s_axi_awready),
        .s_axi_wdata(s_axi_wdata),
        .s_axi_wuser(s_axi_wuser),
        .s_axi_wvalid(s_axi_wvalid),
        .s_axi_wready(s_axi_wready),
        .s_axi_bresp(s_axi_bresp),
        .s_axi_blate(s_axi_blate),
        .s_axi_bowed(s_axi_bowed),
        .s_axi_bvalid(s_axi_bvalid),
        .m_axi_awid(m_axi_awid),
        .m_axi_awaddr(m_axi_awaddr),
        .m_axi_awlen(m_axi_awlen),
        .m_axi_awvalid(m_axi_awvalid),
        .m_axi_awready(m_axi_awready),
        .m_axi_wdata(m_axi_wdata),
        .m_axi_wuser(m_axi_wuser),
        .m_axi_wstrb(m_axi_wstrb),
        .m_axi_wlast(m_axi_wlast),
        .m_axi_wvalid(m_axi_wvalid),
        .m_axi_wready(m_axi_wready),
        .m_axi_bid(m_axi_bid),
        .m_axi_bresp(m_axi_bresp),
        .m_axi_bvalid(m_axi_bvalid),
        .m_axi_bready(m_axi_bready)
    );

    assign m_axi_awsize  = SIZE_64;
    assign m_axi_awburst = INCR;
    assign m_axi_arsize  = SIZE_64;
    assign m_axi_arburst = INCR;

    assign busy_o    = read_busy || write_busy;
    assign timeout_o = read_timeout || write_timeout;
endmodule

`default_nettype wire
