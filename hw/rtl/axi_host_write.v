// SPDX-License-Identifier: MIT
// axi_host_write: AXI4 write channels of the host port, turned into line writes.
//
// Every beat becomes one line write with its strobes; a beat without strobes changes nothing and is not passed on. Beats
// outside the perceived pages are dropped and answered DECERR, refused lines SLVERR; a burst gets the worst of its beats.
//
// Handshake: AXI4 slave (AW, W, B) with one burst under way; lines are valid/ready with the error in the same cycle.
// Latency:   a line a cycle while the cache takes them.

`default_nettype none

module axi_host_write #(
    parameter PAGE_BITS = 12
) (
    input  wire                 clk_i,
    input  wire                 rst_ni,
    output wire                 idle_o,
    output wire                 moves_o,      // the next edge changes something

    input  wire [7:0]           s_axi_awid,
    input  wire [39:0]          s_axi_awaddr,
    input  wire [7:0]           s_axi_awlen,
    input  wire [2:0]           s_axi_awsize,
    input  wire [1:0]           s_axi_awburst,
    input  wire                 s_axi_awvalid,
    output wire                 s_axi_awready,
    input  wire [511:0]         s_axi_wdata,
    input  wire [63:0]          s_axi_wstrb,
    input  wire                 s_axi_wlast,
    input  wire                 s_axi_wvalid,
    output wire                 s_axi_wready,
    output wire [7:0]           s_axi_bid,
    output wire [1:0]           s_axi_bresp,
    output wire                 s_axi_bvalid,
    input  wire                 s_axi_bready,

    output wire                 line_valid_o,
    input  wire                 line_ready_i,
    input  wire                 line_error_i,
    output wire [PAGE_BITS-1:0] line_look_o,   // line_page_o of the next cycle
    output wire [PAGE_BITS-1:0] line_page_o,
    output wire [5:0]           line_index_o,
    output wire [511:0]         line_data_o,
    output wire [63:0]          line_strobe_o,
    output wire                 line_again_o,  // a line of this burst was refused before
    output wire                 burst_o        // beats of a burst are still to come, the next one in page line_page_o
);
    localparam [1:0] OKAY = 2'b00, SLVERR = 2'b10, DECERR = 2'b11;
    localparam [1:0] IDLE = 2'd0, DATA = 2'd1, RESPOND = 2'd2;

    reg [1:0]  state_q;
    reg [7:0]  id_q, length_q;
    reg [39:0] address_q;
    reg [2:0]  size_q;
    reg [1:0]  burst_q;
    reg [1:0]  response_q;

    wire [39:0] next_address;
    wire        outside = |address_q[39:PAGE_BITS+12];
    wire        empty   = s_axi_wstrb == 64'd0;
    wire        pass    = !outside && !empty;
    wire        beat    = s_axi_wvalid && s_axi_wready;
    wire [1:0]  answer  = outside ? DECERR : pass && line_error_i ? SLVERR : OKAY;

    axi_burst_address u_address (
        .address_i(address_q),
        .length_i(length_q),
        .size_i(size_q),
        .burst_i(burst_q),
        .next_o(next_address)
    );

    assign idle_o        = state_q == IDLE && !s_axi_awvalid;
    assign moves_o       = (s_axi_awvalid && s_axi_awready) || beat || (s_axi_bvalid && s_axi_bready);
    assign s_axi_awready = state_q == IDLE;
    assign s_axi_wready  = state_q == DATA && (!pass || line_ready_i);
    assign s_axi_bid     = id_q;
    assign s_axi_bresp   = response_q;
    assign s_axi_bvalid  = state_q == RESPOND;

    assign line_valid_o  = state_q == DATA && s_axi_wvalid && pass;
    assign line_look_o   = state_q == IDLE ? s_axi_awaddr[PAGE_BITS+11:12] : address_q[PAGE_BITS+11:12];  // a burst stays in its page
    assign line_page_o   = address_q[PAGE_BITS+11:12];
    assign line_index_o  = address_q[11:6];
    assign line_data_o   = s_axi_wdata;
    assign line_strobe_o = s_axi_wstrb;
    assign line_again_o  = response_q != OKAY;
    assign burst_o       = state_q == DATA && !outside;

    always @(posedge clk_i) begin
        case (state_q)
            IDLE: if (s_axi_awvalid) begin
                state_q    <= DATA;
                id_q       <= s_axi_awid;
                address_q  <= s_axi_awaddr;
                length_q   <= s_axi_awlen;
                size_q     <= s_axi_awsize;
                burst_q    <= s_axi_awburst;
                response_q <= OKAY;
            end
            DATA: if (beat) begin
                address_q <= next_address;
                if (answer > response_q) response_q <= answer;
                if (s_axi_wlast) state_q <= RESPOND;
            end
            default: if (s_axi_bready) state_q <= IDLE;
        endcase
        if (!rst_ni) state_q <= IDLE;
    end

`ifdef FORMAL
    // An edge that `moves_o` does not announce changes nothing.
    reg rested_q;

    initial rested_q = 1'b0;
    always @(posedge clk_i) begin
        rested_q <= rst_ni && !moves_o;
        if (rested_q) assert ($stable({state_q, id_q, address_q, length_q, size_q, burst_q, response_q}));
    end
`endif
endmodule

`default_nettype wire
