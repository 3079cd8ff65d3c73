// SPDX-License-Identifier: MIT
// cram_bench: the device with a host in front of it and its media behind it.
//
//     host_port --(AXI4, AXI4-Lite)--> cram_device --(AXI4)--> media_dram
//
// Handshake: the toggles of host_port. `busy_o` is high while anything is under way: the clock may stop when it is low.
//            The media has a reset of its own, `media_rst_ni`, which the device is told; `fault_*` are those of media_dram.
// Latency:   that of the parts; a reset takes one cycle to reach them.

`default_nettype none

module cram_bench #(
    parameter PERCEIVED_PAGES = 4096,
    parameter MEDIA_BYTES     = 4194304,
    parameter SECTOR_BYTES    = 256,
    parameter CACHE_PAGES     = 8,
    parameter BYTES_PER_CYCLE = 8,
    parameter FILL_ENGINES    = 4,
    parameter PROMOTED_PAGES  = 0,
    parameter GATE_CLOCKS     = 1,
    parameter MEDIA_LATENCY   = 40
) (
    input  wire           clk_i,
    input  wire           rst_ni,
    input  wire           media_rst_ni,
    input  wire [4:0]     fault_i,
    input  wire [39:0]    fault_address_i,
    input  wire [31:0]    fault_delay_i,
    output wire           busy_o,
    output wire [15:0]    interrupt_o,
    output reg  [63:0]    cycles_o,  // clock cycles since start, those in reset not counted

    input  wire           write_request_i,
    output wire           write_done_o,
    input  wire [39:0]    write_address_i,
    input  wire [6:0]     write_beats_i,
    input  wire [32767:0] write_data_i,
    output wire [1:0]     write_response_o,

    input  wire           read_request_i,
    output wire           read_done_o,
    input  wire [39:0]    read_address_i,
    input  wire [6:0]     read_beats_i,
    output wire [32767:0] read_data_o,
    output wire [1:0]     read_response_o,

    input  wire           register_request_i,
    output wire           register_done_o,
    input  wire           register_write_i,
    input  wire [15:0]    register_address_i,
    input  wire [10:0]    register_words_i,
    input  wire [511:0]   register_head_i,
    output wire [511:0]   register_head_o,
    input  wire [32767:0] register_data_i,
    output wire [32767:0] register_data_o,
    output wire [1:0]     register_response_o
);
    wire host_busy, device_idle, media_idle;

    // Taken at an edge, as all inputs are: else a simulator works out everything behind them again whenever one moves. The
    // host starts a cycle before the others, and needs that cycle to bring its first address.
    reg reset_n, media_reset_n;

    initial reset_n = 1'b0;
    initial media_reset_n = 1'b0;
    always @(posedge clk_i) reset_n <= rst_ni;
    always @(posedge clk_i) media_reset_n <= media_rst_ni;

    assign busy_o = host_busy || !device_idle || !media_idle || !reset_n || !media_reset_n;

    initial cycles_o = 64'd0;
    always @(posedge clk_i) if (rst_ni) cycles_o <= cycles_o + 1'b1;

    wire         host_awvalid, host_awready, host_wlast, host_wvalid, host_wready, host_bvalid, host_bready;
    wire         host_arvalid, host_arready, host_rlast, host_rvalid, host_rready;
    wire [1:0]    host_awburst, host_bresp, host_arburst, host_rresp;
    wire [2:0]    host_awsize, host_arsize;
    wire [7:0]    host_awid, host_awlen, host_bid, host_arid, host_arlen, host_rid;
    wire [39:0]   host_awaddr, host_araddr;
    wire [63:0]   host_wstrb;
    wire [511:0]  host_wdata, host_rdata;
    wire         media_awvalid, media_awready, media_wlast, media_wvalid, media_wready, media_bvalid, media_bready;
    wire         media_arvalid, media_arready, media_rlast, media_rvalid, media_rready;
    wire [1:0]    media_awburst, media_bresp, media_arburst, media_rresp;
    wire [2:0]    media_awsize, media_arsize;
    wire [7:0]    media_awid, media_awlen, media_bid, media_arid, media_arlen, media_rid;
    wire [39:0]   media_awaddr, media_araddr;
    wire [63:0]   media_wstrb;
    wire [511:0]  media_wdata, media_rdata;
    wire [30:0]   media_wuser, media_ruser;
    wire         axil_awvalid, axil_awready, axil_wvalid, axil_wready, axil_bvalid, axil_bready;
    wire         axil_arvalid, axil_arready, axil_rvalid, axil_rready;
    wire [15:0]  axil_awaddr, axil_araddr;
    wire [31:0]  axil_wdata, axil_rdata;
    wire [1:0]   axil_bresp, axil_rresp;

    host_port u_host (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .busy_o(host_busy),
        .write_request_i(write_request_i),
        .write_done_o(write_done_o),
        .write_address_i(write_address_i),
        .write_beats_i(write_beats_i),
        .write_data_i(write_data_i),
        .write_response_o(write_response_o),
        .read_request_i(read_request_i),
        .read_done_o(read_done_o),
        .read_address_i(read_address_i),
        .read_beats_i(read_beats_i),
        .read_data_o(read_data_o),
        .read_response_o(read_response_o),
        .register_request_i(register_request_i),
        .register_done_o(register_done_o),
        .register_write_i(register_write_i),
        .register_address_i(register_address_i),
        .register_words_i(register_words_i),
        .register_head_i(register_head_i),
        .register_head_o(register_head_o),
        .register_data_i(register_data_i),
        .register_data_o(register_data_o),
        .register_response_o(register_response_o),
        .m_axi_awid(host_awid),
        .m_axi_awaddr(host_awaddr),
        .m_axi_awlen(host_awlen),
        .m_axi_awsize(host_awsize),
        .m_axi_awburst(host_awburst),
        .m_axi_awvalid(host_awvalid),
        .m_axi_awready(host_awready),
        .m_axi_wdata(host_wdata),
        .m_axi_wstrb(host_wstrb),
        .m_axi_wlast(host_wlast),
        .m_axi_wvalid(host_wvalid),
        .m_axi_wready(host_wready),
        .m_axi_bresp(host_bresp),
        .m_axi_bvalid(host_bvalid),
        .m_axi_bready(host_bready),
        .m_axi_arid(host_arid),
        .m_axi_araddr(host_araddr),
        .m_axi_arlen(host_arlen),
        .m_axi_arsize(host_arsize),
        .m_axi_arburst(host_arburst),
        .m_axi_arvalid(host_arvalid),
        .m_axi_arready(host_arready),
        .m_axi_rdata(host_rdata),
        .m_axi_rresp(host_rresp),
        .m_axi_rlast(host_rlast),
        .m_axi_rvalid(host_rvalid),
        .m_axi_rready(host_rready),
        .m_axil_awvalid(axil_awvalid),
        .m_axil_awready(axil_awready),
        .m_axil_awaddr(axil_awaddr),
        .m_axil_wvalid(axil_wvalid),
        .m_axil_wready(axil_wready),
        .m_axil_wdata(axil_wdata),
        .m_axil_bvalid(axil_bvalid),
        .m_axil_bready(axil_bready),
        .m_axil_bresp(axil_bresp),
        .m_axil_arvalid(axil_arvalid),
        .m_axil_arready(axil_arready),
        .m_axil_araddr(axil_araddr),
        .m_axil_rvalid(axil_rvalid),
        .m_axil_rready(axil_rready),
        .m_axil_rdata(axil_rdata),
        .m_axil_rresp(axil_rresp)
    );

    cram_device #(
        .PERCEIVED_PAGES(PERCEIVED_PAGES),
        .MEDIA_BYTES(MEDIA_BYTES),
        .SECTOR_BYTES(SECTOR_BYTES),
        .CACHE_PAGES(CACHE_PAGES),
        .BYTES_PER_CYCLE(BYTES_PER_CYCLE),
        .FILL_ENGINES(FILL_ENGINES),
        .PROMOTED_PAGES(PROMOTED_PAGES),
        .GATE_CLOCKS(GATE_CLOCKS)
    ) u_device (
        .clk_i(clk_i),
        .rst_ni(reset_n),
        .media_rst_ni(media_reset_n),
        .idle_o(device_idle),
        .interrupt_o(interrupt_o),
        .s_axi_awid(host_awid),
        .s_axi_awaddr(host_awaddr),
        .s_axi_awlen(host_awlen),
        .s_axi_awsize(host_awsize),
        .s_axi_awburst(host_awburst),
        .s_axi_awvalid(host_awvalid),
        .s_axi_awready(host_awready),
        .s_axi_wdata(host_wdata),
        .s_axi_wstrb(host_wstrb),
        .s_axi_wlast(host_wlast),
        .s_axi_wvalid(host_wvalid),
        .s_axi_wready(host_wready),
        .s_axi_bid(host_bid),
        .s_axi_bresp(host_bresp),
        .s_axi_bvalid(host_bvalid),
        .s_axi_bready(host_bready),
        .s_axi_arid(host_arid),
        .s_axi_araddr(host_araddr),
        .s_axi_arlen(host_arlen),
        .s_axi_arsize(host_arsize),
        .s_axi_arburst(host_arburst),
        .s_axi_arvalid(host_arvalid),
        .s_axi_arready(host_arready),
        .s_axi_rid(host_rid),
        .s_axi_rdata(host_rdata),
        .s_axi_rresp(host_rresp),
        .s_axi_rlast(host_rlast),
        .s_axi_rvalid(host_rvalid),
        .s_axi_rready(host_rready),
        .s_axil_awvalid(axil_awvalid),
        .s_axil_awready(axil_awready),
        .s_axil_awaddr(axil_awaddr),
        .s_axil_awprot(3'd0),
        .s_axil_wvalid(axil_wvalid),
        .s_axil_wready(axil_wready),
        .s_axil_wdata(axil_wdata),
        .s_axil_wstrb(4'hF),
        .s_axil_bvalid(axil_bvalid),
        .s_axil_bready(axil_bready),
        .s_axil_bresp(axil_bresp),
        .s_axil_arvalid(axil_arvalid),
        .s_axil_arready(axil_arready),
        .s_axil_araddr(axil_araddr),
        .s_axil_arprot(3'd0),
        .s_axil_rvalid(axil_rvalid),
        .s_axil_rready(axil_rready),
        .s_axil_rdata(axil_rdata),
        .s_axil_rresp(axil_rresp),
        .m_axi_awid(media_awid),
        .m_axi_awaddr(media_awaddr),
        .m_axi_awlen(media_awlen),
        .m_axi_awsize(media_awsize),
        .m_axi_awburst(media_awburst),
        .m_axi_awvalid(media_awvalid),
        .m_axi_awready(media_awready),
        .m_axi_wdata(media_wdata),
        .m_axi_wuser(media_wuser),
        .m_axi_wstrb(media_wstrb),
        .m_axi_wlast(media_wlast),
        .m_axi_wvalid(media_wvalid),
        .m_axi_wready(media_wready),
        .m_axi_bid(media_bid),
        .m_axi_bresp(media_bresp),
        .m_axi_bvalid(media_bvalid),
        .m_axi_bready(media_bready),
        .m_axi_arid(media_arid),
        .m_axi_araddr(media_araddr),
        .m_axi_arlen(media_arlen),
        .m_axi_arsize(media_arsize),
        .m_axi_arburst(media_arburst),
        .m_axi_arvalid(media_arvalid),
        .m_axi_arready(media_arready),
        .m_axi_rid(media_rid),
        .m_axi_rdata(media_rdata),
        .m_axi_ruser(media_ruser),
        .m_axi_rresp(media_rresp),
        .m_axi_rlast(media_rlast),
        .m_axi_rvalid(media_rvalid),
        .m_axi_rready(media_rready)
    );

    wire media_clk;

    clock_gate u_media_clock (
        .clk_i(clk_i),
        .enable_i(!media_reset_n || media_awvalid || media_wvalid || media_arvalid || !media_idle),
        .clk_o(media_clk)
    );

    media_dram #(
        .MEDIA_BYTES(MEDIA_BYTES),
        .LATENCY(MEDIA_LATENCY)
    ) u_media (
        .clk_i(media_clk),
        .rst_ni(media_reset_n),
        .idle_o(media_idle),
        .fault_i(fault_i),
        .fault_address_i(fault_address_i),
        .fault_delay_i(fault_delay_i),
        .s_axi_awid(media_awid),
        .s_axi_awaddr(media_awaddr),
        .s_axi_awlen(media_awlen),
        .s_axi_awvalid(media_awvalid),
        .s_axi_awready(media_awready),
        .s_axi_wdata(media_wdata),
        .s_axi_wuser(media_wuser),
        .s_axi_wstrb(media_wstrb),
        .s_axi_wlast(media_wlast),
        .s_axi_wvalid(media_wvalid),
        .s_axi_wready(media_wready),
        .s_axi_bid(media_bid),
        .s_axi_bresp(media_bresp),
        .s_axi_bvalid(media_bvalid),
        .s_axi_bready(media_bready),
        .s_axi_arid(media_arid),
        .s_axi_araddr(media_araddr),
        .s_axi_arlen(media_arlen),
        .s_axi_arvalid(media_arvalid),
        .s_axi_arready(media_arready),
        .s_axi_rid(media_rid),
        .s_axi_rdata(media_rdata),
        .s_axi_ruser(media_ruser),
        .s_axi_rresp(media_rresp),
        .s_axi_rlast(media_rlast),
        .s_axi_rvalid(media_rvalid),
        .s_axi_rready(media_rready)
    );

    // The media knows INCR bursts of whole lines and one initiator only; the host port one transfer at a time.
    wire unused = &{1'b0, media_awsize, media_awburst, media_arsize, media_arburst, host_bid, host_rid};
endmodule

`default_nettype wire
