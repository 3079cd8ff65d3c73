// SPDX-License-Identifier: MIT
// page_cache: the decompressed pages the host works on.
//
// Each of the CACHE_PAGES entries holds a page number, 64 lines, and per line a valid and a dirty bit. `zero_q` tells
// that lines which are not valid read as zeros (the page was free when it was opened). The rules are those of
// docs/device/cache.md; what needs more than the entry itself (opening, reserving, filling, closing) is done by
// the page_sequencer. A host access that cannot be served raises `request_*` and simply waits. Reads come on two ports:
// `read_*`, of which `read_miss_o` says that its line is not there, and `wait_*`, a read that waits for its line. It was
// asked for earlier, so it goes first.
//
// An access is looked up in the cycle before it is served: its page, or page and line, are on a `look` port then. What was
// found counts for one cycle (`wait_*`), until the next `read_look_i`, or as long as the write stays. It counts no more if
// an entry was taken, dropped, or lost a line meanwhile: then the access is looked up again. A line that comes in, or is
// written, is seen a cycle later.
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
// Latency:   a hit takes one cycle a line, a write of some bytes of a line six. The RAM has one read port: host reads
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
    input  wire [PAGE_BITS-1:0]  write_look_page_i, // that of the next cycle's write
    input  wire [PAGE_BITS-1:0]  write_page_i,
    input  wire [5:0]            write_line_i,
    input  wire [511:0]          write_data_i,
    input  wire [63:0]           write_strobe_i,

    // ---- host reads ----
    input  wire                  read_look_i,       // the next cycle's read is another one, or the same again
    input  wire [PAGE_BITS-1:0]  read_look_page_i,
    input  wire [5:0]            read_look_line_i,
    output wire                  read_again_o,      // it is to be looked up again
    input  wire                  read_valid_i,
    input  wire                  read_first_i,      // no read waits
    output wire                  read_ready_o,
    output wire                  read_miss_o,
    input  wire [PAGE_BITS-1:0]  read_page_i,
    input  wire [5:0]            read_line_i,
    input  wire [PAGE_BITS-1:0]  wait_look_page_i,
    input  wire [5:0]            wait_look_line_i,
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
    output wire                  lookup_busy_o,     // and its entry is busy
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
    output wire                  entry_line_after_o,    // the line before it is there
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
    input  wire                  stream_dirty_i,    // with it: the dirty lines only
    input  wire                  stream_clear_i,
    output wire                  stream_valid_o,
    input  wire                  stream_ready_i,
    output wire [511:0]          stream_data_o,
    output wire [30:0]           stream_check_o,
    output wire                  stream_error_o,    // the line cannot be told
    output wire [5:0]            stream_index_o,    // which line it is
    output wire                  stream_end_o,      // no other comes

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
    wire [CACHE_PAGES-1:0] fill_at, fill_valids;
    wire [CACHE_PAGES-1:0] complete, missing, closing, chosen, changed, entry_valids, before_valids;
    genvar e;

    generate
        for (e = 0; e < CACHE_PAGES; e = e + 1) begin : gen_match
            assign write_match[e]  = used_q[e] && page_q[e] == write_look_page_i;
            assign read_match[e]   = used_q[e] && page_q[e] == read_look_page_i;
            assign wait_match[e]   = used_q[e] && page_q[e] == wait_look_page_i;
            assign lookup_match[e] = used_q[e] && page_q[e] == lookup_page_i;
            assign write_valids[e] = valid_lines_q[e][write_line_i];
            assign read_valids[e]  = valid_lines_q[e][read_look_line_i];
            assign wait_valids[e]  = valid_lines_q[e][wait_look_line_i];
            assign entry_valids[e] = valid_lines_q[e][entry_line_i];
            assign before_valids[e] = valid_lines_q[e][entry_line_i - 6'd1];
            assign changed[e]      = &dirty_lines_q[e];
            assign complete[e]     = used_q[e] && changed[e];
            assign missing[e]      = !zero_q[e] && !(&valid_lines_q[e]);
            assign closing[e]      = closing_i && close_entry_i == e[ENTRY_BITS-1:0];
            assign fill_at[e]      = fill_entry_i == e[ENTRY_BITS-1:0];
            assign fill_valids[e]  = valid_lines_q[e][fill_line_i];
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

    function [CACHE_PAGES-1:0] lowest;
        input [CACHE_PAGES-1:0] ones;
        integer n;
        begin
            lowest[0] = ones[0];
            for (n = 1; n < CACHE_PAGES; n = n + 1) lowest[n] = ones[n] && (ones & ~({CACHE_PAGES{1'b1}} << n)) == 0;
        end
    endfunction

    localparam HALF = (CACHE_PAGES + 1) / 2;

    function [HALF-1:0] halved;
        input [CACHE_PAGES-1:0] ones;
        integer n;
        begin
            halved = 0;
            for (n = 0; n < CACHE_PAGES; n = n + 1) if (ones[n]) halved[n/2] = 1'b1;
        end
    endfunction

    // What was found in the last cycle.
    reg [CACHE_PAGES-1:0] write_match_q, read_match_q, wait_match_q, complete_q, held_q, closing_q;
    reg [ENTRY_BITS-1:0]  write_entry_q, read_entry_q, wait_entry_q;
    reg [HALF-1:0]        write_valids_q, read_valids_q, wait_valids_q;  // its line is there, of two entries a bit
    reg                   write_zero_q, read_zero_q, wait_zero_q;  // the entry's lines that are not there read as zeros
    reg                   write_free_q;                // the entry is dirty, and nothing keeps from writing to it
    reg                   write_stays_q;               // the write is that of the last cycle
    reg                   stuck_q;
    reg                   filled_q;                    // a line came in, perhaps its own
    reg                   sure_q, read_sure_q;         // it still counts

    wire forget;  // a line that cannot be told, and that the host has not changed
    wire changes = take_i || drop_i || forget;

    wire write_valid = |write_valids_q;  // the line is in the RAM
    wire read_valid  = |read_valids_q;
    wire wait_valid  = |wait_valids_q;
    wire read_there  = read_valid || read_zero_q;
    wire wait_there  = wait_valid || wait_zero_q;

    wire [CACHE_PAGES-1:0] complete_d = complete & ~(chosen & {CACHE_PAGES{take_i || drop_i || make_clean_i}});

    wire write_full  = &write_strobe_i;
    wire write_there = write_full || write_valid || write_zero_q;
    wire write_busy  = |(write_match_q & busy);
    wire write_dirty = |(write_match_q & dirty_q);
    wire write_open  = |(write_match_q & dirty_q & ~held_q & ~closing_q);
    wire write_held  = |(write_match_q & (held_q | closing_q));
    wire write_known = sure_q && write_stays_q;
    wire write_may   = write_valid_i && sure_q && write_open && !fill_valid_i;
    wire merge_ready;
    wire write_some  = write_stays_q && (merge_ready || (write_zero_q && !write_valid && !filled_q));
    wire write_fire  = write_may && (write_full || write_some);

    wire read_busy   = |(read_match_q & busy);
    wire wait_busy   = |(wait_match_q & busy);
    wire wait_goes   = wait_valid_i && sure_q && wait_there;
    wire read_goes   = read_valid_i && read_sure_q && read_there;
    wire stream_wants;
    reg  stream_turn_q;  // the last line read was the host's
    reg  merge_went_q;   // nothing is read behind it: its line stays for a cycle
    wire merge_goes;     // a write of some bytes reads their line
    wire stream_goes = !merge_goes && !merge_went_q && stream_wants && (stream_turn_q || !(wait_goes || read_goes));
    wire host_goes   = !stream_goes && !merge_goes && !merge_went_q;
    wire wait_fire   = wait_goes && host_goes;
    wire read_fire   = read_goes && !wait_goes && !refuse_read_i && host_goes;
    wire host_fire   = wait_fire || read_fire;
    wire [CACHE_PAGES-1:0] host_match = wait_goes ? wait_match_q : read_match_q;
    wire [ENTRY_BITS-1:0]  host_entry = wait_goes ? wait_entry_q : read_entry_q;

    assign write_ready_o = write_fire || refuse_write_i;
    assign write_error_o = refuse_write_i;
    assign read_again_o  = !read_sure_q;
    assign read_ready_o  = read_fire;
    assign read_miss_o   = read_sure_q && !read_there;
    assign wait_ready_o  = wait_fire || refuse_read_i;

    wire read_other = |((read_look_i ? read_match : read_match_q) & ~chosen);  // it hits another entry than the one at work

    always @(posedge clk_i) begin
        sure_q         <= !changes;
        filled_q       <= fill_valid_i;
        write_match_q  <= write_match;
        write_entry_q  <= number(write_match);
        write_valids_q <= halved(write_match & write_valids);
        write_zero_q   <= |(write_match & zero_q);
        write_free_q   <= |(write_match & dirty_q & ~closing);
        write_stays_q  <= write_valid_i && !write_ready_o;
        wait_match_q   <= wait_match;
        wait_entry_q   <= number(wait_match);
        wait_valids_q  <= halved(wait_match & wait_valids);
        wait_zero_q    <= |(wait_match & zero_q);
        if (read_look_i) begin
            read_match_q  <= read_match;
            read_entry_q  <= number(read_match);
            read_valids_q <= halved(read_match & read_valids);
            read_zero_q   <= |(read_match & zero_q);
        end
        read_sure_q <= (read_sure_q || read_look_i) && !forget && (read_other || !(take_i || drop_i));
        complete_q  <= complete_d;
        held_q      <= complete_d & {CACHE_PAGES{!stuck_i}};
        closing_q   <= closing;
        stuck_q     <= stuck_i;
        if (!rst_ni) begin
            complete_q <= 0;
            held_q     <= 0;
            closing_q  <= 0;
            {sure_q, read_sure_q, write_stays_q} <= 3'd0;
        end
    end

    // ---- requests to the sequencer, the two ports in turn -------------------------------------------------------
    wire write_wants = write_valid_i && write_known && !write_busy && !write_held && !(write_dirty && write_there);
    wire wait_lacks  = wait_valid_i && sure_q && !wait_there && !wait_busy;
    wire read_wants  = (wait_lacks && wait_first_i)
                       || (read_valid_i && read_first_i && read_sure_q && !read_there && !read_busy);  // it waits from the next cycle on
    reg  turn_q;  // 1: the write port was served last

    assign waits_write_o   = write_wants && write_page_i == lookup_page_i;
    assign wait_busy_o     = wait_busy;
    assign waits_read_o    = wait_lacks && wait_page_i == lookup_page_i;
    assign request_valid_o = write_wants || read_wants;
    assign request_write_o = write_wants && !(read_wants && turn_q);
    assign request_fill_o  = request_write_o ? !write_full : 1'b1;
    assign request_page_o  = request_write_o ? write_page_i : read_first_i ? read_page_i : wait_page_i;
    assign request_line_o  = request_write_o ? write_line_i : read_first_i ? read_line_i : wait_line_i;

    always @(posedge clk_i) begin
        if (write_fire || refuse_write_i) turn_q <= 1'b1;
        else if (wait_ready_o) turn_q <= 1'b0;
        else if (bounce_i) turn_q <= !turn_q;
        if (!rst_ni) turn_q <= 1'b0;
    end

    // ---- victims ------------------------------------------------------------------------------------------------
    wire [CACHE_PAGES-1:0] at_work    = filling_q | closing_q;  // what is closed is seen a cycle later, as its uses are
    wire [CACHE_PAGES-1:0] unused_set = ~used_q & ~at_work;
    wire [CACHE_PAGES-1:0] clean_set  = used_q & ~dirty_q & ~at_work;
    wire [CACHE_PAGES-1:0] dirty_set  = used_q & dirty_q;  // one after the other is cleaned: while the oldest is busy, none
    wire [CACHE_PAGES-1:0] done_set   = complete_q & ~at_work;
    wire [CACHE_PAGES-1:0] clean_one, dirty_one;  // the least recently used of each
    wire                   unused_any = |unused_set;
    wire                   clean_any  = |clean_set;

    reg [CACHE_PAGES-1:0] written_q, read_q;  // used in the last cycle
    reg                   dirtied_q;          // one became dirty in the last cycle

    always @(posedge clk_i) begin
        dirtied_q <= make_dirty_i;
        written_q <= write_match_q & {CACHE_PAGES{write_fire}};
        read_q    <= host_match & {CACHE_PAGES{host_fire}};
        if (!rst_ni) {dirtied_q, written_q, read_q} <= 0;
    end

    recency #(
        .ENTRIES(CACHE_PAGES),
        .USERS(3),
        .QUESTIONS(2)
    ) u_recency (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .touch_i({chosen & {CACHE_PAGES{take_i || make_dirty_i}}, written_q, read_q}),
        .among_i({dirty_set, clean_set}),
        .oldest_o({dirty_one, clean_one})
    );

    assign lookup_hit_o     = |lookup_match;
    assign lookup_entry_o   = number(lookup_match);
    assign victim_entry_o   = unused_any ? number(lowest(unused_set)) : clean_any ? number(clean_one) : number(dirty_one);
    assign victim_dirty_o   = !unused_any && !clean_any;
    assign victim_valid_o   = unused_any || clean_any || dirty_valid_o;
    assign dirty_any_o      = |dirty_set;
    assign dirty_valid_o    = |(dirty_one & ~busy);
    assign dirty_entry_o    = number(dirty_one);
    assign dirty_missing_o  = |(dirty_one & missing);
    assign complete_valid_o = |done_set;
    assign complete_entry_o = number(lowest(done_set));

    assign entry_page_o         = page_q[entry_i];
    assign entry_dirty_o        = dirty_q[entry_i];
    assign entry_complete_o     = |(chosen & changed);
    assign entry_missing_o      = |(chosen & missing);
    assign entry_line_missing_o = |(chosen & ~zero_q & ~entry_valids);
    assign entry_line_after_o   = |(chosen & before_valids) && entry_line_i != 6'd0;
    assign lookup_busy_o        = |(lookup_match & busy);

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
    // A line that the host has written is kept: a fill of it is taken back.
    reg                    fill_known_q;

    wire [CACHE_PAGES-1:0] forget_at;  // its entry
    reg  [5:0]             forget_line_q;

    integer n;

    always @(posedge clk_i) begin
        if (fill_valid_i) valid_lines_q[fill_entry_i][fill_line_i] <= 1'b1;
        for (n = 0; n < CACHE_PAGES; n = n + 1)
            if (forget_at[n]) begin  // what is stored of the page has zeros where lines were never written
                valid_lines_q[n][forget_line_q] <= 1'b0;
                zero_q[n]                     <= 1'b0;
            end
        if (write_fire) begin
            valid_lines_q[write_entry_q][write_line_i] <= 1'b1;
            dirty_lines_q[write_entry_q][write_line_i] <= 1'b1;
        end
        fill_known_q <= fill_valid_i && |(fill_at & fill_valids);
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
    wire                  extend = !write_valid;
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
    reg  [PAGE_BITS-1:0]  first_page_q, next_page_q, then_page_q, flaw_page_q;
    reg  [5:0]            first_line_q, next_line_q, then_line_q;
    reg  [63:0]           stream_valids_q;  // of the page that is closed: nobody writes to it
    reg                   flight_q, flight_next_q, flight_then_q;

    wire                  host_zero   = wait_goes ? !wait_valid : !read_valid;
    wire                  first_zero  = first_for_q == STREAM ? !stream_valids_q[first_line_q]
                                        : first_for_q == HOST && first_zero_q;
    wire [1:0]            for_whom    = merge_goes ? MERGE : stream_goes ? STREAM : HOST;
    wire [PAGE_BITS-1:0]  for_page    = merge_goes ? write_page_i : stream_goes ? page_q[close_entry_i] : wait_goes ? wait_page_i : read_page_i;
    wire [5:0]            for_line    = merge_goes ? write_line_i : stream_goes ? stream_line_q[5:0] : wait_goes ? wait_line_i : read_line_i;
    wire [ENTRY_BITS-1:0] for_entry   = merge_goes ? write_entry_q : stream_goes ? close_entry_i : host_entry;
    wire                  look        = merge_goes || stream_goes || host_fire;

    wire                  line_valid, line_error, line_flaw, lines_move;
    wire [ENTRY_BITS+5:0] line_address, flaw_address;
    wire [511:0]          line_data;
    wire [30:0]           line_check;
    wire [511:0]          write_data = (extend ? 512'd0 : line_data & ~strobe_bits) | write_data_i & strobe_bits;

    wire [PAGE_BITS+5:0]  written = fill_valid_i ? {page_q[fill_entry_i], fill_line_i} : {write_page_i, write_line_i};

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
        .write_i(write_fire || fill_valid_i),
        .write_address_i(fill_valid_i ? {fill_entry_i, fill_line_i} : {write_entry_q, write_line_i}),
        .write_bound_i({{(24 - PAGE_BITS){1'b0}}, written}),
        .write_data_i(fill_valid_i ? fill_data_i : write_full ? write_data_i : write_data),
        .write_cancel_i(fill_known_q),
        .read_i(look),
        .read_address_i({for_entry, for_line}),
        .read_bound_i({{(24 - PAGE_BITS){1'b0}}, for_page, for_line}),
        .read_cancel_i(first_zero),
        .valid_o(line_valid),
        .address_o(line_address),
        .data_o(line_data),
        .check_o(line_check),
        .corrected_o(corrected_o),
        .error_o(line_error),
        .flaw_o(line_flaw),
        .flaw_address_o(flaw_address)
    );

    reg refused_q, refused_next_q, refused_then_q;

    assign read_error_o = refused_then_q || line_error;
    assign read_data_o  = read_error_o || then_zero_q ? 512'd0 : line_data;

    always @(posedge clk_i) begin
        flight_q      <= look;
        flight_next_q <= flight_q;
        flight_then_q <= flight_next_q;
        if (look) {first_for_q, first_zero_q, first_page_q, first_line_q} <= {for_whom, host_zero, for_page, for_line};
        if (flight_q) {next_zero_q, next_page_q, next_line_q} <= {first_zero, first_page_q, first_line_q};
        flaw_page_q     <= then_page_q;
        stream_valids_q <= valid_lines_q[close_entry_i];
        if (flight_next_q) {then_zero_q, then_page_q, then_line_q} <= {next_zero_q, next_page_q, next_line_q};
        if (flight_q) next_for_q <= stream_clear_i && first_for_q == STREAM ? NOBODY : first_for_q;
        if (flight_next_q) then_for_q <= stream_clear_i && next_for_q == STREAM ? NOBODY : next_for_q;
        {refused_q, refused_next_q, refused_then_q} <= {refuse_read_i, refused_q, refused_next_q};
        if (!rst_ni) {flight_q, flight_next_q, flight_then_q, refused_q, refused_next_q, refused_then_q} <= 6'd0;
    end

    // ---- a line that cannot be told: nobody else has taken its entry, and it has not been written meanwhile ----------
    reg  [CACHE_PAGES-1:0] flawed_q, lost_q;  // of each entry: a line was forgotten; one is lost
    wire [CACHE_PAGES-1:0] flaw_one;         // that is told of next
    wire [CACHE_PAGES-1:0] flaw_at, flaw_dirty;  // where one is found; whether the host has changed it
    reg  [CACHE_PAGES-1:0] flaw_one_q, flaw_at_q, flaw_dirty_q;
    reg                    overwritten_q, flaws_q;

    generate
        for (e = 0; e < CACHE_PAGES; e = e + 1) begin : gen_flaw
            localparam [CACHE_PAGES-1:0] BELOW = ~({CACHE_PAGES{1'b1}} << e);

            assign flaw_one[e] = lost_q[e] ? (lost_q & BELOW) == 0 : flawed_q[e] && lost_q == 0 && (flawed_q & BELOW) == 0;
            assign flaw_at[e]  = line_flaw && flaw_address[6 +: ENTRY_BITS] == e[ENTRY_BITS-1:0] && used_q[e] && page_q[e] == flaw_page_q
                                 && valid_lines_q[e][flaw_address[5:0]];
            assign flaw_dirty[e] = dirty_lines_q[e][flaw_address[5:0]];
        end
    endgenerate

    wire [PAGE_BITS-1:0] flaw_page [0:CACHE_PAGES];  // of the entries below

    assign flaw_page[0] = {PAGE_BITS{1'b0}};
    generate
        for (e = 0; e < CACHE_PAGES; e = e + 1) begin : gen_flaw_page
            assign flaw_page[e+1] = flaw_page[e] | (page_q[e] & {PAGE_BITS{flaw_one_q[e]}});
        end
    endgenerate

    // Its entry is found in a cycle and changes in the next one, unless it was given away, or the line was written.
    wire [CACHE_PAGES-1:0] given = chosen & {CACHE_PAGES{drop_i || take_i}};
    wire [CACHE_PAGES-1:0] told  = flaw_one_q & {CACHE_PAGES{flaw_taken_i}};
    wire [CACHE_PAGES-1:0] lose_at = flaw_at_q & flaw_dirty_q & {CACHE_PAGES{!overwritten_q}};

    assign forget_at    = flaw_at_q & ~flaw_dirty_q & {CACHE_PAGES{!overwritten_q}};
    assign forget       = |forget_at;
    assign flaw_valid_o = |(flaw_one_q & (lost_q | flawed_q));
    assign flaw_lost_o  = |(flaw_one_q & lost_q);
    assign flaw_page_o  = flaw_page[CACHE_PAGES];
    assign entry_lost_o = lost_q[entry_i];

    always @(posedge clk_i) begin
        flaw_at_q     <= flaw_at & ~given;
        flaw_dirty_q  <= flaw_dirty;
        forget_line_q   <= flaw_address[5:0];
        overwritten_q <= write_fire && {write_entry_q, write_line_i} == flaw_address;
        flawed_q      <= (flawed_q & ~told | forget_at) & ~given;
        lost_q        <= (lost_q & ~told | lose_at) & ~given & ~(chosen & {CACHE_PAGES{make_clean_i}});  // it was stored before its line was hit
        flaw_one_q    <= flaw_one;
        flaws_q       <= flawed_q != 0 || lost_q != 0;
        if (!rst_ni) {flawed_q, lost_q, flaw_at_q, flaw_one_q} <= 0;
    end

    // ---- a write of some bytes ----
    reg       merging_q;  // its line is on its way
    reg       came_q, merge_good_q;
    reg [3:0] failed_q;   // it could not be told: a flaw is told of first
    wire      merge_came = flight_then_q && then_for_q == MERGE;

    assign merge_goes  = write_valid_i && write_known && write_valid && write_free_q && !write_full && !merging_q && !flaws_q;
    assign merge_ready = merge_good_q;

    always @(posedge clk_i) begin
        if (merge_goes) merging_q <= 1'b1;
        else if (came_q ? !failed_q[0] : failed_q[3]) merging_q <= 1'b0;
        came_q       <= merge_came;
        merge_went_q <= merge_goes;
        merge_good_q <= merge_came && line_valid && !line_error && line_address == {write_entry_q, write_line_i};
        failed_q <= {failed_q[2:0], merge_came && line_error};
        if (!rst_ni) {merging_q, merge_went_q, came_q, merge_good_q, failed_q} <= 8'd0;
    end

    // ---- stream: a line a cycle through the RAM, into a queue that always has room for what is under way ----------
    reg [2:0]   stream_ahead_q;  // lines read but not taken
    reg         stream_dirty_q;  // a line that is not dirty is left out, in a cycle of its own
    reg [63:0]  stream_changed_q;
    wire        stream_skip = stream_dirty_q && !stream_line_q[6] && !stream_changed_q[stream_line_q[5:0]];
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
        .bound_i({{(24 - PAGE_BITS){1'b0}}, then_page_q, then_line_q, 511'd0}),
        .check_o(zero_check)
    );

    assign stream_wants = !stream_line_q[6] && !stream_skip && !stream_ahead_q[2] && !stream_clear_i;
    assign stream_end_o = stream_line_q[6] && stream_ahead_q == 3'd0;
    assign stream_read  = stream_goes;

    always @(posedge clk_i) begin
        if (host_fire) stream_turn_q <= 1'b1;
        else if (stream_read) stream_turn_q <= 1'b0;
        if (!rst_ni) stream_turn_q <= 1'b0;
    end

    always @(posedge clk_i) begin
        if (stream_read || stream_skip) stream_line_q <= stream_line_q + 1'b1;
        stream_changed_q <= dirty_lines_q[close_entry_i];
        if (stream_read != stream_pop)
            stream_ahead_q <= stream_read ? stream_ahead_q + 1'b1 : stream_ahead_q - 1'b1;
        if (stream_start_i) begin
            stream_line_q  <= 7'd0;
            stream_dirty_q <= stream_dirty_i;
        end
        if (!rst_ni || stream_clear_i) begin
            stream_line_q  <= 7'd64;
            stream_ahead_q <= 3'd0;
        end
    end

    fifo #(
        .WIDTH(512 + 31 + 1 + 6),
        .DEPTH(4)
    ) u_stream (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(stream_clear_i),
        .in_valid_i(stream_back),
        .in_ready_o(stream_room),
        .in_data_i({then_line_q, then_zero_q ? {1'b0, zero_check, 512'd0} : {line_error, line_check, line_data}}),
        .out_valid_o(stream_valid_o),
        .out_ready_i(stream_ready_i),
        .out_data_o({stream_index_o, stream_error_o, stream_check_o, stream_data_o})
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
                     || lines_move || stream_pop || stream_skip
                     || flaw_taken_i || bounce_i || fill_begin_i || fill_end_i
                     || !sure_q || filled_q || failed_q != 0 || merge_went_q || came_q || (write_valid_i && !write_stays_q) || read_look_i || closing != closing_q || stuck_i != stuck_q || flaw_at_q != 0 || flaw_one_q != flaw_one || flaws_q != (flawed_q != 0 || lost_q != 0) || dirtied_q || written_q != 0 || read_q != 0;
endmodule

`default_nettype wire
