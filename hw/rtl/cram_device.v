// SPDX-License-Identifier: MIT
// cram_device: the compressed-RAM memory expander (docs/device.md).
//
//     s_axi  --> axi_host_write, axi_host_read --> page_cache --> page_store --> m_axi
//                                                     |    \        /
//     s_axil --> cram_registers (mailbox) ------> page_sequencer --+
//
// Handshake: AXI4 host port, AXI4-Lite register port, AXI4 media port; interrupts are levels. While `idle_o` is high and
//            no new request comes, stopping the clock changes nothing but the cycle counter.
// Latency:   see docs/device.md and the blocks.
// Reset:     `rst_ni` is active low and, here and in every module below, synchronous: looked at where the clock rises and
//            nowhere else, so it stands in no sensitivity list. One edge is enough. What it leaves as it was is
//            written before anything depends on it. `media_rst_ni` is the same for media_port, which a reset of the
//            device alone finds at work.

`default_nettype none

module cram_device #(
    parameter PERCEIVED_PAGES = 4096,
    parameter MEDIA_BYTES     = 4194304,
    parameter SECTOR_BYTES    = 256,
    parameter CACHE_PAGES     = 8,
    parameter BYTES_PER_CYCLE = 8,
    parameter PROMOTED_PAGES  = 0,  // pages of the media where hot pages lie as they are
    parameter FILL_ENGINES    = 4,  // pages that are filled at the same time, 1 to 4
    parameter GATE_CLOCKS     = 1,  // 0: blocks that rest keep their clock (clock_gate)
    parameter NS_PER_CYCLE    = 1   // of Get Timestamp
) (
    input  wire         clk_i,
    input  wire         rst_ni,
    input  wire         media_rst_ni,  // of the media and of what faces it: low with rst_ni at power-on
    output wire         idle_o,
    output wire [15:0]  interrupt_o,

    // ---- host memory ----
    input  wire [7:0]   s_axi_awid,
    input  wire [39:0]  s_axi_awaddr,
    input  wire [7:0]   s_axi_awlen,
    input  wire [2:0]   s_axi_awsize,
    input  wire [1:0]   s_axi_awburst,
    input  wire         s_axi_awvalid,
    output wire         s_axi_awready,
    input  wire [511:0] s_axi_wdata,
    input  wire [63:0]  s_axi_wstrb,
    input  wire         s_axi_wlast,
    input  wire         s_axi_wvalid,
    output wire         s_axi_wready,
    output wire [7:0]   s_axi_bid,
    output wire [1:0]   s_axi_bresp,
    output wire         s_axi_bvalid,
    input  wire         s_axi_bready,
    input  wire [7:0]   s_axi_arid,
    input  wire [39:0]  s_axi_araddr,
    input  wire [7:0]   s_axi_arlen,
    input  wire [2:0]   s_axi_arsize,
    input  wire [1:0]   s_axi_arburst,
    input  wire         s_axi_arvalid,
    output wire         s_axi_arready,
    output wire [7:0]   s_axi_rid,
    output wire [511:0] s_axi_rdata,
    output wire [1:0]   s_axi_rresp,
    output wire         s_axi_rlast,
    output wire         s_axi_rvalid,
    input  wire         s_axi_rready,

    // ---- registers ----
    input  wire         s_axil_awvalid,
    output wire         s_axil_awready,
    input  wire [15:0]  s_axil_awaddr,
    input  wire [2:0]   s_axil_awprot,
    input  wire         s_axil_wvalid,
    output wire         s_axil_wready,
    input  wire [31:0]  s_axil_wdata,
    input  wire [3:0]   s_axil_wstrb,
    output wire         s_axil_bvalid,
    input  wire         s_axil_bready,
    output wire [1:0]   s_axil_bresp,
    input  wire         s_axil_arvalid,
    output wire         s_axil_arready,
    input  wire [15:0]  s_axil_araddr,
    input  wire [2:0]   s_axil_arprot,
    output wire         s_axil_rvalid,
    input  wire         s_axil_rready,
    output wire [31:0]  s_axil_rdata,
    output wire [1:0]   s_axil_rresp,

    // ---- media ----
    output wire [7:0]   m_axi_awid,
    output wire [39:0]  m_axi_awaddr,
    output wire [7:0]   m_axi_awlen,
    output wire [2:0]   m_axi_awsize,
    output wire [1:0]   m_axi_awburst,
    output wire         m_axi_awvalid,
    input  wire         m_axi_awready,
    output wire [511:0] m_axi_wdata,
    output wire [30:0]  m_axi_wuser,
    output wire [63:0]  m_axi_wstrb,
    output wire         m_axi_wlast,
    output wire         m_axi_wvalid,
    input  wire         m_axi_wready,
    input  wire [7:0]   m_axi_bid,
    input  wire [1:0]   m_axi_bresp,
    input  wire         m_axi_bvalid,
    output wire         m_axi_bready,
    output wire [7:0]   m_axi_arid,
    output wire [39:0]  m_axi_araddr,
    output wire [7:0]   m_axi_arlen,
    output wire [2:0]   m_axi_arsize,
    output wire [1:0]   m_axi_arburst,
    output wire         m_axi_arvalid,
    input  wire         m_axi_arready,
    input  wire [7:0]   m_axi_rid,
    input  wire [511:0] m_axi_rdata,
    input  wire [30:0]  m_axi_ruser,
    input  wire [1:0]   m_axi_rresp,
    input  wire         m_axi_rlast,
    input  wire         m_axi_rvalid,
    output wire         m_axi_rready
);
    localparam ALL_SECTORS = MEDIA_BYTES / SECTOR_BYTES;
    localparam SECTORS     = ALL_SECTORS - PROMOTED_PAGES * (4096 / SECTOR_BYTES);  // the frames are behind them
    localparam FRAME_BITS  = PROMOTED_PAGES < 2 ? 1 : $clog2(PROMOTED_PAGES);
    localparam PAGE_BITS   = $clog2(PERCEIVED_PAGES);
    localparam SECTOR_BITS = $clog2(ALL_SECTORS);
    localparam ENTRY_BITS  = $clog2(CACHE_PAGES);
    localparam FILLERS     = 2 * FILL_ENGINES > CACHE_PAGES ? CACHE_PAGES / 2 : FILL_ENGINES;  // half of the cache at most
    localparam SPARE       = CACHE_PAGES < 8 ? 1 : CACHE_PAGES / 4;  // entries that are kept clean

    `include "cram_codes.vh"
    `include "cram_registers.vh"

    // ---- parameters outside their range end elaboration with the sentence that names them -------------------------
    generate
        if (PERCEIVED_PAGES < 16 || PERCEIVED_PAGES > 16777216 || (PERCEIVED_PAGES & (PERCEIVED_PAGES - 1)) != 0)
        begin : gen_illegal_perceived_pages
            cram_device_PERCEIVED_PAGES_must_be_a_power_of_two_from_16_to_16777216 u_stop ();
        end
        if (SECTOR_BYTES != 64 && SECTOR_BYTES != 128 && SECTOR_BYTES != 256 && SECTOR_BYTES != 512
            && SECTOR_BYTES != 1024)
        begin : gen_illegal_sector_bytes
            cram_device_SECTOR_BYTES_must_be_64_128_256_512_or_1024 u_stop ();
        end
        if (MEDIA_BYTES < 32768 || (MEDIA_BYTES >> 31) != 0 || MEDIA_BYTES % SECTOR_BYTES != 0)
        begin : gen_illegal_media_bytes
            cram_device_MEDIA_BYTES_must_be_a_multiple_of_SECTOR_BYTES_from_32768_and_below_2_GiB u_stop ();
        end
        if (CACHE_PAGES < 2 || CACHE_PAGES > 64) begin : gen_illegal_cache_pages
            cram_device_CACHE_PAGES_must_be_from_2_to_64 u_stop ();
        end
        if (FILL_ENGINES < 1 || FILL_ENGINES > 4) begin : gen_illegal_fill_engines
            cram_device_FILL_ENGINES_must_be_from_1_to_4 u_stop ();
        end
        if (PROMOTED_PAGES < 0 || PROMOTED_PAGES > 32768 || PROMOTED_PAGES > MEDIA_BYTES / 4096 - 8) begin : gen_illegal_promoted_pages
            cram_device_PROMOTED_PAGES_must_be_from_0_to_32768_and_leave_32_KiB_of_the_media u_stop ();
        end
        if (BYTES_PER_CYCLE != 8) begin : gen_illegal_bytes_per_cycle
            cram_device_BYTES_PER_CYCLE_must_be_8 u_stop ();
        end
    endgenerate

    // ---- clock: what stands between the ports and the engines rests while it waits for one of them -------------------
    wire write_moves, read_moves, cache_moves, sequencer_moves, heat_moves, core_clk;

    clock_gate #(
        .GATE(GATE_CLOCKS)
    ) u_core_clock (
        .clk_i(clk_i),
        .enable_i(!rst_ni || write_moves || read_moves || cache_moves || sequencer_moves || heat_moves),
        .clk_o(core_clk)
    );

    // ---- host ports ---------------------------------------------------------------------------------------------
    wire                 write_valid, write_ready, write_error, write_again, write_burst, write_idle;
    wire [PAGE_BITS-1:0] write_look, write_page;
    wire [5:0]           write_line;
    wire [511:0]         write_data;
    wire [63:0]          write_strobe;

    axi_host_write #(
        .PAGE_BITS(PAGE_BITS)
    ) u_write (
        .clk_i(core_clk),
        .rst_ni(rst_ni),
        .idle_o(write_idle),
        .moves_o(write_moves),
        .s_axi_awid(s_axi_awid),
        .s_axi_awaddr(s_axi_awaddr),
        .s_axi_awlen(s_axi_awlen),
        .s_axi_awsize(s_axi_awsize),
        .s_axi_awburst(s_axi_awburst),
        .s_axi_awvalid(s_axi_awvalid),
        .s_axi_awready(s_axi_awready),
        .s_axi_wdata(s_axi_wdata),
        .s_axi_wstrb(s_axi_wstrb),
        .s_axi_wlast(s_axi_wlast),
        .s_axi_wvalid(s_axi_wvalid),
        .s_axi_wready(s_axi_wready),
        .s_axi_bid(s_axi_bid),
        .s_axi_bresp(s_axi_bresp),
        .s_axi_bvalid(s_axi_bvalid),
        .s_axi_bready(s_axi_bready),
        .line_valid_o(write_valid),
        .line_ready_i(write_ready),
        .line_error_i(write_error),
        .line_look_o(write_look),
        .line_page_o(write_page),
        .line_index_o(write_line),
        .line_data_o(write_data),
        .line_strobe_o(write_strobe),
        .line_again_o(write_again),
        .burst_o(write_burst)
    );

    wire                 read_aside;
    wire                 read_valid, read_ready, read_miss, read_error, read_idle;
    wire                 read_look, read_again, read_first, burst_first;
    wire                 wait_valid, wait_ready, wait_again, refuse_read;
    wire                 seek_read, wait_first, wait_busy;
    wire [PAGE_BITS-1:0] read_look_page, read_page, wait_look_page, wait_page, first_page, lookup_page;
    wire [5:0]           read_look_line, read_line, wait_look_line, wait_line;
    wire [511:0]         read_data;

    axi_host_read #(
        .PAGE_BITS(PAGE_BITS)
    ) u_read (
        .clk_i(core_clk),
        .rst_ni(rst_ni),
        .idle_o(read_idle),
        .moves_o(read_moves),
        .s_axi_arid(s_axi_arid),
        .s_axi_araddr(s_axi_araddr),
        .s_axi_arlen(s_axi_arlen),
        .s_axi_arsize(s_axi_arsize),
        .s_axi_arburst(s_axi_arburst),
        .s_axi_arvalid(s_axi_arvalid),
        .s_axi_arready(s_axi_arready),
        .s_axi_rid(s_axi_rid),
        .s_axi_rdata(s_axi_rdata),
        .s_axi_rresp(s_axi_rresp),
        .s_axi_rlast(s_axi_rlast),
        .s_axi_rvalid(s_axi_rvalid),
        .s_axi_rready(s_axi_rready),
        .line_valid_o(read_valid),
        .line_ready_i(read_ready),
        .line_miss_i(read_miss),
        .line_aside_o(read_aside),
        .line_page_o(read_page),
        .line_index_o(read_line),
        .line_first_o(read_first),
        .line_look_o(read_look),
        .line_look_page_o(read_look_page),
        .line_look_index_o(read_look_line),
        .line_again_i(read_again),
        .seek_i(seek_read),
        .seek_page_i(lookup_page),
        .wait_valid_o(wait_valid),
        .wait_first_o(wait_first),
        .wait_busy_i(wait_busy),
        .wait_ready_i(wait_ready),
        .wait_refused_i(refuse_read),
        .wait_look_page_o(wait_look_page),
        .wait_look_index_o(wait_look_line),
        .wait_page_o(wait_page),
        .wait_index_o(wait_line),
        .wait_again_o(wait_again),
        .first_o(burst_first),
        .page_o(first_page),
        .line_data_i(read_data),
        .line_error_i(read_error)
    );

    // ---- page cache ---------------------------------------------------------------------------------------------
    wire                  request_valid, request_write, request_fill, refuse_write;
    wire [PAGE_BITS-1:0]  request_page, entry_page;
    wire [5:0]            request_line, entry_line;
    wire                  lookup_busy, entry_line_after, stream_dirty, stream_end;
    wire [5:0]            stream_index;
    wire                  bounce, lookup_hit, victim_valid, victim_dirty, dirty_any, dirty_valid, dirty_missing;
    wire                  scarce, crowded, complete_valid;
    wire [ENTRY_BITS-1:0] lookup_entry, victim_entry, dirty_entry, complete_entry, entry, close_entry;
    wire                  entry_dirty, entry_complete, entry_missing, entry_line_missing;
    wire                  fill_begin, fill_end;
    wire [ENTRY_BITS-1:0] fill_line_entry, fill_start_entry, fill_done_entry;
    wire [2:0]            stalls;
    wire                  take, take_zero, drop, make_dirty, make_clean, closing, stuck;
    wire                  waits_write, waits_read;
    wire                  fill_valid;
    wire [5:0]            fill_line;
    wire [511:0]          fill_data;
    wire                  stream_start, stream_clear, stream_valid, stream_ready;
    wire [511:0]          stream_data;
    wire [30:0]           stream_check;
    wire                  stream_error, line_corrected, flaw_valid, flaw_taken, flaw_lost, entry_lost;
    wire [PAGE_BITS-1:0]  flaw_page;

    page_cache #(
        .PAGE_BITS(PAGE_BITS),
        .CACHE_PAGES(CACHE_PAGES),
        .ENTRY_BITS(ENTRY_BITS),
        .SPARE(SPARE)
    ) u_cache (
        .clk_i(core_clk),
        .rst_ni(rst_ni),
        .moves_o(cache_moves),
        .write_valid_i(write_valid),
        .write_ready_o(write_ready),
        .write_error_o(write_error),
        .write_look_page_i(write_look),
        .write_page_i(write_page),
        .write_line_i(write_line),
        .write_data_i(write_data),
        .write_strobe_i(write_strobe),
        .read_look_i(read_look),
        .read_look_page_i(read_look_page),
        .read_look_line_i(read_look_line),
        .read_again_o(read_again),
        .read_valid_i(read_valid),
        .read_first_i(read_first),
        .read_ready_o(read_ready),
        .read_miss_o(read_miss),
        .read_page_i(read_page),
        .read_line_i(read_line),
        .wait_look_page_i(wait_look_page),
        .wait_look_line_i(wait_look_line),
        .wait_valid_i(wait_valid),
        .wait_first_i(wait_first),
        .wait_busy_o(wait_busy),
        .wait_ready_o(wait_ready),
        .wait_page_i(wait_page),
        .wait_line_i(wait_line),
        .read_data_o(read_data),
        .read_error_o(read_error),
        .request_valid_o(request_valid),
        .bounce_i(bounce),
        .request_write_o(request_write),
        .request_fill_o(request_fill),
        .request_page_o(request_page),
        .request_line_o(request_line),
        .refuse_write_i(refuse_write),
        .refuse_read_i(refuse_read),
        .waits_write_o(waits_write),
        .waits_read_o(waits_read),
        .lookup_page_i(lookup_page),
        .lookup_hit_o(lookup_hit),
        .lookup_busy_o(lookup_busy),
        .lookup_entry_o(lookup_entry),
        .victim_valid_o(victim_valid),
        .victim_entry_o(victim_entry),
        .victim_dirty_o(victim_dirty),
        .dirty_any_o(dirty_any),
        .dirty_valid_o(dirty_valid),
        .dirty_entry_o(dirty_entry),
        .dirty_missing_o(dirty_missing),
        .scarce_o(scarce),
        .crowded_o(crowded),
        .complete_valid_o(complete_valid),
        .complete_entry_o(complete_entry),
        .entry_i(entry),
        .entry_page_o(entry_page),
        .entry_dirty_o(entry_dirty),
        .entry_complete_o(entry_complete),
        .entry_missing_o(entry_missing),
        .entry_line_i(entry_line),
        .entry_line_missing_o(entry_line_missing),
        .entry_line_after_o(entry_line_after),
        .take_i(take),
        .take_page_i(lookup_page),
        .take_zero_i(take_zero),
        .drop_i(drop),
        .make_dirty_i(make_dirty),
        .make_clean_i(make_clean),
        .closing_i(closing),
        .close_entry_i(close_entry),
        .stuck_i(stuck),
        .fill_begin_i(fill_begin),
        .fill_end_i(fill_end),
        .fill_end_entry_i(fill_done_entry),
        .fill_valid_i(fill_valid),
        .fill_entry_i(fill_line_entry),
        .fill_line_i(fill_line),
        .fill_data_i(fill_data),
        .stream_start_i(stream_start),
        .stream_dirty_i(stream_dirty),
        .stream_clear_i(stream_clear),
        .stream_valid_o(stream_valid),
        .stream_ready_i(stream_ready),
        .stream_data_o(stream_data),
        .stream_check_o(stream_check),
        .stream_error_o(stream_error),
        .stream_index_o(stream_index),
        .stream_end_o(stream_end),
        .corrected_o(line_corrected),
        .flaw_valid_o(flaw_valid),
        .flaw_taken_i(flaw_taken),
        .flaw_lost_o(flaw_lost),
        .entry_lost_o(entry_lost),
        .flaw_page_o(flaw_page)
    );

    // ---- page store ---------------------------------------------------------------------------------------------
    wire [SECTOR_BITS:0]   free_sectors;
    wire                   close_start, close_done;
    wire [7:0]             close_error;
    wire [2:0]             close_state;
    wire [12:0]            close_length;
    wire [63:0]            close_word;
    wire [31:0]            close_crc;
    wire [SECTOR_BITS-1:0] close_first;
    wire [6:0]             close_count;
    wire                   closes, close_plain, close_dirty, fill_plain, fill_alone, filled_plain;
    wire [SECTOR_BITS-1:0] close_frame;
    wire [5:0]             fill_from;
    wire [FILLERS-1:0]     filling;
    wire                   fill_ready, fills, fill_start, fill_export, fill_done, fill_taken, fill_stored;
    wire                   fill_start_closes, fill_done_closes;
    wire [23:0]            fill_page;
    wire [PAGE_BITS-1:0]   close_page;
    wire [2:0]             fill_state;
    wire [12:0]            fill_length;
    wire [63:0]            fill_word;
    wire [31:0]            fill_crc;
    wire [SECTOR_BITS-1:0] fill_first;
    wire [7:0]             fill_error;
    wire                   release_start, release_done, retired, sector_lost;
    wire [FILLERS:0]       store_corrected;
    wire [SECTOR_BITS-1:0] retired_sector;
    wire [SECTOR_BITS-1:0] release_first;
    wire [6:0]             release_count;
    wire                   release_close, release_fill;
    wire                   importing, import_valid, import_ready, import_last;
    wire [12:0]            import_length;
    wire [31:0]            import_crc;
    wire [511:0]           import_data;
    wire [6:0]             import_bytes;
    wire                   block_valid;
    wire [511:0]           block_data;

    // Between page_store and media_port.
    wire                   store_awvalid, store_awready, store_wlast, store_wvalid, store_wready, store_bvalid;
    wire                   store_bready, store_blate, store_arvalid, store_arready, store_rvalid, store_rready;
    wire [30:0]            store_ruser, store_wuser;
    wire                   entry_corrected;
    wire                   store_rlate, store_bowed, media_busy, media_timeout, media_settled, store_busy, sector_returned;
    wire [1:0]             store_bresp, store_rresp;
    wire [7:0]             store_awlen, store_arlen;
    wire [39:0]            store_awaddr, store_araddr;
    wire [511:0]           store_wdata, store_rdata;
    wire [31:0]            media_time_limit;

    page_store #(
        .SECTORS(SECTORS),
        .SECTOR_BITS(SECTOR_BITS),
        .SECTOR_BYTES(SECTOR_BYTES),
        .ENTRY_BITS(ENTRY_BITS),
        .FILL_ENGINES(FILLERS),
        .GATE_CLOCKS(GATE_CLOCKS)
    ) u_store (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .free_o(free_sectors),
        .close_page_i({{(24 - PAGE_BITS){1'b0}}, close_page}),
        .close_start_i(close_start),
        .close_plain_i(close_plain),
        .close_frame_i(close_frame),
        .close_dirty_i(close_dirty),
        .close_done_o(close_done),
        .close_error_o(close_error),
        .close_state_o(close_state),
        .close_length_o(close_length),
        .close_word_o(close_word),
        .close_crc_o(close_crc),
        .close_first_o(close_first),
        .close_count_o(close_count),
        .stream_start_o(stream_start),
        .stream_dirty_o(stream_dirty),
        .stream_clear_o(stream_clear),
        .stream_valid_i(stream_valid),
        .stream_ready_o(stream_ready),
        .stream_data_i(stream_data),
        .stream_check_i(stream_check),
        .stream_error_i(stream_error),
        .stream_index_i(stream_index),
        .stream_end_i(stream_end),
        .fill_ready_o(fill_ready),
        .fills_o(fills),
        .filling_o(filling),
        .closes_o(closes),
        .fill_start_i(fill_start),
        .fill_page_i({{(24 - PAGE_BITS){1'b0}}, lookup_page}),
        .fill_entry_i(fill_start_entry),
        .fill_closes_i(fill_start_closes),
        .fill_export_i(fill_export),
        .fill_state_i(fill_state),
        .fill_length_i(fill_length),
        .fill_word_i(fill_word),
        .fill_crc_i(fill_crc),
        .fill_first_i(fill_first),
        .fill_plain_i(fill_plain),
        .fill_line_i(fill_from),
        .fill_alone_i(fill_alone),
        .fill_done_o(fill_done),
        .fill_taken_i(fill_taken),
        .fill_error_o(fill_error),
        .fill_stored_o(fill_stored),
        .fill_plain_o(filled_plain),
        .fill_page_o(fill_page),
        .fill_entry_o(fill_done_entry),
        .fill_closes_o(fill_done_closes),
        .line_valid_o(fill_valid),
        .line_entry_o(fill_line_entry),
        .line_o(fill_line),
        .line_data_o(fill_data),
        .block_valid_o(block_valid),
        .block_data_o(block_data),
        .import_i(importing),
        .import_length_i(import_length),
        .import_valid_i(import_valid),
        .import_ready_o(import_ready),
        .import_data_i(import_data),
        .import_bytes_i(import_bytes),
        .import_last_i(import_last),
        .release_start_i(release_start),
        .release_first_i(release_first),
        .release_count_i(release_count),
        .release_close_i(release_close),
        .release_fill_i(release_fill),
        .release_done_o(release_done),
        .corrected_o(store_corrected),
        .lost_o(sector_lost),
        .busy_o(store_busy),
        .returned_o(sector_returned),
        .retired_o(retired),
        .retired_sector_o(retired_sector),
        .m_axi_awaddr(store_awaddr),
        .m_axi_awlen(store_awlen),
        .m_axi_awvalid(store_awvalid),
        .m_axi_awready(store_awready),
        .m_axi_wdata(store_wdata),
        .m_axi_wuser(store_wuser),
        .m_axi_wlast(store_wlast),
        .m_axi_wvalid(store_wvalid),
        .m_axi_wready(store_wready),
        .m_axi_bresp(store_bresp),
        .m_axi_bvalid(store_bvalid),
        .m_axi_bready(store_bready),
        .b_late_i(store_blate),
        .b_owed_i(store_bowed),
        .settled_i(media_settled),
        .m_axi_araddr(store_araddr),
        .m_axi_arlen(store_arlen),
        .m_axi_arvalid(store_arvalid),
        .m_axi_arready(store_arready),
        .m_axi_rdata(store_rdata),
        .m_axi_ruser(store_ruser),
        .m_axi_rresp(store_rresp),
        .m_axi_rvalid(store_rvalid),
        .m_axi_rready(store_rready),
        .r_late_i(store_rlate)
    );

    // ---- media port: reset with the media, not with the rest -----------------------------------------------------
    media_port #(
        .USER_BITS(31),
        .GATE_CLOCKS(GATE_CLOCKS)
    ) u_port (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .media_rst_ni(media_rst_ni),
        .limit_i(media_time_limit),
        .busy_o(media_busy),
        .settled_o(media_settled),
        .timeout_o(media_timeout),
        .s_axi_awaddr(store_awaddr),
        .s_axi_awlen(store_awlen),
        .s_axi_awvalid(store_awvalid),
        .s_axi_awready(store_awready),
        .s_axi_wdata(store_wdata),
        .s_axi_wuser(store_wuser),
        .s_axi_wvalid(store_wvalid),
        .s_axi_wready(store_wready),
        .s_axi_bresp(store_bresp),
        .s_axi_blate(store_blate),
        .s_axi_bowed(store_bowed),
        .s_axi_bvalid(store_bvalid),
        .s_axi_araddr(store_araddr),
        .s_axi_arlen(store_arlen),
        .s_axi_arvalid(store_arvalid),
        .s_axi_arready(store_arready),
        .s_axi_rdata(store_rdata),
        .s_axi_ruser(store_ruser),
        .s_axi_rresp(store_rresp),
        .s_axi_rlate(store_rlate),
        .s_axi_rvalid(store_rvalid),
        .s_axi_rready(store_rready),
        .m_axi_awid(m_axi_awid),
        .m_axi_awaddr(m_axi_awaddr),
        .m_axi_awlen(m_axi_awlen),
        .m_axi_awsize(m_axi_awsize),
        .m_axi_awburst(m_axi_awburst),
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
        .m_axi_bready(m_axi_bready),
        .m_axi_arid(m_axi_arid),
        .m_axi_araddr(m_axi_araddr),
        .m_axi_arlen(m_axi_arlen),
        .m_axi_arsize(m_axi_arsize),
        .m_axi_arburst(m_axi_arburst),
        .m_axi_arvalid(m_axi_arvalid),
        .m_axi_arready(m_axi_arready),
        .m_axi_rid(m_axi_rid),
        .m_axi_rdata(m_axi_rdata),
        .m_axi_ruser(m_axi_ruser),
        .m_axi_rresp(m_axi_rresp),
        .m_axi_rvalid(m_axi_rvalid),
        .m_axi_rready(m_axi_rready)
    );

    // ---- sequencer ----------------------------------------------------------------------------------------------
    wire                 sequencer_ready, sequencer_idle;
    wire [31:0]          reserved, resident;
    wire                 command_valid, command_ready;
    wire [3:0]           command_op;
    wire [31:0]          command_page;
    wire                 reply_valid, reply_cached, reply_dirty, reply_error, reply_fenced;
    wire [2:0]           reply_state;
    wire [7:0]           reply_cause;
    wire [1:0]           reply_reason;
    wire [12:0]          reply_length;
    wire [31:0]          reply_crc, reply_sector;
    wire [63:0]          reply_word;
    wire                 judge, falls;
    wire [31:0]          available, event_sector;
    wire                 event_valid, closed, filled, trimmed, poisoned, not_admitted, refused, fenced, imported, critical;
    wire [7:0]           event_code;
    wire [PAGE_BITS-1:0] event_page;

    page_sequencer #(
        .PAGES(PERCEIVED_PAGES),
        .PAGE_BITS(PAGE_BITS),
        .ENTRY_BITS(ENTRY_BITS),
        .SECTOR_BITS(SECTOR_BITS),
        .SECTOR_BYTES(SECTOR_BYTES),
        .FRAMES(PROMOTED_PAGES),
        .FRAME_BITS(FRAME_BITS),
        .FRAMES_FROM(SECTORS)
    ) u_sequencer (
        .clk_i(core_clk),
        .rst_ni(rst_ni),
        .ready_o(sequencer_ready),
        .idle_o(sequencer_idle),
        .moves_o(sequencer_moves),
        .reserved_o(reserved),
        .resident_o(resident),
        .available_o(available),
        .judge_o(judge),
        .falls_o(falls),
        .request_valid_i(request_valid),
        .bounce_o(bounce),
        .stalls_o(stalls),
        .request_write_i(request_write),
        .request_fill_i(request_fill),
        .request_page_i(request_page),
        .request_line_i(request_line),
        .request_again_i(write_again),
        .read_again_i(wait_again),
        .critical_i(critical),
        .burst_i(write_burst),
        .burst_page_i(write_page),
        .waits_write_i(waits_write),
        .waits_read_i(waits_read),
        .seek_read_o(seek_read),
        .refuse_write_o(refuse_write),
        .refuse_read_o(refuse_read),
        .lookup_page_o(lookup_page),
        .lookup_hit_i(lookup_hit),
        .lookup_busy_i(lookup_busy),
        .lookup_entry_i(lookup_entry),
        .victim_valid_i(victim_valid),
        .victim_entry_i(victim_entry),
        .victim_dirty_i(victim_dirty),
        .dirty_any_i(dirty_any),
        .dirty_valid_i(dirty_valid),
        .dirty_entry_i(dirty_entry),
        .dirty_missing_i(dirty_missing),
        .scarce_i(scarce),
        .crowded_i(crowded),
        .complete_valid_i(complete_valid),
        .complete_entry_i(complete_entry),
        .flaw_valid_i(flaw_valid),
        .flaw_taken_o(flaw_taken),
        .flaw_lost_i(flaw_lost),
        .entry_lost_i(entry_lost),
        .flaw_page_i(flaw_page),
        .entry_o(entry),
        .entry_page_i(entry_page),
        .entry_dirty_i(entry_dirty),
        .entry_complete_i(entry_complete),
        .entry_missing_i(entry_missing),
        .entry_line_o(entry_line),
        .entry_line_missing_i(entry_line_missing),
        .entry_line_after_i(entry_line_after),
        .take_o(take),
        .take_zero_o(take_zero),
        .drop_o(drop),
        .make_dirty_o(make_dirty),
        .make_clean_o(make_clean),
        .closing_o(closing),
        .close_entry_o(close_entry),
        .fill_begin_o(fill_begin),
        .fill_end_o(fill_end),
        .stuck_o(stuck),
        .free_i(free_sectors),
        .close_start_o(close_start),
        .close_plain_o(close_plain),
        .close_frame_o(close_frame),
        .close_dirty_o(close_dirty),
        .close_page_o(close_page),
        .close_done_i(close_done),
        .close_error_i(close_error),
        .close_state_i(close_state),
        .close_length_i(close_length),
        .close_word_i(close_word),
        .close_crc_i(close_crc),
        .close_first_i(close_first),
        .close_count_i(close_count),
        .fill_ready_i(fill_ready),
        .fills_i(fills),
        .fill_start_o(fill_start),
        .fill_entry_o(fill_start_entry),
        .fill_closes_o(fill_start_closes),
        .fill_export_o(fill_export),
        .import_o(importing),
        .fill_state_o(fill_state),
        .fill_length_o(fill_length),
        .fill_word_o(fill_word),
        .fill_crc_o(fill_crc),
        .fill_first_o(fill_first),
        .fill_plain_o(fill_plain),
        .fill_line_o(fill_from),
        .fill_alone_o(fill_alone),
        .fill_done_i(fill_done),
        .fill_page_i(fill_page[PAGE_BITS-1:0]),
        .fill_entry_i(fill_done_entry),
        .fill_closes_i(fill_done_closes),
        .fill_stored_i(fill_stored),
        .fill_plain_i(filled_plain),
        .fill_taken_o(fill_taken),
        .fill_error_i(fill_error),
        .release_start_o(release_start),
        .release_first_o(release_first),
        .release_count_o(release_count),
        .release_close_o(release_close),
        .release_fill_o(release_fill),
        .release_done_i(release_done),
        .lost_i(sector_lost),
        .returned_i(sector_returned),
        .retired_i(retired),
        .retired_sector_i(retired_sector),
        .command_valid_i(command_valid),
        .command_ready_o(command_ready),
        .command_op_i(command_op),
        .command_page_i(command_page[PAGE_BITS-1:0]),
        .import_crc_i(import_crc),
        .reply_valid_o(reply_valid),
        .reply_state_o(reply_state),
        .reply_cached_o(reply_cached),
        .reply_dirty_o(reply_dirty),
        .reply_error_o(reply_error),
        .reply_fenced_o(reply_fenced),
        .reply_reason_o(reply_reason),
        .reply_length_o(reply_length),
        .reply_crc_o(reply_crc),
        .reply_word_o(reply_word),
        .reply_sector_o(reply_sector),
        .reply_cause_o(reply_cause),
        .event_valid_o(event_valid),
        .event_code_o(event_code),
        .event_page_o(event_page),
        .event_sector_o(event_sector),
        .closed_o(closed),
        .filled_o(filled),
        .trimmed_o(trimmed),
        .poisoned_o(poisoned),
        .not_admitted_o(not_admitted),
        .refused_o(refused),
        .fenced_o(fenced),
        .imported_o(imported),
        .corrected_o(entry_corrected)
    );

    // ---- hot pages ----------------------------------------------------------------------------------------------
    wire        heat_busy, hot_pop, hot_nominated;
    wire [7:0]  heat_threshold;
    wire [31:0] heat_period, hot_count, hot_page, hot_overflow;

    wire        read_taken = (read_valid && read_ready) || (wait_valid && wait_ready && !refuse_read);

    heat_tracker #(
        .PAGES(PERCEIVED_PAGES),
        .PAGE_BITS(PAGE_BITS)
    ) u_heat (
        .clk_i(core_clk),
        .rst_ni(rst_ni),
        .busy_o(heat_busy),
        .moves_o(heat_moves),
        .access_i(read_taken && burst_first),
        .access_page_i(first_page),
        .forget_i(trimmed),
        .forget_page_i(event_page),
        .threshold_i(heat_threshold),
        .period_i(heat_period),
        .pop_i(hot_pop),
        .nominated_o(hot_nominated),
        .count_o(hot_count),
        .page_o(hot_page),
        .overflow_o(hot_overflow)
    );

    // ---- registers ----------------------------------------------------------------------------------------------
    // The page operations count their beats and responses; pages are checked by the mailbox.
    wire unused = &{1'b0, m_axi_rlast, store_wlast, store_bready, fill_page,
                    command_page[31:PAGE_BITS]};
    wire [LOAD_COUNTS-1:0] load;
    wire load_idle, registers_idle;
    wire retired_pulse, retired_waits, corrected_pulse, corrected_waits;
    wire core_idle = sequencer_idle && write_idle && read_idle && !heat_busy && !media_busy && !store_busy
                     && !retired_waits && !corrected_waits && load_idle;

    assign idle_o = core_idle && registers_idle;

    // ---- counters: a pulse for each ---
    pulse_queue #(
        .SOURCES(2)
    ) u_retired (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .pulse_i({retired, sector_lost}),
        .pulse_o(retired_pulse),
        .busy_o(retired_waits)
    );

    pulse_queue #(
        .SOURCES(FILLERS + 3)
    ) u_corrected (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .pulse_i({line_corrected, entry_corrected, store_corrected}),
        .pulse_o(corrected_pulse),
        .busy_o(corrected_waits)
    );

    wire [COUNTS-1:0] count;

    assign count[COUNT_CLOSED_ZERO]        = closed && close_state == STATE_ZERO;
    assign count[COUNT_CLOSED_SAME]        = closed && close_state == STATE_SAME;
    assign count[COUNT_CLOSED_LZ4]         = closed && close_state == STATE_LZ4;
    assign count[COUNT_CLOSED_RAW]         = closed && close_state == STATE_RAW;
    assign count[COUNT_PAGES_FILLED]       = filled;
    assign count[COUNT_PAGES_OPENED]       = take;
    assign count[COUNT_PAGES_TRIMMED]      = trimmed;
    assign count[COUNT_PAGES_POISONED]     = poisoned;
    assign count[COUNT_PAGES_IMPORTED]     = imported;
    assign count[COUNT_LINES_READ]         = read_taken;
    assign count[COUNT_LINES_WRITTEN]      = write_valid && write_ready && !write_error;
    assign count[COUNT_LINES_NOT_ADMITTED] = not_admitted;
    assign count[COUNT_LINES_FENCED]       = fenced;
    assign count[COUNT_MEDIA_TIMEOUTS]     = 1'b0;  // it has an input of its own
    assign count[COUNT_LINES_REFUSED]      = refused;
    assign count[COUNT_SECTORS_RETIRED]    = retired_pulse;
    assign count[COUNT_BITS_CORRECTED]     = corrected_pulse;

    // ---- what it does under load ------------------------------------------------------------------------------------
    device_load #(
        .FILLERS(FILLERS)
    ) u_load (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .idle_o(load_idle),
        .load_o(load),
        .address_i(s_axi_arvalid && s_axi_arready),
        .address_id_i(s_axi_arid),
        .beat_i(s_axi_rvalid && s_axi_rready),
        .beat_id_i(s_axi_rid),
        .beat_last_i(s_axi_rlast),
        .at_hand_i(read_valid && read_ready),
        .aside_i(read_aside),
        .write_waits_i(write_valid && !write_ready),
        .open_i(take),
        .open_state_i(reply_state),
        .request_i(request_valid),
        .bounce_i(bounce),
        .stalls_i(stalls),
        .goes_i(take || make_dirty || fill_start),
        .closes_i(closes),
        .fills_i(filling),
        .media_address_i(store_arvalid && store_arready),
        .media_length_i(store_arlen),
        .media_beat_i(store_rvalid && store_rready),
        .media_write_i(store_wvalid && store_wready)
    );

    cram_registers #(
        .PERCEIVED_PAGES(PERCEIVED_PAGES),
        .MEDIA_SECTORS(SECTORS),
        .SECTOR_BYTES(SECTOR_BYTES),
        .CACHE_PAGES(CACHE_PAGES),
        .BYTES_PER_CYCLE(BYTES_PER_CYCLE),
        .GATE_CLOCKS(GATE_CLOCKS),
        .NS_PER_CYCLE(NS_PER_CYCLE)
    ) u_registers (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .s_axil_awvalid(s_axil_awvalid),
        .s_axil_awready(s_axil_awready),
        .s_axil_awaddr(s_axil_awaddr),
        .s_axil_awprot(s_axil_awprot),
        .s_axil_wvalid(s_axil_wvalid),
        .s_axil_wready(s_axil_wready),
        .s_axil_wdata(s_axil_wdata),
        .s_axil_wstrb(s_axil_wstrb),
        .s_axil_bvalid(s_axil_bvalid),
        .s_axil_bready(s_axil_bready),
        .s_axil_bresp(s_axil_bresp),
        .s_axil_arvalid(s_axil_arvalid),
        .s_axil_arready(s_axil_arready),
        .s_axil_araddr(s_axil_araddr),
        .s_axil_arprot(s_axil_arprot),
        .s_axil_rvalid(s_axil_rvalid),
        .s_axil_rready(s_axil_rready),
        .s_axil_rdata(s_axil_rdata),
        .s_axil_rresp(s_axil_rresp),
        .interrupt_o(interrupt_o),
        .critical_o(critical),
        .idle_o(registers_idle),
        .ready_i(sequencer_ready),
        .idle_i(core_idle),
        .free_sectors_i({{(31 - SECTOR_BITS){1'b0}}, free_sectors}),
        .reserved_sectors_i(reserved),
        .available_sectors_i(available),
        .judge_i(judge),
        .falls_i(falls),
        .resident_pages_i(resident),
        .event_valid_i(event_valid),
        .event_code_i(event_code),
        .event_page_i({{(32 - PAGE_BITS){1'b0}}, event_page}),
        .event_sector_i(event_sector),
        .load_i(load),
        .count_i(count),
        .timeout_i(media_timeout),
        .block_bytes_i(close_length),
        .media_time_limit_o(media_time_limit),
        .heat_threshold_o(heat_threshold),
        .heat_period_o(heat_period),
        .hot_pop_o(hot_pop),
        .hot_nominated_i(hot_nominated),
        .hot_count_i(hot_count),
        .hot_page_i(hot_page),
        .hot_overflow_i(hot_overflow),
        .command_valid_o(command_valid),
        .command_ready_i(command_ready),
        .command_op_o(command_op),
        .command_page_o(command_page),
        .reply_valid_i(reply_valid),
        .reply_state_i(reply_state),
        .reply_cached_i(reply_cached),
        .reply_dirty_i(reply_dirty),
        .reply_error_i(reply_error),
        .reply_fenced_i(reply_fenced),
        .reply_reason_i(reply_reason),
        .reply_length_i(reply_length),
        .reply_crc_i(reply_crc),
        .reply_word_i(reply_word),
        .reply_sector_i(reply_sector),
        .reply_cause_i(reply_cause),
        .block_start_i(fill_start && fill_export),
        .block_valid_i(block_valid),
        .block_data_i(block_data),
        .import_crc_o(import_crc),
        .import_length_o(import_length),
        .import_valid_o(import_valid),
        .import_ready_i(import_ready),
        .import_data_o(import_data),
        .import_bytes_o(import_bytes),
        .import_last_o(import_last)
    );
endmodule

`default_nettype wire
