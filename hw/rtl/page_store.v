// SPDX-License-Identifier: MIT
// page_store: the media side of the device: closing, filling and releasing stored pages.
//
// One page is closed, up to FILL_ENGINES pages are filled, and the sectors of one are given back, all at the same time.
// This wires them to the sector allocator and the media bus.
//
//     page_filler 0 .. FILL_ENGINES-1 --> media_reads --> AXI read channels
//     page_closer ---------------------------------------> AXI write channels
//     all of them, chain_release --> sector_arbiter --> sector_allocator
//
// Handshake: those of page_closer, page_filler and chain_release. A fill is started while `fill_ready_o` is high, and then
//            belongs to `fill_entry_i`; with `fill_export_i` or `import_i` no other may be under way. Its lines come with
//            its entry; those of several fills come in turn. Fills end in any order: `fill_done_o` shows one with its
//            entry and page until `fill_taken_i`. Its bad sectors are those of `release_fill_i` until the next is taken.
// Latency:   theirs.

`default_nettype none

module page_store #(
    parameter SECTORS      = 16384,
    parameter SECTOR_BITS  = 14,
    parameter SECTOR_BYTES = 256,
    parameter ENTRY_BITS   = 3,
    parameter FILL_ENGINES = 4,
    parameter GATE_CLOCKS  = 1
) (
    input  wire                    clk_i,
    input  wire                    rst_ni,
    output wire                    busy_o,         // free sectors are looked for, or come back
    output wire                    returned_o,     // pulse: one came back of those that the media might still have written
    output wire [SECTOR_BITS:0]    free_o,

    // ---- close ----
    input  wire [23:0]             close_page_i,   // holds until done
    input  wire                    close_start_i,
    input  wire                    close_plain_i,  // into its frame, which begins with
    input  wire [SECTOR_BITS-1:0]  close_frame_i,
    input  wire                    close_dirty_i,  // the dirty lines only
    output wire                    close_done_o,
    output wire [7:0]              close_error_o,
    output wire [2:0]              close_state_o,
    output wire [12:0]             close_length_o,
    output wire [63:0]             close_word_o,
    output wire [31:0]             close_crc_o,
    output wire [SECTOR_BITS-1:0]  close_first_o,
    output wire [6:0]              close_count_o,  // sectors that the close has taken by now
    output wire                    stream_start_o,
    output wire                    stream_dirty_o,
    output wire                    stream_clear_o,
    input  wire                    stream_valid_i,
    output wire                    stream_ready_o,
    input  wire [511:0]            stream_data_i,
    input  wire [30:0]             stream_check_i,
    input  wire                    stream_error_i,
    input  wire [5:0]              stream_index_i,
    input  wire                    stream_end_i,

    // ---- fill ----
    output wire                    fill_ready_o,
    output wire                    fills_o,        // some are under way,
    output wire [FILL_ENGINES-1:0] filling_o,     // by these fillers
    output wire                    closes_o,       // so is a close, or an import
    input  wire                    fill_start_i,
    input  wire [23:0]             fill_page_i,
    input  wire [ENTRY_BITS-1:0]   fill_entry_i,
    input  wire                    fill_closes_i,  // it is to be closed then
    input  wire                    fill_export_i,
    input  wire [2:0]              fill_state_i,
    input  wire [12:0]             fill_length_i,
    input  wire [63:0]             fill_word_i,
    input  wire [31:0]             fill_crc_i,
    input  wire [SECTOR_BITS-1:0]  fill_first_i,
    input  wire                    fill_plain_i,   // from its frame
    input  wire [5:0]              fill_line_i,    // from this line on,
    input  wire                    fill_alone_i,   // or that line alone
    output wire                    fill_done_o,
    input  wire                    fill_taken_i,
    output wire [7:0]              fill_error_o,
    output wire                    fill_stored_o,  // it was read from the media
    output wire [23:0]             fill_page_o,
    output wire [ENTRY_BITS-1:0]   fill_entry_o,
    output wire                    fill_closes_o,
    output wire                    fill_plain_o,
    output wire                    line_valid_o,
    output wire [ENTRY_BITS-1:0]   line_entry_o,
    output wire [5:0]              line_o,
    output wire [511:0]            line_data_o,
    output wire                    block_valid_o,
    output wire [511:0]            block_data_o,

    // ---- import: a block of an LZ4 page, checked by a fill, then stored by a close ----
    input  wire                    import_i,
    input  wire [12:0]             import_length_i,
    input  wire                    import_valid_i,
    output wire                    import_ready_o,
    input  wire [511:0]            import_data_i,
    input  wire [6:0]              import_bytes_i,
    input  wire                    import_last_i,

    // ---- flipped bits ----
    output wire [FILL_ENGINES:0]   corrected_o,    // pulses: links, media
    output wire                    lost_o,         // pulse for each sector that is out of reach

    // ---- release ----
    input  wire                    release_start_i,
    input  wire [SECTOR_BITS-1:0]  release_first_i,
    input  wire [6:0]              release_count_i,
    input  wire                    release_close_i,  // the chain of the last close: its bad sectors are retired
    input  wire                    release_fill_i,   // that of the last fill: likewise
    output wire                    release_done_o,
    output wire                    retired_o,        // `retired_sector_o` will not be used again
    output wire [SECTOR_BITS-1:0]  retired_sector_o,

    // ---- media: to media_port ----
    output wire [39:0]             m_axi_awaddr,
    output wire [7:0]              m_axi_awlen,
    output wire                    m_axi_awvalid,
    input  wire                    m_axi_awready,
    output wire [511:0]            m_axi_wdata,
    output wire [30:0]             m_axi_wuser,
    output wire                    m_axi_wlast,
    output wire                    m_axi_wvalid,
    input  wire                    m_axi_wready,
    input  wire [1:0]              m_axi_bresp,
    input  wire                    m_axi_bvalid,
    output wire                    m_axi_bready,
    input  wire                    b_late_i,         // beside B: the port's own response, the media gave none in time
    input  wire                    b_owed_i,         // and it may still do what it was asked
    input  wire                    settled_i,        // it will not any more
    output wire [39:0]             m_axi_araddr,
    output wire [7:0]              m_axi_arlen,
    output wire                    m_axi_arvalid,
    input  wire                    m_axi_arready,
    input  wire [511:0]            m_axi_rdata,
    input  wire [30:0]             m_axi_ruser,
    input  wire [1:0]              m_axi_rresp,
    input  wire                    m_axi_rvalid,
    output wire                    m_axi_rready,
    input  wire                    r_late_i
);
    localparam [1:0] FOLLOW = 2'd3;
    localparam       ENGINES = FILL_ENGINES;
    localparam       USERS   = ENGINES + 2;             // of the allocator: fillers, closer, release
    localparam       OP      = 1 + 2 + 2 * SECTOR_BITS; // hold, operation, sector, next
    localparam       BEAT    = 1 + 2 + 31 + 512;        // late, response, check, data
    localparam       ROOM    = 16;                      // beats of the largest sector
    localparam       LINK_BITS = $clog2(SECTORS);

    wire                   close_op_valid, release_op_valid;
    wire [1:0]             close_op, release_op;
    wire [SECTOR_BITS-1:0] close_op_sector, close_op_next, release_op_sector;
    wire [ENGINES-1:0]     fill_op_valid;
    wire [ENGINES*OP-1:0]  fill_op;
    wire [USERS-1:0]       op_ready, result_valids;
    wire                   op_valid, allocator_ready, result_valid;
    wire [OP-1:0]          op;
    wire [SECTOR_BITS-1:0] result;
    wire                   result_error, list_lost_valid, chain_lost_valid, link_corrected;
    wire [ENGINES-1:0]     beats_corrected;
    wire [SECTOR_BITS:0]   list_lost;
    wire [6:0]             chain_lost;
    wire [63:0]            close_bad;  // sectors of the chain, by position
    reg  [63:0]            fill_bad_q;
    wire                   close_owed, release_op_hold;

    wire [OP-1:0] release_asks = {release_op_hold, release_op, release_op_sector, {SECTOR_BITS{1'b0}}};
    wire [OP-1:0] close_asks   = {1'b0, close_op, close_op_sector, close_op_next};

    sector_arbiter #(
        .USERS(USERS),
        .BITS(OP)
    ) u_arbiter (
        .clk_i(clk_i),
        .op_valid_i({release_op_valid, close_op_valid, fill_op_valid}),
        .op_ready_o(op_ready),
        .op_i({release_asks, close_asks, fill_op}),
        .result_valid_o(result_valids),
        .op_valid_o(op_valid),
        .op_ready_i(allocator_ready),
        .op_o(op),
        .result_valid_i(result_valid)
    );

    // The sectors of the promoted region are behind those that it gives out.
    wire [LINK_BITS-1:0]             link_result;
    wire [LINK_BITS:0]               link_lost, link_free;
    wire [SECTOR_BITS+LINK_BITS-1:0] padded_result = {{SECTOR_BITS{1'b0}}, link_result};
    wire [SECTOR_BITS+LINK_BITS:0]   padded_lost   = {{SECTOR_BITS{1'b0}}, link_lost};
    wire [SECTOR_BITS+LINK_BITS:0]   padded_free   = {{SECTOR_BITS{1'b0}}, link_free};
    wire                             unused_pads   = &{1'b0, op, padded_result, padded_lost, padded_free};

    assign result    = padded_result[SECTOR_BITS-1:0];
    assign list_lost = padded_lost[SECTOR_BITS:0];
    assign free_o    = padded_free[SECTOR_BITS:0];

    sector_allocator #(
        .SECTORS(SECTORS),
        .SECTOR_BITS(LINK_BITS)
    ) u_allocator (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .op_valid_i(op_valid),
        .op_ready_o(allocator_ready),
        .op_i(op[2*SECTOR_BITS +: 2]),
        .sector_i(op[SECTOR_BITS +: LINK_BITS]),
        .next_i(op[0 +: LINK_BITS]),
        .hold_i(op[OP-1]),
        .settled_i(settled_i),
        .busy_o(busy_o),
        .returned_o(returned_o),
        .result_valid_o(result_valid),
        .result_o(link_result),
        .result_error_o(result_error),
        .lost_valid_o(list_lost_valid),
        .lost_o(link_lost),
        .corrected_o(link_corrected),
        .free_o(link_free)
    );

    // ---- clocks: closer and fillers rest most of the time. One that rests may miss the first edge in reset, hence a
    //      reset of at least two edges for them.
    reg  reset_q;
    wire engine_rst_n = rst_ni && !reset_q;
    wire closer_busy, closer_clk;

    always @(posedge clk_i) reset_q <= !rst_ni;

    clock_gate #(
        .GATE(GATE_CLOCKS)
    ) u_closer_clock (
        .clk_i(clk_i),
        .enable_i(!engine_rst_n || close_start_i || closer_busy || import_i),
        .clk_o(closer_clk)
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
        .page_i(close_page_i),
        .import_clear_i(fill_start_i && import_i),
        .import_take_i(import_valid_i && import_ready_o),
        .import_data_i(import_data_i),
        .import_i(import_i),
        .import_length_i(import_length_i),
        .plain_i(close_plain_i),
        .frame_i(close_frame_i),
        .stream_start_o(stream_start_o),
        .stream_clear_o(stream_clear_o),
        .stream_valid_i(stream_valid_i),
        .stream_ready_o(stream_ready_o),
        .stream_data_i(stream_data_i),
        .stream_check_i(stream_check_i),
        .stream_error_i(stream_error_i),
        .stream_index_i(stream_index_i),
        .stream_end_i(stream_end_i),
        .op_valid_o(close_op_valid),
        .op_ready_i(op_ready[ENGINES]),
        .op_o(close_op),
        .sector_o(close_op_sector),
        .next_o(close_op_next),
        .result_valid_i(result_valids[ENGINES]),
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

    // ---- fillers ----------------------------------------------------------------------------------------------------
    wire [ENGINES-1:0]            busy, done, lines, starts, line_turn, done_turn;
    wire [ENGINES*ENTRY_BITS-1:0] entries;
    wire [ENGINES*6-1:0]          line_numbers;
    wire [ENGINES*512-1:0]        line_datas;
    wire [ENGINES*64-1:0]         bads;
    localparam                    END = 35;  // whether it is to be closed, from a frame, stored; error, page
    wire [ENGINES*END-1:0]        ends;
    wire [ENGINES*48-1:0]         ars;
    wire [ENGINES-1:0]            ar_valid, ar_ready, r_valid, r_ready;
    wire [ENGINES*BEAT-1:0]       rs;
    wire                          reads_busy, reads_clk;

    assign starts       = ~busy & (busy + 1'b1) & {ENGINES{fill_start_i}};  // the first that is free
    assign fill_ready_o = !(&busy);
    assign fills_o      = |busy;
    assign filling_o    = busy;
    assign closes_o     = closer_busy;
    assign stream_dirty_o = close_start_i && close_dirty_i;

    genvar f;
    generate
        for (f = 0; f < ENGINES; f = f + 1) begin : gen_fill
            wire                   clk;
            reg [ENTRY_BITS-1:0]   entry_q;
            reg                    closes_q;
            wire                   imports = f == 0 && import_i;
            wire                   blocks, import_ready;
            wire [511:0]           block;
            wire [SECTOR_BITS-1:0] sector;
            wire [7:0]             error;
            wire [23:0]            page;
            wire                   stored, plain;
            wire [39:0]            address;
            wire [7:0]             length;

            clock_gate #(
                .GATE(GATE_CLOCKS)
            ) u_clock (
                .clk_i(clk_i),
                .enable_i(!engine_rst_n || starts[f] || busy[f]),
                .clk_o(clk)
            );

            always @(posedge clk) if (starts[f]) {closes_q, entry_q} <= {fill_closes_i, fill_entry_i};

            page_filler #(
                .SECTOR_BYTES(SECTOR_BYTES),
                .SECTOR_BITS(SECTOR_BITS)
            ) u_filler (
                .clk_i(clk),
                .rst_ni(engine_rst_n),
                .start_i(starts[f]),
                .busy_o(busy[f]),
                .export_i(fill_export_i),
                .import_i(imports),
                .import_valid_i(import_valid_i),
                .import_ready_o(import_ready),
                .import_data_i(import_data_i),
                .import_bytes_i(import_bytes_i),
                .import_last_i(import_last_i),
                .state_i(fill_state_i),
                .length_i(fill_length_i),
                .word_i(fill_word_i),
                .crc_i(fill_crc_i),
                .page_i(fill_page_i),
                .first_i(fill_first_i),
                .plain_i(fill_plain_i),
                .line_i(fill_plain_i ? fill_line_i : 6'd0),
                .alone_i(fill_plain_i && fill_alone_i),
                .done_o(done[f]),
                .taken_i(fill_taken_i && done_turn[f]),
                .page_o(page),
                .stored_o(stored),
                .plain_o(plain),
                .error_o(error),
                .bad_o(bads[f*64 +: 64]),
                .line_valid_o(lines[f]),
                .line_ready_i(line_turn[f]),
                .line_o(line_numbers[f*6 +: 6]),
                .line_data_o(line_datas[f*512 +: 512]),
                .block_valid_o(blocks),
                .block_data_o(block),
                .op_valid_o(fill_op_valid[f]),
                .op_ready_i(op_ready[f]),
                .sector_o(sector),
                .result_valid_i(result_valids[f]),
                .result_i(result),
                .result_error_i(result_error),
                .corrected_o(beats_corrected[f]),
                .m_axi_araddr(address),
                .m_axi_arlen(length),
                .m_axi_arvalid(ar_valid[f]),
                .m_axi_arready(ar_ready[f]),
                .m_axi_rdata(rs[f*BEAT +: 512]),
                .m_axi_ruser(rs[f*BEAT+512 +: 31]),
                .m_axi_rresp(rs[f*BEAT+543 +: 2]),
                .m_axi_rvalid(r_valid[f]),
                .m_axi_rready(r_ready[f]),
                .r_late_i(rs[f*BEAT+545])
            );

            assign entries[f*ENTRY_BITS +: ENTRY_BITS] = entry_q;
            assign ends[f*END +: END]  = {closes_q, plain, stored, error, page};
            assign ars[f*48 +: 48]    = {address, length};
            assign fill_op[f*OP +: OP] = {1'b0, FOLLOW, sector, {SECTOR_BITS{1'b0}}};

            if (f == 0) begin : gen_first  // exports and imports are alone
                assign block_valid_o  = blocks;
                assign block_data_o   = block;
                assign import_ready_o = import_ready;
            end else begin : gen_other
                wire unused = &{1'b0, blocks, block, import_ready};
            end
        end
    endgenerate

    // ---- lines, in turn; ends, in any order ----
    reg  [ENGINES-1:0] after_q;  // ones above the one that gave a line last
    wire [ENGINES-1:0] later = lines & after_q;
    wire [ENGINES-1:0] among = later != 0 ? later : lines;

    assign line_turn = among & (~among + 1'b1);
    assign done_turn = done & (~done + 1'b1);

    always @(posedge clk_i) begin
        if (line_valid_o) after_q <= ~((line_turn << 1) - 1'b1);
        if (!rst_ni) after_q <= {ENGINES{1'b0}};
    end

    reg [ENTRY_BITS-1:0] line_entry, done_entry;
    reg [5:0]            line;
    reg [511:0]          line_data;
    reg [63:0]           bad;
    reg [END-1:0]        ended;
    integer              e;

    always @* begin
        line_entry = {ENTRY_BITS{1'b0}};
        done_entry = {ENTRY_BITS{1'b0}};
        line       = 6'd0;
        line_data  = 512'd0;
        bad        = 64'd0;
        ended      = {END{1'b0}};
        for (e = 0; e < ENGINES; e = e + 1) begin
            if (line_turn[e]) begin
                line_entry = line_entry | entries[e*ENTRY_BITS +: ENTRY_BITS];
                line       = line | line_numbers[e*6 +: 6];
                line_data  = line_data | line_datas[e*512 +: 512];
            end
            if (done_turn[e]) begin
                done_entry = done_entry | entries[e*ENTRY_BITS +: ENTRY_BITS];
                ended      = ended | ends[e*END +: END];
                bad        = bad | bads[e*64 +: 64];
            end
        end
    end

    assign line_valid_o = |lines;
    assign line_entry_o = line_entry;
    assign line_o       = line;
    assign line_data_o  = line_data;
    assign fill_done_o  = |done;
    assign fill_entry_o = done_entry;
    assign {fill_closes_o, fill_plain_o, fill_stored_o, fill_error_o, fill_page_o} = ended;

    always @(posedge clk_i) if (fill_taken_i) fill_bad_q <= bad;

    // ---- their reads ----
    clock_gate #(
        .GATE(GATE_CLOCKS)
    ) u_reads_clock (
        .clk_i(clk_i),
        .enable_i(!engine_rst_n || |ar_valid || reads_busy),
        .clk_o(reads_clk)
    );

    media_reads #(
        .READERS(ENGINES),
        .ROOM(ROOM),
        .BEAT_BITS(BEAT)
    ) u_reads (
        .clk_i(reads_clk),
        .rst_ni(engine_rst_n),
        .busy_o(reads_busy),
        .s_ar_i(ars),
        .s_ar_valid_i(ar_valid),
        .s_ar_ready_o(ar_ready),
        .s_r_o(rs),
        .s_r_valid_o(r_valid),
        .s_r_ready_i(r_ready),
        .m_ar_o({m_axi_araddr, m_axi_arlen}),
        .m_ar_valid_o(m_axi_arvalid),
        .m_ar_ready_i(m_axi_arready),
        .m_r_i({r_late_i, m_axi_rresp, m_axi_ruser, m_axi_rdata}),
        .m_r_valid_i(m_axi_rvalid),
        .m_r_ready_o(m_axi_rready)
    );

    chain_release #(
        .SECTOR_BITS(SECTOR_BITS)
    ) u_release (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .start_i(release_start_i),
        .first_i(release_first_i),
        .count_i(release_count_i),
        .bad_i(release_close_i ? close_bad : release_fill_i ? fill_bad_q : 64'd0),
        .hold_i(release_close_i && close_owed),
        .done_o(release_done_o),
        .retired_o(retired_o),
        .lost_valid_o(chain_lost_valid),
        .lost_o(chain_lost),
        .op_valid_o(release_op_valid),
        .op_ready_i(op_ready[ENGINES+1]),
        .op_o(release_op),
        .hold_o(release_op_hold),
        .sector_o(release_op_sector),
        .result_valid_i(result_valids[ENGINES+1]),
        .result_i(result),
        .result_error_i(result_error)
    );

    assign retired_sector_o = release_op_sector;

    // ---- sectors out of reach, a pulse for each ----
    reg [31:0] lost_q;

    assign corrected_o = {link_corrected, beats_corrected};
    assign lost_o      = lost_q != 0;

    always @(posedge clk_i) begin
        lost_q <= lost_q - {31'd0, lost_o} + (list_lost_valid ? {{(31 - SECTOR_BITS){1'b0}}, list_lost} : 32'd0)
                  + (chain_lost_valid ? {25'd0, chain_lost} : 32'd0);
        if (!rst_ni) lost_q <= 0;
    end
endmodule

`default_nettype wire
