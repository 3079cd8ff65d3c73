// SPDX-License-Identifier: MIT
// page_store: the media side of the device: closing, filling and releasing stored pages.
//
// Wires the three workers to the sector allocator and the media bus. The sequencer starts one at a time, so the
// allocator's port is shared by a plain OR.
//
// Handshake: those of page_closer, page_filler and chain_release.
// Latency:   theirs.

`default_nettype none

module page_store #(
    parameter SECTORS      = 16384,
    parameter SECTOR_BITS  = 14,
    parameter SECTOR_BYTES = 256,
    parameter GATE_CLOCKS  = 1
) (
    input  wire                   clk_i,
    input  wire                   rst_ni,
    output wire                   busy_o,         // free sectors are looked for, or come back
    output wire                   returned_o,     // pulse: one came back of those that the media might still have written
    output wire [SECTOR_BITS:0]   free_o,

    // ---- close ----
    input  wire [23:0]            page_i,         // that is closed or filled; holds until done
    input  wire                   close_start_i,
    output wire                   close_done_o,
    output wire [7:0]             close_error_o,
    output wire [2:0]             close_state_o,
    output wire [12:0]            close_length_o,
    output wire [63:0]            close_word_o,
    output wire [31:0]            close_crc_o,
    output wire [SECTOR_BITS-1:0] close_first_o,
    output wire [6:0]             close_count_o,
    output wire                   stream_start_o,
    output wire                   stream_clear_o,
    input  wire                   stream_valid_i,
    output wire                   stream_ready_o,
    input  wire [511:0]           stream_data_i,
    input  wire [30:0]            stream_check_i,
    input  wire                   stream_error_i,

    // ---- fill ----
    input  wire                   fill_start_i,
    input  wire                   fill_export_i,
    input  wire [2:0]             fill_state_i,
    input  wire [12:0]            fill_length_i,
    input  wire [63:0]            fill_word_i,
    input  wire [31:0]            fill_crc_i,
    input  wire [SECTOR_BITS-1:0] fill_first_i,
    output wire                   fill_done_o,
    output wire [7:0]             fill_error_o,
    output wire                   line_valid_o,
    output wire [5:0]             line_o,
    output wire [511:0]           line_data_o,
    output wire                   block_valid_o,
    output wire [511:0]           block_data_o,

    // ---- import: a block of an LZ4 page, checked by a fill, then stored by a close ----
    input  wire                   import_i,
    input  wire [12:0]            import_length_i,
    input  wire                   import_valid_i,
    output wire                   import_ready_o,
    input  wire [511:0]           import_data_i,
    input  wire [6:0]             import_bytes_i,
    input  wire                   import_last_i,

    // ---- flipped bits ----
    output wire [1:0]             corrected_o,    // pulses: links, media
    output wire                   lost_o,         // pulse for each sector that is out of reach

    // ---- release ----
    input  wire                   release_start_i,
    input  wire [SECTOR_BITS-1:0] release_first_i,
    input  wire [6:0]             release_count_i,
    input  wire                   release_close_i,  // the chain of the last close: its bad sectors are retired
    input  wire                   release_fill_i,   // that of the last fill: likewise
    output wire                   release_done_o,
    output wire                   retired_o,        // `retired_sector_o` will not be used again
    output wire [SECTOR_BITS-1:0] retired_sector_o,

    // ---- media: to media_port ----
    output wire [39:0]            m_axi_awaddr,
    output wire [7:0]             m_axi_awlen,
    output wire                   m_axi_awvalid,
    input  wire                   m_axi_awready,
    output wire [511:0]           m_axi_wdata,
    output wire [30:0]            m_axi_wuser,
    output wire                   m_axi_wlast,
    output wire                   m_axi_wvalid,
    input  wire                   m_axi_wready,
    input  wire [1:0]             m_axi_bresp,
    input  wire                   m_axi_bvalid,
    output wire                   m_axi_bready,
    input  wire                   b_late_i,         // beside B: the port's own response, the media gave none in time
    input  wire                   b_owed_i,         // and it may still do what it was asked
    input  wire                   settled_i,        // it will not any more
    output wire [39:0]            m_axi_araddr,
    output wire [7:0]             m_axi_arlen,
    output wire                   m_axi_arvalid,
    input  wire                   m_axi_arready,
    input  wire [511:0]           m_axi_rdata,
    input  wire [30:0]            m_axi_ruser,
    input  wire [1:0]             m_axi_rresp,
    input  wire                   m_axi_rvalid,
    output wire                   m_axi_rready,
    input  wire                   r_late_i
);
    localparam [1:0] FOLLOW = 2'd3;

    wire                   close_op_valid, fill_op_valid, release_op_valid;
    wire [1:0]             close_op, release_op;
    wire [SECTOR_BITS-1:0] close_op_sector, close_op_next, fill_op_sector, release_op_sector;
    wire                   op_ready, result_valid;
    wire [SECTOR_BITS-1:0] result;
    wire                   result_error, list_lost_valid, chain_lost_valid, link_corrected, beat_corrected;
    wire [SECTOR_BITS:0]   list_lost;
    wire [6:0]             chain_lost;
    wire [63:0]            close_bad, fill_bad;  // sectors of the chain, by position
    wire                   close_owed, release_op_hold;

    sector_allocator #(
        .SECTORS(SECTORS),
        .SECTOR_BITS(SECTOR_BITS)
    ) u_allocator (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .op_valid_i(close_op_valid || fill_op_valid || release_op_valid),
        .op_ready_o(op_ready),
        .op_i(close_op_valid ? close_op : fill_op_valid ? FOLLOW : release_op),
        .sector_i(close_op_valid ? close_op_sector : fill_op_valid ? fill_op_sector : release_op_sector),
        .next_i(close_op_next),
        .hold_i(release_op_hold),
        .settled_i(settled_i),
        .busy_o(busy_o),
        .returned_o(returned_o),
        .result_valid_o(result_valid),
        .result_o(result),
        .result_error_o(result_error),
        .lost_valid_o(list_lost_valid),
        .lost_o(list_lost),
        .corrected_o(link_corrected),
        .free_o(free_o)
    );

    // ---- clocks: closer and filler rest most of the time. One that rests may miss the first edge in reset, hence a
    //      reset of at least two edges for them.
    reg  reset_q;
    wire engine_rst_n = rst_ni && !reset_q;
    wire closer_busy, closer_clk, filler_busy, filler_clk;

    always @(posedge clk_i) reset_q <= !rst_ni;

    clock_gate #(
        .GATE(GATE_CLOCKS)
    ) u_closer_clock (
        .clk_i(clk_i),
        .enable_i(!engine_rst_n || close_start_i || closer_busy || import_i),
        .clk_o(closer_clk)
    );

    clock_gate #(
        .GATE(GATE_CLOCKS)
    ) u_filler_clock (
        .clk_i(clk_i),
        .enable_i(!engine_rst_n || fill_start_i || filler_busy),
        .clk_o(filler_clk)
    );

    page_closer #(
        .SECTOR_BYTES(SECTOR_BYTES),
        .SECTOR_BITS(SECTOR_BITS)
    ) u_closer (
        .clk_i(closer_clk),
        .rst_ni(engine_rst_n),
        .start_i(close_start_i),
        .busy_o(closer_busy),
        .done_o(close_done_o),
        .error_o(close_error_o),
        .bad_o(close_bad),
        .owed_o(close_owed),
        .state_o(close_state_o),
        .length_o(close_length_o),
        .word_o(close_word_o),
        .crc_o(close_crc_o),
        .first_o(close_first_o),
        .count_o(close_count_o),
        .free_i(free_o),
        .page_i(page_i),
        .import_clear_i(fill_start_i && import_i),
        .import_take_i(import_valid_i && import_ready_o),
        .import_data_i(import_data_i),
        .import_i(import_i),
        .import_length_i(import_length_i),
        .stream_start_o(stream_start_o),
        .stream_clear_o(stream_clear_o),
        .stream_valid_i(stream_valid_i),
        .stream_ready_o(stream_ready_o),
        .stream_data_i(stream_data_i),
        .stream_check_i(stream_check_i),
        .stream_error_i(stream_error_i),
        .op_valid_o(close_op_valid),
        .op_ready_i(op_ready),
        .op_o(close_op),
        .sector_o(close_op_sector),
        .next_o(close_op_next),
        .result_valid_i(result_valid),
        .result_i(result),
        .m_axi_awaddr(m_axi_awaddr),
        .m_axi_awlen(m_axi_awlen),
        .m_axi_awvalid(m_axi_awvalid),
        .m_axi_awready(m_axi_awready),
        .m_axi_wdata(m_axi_wdata),
        .m_axi_wuser(m_axi_wuser),
        .m_axi_wlast(m_axi_wlast),
        .m_axi_wvalid(m_axi_wvalid),
        .m_axi_wready(m_axi_wready),
        .m_axi_bresp(m_axi_bresp),
        .m_axi_bvalid(m_axi_bvalid),
        .m_axi_bready(m_axi_bready),
        .b_late_i(b_late_i),
        .b_owed_i(b_owed_i)
    );

    page_filler #(
        .SECTOR_BYTES(SECTOR_BYTES),
        .SECTOR_BITS(SECTOR_BITS)
    ) u_filler (
        .clk_i(filler_clk),
        .rst_ni(engine_rst_n),
        .start_i(fill_start_i),
        .busy_o(filler_busy),
        .export_i(fill_export_i),
        .import_i(import_i),
        .import_valid_i(import_valid_i),
        .import_ready_o(import_ready_o),
        .import_data_i(import_data_i),
        .import_bytes_i(import_bytes_i),
        .import_last_i(import_last_i),
        .state_i(fill_state_i),
        .length_i(fill_length_i),
        .word_i(fill_word_i),
        .crc_i(fill_crc_i),
        .page_i(page_i),
        .first_i(fill_first_i),
        .done_o(fill_done_o),
        .error_o(fill_error_o),
        .bad_o(fill_bad),
        .line_valid_o(line_valid_o),
        .line_o(line_o),
        .line_data_o(line_data_o),
        .block_valid_o(block_valid_o),
        .block_data_o(block_data_o),
        .op_valid_o(fill_op_valid),
        .op_ready_i(op_ready),
        .sector_o(fill_op_sector),
        .result_valid_i(result_valid),
        .result_i(result),
        .result_error_i(result_error),
        .corrected_o(beat_corrected),
        .m_axi_araddr(m_axi_araddr),
        .m_axi_arlen(m_axi_arlen),
        .m_axi_arvalid(m_axi_arvalid),
        .m_axi_arready(m_axi_arready),
        .m_axi_rdata(m_axi_rdata),
        .m_axi_ruser(m_axi_ruser),
        .m_axi_rresp(m_axi_rresp),
        .m_axi_rvalid(m_axi_rvalid),
        .m_axi_rready(m_axi_rready),
        .r_late_i(r_late_i)
    );

    chain_release #(
        .SECTOR_BITS(SECTOR_BITS)
    ) u_release (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .start_i(release_start_i),
        .first_i(release_first_i),
        .count_i(release_count_i),
        .bad_i(release_close_i ? close_bad : release_fill_i ? fill_bad : 64'd0),
        .hold_i(release_close_i && close_owed),
        .done_o(release_done_o),
        .retired_o(retired_o),
        .lost_valid_o(chain_lost_valid),
        .lost_o(chain_lost),
        .op_valid_o(release_op_valid),
        .op_ready_i(op_ready),
        .op_o(release_op),
        .hold_o(release_op_hold),
        .sector_o(release_op_sector),
        .result_valid_i(result_valid),
        .result_i(result),
        .result_error_i(result_error)
    );

    assign retired_sector_o = release_op_sector;

    // ---- sectors out of reach, a pulse for each ----
    reg [31:0] lost_q;

    assign corrected_o = {link_corrected, beat_corrected};
    assign lost_o      = lost_q != 0;

    always @(posedge clk_i) begin
        lost_q <= lost_q - {31'd0, lost_o} + (list_lost_valid ? {{(31 - SECTOR_BITS){1'b0}}, list_lost} : 32'd0)
                  + (chain_lost_valid ? {25'd0, chain_lost} : 32'd0);
        if (!rst_ni) lost_q <= 0;
    end
endmodule

`default_nettype wire
