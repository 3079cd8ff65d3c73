// SPDX-License-Identifier: MIT
// page_sequencer: decides, one decision at a time, what happens to pages.
//
// It is the only user of the page table, the reservations and the entries' fate. Fills and one close go on by themselves
// once they are begun: their entries are busy in the cache, which locks their pages, and the sequencer decides the next
// thing. A fill that has ended well needs nothing more; one that has failed, and a close that has ended, come back here. An
// access that needs what is not free now goes back and asks again (`bounce_o`). A command waits until nothing is under way,
// and sees a settled device.
//
// Order of service: fills that have failed, closes that have ended, complete entries to close; then host requests and
// mailbox commands in turn, so that a host that misses all the time does not keep a command waiting. While nobody waits
// for anything and few entries could be taken, the least recently used dirty one is cleaned: its missing lines are filled,
// then it is closed, so that the next miss finds a clean victim.
//
//     PREPARE   a host access needs a page: open it (taking a victim), reserve and make it dirty, fill it
//     COMMAND   from the mailbox: trim, state, export, flush, inject and clear poison (OP_* of cram_codes.vh)
//     SALVAGE   an export finds the stored copy of a page damaged that is wholly cached: it is closed anew
//     CLOSE, FILL, POISON, RELEASE   steps shared by these; `after_*_q` say where to go on. A command waits for its close
//               or fill (`stays_q`); all others go on by themselves.
//     COMMIT    a close has ended: give the old sectors back, write the table
//     FAILED    a fill has
//     REGION    a page is promoted, or leaves the promoted region (docs/device/promotion.md), in turn with host requests
//
// Sectors that the media could not write or read are retired when their chain is released. A close that met one is tried
// again elsewhere. A close that finds no room, or no answer of the media, leaves its entry dirty: whoever waited for it is
// refused, and complete entries are not closed by themselves (`stuck_q`) until sectors come back or a close succeeds.
//
// Watermarks are judged between operations, on what can still be promised: `available_o` counts while `judge_o` is high.
// What complete pages take that wait to be closed is not known: until it is, what is free without them can only fall
// (`falls_o`).
//
// Handshake: see page_cache (requests), mailbox (commands: valid/ready, then one `reply_valid_o` pulse) and page_store.
// Latency:   a refusal takes 4 cycles; an open of a clean page 5 cycles plus its fill.

`default_nettype none

module page_sequencer #(
    parameter PAGES        = 4096,
    parameter PAGE_BITS    = 12,
    parameter ENTRY_BITS   = 3,
    parameter SECTOR_BITS  = 14,
    parameter SECTOR_BYTES = 256,
    parameter FRAMES       = 0,   // of the promoted region, from sector FRAMES_FROM on
    parameter FRAME_BITS   = 1,
    parameter FRAMES_FROM  = 0
) (
    input  wire                   clk_i,
    input  wire                   rst_ni,
    output wire                   ready_o,
    output wire                   idle_o,
    output wire                   moves_o,          // the next edge changes something
    output wire [31:0]            reserved_o,
    output wire [31:0]            resident_o,
    output wire [31:0]            available_o,      // free sectors that nobody was promised
    output wire                   judge_o,
    output wire                   falls_o,

    // ---- page_cache ----
    input  wire                   request_valid_i,
    output wire [2:0]             stalls_o,         // beside bounce_o: there is no clean entry, no filler, no room
    output wire                   bounce_o,         // it cannot be served now
    input  wire                   request_write_i,
    input  wire                   request_fill_i,
    input  wire [PAGE_BITS-1:0]   request_page_i,
    input  wire [5:0]             request_line_i,
    input  wire                   request_again_i,  // a line of this burst was refused before
    input  wire                   read_again_i,     // likewise of the read burst that asks
    input  wire                   critical_i,       // no new page is admitted
    input  wire                   burst_i,          // a write burst is under way, now in page burst_page_i
    input  wire [PAGE_BITS-1:0]   burst_page_i,
    input  wire                   waits_write_i,    // the port waits for a line of lookup_page_o
    input  wire                   waits_read_i,
    output wire                   seek_read_o,      // a read of lookup_page_o is to ask: it will be refused
    output wire                   refuse_write_o,
    output wire                   refuse_read_o,
    output wire [PAGE_BITS-1:0]   lookup_page_o,
    input  wire                   lookup_hit_i,
    input  wire                   lookup_busy_i,    // and its entry is busy
    input  wire [ENTRY_BITS-1:0]  lookup_entry_i,
    input  wire                   victim_valid_i,
    input  wire [ENTRY_BITS-1:0]  victim_entry_i,
    input  wire                   victim_dirty_i,
    input  wire                   dirty_any_i,
    input  wire                   dirty_valid_i,    // one of them is not busy
    input  wire [ENTRY_BITS-1:0]  dirty_entry_i,
    input  wire                   dirty_missing_i,
    input  wire                   scarce_i,         // few entries can be taken without closing one
    input  wire                   crowded_i,        // so it will be when one more is dirty
    input  wire                   complete_valid_i,
    input  wire [ENTRY_BITS-1:0]  complete_entry_i,
    input  wire                   flaw_valid_i,     // a line of the page cannot be told
    output wire                   flaw_taken_o,
    input  wire                   flaw_lost_i,      // and there is no other copy
    input  wire [PAGE_BITS-1:0]   flaw_page_i,
    output wire [ENTRY_BITS-1:0]  entry_o,
    input  wire [PAGE_BITS-1:0]   entry_page_i,
    input  wire                   entry_dirty_i,
    input  wire                   entry_lost_i,
    input  wire                   entry_complete_i,
    input  wire                   entry_missing_i,
    output wire [5:0]             entry_line_o,
    input  wire                   entry_line_missing_i,
    input  wire                   entry_line_after_i,
    output wire                   take_o,
    output wire                   take_zero_o,
    output wire                   drop_o,
    output wire                   make_dirty_o,
    output wire                   make_clean_o,
    output wire                   closing_o,        // close_entry_o
    output wire [ENTRY_BITS-1:0]  close_entry_o,
    output wire                   fill_begin_o,     // of entry_o
    output wire                   fill_end_o,       // of fill_entry_i
    output wire                   stuck_o,          // complete entries are not closed by themselves

    // ---- page_store ----
    input  wire [SECTOR_BITS:0]   free_i,
    output wire                   close_start_o,
    output wire                   close_plain_o,    // into its frame, from close_frame_o on,
    output wire [SECTOR_BITS-1:0] close_frame_o,
    output wire                   close_dirty_o,    // the dirty lines only
    output wire [PAGE_BITS-1:0]   close_page_o,
    input  wire                   close_done_i,
    input  wire [7:0]             close_error_i,    // 0, or an event code
    input  wire [2:0]             close_state_i,
    input  wire [12:0]            close_length_i,
    input  wire [63:0]            close_word_i,
    input  wire [31:0]            close_crc_i,
    input  wire [SECTOR_BITS-1:0] close_first_i,
    input  wire [6:0]             close_count_i,
    input  wire                   fill_ready_i,
    input  wire                   fills_i,          // some are under way
    output wire                   fill_start_o,
    output wire [ENTRY_BITS-1:0]  fill_entry_o,
    output wire                   fill_closes_o,    // to be closed then
    output wire                   fill_export_o,
    output wire                   import_o,         // the fill checks, the close stores an imported block
    output wire [2:0]             fill_state_o,
    output wire [12:0]            fill_length_o,
    output wire [63:0]            fill_word_o,
    output wire [31:0]            fill_crc_o,
    output wire [SECTOR_BITS-1:0] fill_first_o,
    output wire                   fill_plain_o,     // from its frame,
    output wire [5:0]             fill_line_o,      // from this line on,
    output wire                   fill_alone_o,     // or that line alone
    input  wire                   fill_done_i,      // a fill has ended, of
    input  wire [PAGE_BITS-1:0]   fill_page_i,
    input  wire [ENTRY_BITS-1:0]  fill_entry_i,
    input  wire                   fill_closes_i,
    input  wire                   fill_stored_i,
    input  wire                   fill_plain_i,
    input  wire [7:0]             fill_error_i,
    output wire                   fill_taken_o,
    output wire                   release_start_o,
    output wire [SECTOR_BITS-1:0] release_first_o,
    output wire [6:0]             release_count_o,
    output wire                   release_close_o,  // without the sectors that the last close found bad
    output wire                   release_fill_o,   // without those of the last fill
    input  wire                   release_done_i,
    input  wire                   lost_i,           // a sector is out of reach
    input  wire                   returned_i,       // a sector has become free by itself
    input  wire                   retired_i,
    input  wire [SECTOR_BITS-1:0] retired_sector_i,

    // ---- mailbox ----
    input  wire                   command_valid_i,
    output wire                   command_ready_o,
    input  wire [3:0]             command_op_i,
    input  wire [PAGE_BITS-1:0]   command_page_i,
    input  wire [31:0]            import_crc_i,
    output wire                   reply_valid_o,
    output wire [2:0]             reply_state_o,
    output wire                   reply_cached_o,
    output wire                   reply_dirty_o,
    output wire                   reply_error_o,
    output wire                   reply_fenced_o,
    output wire [1:0]             reply_reason_o,   // of the error
    output wire [12:0]            reply_length_o,
    output wire [31:0]            reply_crc_o,
    output wire [63:0]            reply_word_o,
    output wire [31:0]            reply_sector_o,
    output wire [7:0]             reply_cause_o,    // why a page is poison: an event code

    // ---- events and counters ----
    output wire                   event_valid_o,
    output wire [7:0]             event_code_o,
    output wire [PAGE_BITS-1:0]   event_page_o,
    output wire [31:0]            event_sector_o,   // 0: the event is of no sector
    output wire                   closed_o,
    output wire                   filled_o,
    output wire                   trimmed_o,
    output wire                   poisoned_o,
    output wire                   not_admitted_o,
    output wire                   refused_o,        // an access, for want of room or of an answer of the media
    output wire                   fenced_o,
    output wire                   imported_o,
    output wire                   corrected_o       // a table entry
);
    `include "cram_codes.vh"

    localparam       SECTOR_SHIFT = $clog2(SECTOR_BYTES);
    localparam       PAGE_SECTORS = 4096 / SECTOR_BYTES;
    localparam [SECTOR_BITS:0] RAW_SECTORS = PAGE_SECTORS[SECTOR_BITS:0];

    localparam [5:0] IDLE          = 6'd0,
                     PREPARE       = 6'd1,   // read the table entry of page_q again: the access starts over
                     OPEN          = 6'd2,   // cached, poison, or take a victim
                     DIRTY         = 6'd3,   // reserve
                     NEED          = 6'd4,   // fill, if the line is missing
                     CLOSE         = 6'd5,   // read the table entry of the page in entry_q
                     CLOSE_LOOK    = 6'd6,
                     CLOSE_START   = 6'd7,
                     CLOSE_WAIT    = 6'd8,
                     CLOSE_STORE   = 6'd9,   // old sectors are back: write the new entry
                     FILL          = 6'd10,
                     FILL_WAIT     = 6'd11,
                     POISON        = 6'd12,  // read the table entry of page_q
                     POISON_LOOK   = 6'd13,
                     POISON_DROP   = 6'd14,
                     POISON_STORE  = 6'd15,
                     RELEASE       = 6'd16,
                     RELEASE_WAIT  = 6'd17,
                     COMMAND       = 6'd18,  // read the table entry of page_q
                     COMMAND_LOOK  = 6'd19,
                     COMMAND_DO    = 6'd20,
                     TRIM_STORE    = 6'd21,
                     FENCE_STORE   = 6'd22,
                     IMPORT_START  = 6'd23,  // the block is good: store it
                     IMPORT_STORE  = 6'd24,
                     IMPORT_REFUSE = 6'd25,  // log it
                     REPLY         = 6'd26,
                     CLOSE_FAILED  = 6'd27,  // the entry stays dirty
                     REFUSE        = 6'd28,  // the access that needs it
                     TELL          = 6'd30,  // log code_q
                     SALVAGE       = 6'd31,  // the stored copy is damaged, all lines are cached: store them anew
                     FILL_LATE     = 6'd29,  // the page stays stored, the lines that came stay cached
                     TAKEN         = 6'd32,  // entry_q has its page
                     FAILED        = 6'd33,  // a fill of entry_q
                     COMMIT        = 6'd34,  // read the table entry of the page that was closed
                     SEEK          = 6'd35,  // refuse the read that needed page_q
                     REGION        = 6'd36,  // read the table entry of page_q, which is to be promoted, or to leave
                     REGION_LOOK   = 6'd37,
                     REGION_TAKEN  = 6'd38,
                     REGION_ENTRY  = 6'd39,  // its lines are in entry_q
                     DEMOTE_STORE  = 6'd40,  // its chain is up to date
                     COMMAND_TAKEN = 6'd41;  // entry_q is for page_q

    reg [5:0]             state_q;
    reg [5:0]             after_close_q, after_fill_q, after_release_q;

    // ---- the operation under way ----
    reg                   write_q, fill_q;      // PREPARE: what the access needs
    reg                   again_q;              // a line of its burst was refused before
    reg                   stays_q;              // its close and its fill are waited for
    reg                   closes_q;             // FAILED: the fill was for a close
    reg                   hush_q;               // the refusal is of a page that is poison: it is not counted
    reg [5:0]             seek_q;               // cycles that it was sought
    reg [PAGE_BITS-1:0]   target_q;             // the page the request or command names
    reg [5:0]             line_q;
    reg [3:0]             op_q;
    reg                   export_q;             // FILL only checks and exports
    reg                   import_q;             // FILL only checks, the close stores the block of an import
    reg [PAGE_BITS-1:0]   page_q;               // the page whose table entry is looked at
    reg [ENTRY_BITS-1:0]  entry_q;
    reg [7:0]             code_q;               // why POISON
    reg                   error_q;              // reply
    reg [1:0]             reason_q;
    reg                   cached_q, dirty_q;    // reply
    reg [SECTOR_BITS-1:0] release_first_q;
    reg [6:0]             release_count_q;
    reg                   release_close_q, release_fill_q;
    reg                   sick_q;               // POISON: the last fill has found the page damaged
    reg                   salvage_q;            // likewise; it was or is stored anew, once an operation

    // ---- the close that goes on by itself, until its table entry is written ----
    reg                   close_busy_q, close_done_q;
    reg [ENTRY_BITS-1:0]  close_entry_q;
    reg [PAGE_BITS-1:0]   close_page_q;
    reg                   needed_q;             // an access waits for it, or for the fill before it,
    reg                   denied_q;             // and it has failed, for the reason
    reg [7:0]             denied_code_q;

    // ---- the promoted region ----
    reg                   region_turn_q;        // an access was served since its last try
    reg                   demotes_q;            // REGION: page_q leaves it
    reg                   move_q;               // page move_page_q must: a line of its frame is bad
    reg [PAGE_BITS-1:0]   move_page_q;
    reg                   moves_q;              // REGION: page_q is that one
    reg                   leaves_q;             // the close is not into its frame
    reg                   shadow_q;             // FAILED, REGION: a line of its frame cannot be read
    reg                   promotes_q;           // it is, of a page that had none
    reg                   placed_q, promoted_q; // likewise of the close that goes on

    // ---- what the media has done to earlier operations ----
    reg                   stuck_q;
    reg                   lost_q;               // sectors are out of reach, and it is not told yet
    reg                   late_q;               // it did not answer a fill of page late_page_q, the last one there was
    reg [PAGE_BITS-1:0]   late_page_q;

    reg                   take_q;               // entry_q was chosen in the last cycle: it is taken in this one

    reg [SECTOR_BITS:0]   reserved_q;
    reg [PAGE_BITS:0]     resident_q;

    reg                   command_turn_q;       // the last operation was a host access
    wire                  jobs     = fills_i || close_busy_q;
    wire                  flaw     = flaw_valid_i || lost_q;  // goes before what is not begun
    wire                  fails    = fill_done_i && fill_error_i != 0 && !close_busy_q;
    wire                  commits  = close_done_q;
    wire                  complete = complete_valid_i && !stuck_q && !close_busy_q;
    wire                  want, owned, region_moves;
    wire [PAGE_BITS-1:0]  want_page, owner;
    wire                  region   = want || move_q;
    wire                  yields   = region && region_turn_q;
    wire                  serves   = request_valid_i && !(command_valid_i && command_turn_q) && !yields;
    wire                  commands = command_valid_i && !serves && !jobs;
    wire                  can_close = dirty_missing_i ? fill_ready_i : !close_busy_q;  // the entry that is closed next
    // what is being written may turn out complete
    wire                  cleans   = scarce_i && dirty_valid_i && can_close && !stuck_q && !burst_i && !command_valid_i;

    // What IDLE does next, the first of them.
    wire                  do_fail     = fails;
    wire                  do_commit   = !do_fail && commits;
    wire                  do_flaw     = !do_fail && !do_commit && flaw && !jobs;
    wire                  may_begin   = !do_fail && !do_commit && !flaw;
    wire                  do_complete = may_begin && complete;
    wire                  do_request  = may_begin && !complete && serves;
    wire                  do_command  = may_begin && !complete && commands;
    wire                  do_region   = may_begin && !complete && !serves && !commands && region;
    wire                  do_clean    = may_begin && !complete && !serves && !commands && !region && cleans;
    wire                  acts        = do_fail || do_commit || do_flaw || do_complete || do_request || do_command || do_region
                                        || do_clean;

    // ---- page table ---------------------------------------------------------------------------------------------
    reg                  table_read, table_write;
    reg  [PAGE_BITS-1:0] table_page;
    reg  [TABLE_BITS-1:0] table_new;
    wire [TABLE_BITS-1:0] table_told;
    wire                 table_ready, frames_ready, corrected_table, corrected_frame, lost_table, lost_frame;
    wire                 table_lost = lost_table || lost_frame;  // the entry cannot be told: it counts as free, owns nothing
    wire [TABLE_BITS-1:0] table_entry = table_lost ? {TABLE_BITS{1'b0}} : table_told;
    reg                   asked_q;          // an entry was asked for in the last cycle
    wire                  unused_valid;

    page_table #(
        .PAGES(PAGES),
        .PAGE_BITS(PAGE_BITS),
        .WIDTH(TABLE_BITS)
    ) u_table (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .ready_o(table_ready),
        .page_i(table_page),
        .read_i(table_read),
        .write_i(table_write),
        .entry_i(table_new),
        .valid_o(unused_valid),
        .entry_o(table_told),
        .error_o(lost_table),
        .corrected_o(corrected_table)
    );

    // ---- the promoted region: a page that lies there, in a frame, keeps its chain as a shadow until it has changed --------
    wire                  old_promoted, old_changed;
    wire [FRAME_BITS-1:0] old_frame, hand;
    wire                  stores  = state_q == CLOSE_STORE && !placed_q && !promoted_q;
    wire                  settle  = state_q == CLOSE_STORE && (placed_q || promoted_q);
    wire                  forsake = old_promoted && (stores || state_q == POISON_STORE || state_q == TRIM_STORE
                                                     || state_q == IMPORT_STORE || state_q == DEMOTE_STORE);
    wire                  drop_region;
    wire                  in_place = old_promoted && !leaves_q;  // dirty lines go where they belong

    wire                   old_fenced  = table_entry[TABLE_FENCED];
    wire [2:0]             old_state   = table_entry[TABLE_STATE +: TABLE_STATE_BITS];
    wire [12:0]            old_length  = table_entry[TABLE_LENGTH +: TABLE_LENGTH_BITS];
    wire [31:0]            old_crc     = table_entry[TABLE_CRC +: TABLE_CRC_BITS];
    wire [31:0]            old_sector  = table_entry[TABLE_SECTOR +: TABLE_SECTOR_BITS];
    wire [63:0]            old_word    = KEEPS_WORD[old_state] ? table_entry[TABLE_WORD +: TABLE_WORD_BITS] : 64'd0;
    wire                   old_stored  = ON_MEDIA[old_state];
    wire [12:0]            old_round   = old_length + (13'd1 << SECTOR_SHIFT) - 13'd1;
    wire [6:0]             old_sectors = old_round[12:6] >> (SECTOR_SHIFT - 6);
    wire [6:0]             old_count   = old_stored ? old_sectors : 7'd0;
    wire [SECTOR_BITS-1:0] old_first   = old_sector[SECTOR_BITS-1:0];
    wire                   old_resident = RESIDENT[old_state] || table_lost;  // most pages are

    always @* begin
        table_read  = (state_q == IDLE && ready_o && do_request)
                      || (!asked_q && (state_q == PREPARE || state_q == CLOSE || state_q == POISON || state_q == COMMAND
                                       || state_q == COMMIT || state_q == REGION));
        table_write = stores || state_q == POISON_STORE || state_q == TRIM_STORE
                      || state_q == FENCE_STORE || state_q == IMPORT_STORE;
        table_page  = state_q == IDLE ? request_page_i : state_q == CLOSE ? entry_page_i : page_q;
        table_new   = {TABLE_BITS{1'b0}};
        case (state_q)
            CLOSE_STORE, IMPORT_STORE: begin
                table_new[TABLE_FENCED] = state_q == CLOSE_STORE && old_fenced;
                table_new[TABLE_STATE +: TABLE_STATE_BITS] = import_q ? STATE_LZ4 : close_state_i;
                table_new[TABLE_LENGTH +: TABLE_LENGTH_BITS] = close_length_i;
                if (import_q || ON_MEDIA[close_state_i]) begin
                    table_new[TABLE_CRC +: TABLE_CRC_BITS] = import_q ? import_crc_i : close_crc_i;
                    table_new[TABLE_SECTOR +: SECTOR_BITS] = close_first_i;
                end else if (KEEPS_WORD[close_state_i]) begin
                    table_new[TABLE_WORD +: TABLE_WORD_BITS] = close_word_i;
                end
            end
            POISON_STORE: begin
                table_new[TABLE_STATE +: TABLE_STATE_BITS] = STATE_POISON;
                table_new[TABLE_CAUSE +: TABLE_CAUSE_BITS] = code_q;
            end
            FENCE_STORE: begin
                table_new               = table_entry;
                table_new[TABLE_FENCED] = op_q == OP_FENCE;
            end
            default: table_new[TABLE_STATE +: TABLE_STATE_BITS] = STATE_FREE;
        endcase
    end

    wire unused = &{1'b0, old_round[5:0], complete_entry_i};

    // ---- outputs ------------------------------------------------------------------------------------------------
    wire [SECTOR_BITS+1:0] promised = {1'b0, reserved_q} + {1'b0, RAW_SECTORS};  // retired sectors may be among them
    // What the close under way has taken is part of what was promised to it.
    wire [31:0]            spent    = close_busy_q ? {25'd0, close_count_i} : 32'd0;
    wire                   unused_spent = &{1'b0, spent};
    wire [SECTOR_BITS:0]   unspent  = free_i + spent[SECTOR_BITS:0];
    wire                   room     = {1'b0, unspent} >= promised;

    // The page that the burst under way has made dirty may be complete, and closed, at the burst's end: until the burst
    // has left it, nobody knows what it takes.
    reg                    fresh_q;
    reg [PAGE_BITS-1:0]    fresh_page_q;
    reg                    at_it_q;    // the cache tells that a page is complete a cycle after the burst has left it
    wire                   at_it     = burst_i && burst_page_i == fresh_page_q;
    wire                   fresh     = fresh_q && (at_it || at_it_q);
    wire [SECTOR_BITS:0]   counted   = fresh ? reserved_q - RAW_SECTORS : reserved_q;
    wire [SECTOR_BITS:0]   available = unspent > counted ? unspent - counted : {(SECTOR_BITS + 1){1'b0}};

    assign judge_o         = state_q == IDLE && !do_fail && !close_busy_q && !flaw;
    assign falls_o         = complete;  // without end, while the host writes page after page
    assign available_o     = {{(31 - SECTOR_BITS){1'b0}}, complete ? free_i : available};
    assign stuck_o         = stuck_q;

    assign flaw_taken_o    = state_q == IDLE && ready_o && do_flaw && flaw_valid_i;
    assign idle_o          = state_q == IDLE && ready_o && !acts && !jobs && !flaw && !request_valid_i && !command_valid_i;
    wire   good            = fill_done_i && fill_error_i == 0 && state_q != FILL_WAIT;  // nothing more is to be done
    wire   closed          = close_done_i && close_busy_q;
    wire   waits           = (state_q == CLOSE_WAIT && !close_done_i && !close_done_q) || (state_q == FILL_WAIT && !fill_done_i)
                             || (state_q == RELEASE_WAIT && !release_done_i);
    wire   cleared         = !stays_q && !hush_q && seek_q == 0 && !export_q && !import_q && !salvage_q && !error_q && !leaves_q && !promotes_q && !shadow_q
                             && reason_q == REASON_INTERNAL;  // as IDLE leaves them

    assign moves_o         = take_q || lost_i || (returned_i && (stuck_q || denied_q)) || fresh_q != fresh || at_it_q != at_it || good || closed || region_moves
                             || (state_q == IDLE ? acts || !ready_o || !cleared : !waits);
    assign reserved_o      = {{(31 - SECTOR_BITS){1'b0}}, reserved_q};
    assign resident_o      = {{(31 - PAGE_BITS){1'b0}}, resident_q};

    // Reads must find an entry that they can take: a page becomes dirty when another one has been closed.
    wire   throttled       = crowded_i && dirty_any_i && !stuck_q && !denied_q;

    // A page that is fenced, or free in the critical state, is not made dirty.
    wire   asking          = write_q && (state_q == OPEN ? !lookup_hit_i : state_q == DIRTY && !take_q && !entry_dirty_i);
    wire   closed_door     = asking && (old_fenced || (critical_i && old_state == STATE_FREE));

    // Lines may have come in before a fill was given up: only an access that still waits for one is refused.
    wire   refuse_write    = ((state_q == REFUSE && write_q) || (state_q == FILL_LATE && !export_q)) && waits_write_i;
    wire   refuse_read     = state_q == SEEK && waits_read_i;

    assign refuse_write_o  = (state_q == OPEN && !lookup_hit_i && old_state == STATE_POISON && write_q) || closed_door
                             || refuse_write;
    assign refuse_read_o   = refuse_read;
    assign seek_read_o     = state_q == SEEK;
    assign lookup_page_o   = page_q;
    assign entry_o         = entry_q;
    assign entry_line_o    = line_q;

    assign take_o          = take_q;
    assign take_zero_o     = old_state == STATE_FREE;
    // A page whose table entry cannot be told, but all of whose lines are cached, is stored anew.
    wire   orphan          = state_q == COMMAND_DO && !error_q && table_lost && op_q != OP_TRIM && op_q != OP_FLUSH;
    wire   rescue          = orphan && cached_q && !entry_missing_i && (entry_dirty_i || room);

    // An export that finds the stored copy damaged, while the cache has all lines of the page.
    wire   second          = export_q && cached_q && !entry_missing_i && fill_error_i != 0
                             && fill_error_i != EVENT_CODE_MEDIA_TIMEOUT;

    // A fill that finds the stored copy damaged, after the host has written all lines of the page.
    wire   overwritten     = !export_q && !import_q && fill_error_i != 0 && fill_error_i != EVENT_CODE_MEDIA_TIMEOUT
                             && entry_complete_i;

    wire   departs         = !entry_missing_i && !close_busy_q && (entry_dirty_i || room);  // REGION_ENTRY: it is closed anew

    // An export wants a block: a page that has changed in its frame is compressed first.
    wire   returns         = old_changed && cached_q && (entry_dirty_i || room);

    assign make_dirty_o    = (state_q == DIRTY && !take_q && write_q && !entry_dirty_i && room && !closed_door && !throttled)
                             || (rescue && !entry_dirty_i) || (state_q == SALVAGE && room && !salvage_q)
                             || (state_q == REGION_ENTRY && demotes_q && departs && !entry_dirty_i)
                             || (state_q == COMMAND_DO && !error_q && op_q == OP_EXPORT && !table_lost && returns && !entry_dirty_i);
    assign make_clean_o    = state_q == CLOSE_STORE && !promoted_q;  // that one was not dirty
    assign close_entry_o   = close_busy_q ? close_entry_q : entry_q;
    assign close_page_o    = close_busy_q ? close_page_q : page_q;
    assign closing_o       = close_busy_q || state_q == CLOSE || state_q == CLOSE_LOOK || state_q == CLOSE_START
                             || (state_q == CLOSE_WAIT && !import_q) || state_q == CLOSE_STORE
                             || state_q == POISON || state_q == POISON_LOOK || state_q == POISON_DROP
                             || ((state_q == RELEASE || state_q == RELEASE_WAIT) && after_release_q != TRIM_STORE && !import_q)
                             || ((state_q == FILL || state_q == FILL_WAIT) && after_fill_q == CLOSE_START);
    wire   stays_promoted  = state_q == REGION_LOOK && !shadow_q && demotes_q && old_changed && !lookup_hit_i
                             && !(victim_valid_i && !victim_dirty_i && fill_ready_i);
    wire   unfit           = state_q == REGION_LOOK && !demotes_q
                             && (!lookup_hit_i || !ON_MEDIA[old_state] || old_promoted || table_lost);
    wire   unfit_entry     = state_q == REGION_ENTRY && (demotes_q ? !entry_missing_i && !entry_dirty_i && !room
                                                                   : entry_missing_i || entry_dirty_i);

    assign drop_region     = stays_promoted || unfit || unfit_entry || (state_q == CLOSE_WAIT && promoted_q && close_error_i != 0);
    wire   trim            = state_q == COMMAND_DO && op_q == OP_TRIM;
    assign drop_o          = cached_q && (state_q == POISON_DROP || state_q == IMPORT_STORE || trim);

    assign close_start_o   = state_q == CLOSE_START || (state_q == IMPORT_START && room);
    // A read that misses a page on the media needs nothing but its lines: they come long after the entry was taken.
    wire   reads_through   = !write_q && old_stored;
    wire   read_through    = state_q == OPEN && !lookup_hit_i && reads_through && victim_valid_i && !victim_dirty_i && fill_ready_i
                             && !flaw_valid_i;
    wire   own_fill        = (state_q == FILL && fill_ready_i) || read_through;
    reg    begin_q;        // it was begun in the last cycle, for an entry that is taken in this one

    assign fill_start_o    = own_fill;
    assign fill_entry_o    = read_through ? victim_entry_i : entry_q;
    assign fill_closes_o   = state_q == FILL && after_fill_q == CLOSE_START;
    assign fill_begin_o    = begin_q || (state_q == FILL && fill_ready_i && !export_q && !import_q);
    assign fill_taken_o    = good || (state_q == IDLE && ready_o && do_fail) || (state_q == FILL_WAIT && fill_done_i);
    assign fill_end_o      = fill_taken_o && !export_q && !import_q;
    assign fill_export_o   = export_q;
    assign import_o        = import_q;
    assign fill_state_o    = old_state;
    assign fill_length_o   = old_length;
    assign fill_word_o     = old_word;
    assign fill_crc_o      = import_q ? import_crc_i : old_crc;
    assign release_start_o = state_q == RELEASE;
    assign release_first_o = release_first_q;
    assign release_count_o = release_count_q;
    assign release_close_o = release_close_q;
    assign release_fill_o  = release_fill_q;

    assign command_ready_o = state_q == IDLE && ready_o && do_command;
    assign reply_valid_o   = state_q == REPLY;
    assign reply_state_o   = old_state;
    assign reply_cached_o  = cached_q;
    assign reply_dirty_o   = dirty_q;
    assign reply_error_o   = error_q;
    assign reply_fenced_o  = old_fenced;
    assign reply_reason_o  = reason_q;
    assign reply_length_o  = op_q == OP_EXPORT && old_state != STATE_LZ4 ? 13'd0 : old_length;
    assign reply_crc_o     = old_stored ? old_crc : 32'd0;
    assign reply_word_o    = old_word;
    assign reply_cause_o   = old_state == STATE_POISON ? table_entry[TABLE_CAUSE +: TABLE_CAUSE_BITS] : 8'd0;
    assign reply_sector_o  = old_stored ? old_sector : 32'd0;

    assign poisoned_o      = state_q == POISON_STORE;
    assign fenced_o        = closed_door && old_fenced;
    assign not_admitted_o  = closed_door && !old_fenced;
    assign refused_o       = refuse_write || (refuse_read && !hush_q);
    // What an access needs is not free: it asks again.
    wire   no_victim       = !victim_valid_i || (victim_dirty_i ? !denied_q && !can_close : reads_through && !fill_ready_i);
    wire   no_close        = !denied_q && dirty_any_i && !(dirty_valid_i && can_close);

    wire   wants_less      = write_q && throttled;
    wire   no_entry        = state_q == OPEN && !lookup_hit_i && !table_lost && old_state != STATE_POISON && !closed_door
                             && (flaw_valid_i || (wants_less ? no_close : no_victim));
    wire   no_room         = state_q == DIRTY && !take_q && !closed_door && write_q && !entry_dirty_i && (!room || throttled)
                             && no_close;
    wire   no_filler       = state_q == FILL && !fill_ready_i && !stays_q;
    wire   clean           = victim_valid_i && !victim_dirty_i;

    assign bounce_o        = no_entry || no_room || no_filler;
    assign stalls_o        = {no_room || (no_entry && wants_less), no_filler || (no_entry && !wants_less && clean),
                              no_entry && !wants_less && !clean};

    // A write that is refused is told once a burst; a media that is late once a page; the first of several failed closes.
    wire   tell_refused    = state_q == REFUSE && write_q && !again_q;
    wire   tell_late       = state_q == FILL_LATE && !(late_q && late_page_q == page_q);
    // It is told before the sectors that are retired with it; a fill that was late has retired none.
    wire   tell_close      = !stuck_q && ((state_q == RELEASE && after_release_q == CLOSE_FAILED)
                                          || (state_q == CLOSE_FAILED && !release_close_q));
    wire   tell_loss       = state_q == POISON_DROP;  // before the sectors that are retired with it
    wire   tell_code       = tell_loss || state_q == TELL || tell_refused || tell_late || tell_close;

    assign event_valid_o   = tell_code || (closed_door && !request_again_i) || state_q == IMPORT_REFUSE || retired_i;
    assign event_code_o    = retired_i ? EVENT_CODE_SECTOR_RETIRED : tell_code ? code_q
                             : state_q == IMPORT_REFUSE ? EVENT_CODE_IMPORT_REFUSED
                             : old_fenced ? EVENT_CODE_FENCED : EVENT_CODE_NOT_ADMITTED;
    assign event_page_o    = page_q;
    assign event_sector_o  = retired_i ? {{(32 - SECTOR_BITS){1'b0}}, retired_sector_i} : 32'd0;
    assign closed_o        = stores;
    assign filled_o        = (good && !fill_plain_i) || (state_q == FILL_WAIT && fill_done_i && fill_error_i == 0 && !export_q && !import_q);
    assign imported_o      = state_q == IMPORT_STORE;
    assign trimmed_o       = state_q == TRIM_STORE && op_q == OP_TRIM;

    // A burst waits for a media that is late once, not line by line.
    wire   still_late      = late_q && late_page_q == page_q && again_q;

    // ---- the promoted region: what is asked of it ------------------------------------------------------------------
    assign ready_o     = table_ready && frames_ready;
    assign corrected_o = corrected_table || corrected_frame;

    page_frames #(
        .PAGES(PAGES),
        .PAGE_BITS(PAGE_BITS),
        .FRAMES(FRAMES),
        .FRAME_BITS(FRAME_BITS)
    ) u_frames (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .ready_o(frames_ready),
        .page_i(table_page),
        .read_i(table_read),
        .write_i(forsake || settle),
        .promoted_i(settle),
        .changed_i(settle && placed_q),
        .frame_i(placed_q ? old_frame : hand),
        .promoted_o(old_promoted),
        .changed_o(old_changed),
        .frame_o(old_frame),
        .error_o(lost_frame),
        .corrected_o(corrected_frame),
        .open_i(own_fill && !export_q && !import_q && !fill_closes_o && ON_MEDIA[old_state] && !old_promoted),
        .open_page_i(page_q),
        .filled_i(good),
        .filled_page_i(fill_page_i),
        .moves_o(region_moves),
        .want_o(want),
        .want_page_o(want_page),
        .hand_o(hand),
        .owned_o(owned),
        .owner_o(owner),
        .taken_i(settle && promoted_q),
        .drop_i(drop_region),
        .free_i(forsake)
    );

    wire                   whole     = state_q == FILL && after_fill_q == CLOSE_START;
    wire [5:0]             from_line = whole ? 6'd0 : line_q;

    // Sectors of the region: those of a line to fill, and of a frame to write to.
    wire [31:0] fill_sector  = ({{(26 - FRAME_BITS){1'b0}}, old_frame, from_line} >> (SECTOR_SHIFT - 6)) + FRAMES_FROM;
    wire [31:0] close_sector = ({{(32 - FRAME_BITS){1'b0}}, promotes_q ? hand : old_frame} << (12 - SECTOR_SHIFT)) + FRAMES_FROM;
    wire        unused_sector = &{1'b0, fill_sector, close_sector};

    assign close_plain_o = state_q == CLOSE_START && (in_place || promotes_q);
    assign close_frame_o = close_sector[SECTOR_BITS-1:0];
    assign close_dirty_o = state_q == CLOSE_START && in_place;
    assign fill_plain_o  = old_promoted && !export_q && !import_q;
    assign fill_line_o   = from_line;
    assign fill_alone_o  = !whole && !(state_q == FILL && entry_line_after_i);
    assign fill_first_o  = fill_plain_o ? fill_sector[SECTOR_BITS-1:0] : old_first;

    // ---- counts -------------------------------------------------------------------------------------------------
    wire give_back = make_clean_o || (drop_o && entry_dirty_i);

    always @(posedge clk_i) begin
        if (make_dirty_o) reserved_q <= reserved_q + RAW_SECTORS;
        else if (give_back) reserved_q <= reserved_q - RAW_SECTORS;
        if (table_write) begin
            if ((state_q == CLOSE_STORE || state_q == IMPORT_STORE) && !old_resident) resident_q <= resident_q + 1'b1;
            if ((state_q == POISON_STORE || state_q == TRIM_STORE) && old_resident && resident_q != 0)
                resident_q <= resident_q - 1'b1;
        end
        fresh_q <= fresh;
        at_it_q <= at_it;
        if (make_dirty_o && burst_i && burst_page_i == page_q) begin
            fresh_q      <= 1'b1;
            fresh_page_q <= page_q;
        end else if (give_back && page_q == fresh_page_q) begin
            fresh_q <= 1'b0;
        end
        if (!rst_ni) begin
            reserved_q <= 0;
            resident_q <= 0;
            fresh_q    <= 1'b0;
            at_it_q    <= 1'b0;
        end
    end

    // ---- sequence -----------------------------------------------------------------------------------------------
    always @(posedge clk_i) begin
        take_q  <= 1'b0;
        asked_q <= table_read;
        if (make_dirty_o || returned_i) stuck_q <= 1'b0;  // another try for each page that becomes dirty
        if (lost_i) lost_q <= 1'b1;
        if (make_dirty_o || returned_i || make_clean_o) denied_q <= 1'b0;
        if (closed) close_done_q <= 1'b1;
        if (good && fill_stored_i) late_q <= 1'b0;
        begin_q <= read_through;
        case (state_q)
            IDLE: if (ready_o) begin
                stays_q  <= 1'b0;
                leaves_q <= 1'b0;
                shadow_q <= 1'b0;
                promotes_q <= 1'b0;
                hush_q   <= 1'b0;
                seek_q   <= 6'd0;
                export_q <= 1'b0;
                import_q <= 1'b0;
                salvage_q <= 1'b0;
                error_q  <= 1'b0;
                reason_q <= REASON_INTERNAL;
                if (do_fail) begin
                    page_q          <= fill_page_i;
                    target_q        <= fill_page_i;
                    entry_q         <= fill_entry_i;
                    code_q          <= fill_error_i;
                    closes_q        <= fill_closes_i;
                    sick_q          <= 1'b1;
                    shadow_q        <= fill_plain_i && fill_error_i != EVENT_CODE_MEDIA_TIMEOUT;
                    release_close_q <= 1'b0;
                    after_close_q   <= IDLE;
                    after_fill_q    <= IDLE;
                    state_q         <= FAILED;
                end else if (do_commit) begin
                    page_q        <= close_page_q;
                    target_q      <= close_page_q;
                    entry_q       <= close_entry_q;
                    after_close_q <= IDLE;
                    state_q       <= COMMIT;
                end else if (do_flaw) begin
                    after_close_q <= IDLE;
                    sick_q        <= 1'b0;
                    target_q      <= flaw_page_i;
                    page_q        <= flaw_valid_i ? flaw_page_i : {PAGE_BITS{1'b0}};
                    code_q        <= !flaw_valid_i ? EVENT_CODE_SECTORS_LOST
                                     : flaw_lost_i ? EVENT_CODE_CACHE_LOST : EVENT_CODE_CACHE_REFETCHED;
                    state_q       <= flaw_valid_i ? (flaw_lost_i ? POISON : TELL) : lost_i ? IDLE : TELL;
                    if (!flaw_valid_i) lost_q <= lost_i;  // told once, with the last of the sectors
                end else if (do_complete) begin
                    entry_q       <= complete_entry_i;
                    after_close_q <= IDLE;
                    state_q       <= CLOSE;
                end else if (do_request) begin
                    command_turn_q <= 1'b1;
                    region_turn_q  <= 1'b1;
                    target_q <= request_page_i;
                    page_q   <= request_page_i;
                    line_q   <= request_line_i;
                    write_q  <= request_write_i;
                    fill_q   <= request_fill_i;
                    again_q  <= request_write_i ? request_again_i : read_again_i;
                    state_q  <= PREPARE;
                end else if (do_command) begin
                    command_turn_q <= 1'b0;
                    stays_q  <= 1'b1;
                    target_q <= command_page_i;
                    page_q   <= command_page_i;
                    op_q     <= command_op_i;
                    state_q  <= COMMAND;
                end else if (do_region) begin
                    region_turn_q <= 1'b0;
                    demotes_q     <= move_q || owned;
                    moves_q       <= move_q;
                    move_q        <= 1'b0;
                    page_q        <= move_q ? move_page_q : owned ? owner : want_page;
                    target_q      <= move_q ? move_page_q : owned ? owner : want_page;
                    state_q       <= REGION;
                end else if (do_clean) begin
                    entry_q       <= dirty_entry_i;
                    after_close_q <= IDLE;
                    state_q       <= CLOSE;
                end
            end

            // ---- a host access ----
            PREPARE: if (asked_q) state_q <= OPEN;
            OPEN: if (lookup_hit_i) begin
                entry_q <= lookup_entry_i;
                state_q <= DIRTY;
            end else if (table_lost) begin
                code_q        <= EVENT_CODE_METADATA_ERROR;
                sick_q        <= 1'b0;
                after_close_q <= IDLE;
                state_q       <= POISON;
            end else if (old_state == STATE_POISON) begin
                hush_q  <= 1'b1;
                state_q <= write_q ? IDLE : SEEK;
            end else if (closed_door || flaw_valid_i || (write_q && throttled ? no_close : no_victim)) begin  // a victim that cannot be told is told first
                state_q <= IDLE;
            end else if (victim_dirty_i && denied_q) begin
                denied_q <= 1'b0;
                code_q   <= denied_code_q;
                state_q  <= REFUSE;
            end else begin
                entry_q       <= victim_entry_i;
                after_close_q <= IDLE;
                after_fill_q  <= IDLE;
                if (write_q && throttled) begin
                    entry_q  <= dirty_entry_i;
                    needed_q <= 1'b1;
                    state_q  <= CLOSE;
                end else if (victim_dirty_i) begin
                    needed_q <= 1'b1;
                    state_q  <= CLOSE;
                end else begin
                    take_q  <= 1'b1;
                    state_q <= reads_through ? TAKEN : DIRTY;
                end
            end
            TAKEN: state_q <= IDLE;
            DIRTY: if (!take_q) begin  // one cycle later when the entry was just taken
                if (closed_door) begin
                    state_q <= IDLE;
                end else if (!write_q || entry_dirty_i || (room && !throttled)) begin
                    state_q <= NEED;
                end else if (no_close) begin
                    state_q <= IDLE;
                end else if (dirty_any_i && !denied_q) begin
                    entry_q       <= dirty_entry_i;
                    after_close_q <= IDLE;
                    needed_q      <= 1'b1;
                    state_q       <= CLOSE;
                end else begin
                    denied_q <= 1'b0;
                    code_q   <= denied_q ? denied_code_q : EVENT_CODE_EXHAUSTED;
                    state_q  <= REFUSE;
                end
            end
            NEED: if (fill_q && entry_line_missing_i && still_late) begin
                state_q <= REFUSE;
            end else if (fill_q && entry_line_missing_i) begin
                after_fill_q  <= IDLE;
                after_close_q <= IDLE;
                code_q        <= EVENT_CODE_METADATA_ERROR;
                sick_q        <= 1'b0;
                state_q       <= table_lost ? POISON : FILL;
            end else begin
                state_q <= IDLE;
            end

            // ---- close entry_q ----
            CLOSE: if (asked_q) begin
                page_q  <= entry_page_i;
                state_q <= CLOSE_LOOK;
            end
            CLOSE_LOOK: begin
                after_fill_q <= CLOSE_START;
                code_q       <= EVENT_CODE_METADATA_ERROR;
                sick_q       <= 1'b0;
                state_q      <= entry_missing_i && !in_place ? (table_lost ? POISON : FILL)
                                : close_busy_q ? IDLE : CLOSE_START;  // its last line was written just now
            end
            CLOSE_START: if (stays_q) begin
                {placed_q, promoted_q} <= {in_place, 1'b0};
                state_q <= CLOSE_WAIT;
            end else begin
                {placed_q, promoted_q} <= {in_place, promotes_q};
                close_busy_q  <= 1'b1;
                close_entry_q <= entry_q;
                close_page_q  <= page_q;
                state_q       <= IDLE;
            end
            COMMIT: if (asked_q) state_q <= CLOSE_WAIT;
            CLOSE_WAIT: if (close_done_i || close_done_q) begin
                code_q          <= close_error_i;
                release_first_q <= close_error_i != 0 ? close_first_i : old_first;
                release_count_q <= close_error_i != 0 ? close_count_i : old_count;
                release_close_q <= close_error_i != 0;
                release_fill_q  <= salvage_q && close_error_i == 0;
                sick_q          <= 1'b0;
                case (close_error_i)
                    8'd0:                   after_release_q <= import_q ? IMPORT_STORE : CLOSE_STORE;
                    EVENT_CODE_MEDIA_ERROR: after_release_q <= import_q ? IMPORT_START : close_busy_q ? IDLE : CLOSE;  // elsewhere
                    // a line that is still stored is filled again
                    EVENT_CODE_CACHE_LOST:  after_release_q <= entry_lost_i ? POISON : close_busy_q ? IDLE : CLOSE;
                    default:                after_release_q <= import_q ? IMPORT_REFUSE : CLOSE_FAILED;
                endcase
                state_q         <= RELEASE;
                if (!import_q && (placed_q || promoted_q)) begin  // no sector was taken, and none comes back
                    close_busy_q <= close_busy_q && close_error_i == 0;
                    close_done_q <= close_done_q && close_error_i == 0;
                    case (close_error_i)
                        8'd0: state_q <= CLOSE_STORE;
                        EVENT_CODE_MEDIA_TIMEOUT: state_q <= promoted_q ? IDLE : CLOSE_FAILED;
                        EVENT_CODE_CACHE_LOST: state_q <= entry_lost_i ? POISON : close_busy_q ? IDLE : CLOSE;
                        default: begin  // it is closed elsewhere
                            leaves_q    <= 1'b1;
                            move_q      <= close_busy_q && placed_q;
                            move_page_q <= page_q;
                            state_q     <= close_busy_q ? IDLE : CLOSE;
                        end
                    endcase
                end
            end
            CLOSE_STORE: begin
                stuck_q  <= 1'b0;
                late_q   <= 1'b0;
                needed_q <= 1'b0;
                {close_busy_q, close_done_q} <= 2'b00;
                page_q   <= target_q;
                state_q  <= after_close_q;
            end
            CLOSE_FAILED: begin
                stuck_q  <= 1'b1;
                error_q  <= 1'b1;
                reason_q <= code_q == EVENT_CODE_EXHAUSTED ? REASON_EXHAUSTED : REASON_INTERNAL;
                needed_q <= 1'b0;
                if (needed_q) {denied_q, denied_code_q} <= {1'b1, code_q};  // it stays so until an access has been refused
                {close_busy_q, close_done_q} <= 2'b00;
                page_q   <= target_q;
                state_q  <= after_close_q;
            end
            REFUSE: state_q <= write_q ? IDLE : SEEK;
            TELL: state_q <= IDLE;
            SEEK: begin  // whoever waited may have been answered meanwhile
                seek_q <= seek_q + 1'b1;
                if (waits_read_i || &seek_q) state_q <= IDLE;
            end

            // ---- fill entry_q from the table entry of page_q ----
            FILL: if (fill_ready_i) state_q <= stays_q ? FILL_WAIT : IDLE;
                  else if (!stays_q) state_q <= IDLE;
            FAILED: if (code_q == EVENT_CODE_MEDIA_TIMEOUT) begin
                state_q <= closes_q ? CLOSE_FAILED : FILL_LATE;
            end else if (shadow_q) begin          // its shadow may do
                demotes_q <= 1'b1;
                state_q   <= REGION;
            end else if (entry_complete_i) begin  // as `overwritten`
                salvage_q <= 1'b1;
                stays_q   <= 1'b1;
                state_q   <= CLOSE;
            end else begin
                state_q   <= POISON;
            end
            FILL_WAIT: if (fill_done_i) begin
                code_q  <= fill_error_i;
                sick_q  <= 1'b1;
                release_close_q <= 1'b0;
                error_q <= export_q && fill_error_i != 0 && !second;
                if (overwritten) salvage_q <= 1'b1;
                state_q <= fill_error_i == 0 ? after_fill_q : import_q ? IMPORT_REFUSE : second ? SALVAGE
                           : overwritten ? CLOSE
                           : fill_error_i != EVENT_CODE_MEDIA_TIMEOUT ? POISON
                           : after_fill_q == CLOSE_START ? CLOSE_FAILED : FILL_LATE;
                if (fill_error_i == 0 && old_stored) late_q <= 1'b0;
                if (import_q && fill_error_i != 0) reason_q <= REASON_INPUT;
            end

            FILL_LATE: begin
                late_q      <= 1'b1;
                late_page_q <= page_q;
                state_q     <= export_q ? REPLY : SEEK;
            end

            SALVAGE: begin
                export_q      <= 1'b0;
                after_close_q <= COMMAND;  // all of it once more
                if (salvage_q) begin       // that did not help
                    error_q <= 1'b1;
                    state_q <= REPLY;
                end else if (room) begin
                    salvage_q <= 1'b1;
                    state_q   <= CLOSE;
                end else if (dirty_valid_i) begin
                    entry_q <= dirty_entry_i;
                    state_q <= CLOSE;
                end else begin
                    error_q  <= 1'b1;
                    reason_q <= REASON_EXHAUSTED;
                    state_q  <= REPLY;
                end
            end

            // ---- page_q is lost ----
            POISON: if (asked_q) state_q <= POISON_LOOK;
            POISON_LOOK: begin
                cached_q <= lookup_hit_i;
                entry_q  <= lookup_entry_i;
                state_q  <= POISON_DROP;
            end
            POISON_DROP: begin
                release_first_q <= old_first;
                release_count_q <= old_count;
                release_close_q <= 1'b0;
                release_fill_q  <= sick_q;
                after_release_q <= POISON_STORE;
                state_q         <= RELEASE;
            end
            POISON_STORE: begin
                if (release_count_q != 0) stuck_q <= 1'b0;
                page_q  <= target_q;
                state_q <= after_close_q;
            end

            RELEASE: state_q <= RELEASE_WAIT;
            RELEASE_WAIT: if (release_done_i) begin
                state_q <= after_release_q;
                if (after_release_q == IDLE || after_release_q == POISON) {close_busy_q, close_done_q} <= 2'b00;
            end

            // ---- the promoted region ----
            REGION: if (asked_q) state_q <= REGION_LOOK;
            REGION_LOOK: begin
                entry_q      <= lookup_hit_i ? lookup_entry_i : victim_entry_i;
                after_fill_q <= CLOSE_START;
                state_q      <= IDLE;
                if (!shadow_q) code_q <= EVENT_CODE_METADATA_ERROR;
                if (shadow_q) begin
                    state_q <= !old_promoted ? IDLE : old_changed ? POISON : DEMOTE_STORE;
                end else if (lookup_hit_i && lookup_busy_i) begin
                    move_q <= move_q || moves_q;  // it ends
                end else if (unfit || stays_promoted || (demotes_q && !old_promoted)) begin
                    // not now
                end else if (demotes_q && !old_changed) begin
                    state_q <= DEMOTE_STORE;
                end else if (lookup_hit_i) begin
                    state_q <= REGION_ENTRY;
                end else begin
                    take_q  <= 1'b1;
                    state_q <= REGION_TAKEN;
                end
            end
            REGION_TAKEN: state_q <= FILL;
            REGION_ENTRY: begin
                leaves_q   <= demotes_q;
                promotes_q <= !demotes_q;
                state_q    <= unfit_entry ? IDLE : demotes_q && entry_missing_i ? FILL : close_busy_q ? IDLE : CLOSE_START;
                if (moves_q && !unfit_entry) move_q <= 1'b1;  // until it has left
            end
            DEMOTE_STORE: state_q <= IDLE;

            // ---- a mailbox command ----
            COMMAND: if (asked_q) state_q <= COMMAND_LOOK;
            COMMAND_LOOK: begin
                cached_q <= lookup_hit_i;
                entry_q  <= lookup_entry_i;
                state_q  <= COMMAND_DO;
            end
            COMMAND_DO: begin
                dirty_q       <= cached_q && entry_dirty_i;
                after_close_q <= COMMAND;
                if (error_q) state_q <= REPLY;  // the close that it needed has failed
                else if (rescue) state_q <= CLOSE;
                else if (orphan && cached_q && !entry_missing_i) begin
                    error_q  <= 1'b1;
                    reason_q <= REASON_EXHAUSTED;
                    state_q  <= REPLY;
                end else if (orphan) begin
                    code_q  <= EVENT_CODE_METADATA_ERROR;
                    sick_q  <= 1'b0;
                    state_q <= POISON;
                end else case (op_q)
                    OP_TRIM: begin
                        release_first_q <= old_first;
                        release_count_q <= old_count;
                        release_close_q <= 1'b0;
                        release_fill_q  <= 1'b0;
                        after_release_q <= TRIM_STORE;
                        state_q         <= RELEASE;
                    end
                    OP_STATE: state_q <= REPLY;
                    OP_EXPORT: if (old_changed && !cached_q && victim_valid_i && !victim_dirty_i) begin
                        entry_q <= victim_entry_i;
                        take_q  <= 1'b1;
                        state_q <= COMMAND_TAKEN;
                    end else if (returns) begin
                        leaves_q <= 1'b1;
                        state_q  <= CLOSE;
                    end else if (old_changed && dirty_valid_i) begin  // an entry, or room, is got first
                        entry_q <= dirty_entry_i;
                        state_q <= CLOSE;
                    end else if (old_changed) begin
                        error_q  <= 1'b1;
                        reason_q <= REASON_EXHAUSTED;
                        state_q  <= REPLY;
                    end else if (cached_q && entry_dirty_i) begin
                        state_q <= CLOSE;
                    end else if (old_state == STATE_LZ4) begin
                        export_q      <= 1'b1;
                        after_fill_q  <= REPLY;
                        after_close_q <= REPLY;
                        state_q       <= FILL;
                    end else begin
                        error_q <= old_state == STATE_POISON;
                        state_q <= REPLY;
                    end
                    OP_INJECT: begin
                        code_q        <= EVENT_CODE_POISON_INJECTED;
                        sick_q        <= 1'b0;
                        after_close_q <= REPLY;
                        state_q       <= old_state == STATE_POISON ? REPLY : POISON;
                    end
                    OP_FENCE: state_q <= cached_q && entry_dirty_i ? CLOSE
                                         : old_state == STATE_POISON ? REPLY : FENCE_STORE;
                    OP_UNFENCE: state_q <= FENCE_STORE;
                    OP_IMPORT: if (old_state == STATE_POISON) begin
                        error_q <= 1'b1;
                        state_q <= REPLY;
                    end else if (old_fenced || (critical_i && old_state == STATE_FREE) || (!room && !dirty_valid_i)) begin
                        error_q  <= 1'b1;
                        reason_q <= old_fenced ? REASON_INPUT : REASON_EXHAUSTED;
                        state_q  <= REPLY;
                    end else if (!room) begin
                        entry_q <= dirty_entry_i;
                        state_q <= CLOSE;
                    end else begin
                        import_q     <= 1'b1;
                        after_fill_q <= IMPORT_START;
                        state_q      <= FILL;
                    end
                    OP_CLEAR: begin
                        release_count_q <= 7'd0;
                        state_q         <= old_state == STATE_POISON ? TRIM_STORE : REPLY;
                    end
                    default: if (dirty_valid_i) begin  // OP_FLUSH
                        entry_q <= dirty_entry_i;
                        state_q <= CLOSE;
                    end else begin
                        state_q <= REPLY;
                    end
                endcase
            end
            COMMAND_TAKEN: state_q <= COMMAND;
            IMPORT_START: if (room) begin
                state_q <= CLOSE_WAIT;
            end else begin  // on the way sectors were retired
                reason_q <= REASON_EXHAUSTED;
                state_q  <= IMPORT_REFUSE;
            end
            IMPORT_REFUSE: begin
                error_q <= 1'b1;
                state_q <= REPLY;
            end
            TRIM_STORE: begin
                if (release_count_q != 0) stuck_q <= 1'b0;
                state_q <= REPLY;
            end
            IMPORT_STORE: begin
                stuck_q <= 1'b0;
                late_q  <= 1'b0;
                state_q <= REPLY;
            end
            FENCE_STORE: state_q <= REPLY;
            default: state_q <= IDLE;
        endcase
        if (!rst_ni) begin
            state_q        <= IDLE;
            import_q       <= 1'b0;
            salvage_q      <= 1'b0;
            take_q         <= 1'b0;
            command_turn_q <= 1'b0;
            stuck_q        <= 1'b0;
            late_q         <= 1'b0;
            lost_q         <= 1'b0;
            asked_q        <= 1'b0;
            begin_q        <= 1'b0;
            {close_busy_q, close_done_q, needed_q, denied_q} <= 4'b0000;
            {region_turn_q, move_q, moves_q, demotes_q, leaves_q, promotes_q, placed_q, promoted_q, shadow_q} <= 9'd0;
        end
    end

`ifdef FORMAL
    // An edge that `moves_o` does not announce changes nothing.
    reg rested_q;

    initial rested_q = 1'b0;
    always @(posedge clk_i) begin
        rested_q <= rst_ni && !moves_o;
        if (rested_q) begin
            assert ($stable({state_q, after_close_q, after_fill_q, after_release_q, command_turn_q, take_q}));
            assert ($stable({write_q, fill_q, target_q, line_q, op_q, export_q, import_q, page_q, entry_q, code_q}));
            assert ($stable({error_q, reason_q, cached_q, dirty_q, release_first_q, release_count_q}));
            assert ($stable({reserved_q, resident_q, release_close_q, release_fill_q, sick_q}));
            assert ($stable(salvage_q));
            assert ($stable({fresh_q, stuck_q, late_q, late_page_q, lost_q, asked_q}));
            assert ($stable({close_busy_q, close_done_q, close_entry_q, close_page_q, needed_q, denied_q, begin_q}));
            assert ($stable({stays_q, hush_q, seek_q}));
        end
    end
`endif
endmodule

`default_nettype wire
