// SPDX-License-Identifier: MIT
// media_writer: writes sectors to the media, AXI4 master side.
//
// Handshake: a sector is asked for with `sector_valid_i`/`sector_ready_o` (its number, and how many 64-byte beats of it
//            are used, 1 or more, from `offset_i` on); its beats then follow on `data_*`. `idle_o` is high when nothing is under way and all
//            write responses have come. From `clear_i` on the sectors count as positions 0, 1, ... of a chain of at most
//            64: `bad_o` tells of which the media's response was bad, `late_o` that the port gave one, because the media
//            did not answer in time (`late_i`, beside the response), `owed_o` that the media was shown such a sector and may
//            still write it (`owed_i`). All stay to the next `clear_i`, which
//            comes with nothing under way.
// Latency:   AW and the first W beat one cycle after the sector was taken; sectors follow each other without waiting
//            for responses.

`default_nettype none

module media_writer #(
    parameter SECTOR_BYTES = 256,
    parameter SECTOR_BITS  = 14
) (
    input  wire                   clk_i,
    input  wire                   rst_ni,
    input  wire                   clear_i,
    output wire                   idle_o,
    output wire [63:0]            bad_o,
    output wire                   late_o,
    output wire                   owed_o,

    input  wire                   sector_valid_i,
    output wire                   sector_ready_o,
    input  wire [SECTOR_BITS-1:0] sector_i,
    input  wire [5:0]             offset_i,  // beats of the sector before them
    input  wire [4:0]             beats_i,

    input  wire                   data_valid_i,
    output wire                   data_ready_o,
    input  wire [511:0]           data_i,

    output wire [39:0]            m_axi_awaddr,
    output wire [7:0]             m_axi_awlen,
    output wire                   m_axi_awvalid,
    input  wire                   m_axi_awready,
    output wire [511:0]           m_axi_wdata,
    output wire                   m_axi_wlast,
    output wire                   m_axi_wvalid,
    input  wire                   m_axi_wready,
    input  wire [1:0]             m_axi_bresp,
    input  wire                   m_axi_bvalid,
    output wire                   m_axi_bready,
    input  wire                   late_i,
    input  wire                   owed_i
);
    localparam OFFSET_BITS = $clog2(SECTOR_BYTES);

    reg                   address_pending_q;
    reg [SECTOR_BITS-1:0] sector_q;
    reg [5:0]             offset_q;        // beats of it that are left out before
    reg [4:0]             beats_q;         // beats of this sector
    reg [4:0]             left_q;          // beats still to send
    reg [7:0]             outstanding_q;   // bursts without a response
    reg [5:0]             position_q;      // of the sector whose response comes next: responses come in order
    reg [63:0]            bad_q;
    reg                   late_q, owed_q;

    wire take     = sector_valid_i && sector_ready_o;
    wire response = m_axi_bvalid && m_axi_bready;
    wire unused   = m_axi_bresp[0];  // SLVERR or DECERR is all the same

    assign sector_ready_o = !address_pending_q && left_q == 0 && !outstanding_q[7];
    assign idle_o         = !address_pending_q && left_q == 0 && outstanding_q == 0;
    assign bad_o          = bad_q;
    assign late_o         = late_q;
    assign owed_o         = owed_q;

    assign m_axi_awaddr  = {{(40 - OFFSET_BITS - SECTOR_BITS){1'b0}}, sector_q, {OFFSET_BITS{1'b0}}} | {28'd0, offset_q, 6'd0};
    assign m_axi_awlen   = {3'd0, beats_q} - 8'd1;
    assign m_axi_awvalid = address_pending_q;

    assign m_axi_wdata   = data_i;
    assign m_axi_wlast   = left_q == 1;
    assign m_axi_wvalid  = left_q != 0 && data_valid_i;
    assign data_ready_o  = left_q != 0 && m_axi_wready;

    assign m_axi_bready  = 1'b1;

    always @(posedge clk_i) begin
        if (take) begin
            address_pending_q <= 1'b1;
            sector_q          <= sector_i;
            offset_q          <= offset_i;
            beats_q           <= beats_i;
            left_q            <= beats_i;
        end else begin
            if (m_axi_awready) address_pending_q <= 1'b0;
            if (m_axi_wvalid && m_axi_wready) left_q <= left_q - 1'b1;
        end
        if (take != response) outstanding_q <= take ? outstanding_q + 1'b1 : outstanding_q - 1'b1;
        if (clear_i) begin
            position_q <= 6'd0;
            bad_q      <= 64'd0;
            late_q     <= 1'b0;
            owed_q     <= 1'b0;
        end else if (response) begin
            position_q <= position_q + 1'b1;
            if (m_axi_bresp[1] && !late_i) bad_q[position_q] <= 1'b1;
            if (m_axi_bresp[1] && late_i) late_q <= 1'b1;
            if (m_axi_bresp[1] && late_i && owed_i) owed_q <= 1'b1;
        end
        if (!rst_ni) begin
            address_pending_q <= 1'b0;
            left_q            <= 0;
            outstanding_q     <= 0;
            position_q        <= 6'd0;
            bad_q             <= 64'd0;
            late_q            <= 1'b0;
            owed_q            <= 1'b0;
        end
    end
endmodule

`default_nettype wire
