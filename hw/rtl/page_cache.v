// SPDX-License-Identifier: MIT
// page_cache: the decompressed pages the host works on.
//
// Each of the CACHE_PAGES entries holds a page number, 64 lines, and per line a valid and a dirty bit. `zero_q` tells
// that lines which are not valid read as zeros (the page was free when it was opened). The rules are those of
// docs/device/cache.md; what needs more than the entry itself (opening, reserving, filling, closing) is done by
// the page_sequencer. A host access that cannot be served raises `request_*` and simply waits: it is looked up anew
// every cycle, so nothing about it is stored here. Reads come on two ports: `read_*`, of which `read_miss_o` says that its
// line is not there, and `wait_*`, a read that waits for its line. It was asked for earlier, so it goes first.
//
// Busy entries. Lines of the stored page come into an entry from `fill_begin_i` to its `fill_end_i`; the entry
// `close_entry_i` is read out while `closing_i` is high. Accesses that find their line there go on, but for writes to the
// one that is closed; all others wait for the end, and nobody asks the sequencer for them. A busy entry is no victim, and
// is not closed.
//
// Lines are checked (ecc_lines). One that cannot be told is answered with an error. If the host has not changed it, it is
// forgotten, so that it is filled again; else its page is lost, and `flaw_*` says so.
//
// Handshake: host ports are valid/ready; read data comes three cycles after the handshake and is not held.
//            `request_*` is level; the sequencer changes the entry and the access goes through by itself, or
//            `refuse_write_i`/`refuse_read_i` answers it with an error.
//            `bounce_i`: the request cannot be served now; the other port goes first.
//            `stream_start_i` reads the 64 lines of entry `close_entry_i` out on `stream_*`, each with its check.
//            `flaw_valid_o`, level until `flaw_taken_i` or the entry is given up: a line of `flaw_page_o` could not be
//            told, and with `flaw_lost_o` there is no other copy of it. Each entry waits to be told of, those with a line
//            lost first. `entry_lost_o`: such a line is in the entry the sequencer works on.
// Latency:   a hit takes one cycle a line, a write of some bytes of a line four. The RAM has one read port: host reads
//            and the stream take turns while both want it. Fills go before host writes.

`default_nettype none

module page_cache #(
    parameter PAGE_BITS   = 12,
    parameter CACHE_PAGES = 8,
    parameter ENTRY_BITS  = 3,
    parameter SPARE       = 1
) (
    input  wire                  clk_i,
    input  wire                  rst_ni,
    output wire                  moves_o,           // the next edge changes something

    // ---- host writes ----
    input  wire                  write_valid_i,
    output wire                  write_ready_o,
    output wire                  write_error_o,
    input  wire [PAGE_BITS-1:0]  write_page_i,
    input  wire [5:0]            write_line_i,
    input  wire [511:0]          write_data_i,
    input  wire [63:0]           write_strobe_i,

    // ---- host reads ----
    input  wire                  read_valid_i,
    output wire                  read_ready_o,
    output wire                  read_miss_o,
    input  wire [PAGE_BITS-1:0]  read_page_i,
    input  wire [5:0]            read_line_i,
    input  wire                  wait_valid_i,
    input  wire                  wait_first_i,      // no older one that waits has to be asked for
    output wire                  wait_busy_o,       // its page is busy: nobody is asked for it
    output wire                  wait_ready_o,
    input  wire [PAGE_BITS-1:0]  wait_page_i,
    input  wire [5:0]            wait_line_i,
    output wire [511:0]          read_data_o,       // of the port that was ready
    output wire                  read_error_o,

    // ---- what a waiting access needs ----
    output wire                  request_valid_o,
    input  wire                  bounce_i,
    output wire                  request_write_o,   // must become dirty
    output wire                  request_fill_o,    // the line must be there
    output wire [PAGE_BITS-1:0]  request_page_o,
    output wire [5:0]            request_line_o,
    input  wire                  refuse_write_i,
    input  wire                  refuse_read_i,
    output wire                  waits_write_o,     // the port waits for a line of lookup_page_i
    output wire                  waits_read_o,      // likewise `wait_*`

    // ---- lookups for the sequencer ----
    input  wire [PAGE_BITS-1:0]  lookup_page_i,
    output wire                  lookup_hit_o,
    output wire [ENTRY_BITS-1:0] lookup_entry_o,
    output wire                  victim_valid_o,    // there is one that is not busy
    output wire [ENTRY_BITS-1:0] victim_entry_o,
    output wire                  victim_dirty_o,
    output wire                  dirty_any_o,       // some entry is dirty
    output wire                  dirty_valid_o,     // and the least recently used of them is not busy
    output wire [ENTRY_BITS-1:0] dirty_entry_o,     // that one
    output wire                  dirty_missing_o,   // some line of it is neither valid nor zero
    output wire                  scarce_o,          // fewer than SPARE entries can be taken without closing one
    output wire                  crowded_o,         // no more than SPARE can
    output wire                  complete_valid_o,  // some entry has 64 dirty lines, and is not busy
    output wire [ENTRY_BITS-1:0] complete_entry_o,

    // ---- the entry the sequencer works on ----
    input  wire [ENTRY_BITS-1:0] entry_i,
    output wire [PAGE_BITS-1:0]  entry_page_o,
    output wire                  entry_dirty_o,
    output wire                  entry_lost_o,      // a line that the host has changed cannot be told
    output wire                  entry_complete_o,  // all its lines are dirty
    output wire                  entry_missing_o,   // some line is neither valid nor zero
    input  wire [5:0]            entry_line_i,
    output wire                  entry_line_missing_o,
    input  wire                  take_i,            // give the entry to page take_page_i
    input  wire [PAGE_BITS-1:0]  take_page_i,
    input  wire                  take_zero_i,
    input  wire                  drop_i,
    input  wire                  make_dirty_i,
    input  wire                  make_clean_i,
    input  wire                  closing_i,         // level: writes to close_entry_i wait
    input  wire [ENTRY_BITS-1:0] close_entry_i,
    input  wire                  stuck_i,           // level: complete entries are not closed: writes do not wait for that

    // ---- lines of the stored page; lines the host has written are kept ----
    input  wire                  fill_begin_i,      // of entry_i
    input  wire                  fill_end_i,
    input  wire [ENTRY_BITS-1:0] fill_end_entry_i,
    input  wire                  fill_valid_i,
    input  wire [ENTRY_BITS-1:0] fill_entry_i,
    input  wire [5:0]            fill_line_i,
    input  wire [511:0]          fill_data_i,

    // ---- the page read out for closing ----
    input  wire                  stream_start_i,
    input  wire                  stream_clear_i,
    output wire                  stream_valid_o,
    input  wire                  stream_ready_i,
    output wire [511:0]          stream_data_o,
    output wire [30:0]           stream_check_o,
    output wire                  stream_error_o,    // the line cannot be told

    // ---- flipped bits ----
    output wire                  corrected_o,
    output wire                  flaw_valid_o,
    input  wire                  flaw_taken_i,
    output wire                  flaw_lost_o,
    output wire [PAGE_BITS-1:0]  flaw_page_o
);
    `include "ecc_lines.vh"

    reg [CACHE_PAGES-1:0] used_q, dirty_q, zero_q;
    reg [CACHE_PAGES-1:0] filling_q;
    wire [CACHE_PAGES-1:0] busy;  // is filled or closed
    reg [PAGE_BITS-1:0]   page_q        [0:CACHE_PAGES-1];
    reg [63:0]            valid_lines_q [0:CACHE_PAGES-1];
    reg [63:0]            dirty_lines_q [0:CACHE_PAGES-1];

    // ---- host lookups: an entry is known by a bit of its own, and numbered where the RAM is addressed --------------
    wire [CACHE_PAGES-1:0] write_match, read_match, wait_match, lookup_match;
    wire [CACHE_PAGES-1:0] write_valids, read_valids, wait_valids;  // whether the entry has the line
    wire [CACHE_PAGES-1:0] complete, missing, closing, chosen;
    genvar e;

    generate
        for (e = 0; e < CACHE_PAGES; e = e + 1) begin : gen_match
            assign write_match[e]  = used_q[e] && page_q[e] == write_page_i;
            assign read_match[e]   = used_q[e] && page_q[e] == read_page_i;
            assign wait_match[e]   = used_q[e] && page_q[e] == wait_page_i;
            assign lookup_match[e] = used_q[e] && page_q[e] == lookup_page_i;
            assign write_valids[e] = valid_lines_q[e][write_line_i];
            assign read_valids[e]  = valid_lines_q[e][read_line_i];
            assign wait_valids[e]  = valid_lines_q[e][wait_line_i];
            assign complete[e]     = used_q[e] && &dirty_lines_q[e];
            assign missing[e]      = !zero_q[e] && !(&valid_lines_q[e]);
            assign closing[e]      = closing_i && close_entry_i == e[ENTRY_BITS-1:0];
            assign chosen[e]       = entry_i == e[ENTRY_BITS-1:0];
            assign busy[e]         = filling_q[e] || closing[e];
        end
    endgenerate

    function [ENTRY_BITS-1:0] number;
        input [CACHE_PAGES-1:0] one;  // at most one bit
        integer n;
        begin
            number = 0;
            for (n = 0; n < CACHE_PAGES; n = n + 1) if (one[n]) number = number | n[ENTRY_BITS-1:0];
        end
    endfunction

    wire [ENTRY_BITS-1:0] write_entry = number(write_match);

    wire write_full  = &write_strobe_i;
    wire write_valid = |(write_match & write_valids);
    wire write_there = write_full || |(write_match & (write_valids | zero_q));
    wire write_dirty = |(write_match & dirty_q);
    wire write_held  = |(write_match & (complete & {CACHE_PAGES{!stuck_i}} | closing));
    wire write_may   = write_valid_i && write_dirty && !write_held && write_there && !fill_valid_i;
    wire write_some  = !write_full && write_valid;  // bytes of a line that is there
    wire merge_ready;
    wire write_fire  = write_may && (!write_some || merge_ready);

    wire read_valid  = |(read_match & read_valids);
    wire read_there  = |(read_match & (read_valids | zero_q));
    wire wait_valid  = |(wait_match & wait_valids);
    wire wait_there  = |(wait_match & (wait_valids | zero_q));
    wire wait_goes   = wait_valid_i && wait_there;
    wire stream_wants;
    reg  stream_turn_q;  // the last line read was the host's
    wire merge_goes;     // a write of some bytes reads their line
    wire stream_goes = !merge_goes && stream_wants && (stream_turn_q || !(wait_goes || (read_valid_i && read_there)));
    wire host_goes   = !stream_goes && !merge_goes;
    wire wait_fire   = wait_goes && host_goes;
    wire read_fire   = read_valid_i && read_there && !wait_goes && !refuse_read_i && host_goes;
    wire host_fire   = wait_fire || read_fire;
    wire [CACHE_PAGES-1:0] host_match = wait_goes ? wait_match : read_match;
    wire [ENTRY_BITS-1:0]  host_entry = number(host_match);

    assign write_ready_o = write_fire || refuse_write_i;
    assign write_error_o = refuse_write_i;
    assign read_ready_o  = read_fire;
    assign read_miss_o   = !read_there;
    assign wait_ready_o  = wait_fire || refuse_read_i;

    // ---- requests to the sequencer, the two ports in turn -------------------------------------------------------
    wire write_busy  = |(write_match & busy);
    wire wait_busy   = |(wait_match & busy);
    wire read_busy   = |(read_match & busy);
    wire write_wants = write_valid_i && !write_busy && !write_held && !(write_dirty && write_there);
    wire wait_lacks  = wait_valid_i && !wait_there && !wait_busy;
    wire wait_wants  = wait_lacks && wait_first_i;
    wire read_wants  = wait_valid_i ? wait_wants : read_valid_i && !read_there && !read_busy;  // it waits from the next cycle on
    reg  turn_q;  // 1: the write port was served last

    assign waits_write_o   = write_wants && write_page_i == lookup_page_i;
    assign wait_busy_o     = wait_busy;
    assign waits_read_o    = wait_lacks && wait_page_i == lookup_page_i;
    assign request_valid_o = write_wants || read_wants;
    assign request_write_o = write_wants && !(read_wants && turn_q);
    assign request_fill_o  = request_write_o ? !write_full : 1'b1;
    assign request_page_o  = request_write_o ? write_page_i : wait_valid_i ? wait_page_i : read_page_i;
    assign request_line_o  = request_write_o ? write_line_i : wait_valid_i ? wait_line_i : read_line_i;

    always @(posedge clk_i) begin
        if (write_fire || refuse_write_i) turn_q <= 1'b1;
        else if (wait_ready_o) turn_q <= 1'b0;
        else if (bounce_i) turn_q <= !turn_q;
        if (!rst_ni) turn_q <= 1'b0;
    end

    // ---- victims ------------------------------------------------------------------------------------------------
    wire [CACHE_PAGES-1:0] unused_set = ~used_q & ~busy;
    wire [CACHE_PAGES-1:0] clean_set  = used_q & ~dirty_q & ~busy;
    wire [CACHE_PAGES-1:0] dirty_set  = used_q & dirty_q;  // one after the other is cleaned: while the oldest is busy, none
    wire [CACHE_PAGES-1:0] done_set   = complete & ~busy;
    wire [CACHE_PAGES-1:0] clean_one, dirty_one;  // the least recently used of each
    wire                   unused_any = |unused_set;
    wire                   clean_any  = |clean_set;

    recency #(
        .ENTRIES(CACHE_PAGES),
        .USERS(3),
        .QUESTIONS(2)
    ) u_recency (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .touch_i({chosen & {CACHE_PAGES{take_i || make_dirty_i}}, write_match & {CACHE_PAGES{write_fire}},
                  host_match & {CACHE_PAGES{host_fire}}}),
        .among_i({dirty_set, clean_set}),
        .oldest_o({dirty_one, clean_one})
    );

    assign lookup_hit_o     = |lookup_match;
    assign lookup_entry_o   = number(lookup_match);
    assign victim_entry_o   = number(unused_any ? unused_set & (~unused_set + 1'b1) : clean_any ? clean_one : dirty_one);
    assign victim_dirty_o   = !unused_any && !clean_any;
    assign victim_valid_o   = unused_any || clean_any || dirty_valid_o;
    assign dirty_any_o      = |dirty_set;
    assign dirty_valid_o    = |(dirty_one & ~busy);
    assign dirty_entry_o    = number(dirty_one);
    assign dirty_missing_o  = |(dirty_one & missing);
    assign complete_valid_o = |done_set;
    assign complete_entry_o = number(done_set & (~done_set + 1'b1));

    assign entry_page_o         = page_q[entry_i];
    assign entry_dirty_o        = dirty_q[entry_i];
    assign entry_complete_o     = &dirty_lines_q[entry_i];
    assign entry_missing_o      = missing[entry_i];
    assign entry_line_missing_o = !zero_q[entry_i] && !valid_lines_q[entry_i][entry_line_i];

    // Entries that can be taken as they are, counted up to one more than SPARE.
    reg [ENTRY_BITS:0] spare;
    integer            s;

    localparam [ENTRY_BITS:0] ENOUGH = SPARE[ENTRY_BITS:0] + 1'b1;

    always @* begin
        spare = 0;
        for (s = 0; s < CACHE_PAGES; s = s + 1)
            if (!(used_q[s] && dirty_q[s]) && !closing[s] && spare != ENOUGH) spare = spare + 1'b1;
    end

    assign crowded_o = spare != ENOUGH;
    assign scarce_o  = spare < SPARE[ENTRY_BITS:0];

    // ---- entry state --------------------------------------------------------------------------------------------
    wire fill_fire = fill_valid_i && !valid_lines_q[fill_entry_i][fill_line_i];

    wire                  forget;        // a line that cannot be told, and that the host has not changed
    wire [ENTRY_BITS-1:0] forget_entry;
    wire [5:0]            forget_line;

    always @(posedge clk_i) begin
        if (forget) begin  // what is stored of the page has zeros where lines were never written
            valid_lines_q[forget_entry][forget_line] <= 1'b0;
            zero_q[forget_entry]                     <= 1'b0;
        end
        if (write_fire) begin
            valid_lines_q[write_entry][write_line_i] <= 1'b1;
            dirty_lines_q[write_entry][write_line_i] <= 1'b1;
        end
        if (fill_fire) valid_lines_q[fill_entry_i][fill_line_i] <= 1'b1;
        if (fill_begin_i) filling_q[entry_i] <= 1'b1;
        if (fill_end_i) filling_q[fill_end_entry_i] <= 1'b0;
        if (make_dirty_i) dirty_q[entry_i] <= 1'b1;
        if (make_clean_i) begin
            dirty_q[entry_i]       <= 1'b0;
            dirty_lines_q[entry_i] <= 64'd0;
        end
        if (take_i) begin
            used_q[entry_i]        <= 1'b1;
            dirty_q[entry_i]       <= 1'b0;
            zero_q[entry_i]        <= take_zero_i;
            page_q[entry_i]        <= take_page_i;
            valid_lines_q[entry_i] <= 64'd0;
            dirty_lines_q[entry_i] <= 64'd0;
        end
        if (drop_i) begin
            used_q[entry_i]  <= 1'b0;
            dirty_q[entry_i] <= 1'b0;
        end
        if (!rst_ni) begin
            used_q    <= 0;
            dirty_q   <= 0;
            filling_q <= 0;
        end
    end

    // ---- lines --------------------------------------------------------------------------------------------------
    // A write of some bytes reads the line, and writes it whole when it comes; of a line that reads as zeros it writes the
    // other bytes as zeros.
    wire                  extend = !write_full && !write_valid;
    wire [511:0]          strobe_bits;
    genvar g;
    generate
        for (g = 0; g < 64; g = g + 1) begin : gen_strobe
            assign strobe_bits[g*8 +: 8] = {8{write_strobe_i[g]}};
        end
    endgenerate

    localparam [1:0] HOST = 2'd0, STREAM = 2'd1, MERGE = 2'd2, NOBODY = 2'd3;  // NOBODY: of a stream that was cleared

    wire                  stream_read;
    reg  [6:0]            stream_line_q;  // bit 6: all lines asked for
    reg  [1:0]            first_for_q, next_for_q, then_for_q;  // whom the lines on their way are for
    reg                   first_zero_q, next_zero_q, then_zero_q;
    reg  [PAGE_BITS-1:0]  first_page_q, next_page_q, then_page_q;
    reg                   flight_q, flight_next_q, flight_then_q;

    wire                  stream_zero = !valid_lines_q[close_entry_i][stream_line_q[5:0]];
    wire                  host_zero   = wait_fire ? !wait_valid : !read_valid;
    wire [1:0]            for_whom    = merge_goes ? MERGE : stream_goes ? STREAM : HOST;
    wire [PAGE_BITS-1:0]  for_page    = merge_goes ? write_page_i : stream_goes ? page_q[close_entry_i] : wait_fire ? wait_page_i : read_page_i;
    wire [5:0]            for_line    = merge_goes ? write_line_i : stream_goes ? stream_line_q[5:0] : wait_fire ? wait_line_i : read_line_i;
    wire [ENTRY_BITS-1:0] for_entry   = merge_goes ? write_entry : stream_goes ? close_entry_i : host_entry;
    wire                  for_zero    = merge_goes ? 1'b0 : stream_goes ? stream_zero : host_zero;
    wire                  look        = merge_goes || stream_goes || host_fire;

    wire                  line_valid, line_error, line_stale, lines_move;
    wire [ENTRY_BITS+5:0] line_address;
    wire [511:0]          line_data;
    wire [30:0]           line_check;
    wire [511:0]          write_data = (extend ? 512'd0 : line_data & ~strobe_bits) | write_data_i & strobe_bits;

    wire [PAGE_BITS+5:0]  written = fill_fire ? {page_q[fill_entry_i], fill_line_i} : {write_page_i, write_line_i};

    ecc_lines #(
        .DEPTH(CACHE_PAGES * 64),
        .ADDRESS_BITS(ENTRY_BITS + 6),
        .BOUND_BITS(LINE_BOUND_BITS),
        .CHECK_BITS(LINE_CHECK_BITS),
        .POLYNOMIAL(LINE_POLYNOMIAL)
    ) u_lines (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .moves_o(lines_move),
        .write_i(write_fire || fill_fire),
        .write_address_i(fill_fire ? {fill_entry_i, fill_line_i} : {write_entry, write_line_i}),
        .write_bound_i({{(24 - PAGE_BITS){1'b0}}, written}),
        .write_data_i(fill_fire ? fill_data_i : write_full ? write_data_i : write_data),
        .read_i(look && !for_zero),
        .read_address_i({for_entry, for_line}),
        .read_bound_i({{(24 - PAGE_BITS){1'b0}}, for_page, for_line}),
        .valid_o(line_valid),
        .address_o(line_address),
        .data_o(line_data),
        .check_o(line_check),
        .corrected_o(corrected_o),
        .error_o(line_error),
        .stale_o(line_stale)
    );

    reg refused_q, refused_next_q, refused_then_q;

    assign read_error_o = refused_then_q || line_error;
    assign read_data_o  = read_error_o || then_zero_q ? 512'd0 : line_data;

    always @(posedge clk_i) begin
        flight_q      <= look;
        flight_next_q <= flight_q;
        flight_then_q <= flight_next_q;
        if (look) {first_for_q, first_zero_q, first_page_q} <= {for_whom, for_zero, for_page};
        if (flight_q) {next_zero_q, next_page_q} <= {first_zero_q, first_page_q};
        if (flight_next_q) {then_zero_q, then_page_q} <= {next_zero_q, next_page_q};
        if (flight_q) next_for_q <= stream_clear_i && first_for_q == STREAM ? NOBODY : first_for_q;
        if (flight_next_q) then_for_q <= stream_clear_i && next_for_q == STREAM ? NOBODY : next_for_q;
        {refused_q, refused_next_q, refused_then_q} <= {refuse_read_i, refused_q, refused_next_q};
        if (!rst_ni) {flight_q, flight_next_q, flight_then_q, refused_q, refused_next_q, refused_then_q} <= 6'd0;
    end

    // ---- a line that cannot be told: nobody else has taken its entry, and it has not been written meanwhile ----------
    reg [CACHE_PAGES-1:0] flawed_q, lost_q;  // of each entry: a line was forgotten; one is lost
    reg [ENTRY_BITS-1:0]  flaw_entry;        // that is told of next
    reg                   flaw_lost;
    integer               f;

    assign {forget_entry, forget_line} = line_address;

    wire flaw      = line_error && !line_stale && used_q[forget_entry] && page_q[forget_entry] == then_page_q
                     && valid_lines_q[forget_entry][forget_line];
    wire lose = flaw && dirty_lines_q[forget_entry][forget_line];

    always @* begin
        flaw_entry = 0;
        flaw_lost  = lost_q != 0;
        for (f = CACHE_PAGES - 1; f >= 0; f = f - 1)
            if (flaw_lost ? lost_q[f] : flawed_q[f]) flaw_entry = f[ENTRY_BITS-1:0];
    end

    assign forget       = flaw && !lose;
    assign flaw_valid_o = flaw_lost || flawed_q != 0;
    assign flaw_lost_o  = flaw_lost;
    assign flaw_page_o  = page_q[flaw_entry];
    assign entry_lost_o = lost_q[entry_i];

    always @(posedge clk_i) begin
        if (flaw_taken_i) begin
            flawed_q[flaw_entry] <= 1'b0;
            lost_q[flaw_entry]   <= 1'b0;
        end
        if (forget) flawed_q[forget_entry] <= 1'b1;
        if (lose) lost_q[forget_entry] <= 1'b1;
        if (make_clean_i) lost_q[entry_i] <= 1'b0;  // it was stored before its line was hit
        if (drop_i || take_i) begin  // also of a line that is found just now
            flawed_q[entry_i] <= 1'b0;
            lost_q[entry_i]   <= 1'b0;
        end
        if (!rst_ni) {flawed_q, lost_q} <= 0;
    end

    // ---- a write of some bytes ----
    reg  merging_q;  // its line is on its way
    wire merge_came = flight_then_q && then_for_q == MERGE;

    assign merge_goes  = write_may && write_some && !merging_q && !flaw_valid_o;
    assign merge_ready = merge_came && line_valid && !line_error && line_address == {write_entry, write_line_i};

    always @(posedge clk_i) begin
        if (merge_goes) merging_q <= 1'b1;
        else if (merge_came) merging_q <= 1'b0;
        if (!rst_ni) merging_q <= 1'b0;
    end

    // ---- stream: a line a cycle through the RAM, into a queue that always has room for what is under way ----------
    reg [2:0]   stream_ahead_q;  // lines read but not taken
    reg [5:0]   stream_back_q;   // the next line that comes
    wire        stream_pop = stream_valid_o && stream_ready_i;
    wire        stream_room;
    wire        stream_back = flight_then_q && then_for_q == STREAM;
    wire [30:0] zero_check;

    ecc_encode #(
        .DATA_BITS(1),
        .BOUND_BITS(511 + LINE_BOUND_BITS),
        .CHECK_BITS(LINE_CHECK_BITS),
        .POLYNOMIAL(LINE_POLYNOMIAL)
    ) u_zero_check (
        .valid_i(stream_back && then_zero_q),
        .data_i(1'b0),
        .bound_i({{(24 - PAGE_BITS){1'b0}}, then_page_q, stream_back_q, 511'd0}),
        .check_o(zero_check)
    );

    assign stream_wants = !stream_line_q[6] && !stream_ahead_q[2] && !stream_clear_i;
    assign stream_read  = stream_goes;

    always @(posedge clk_i) begin
        if (host_fire) stream_turn_q <= 1'b1;
        else if (stream_read) stream_turn_q <= 1'b0;
        if (!rst_ni) stream_turn_q <= 1'b0;
    end

    always @(posedge clk_i) begin
        if (stream_read) stream_line_q <= stream_line_q + 1'b1;
        if (stream_back) stream_back_q <= stream_back_q + 1'b1;
        if (stream_read != stream_pop)
            stream_ahead_q <= stream_read ? stream_ahead_q + 1'b1 : stream_ahead_q - 1'b1;
        if (stream_start_i) {stream_line_q, stream_back_q} <= 13'd0;
        if (!rst_ni || stream_clear_i) begin
            stream_line_q  <= 7'd64;
            stream_ahead_q <= 3'd0;
        end
    end

    fifo #(
        .WIDTH(512 + 31 + 1),
        .DEPTH(4)
    ) u_stream (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(stream_clear_i),
        .in_valid_i(stream_back),
        .in_ready_o(stream_room),
        .in_data_i(then_zero_q ? {1'b0, zero_check, 512'd0} : {line_error, line_check, line_data}),
        .out_valid_o(stream_valid_o),
        .out_ready_i(stream_ready_i),
        .out_data_o({stream_error_o, stream_check_o, stream_data_o})
    );

    // `stream_ahead_q` keeps the queue from overflowing.
`ifdef FORMAL
    always @(posedge clk_i) if (rst_ni && stream_back) assert (stream_room);
`else
    wire unused = stream_room;
`endif

    // ---- rest -----------------------------------------------------------------------------------------------------
    assign moves_o = write_ready_o || read_ready_o || wait_ready_o || take_i || drop_i || make_dirty_i || make_clean_i || fill_valid_i
                     || stream_start_i || stream_clear_i || look || flight_q || flight_next_q || flight_then_q || refused_q || refused_next_q || refused_then_q
                     || lines_move || stream_pop
                     || flaw_taken_i || bounce_i || fill_begin_i || fill_end_i;
endmodule

`default_nettype wire
