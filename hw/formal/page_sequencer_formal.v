// SPDX-License-Identifier: MIT
// page_sequencer_formal: a page's state changes only as docs/device/pages.md allows, whatever
// the page cache, the page store and the mailbox answer.
//
// One page, whichever, is followed in `state_q` and `fenced_q`, from what is written into the table.
//
// A page is filled or closed, and not both; what goes on with it is locked: its entry of the cache is not taken, and its
// table entry not written, before that has ended. One close and one release run at a time.
//
// A page becomes poison only by a command, or because a fill has found its stored form damaged, because its table entry
// cannot be told, or because the cache has lost a line of it: not by a close that fails, for want of room or of an answer.
// While its entry cannot be told, it is neither freed nor fenced but by a command, nor is poison forgotten.
// A page gets a new stored form only from a close that succeeded. An access is refused in the cycle of such a refusal only
// if it still waits.
//
// With STORED the page is stored as lz4 from the reset on. That it can be is covered without. So what needs a page that
// is stored is reached some ten cycles earlier.
//
// Assumed: the page cache holds the page where and as long as the sequencer has put it, and offers no busy entry; as many
// fills of other pages end as were begun; what a close has found stays until the next one; commands are those that there are
// (OP_* of cram_codes.vh); a close that succeeds yields a resident state, one that fails and a fill an error that they have,
// one of an import never CACHE_LOST (page_closer_formal).

`default_nettype none

module page_sequencer_formal #(
    parameter PAGES     = 2,
    parameter PAGE_BITS = 1,
    parameter STORED    = 0   // the page is stored as lz4 from the beginning
) (
    input  wire                 clk_i,
    input  wire                 rst_ni,
    input  wire                 request_valid,
    input  wire                 request_write,
    input  wire                 request_fill,
    input  wire                 request_again,
    input  wire                 read_again,
    input  wire                 critical,
    input  wire [PAGE_BITS-1:0] request_page,
    input  wire [PAGE_BITS-1:0] entry_page,
    input  wire [PAGE_BITS-1:0] command_page,
    input  wire [5:0]           request_line,
    input  wire                 lookup_hit,
    input  wire                 lookup_entry,
    input  wire                 victim_valid,
    input  wire                 victim_entry,
    input  wire                 victim_dirty,
    input  wire                 dirty_any,
    input  wire                 dirty_valid,
    input  wire                 dirty_entry,
    input  wire                 dirty_missing,
    input  wire                 scarce,
    input  wire                 crowded,
    input  wire                 complete_valid,
    input  wire                 complete_entry,
    input  wire                 entry_dirty,
    input  wire                 entry_lost,
    input  wire                 entry_complete,
    input  wire                 entry_missing,
    input  wire                 entry_line_missing,
    input  wire [7:0]           free,
    input  wire                 close_done,
    input  wire [7:0]           close_error,
    input  wire                 burst,
    input  wire [PAGE_BITS-1:0] burst_page,
    input  wire                 waits_write,
    input  wire                 waits_read,
    input  wire                 retired,
    input  wire [6:0]           retired_sector,
    input  wire                 fill_ready,
    input  wire                 fills,
    input  wire                 fill_done,
    input  wire [PAGE_BITS-1:0] fill_page,
    input  wire                 fill_entry,
    input  wire                 fill_closes,
    input  wire                 fill_stored,
    input  wire                 release_done,
    input  wire [2:0]           close_state,
    input  wire [12:0]          close_length,
    input  wire [63:0]          close_word,
    input  wire [31:0]          close_crc,
    input  wire [31:0]          import_crc,
    input  wire [6:0]           close_first,
    input  wire [6:0]           close_count,
    input  wire [7:0]           fill_error,
    input  wire                 command_valid,
    input  wire [3:0]           command_op,
    input  wire                 flaw_valid,
    input  wire                 flaw_lost,
    input  wire [PAGE_BITS-1:0] flaw_page,
    input  wire                 lost,
    input  wire                 returned
);
    `include "cram_codes.vh"

    (* hierconn *) wire [PAGE_BITS-1:0] \dut.u_table.watched ;
    wire [PAGE_BITS-1:0] page = \dut.u_table.watched ;

    wire moves, close_start, fill_start, release_start, ready, command_ready, refuse_write, make_dirty, take;
    wire trimmed, poisoned, closed, imported, reply, refused, refuse_read, stuck, reply_error, flaw_taken;
    wire [7:0] event_code;
    wire [2:0] reply_state;

    wire [PAGE_BITS-1:0] lookup_page;
    wire                 entry, drop, closing, close_entry, fill_taken, fill_begin;

    page_sequencer #(
        .PAGES(PAGES),
        .PAGE_BITS(PAGE_BITS),
        .ENTRY_BITS(1),
        .SECTOR_BITS(7),
        .SECTOR_BYTES(256)
    ) dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .moves_o(moves),
        .ready_o(ready),
        .request_valid_i(request_valid),
        .request_write_i(request_write),
        .request_fill_i(request_fill),
        .request_page_i(request_page),
        .request_line_i(request_line),
        .request_again_i(request_again),
        .read_again_i(read_again),
        .critical_i(critical),
        .refuse_write_o(refuse_write),
        .refuse_read_o(refuse_read),
        .burst_i(burst),
        .burst_page_i(burst_page),
        .waits_write_i(waits_write),
        .waits_read_i(waits_read),
        .stuck_o(stuck),
        .retired_i(retired),
        .lost_i(lost),
        .returned_i(returned),
        .flaw_valid_i(flaw_valid),
        .flaw_taken_o(flaw_taken),
        .flaw_lost_i(flaw_lost),
        .flaw_page_i(flaw_page),
        .retired_sector_i(retired_sector),
        .refused_o(refused),
        .reply_error_o(reply_error),
        .event_code_o(event_code),
        .lookup_busy_i(1'b0),
        .entry_line_after_i(1'b0),
        .fill_plain_i(1'b0),
        .lookup_hit_i(lookup_hit),
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
        .entry_page_i(entry_page),
        .entry_dirty_i(entry_dirty),
        .entry_lost_i(entry_lost),
        .entry_complete_i(entry_complete),
        .entry_missing_i(entry_missing),
        .entry_line_missing_i(entry_line_missing),
        .lookup_page_o(lookup_page),
        .entry_o(entry),
        .drop_o(drop),
        .take_o(take),
        .make_dirty_o(make_dirty),
        .closing_o(closing),
        .close_entry_o(close_entry),
        .fill_begin_o(fill_begin),
        .fill_ready_i(fill_ready),
        .fills_i(fills),
        .fill_page_i(fill_page),
        .fill_entry_i(fill_entry),
        .fill_closes_i(fill_closes),
        .fill_stored_i(fill_stored),
        .fill_taken_o(fill_taken),
        .close_start_o(close_start),
        .fill_start_o(fill_start),
        .release_start_o(release_start),
        .free_i(free),
        .close_done_i(close_done),
        .close_error_i(close_error),
        .close_state_i(close_state),
        .close_length_i(close_length),
        .close_word_i(close_word),
        .close_crc_i(close_crc),
        .close_first_i(close_first),
        .close_count_i(close_count),
        .fill_done_i(fill_done),
        .fill_error_i(fill_error),
        .release_done_i(release_done),
        .command_valid_i(command_valid),
        .command_ready_o(command_ready),
        .command_op_i(command_op),
        .command_page_i(command_page),
        .import_crc_i(import_crc),
        .reply_valid_o(reply),
        .reply_state_o(reply_state),
        .trimmed_o(trimmed),
        .poisoned_o(poisoned),
        .closed_o(closed),
        .imported_o(imported)
    );

    (* hierconn *) wire        \dut.table_write ;
    (* hierconn *) wire [PAGE_BITS-1:0] \dut.table_page ;
    (* hierconn *) wire [TABLE_BITS-1:0] \dut.table_new ;
    (* hierconn *) wire [3:0]  \dut.op_q ;
    (* hierconn *) wire [7:0]  \dut.code_q ;
    (* hierconn *) wire [5:0]  \dut.state_q ;
    (* hierconn *) wire        \dut.flaw ;
    (* hierconn *) wire        \dut.table_read ;
    (* hierconn *) wire        \dut.salvage_q ;
    (* hierconn *) wire        \dut.do_clean ;
    (* hierconn *) wire        \dut.table_lost ;
    (* hierconn *) wire        \dut.u_table.busy_seen ;
    (* hierconn *) wire        \dut.u_table.valid_q ;

    // the page cache, as far as the watched page is concerned
    reg cached_q, place_q;

    always @(posedge clk_i) begin
        if (take) begin
            if (lookup_page == page) {cached_q, place_q} <= {1'b1, entry};
            else if (entry == place_q) cached_q <= 1'b0;
        end
        if (drop && entry == place_q) cached_q <= 1'b0;
        if (!rst_ni) cached_q <= 1'b0;
    end

    always @* begin
        if (lookup_page == page) assume (lookup_hit == cached_q && (!lookup_hit || lookup_entry == place_q));
        else assume (!lookup_hit || !cached_q || lookup_entry != place_q);
        assume ((entry_page == page) == (cached_q && entry == place_q));
    end

    (* hierconn *) wire [TABLE_BITS-1:0] \dut.u_table.first ;
    (* hierconn *) wire \dut.import_q ;

    initial assume (!rst_ni);
    always @* begin
        if (STORED == 0) assume (\dut.u_table.first == 0);
        else assume (\dut.u_table.first [TABLE_STATE +: TABLE_STATE_BITS] == STATE_LZ4 && !\dut.u_table.first [TABLE_FENCED]);
    end
    always @* begin
        if (command_valid) assume (OPS[command_op]);
        assume (RESIDENT[close_state]);
        assume (close_error == 0 || close_error == EVENT_CODE_MEDIA_ERROR || close_error == EVENT_CODE_MEDIA_TIMEOUT
                || close_error == EVENT_CODE_EXHAUSTED || close_error == EVENT_CODE_CACHE_LOST);
        if (\dut.import_q ) assume (close_error != EVENT_CODE_CACHE_LOST);  // an import reads no line of the cache
        assume (fill_error == 0 || fill_error == EVENT_CODE_MEDIA_TIMEOUT || fill_error == EVENT_CODE_METADATA_ERROR
                || EVENT_CODE_MEDIA_ERRORS[fill_error]);
    end

    wire write = \dut.table_write && \dut.table_page == page;

    reg failed_q, sick_q;   // the last close; the last fill, not for want of an answer
    reg flaw_q;             // the cache has lost a line of the page, and it is not poison yet

    always @(posedge clk_i) begin
        if (close_done) failed_q <= close_error != 0;
        if (fill_taken && fill_page == page) sick_q <= fill_error != 0 && fill_error != EVENT_CODE_MEDIA_TIMEOUT;
        if (write) flaw_q <= 1'b0;
        if (flaw_taken && flaw_lost && flaw_page == page) flaw_q <= 1'b1;
        if (close_done && close_error == EVENT_CODE_CACHE_LOST && entry_lost && entry_page == page) flaw_q <= 1'b1;
        if (!rst_ni) flaw_q <= 1'b0;
    end

    reg [2:0] state_q;
    reg       fenced_q;
    reg [3:0] seen_q;   // poisoned, freed from poison, imported, fenced

    wire [2:0] state      = \dut.table_new [TABLE_STATE +: TABLE_STATE_BITS];
    wire       fenced     = \dut.table_new [TABLE_FENCED];
    wire       gone       = \dut.table_lost ;    // the entry could not be told
    wire       by_command = trimmed || (\dut.state_q == 6'd21 && \dut.op_q == OP_CLEAR);

    always @(posedge clk_i) begin
        if (write) {fenced_q, state_q} <= {fenced, state};
        if (write && poisoned) seen_q[0] <= 1'b1;
        if (write && state_q == STATE_POISON && state == STATE_FREE) seen_q[1] <= 1'b1;
        if (write && imported) seen_q[2] <= 1'b1;
        if (write && fenced) seen_q[3] <= 1'b1;
        if (!rst_ni) {fenced_q, state_q, seen_q} <= {1'b0, STORED != 0 ? STATE_LZ4 : STATE_FREE, 4'd0};
    end

    always @(posedge clk_i) if (rst_ni && write) begin
        assert (ready);
        assert (KNOWN[state]);                                             // no other state
        if (state == STATE_FREE && state_q != STATE_FREE) assert (by_command);         // only trim and clear poison free a page
        if (state == STATE_POISON && state_q != STATE_POISON) assert (poisoned);
        if (state_q != state && state != STATE_FREE && state != STATE_POISON) assert (closed || imported);
        if (imported) assert (state == STATE_LZ4 && state_q != STATE_POISON && !fenced_q);
        if (state_q == STATE_POISON && state != STATE_POISON) assert (state == STATE_FREE && by_command);
        if (fenced && !fenced_q) assert (\dut.op_q == OP_FENCE && state == state_q && state != STATE_POISON);
        if (fenced_q && !fenced) assert (poisoned || trimmed || \dut.op_q == OP_UNFENCE || (closed && gone));
        if (state == STATE_POISON) assert (!fenced);
        if (poisoned)
            assert (\dut.code_q  == EVENT_CODE_POISON_INJECTED || (EVENT_CODE_MEDIA_ERRORS[\dut.code_q ] && sick_q)
                    || (\dut.code_q  == EVENT_CODE_METADATA_ERROR && (sick_q || gone))
                    || (\dut.code_q  == EVENT_CODE_CACHE_LOST && flaw_q));
        if (gone) assert (poisoned || trimmed || closed);
        if (closed || imported) assert (!failed_q);
        if (closed) assert (fenced == (fenced_q && !gone));
    end

    generate
        if (STORED == 0) begin : gen_from_reset
            always @(posedge clk_i) if (rst_ni && write) begin
                cover (closed && state_q == STATE_FREE);
                cover (poisoned && fenced_q);
                cover (poisoned && gone && state_q == STATE_LZ4);
                cover (poisoned && \dut.code_q  == EVENT_CODE_CACHE_LOST && state_q != STATE_FREE);
                cover (state_q == STATE_POISON && state == STATE_FREE);
                cover (imported);
                cover (trimmed && state_q == STATE_LZ4);
            end
        end else begin : gen_stored
            always @(posedge clk_i) if (rst_ni && write) begin
                cover (closed && state_q != STATE_FREE);
                cover (closed && gone && state_q != STATE_FREE && \dut.op_q == OP_STATE);
                cover (closed && \dut.salvage_q );
            end
        end
    endgenerate

    // No resident state is left out by what is assumed: each is closed into.
    genvar n;
    generate
        for (n = 0; n < 8; n = n + 1)
            if (RESIDENT[n]) begin : gen_closed
                always @(posedge clk_i) if (rst_ni && write) cover (closed && state == n);
            end
    endgenerate

    // What goes on by itself: a fill of the page, a close, a release.
    reg close_runs_q, fill_runs_q, release_runs_q, held_q;  // `held`: what the last close has found is not used yet
    reg [1:0] others_q;                                     // fills of other pages under way

    (* hierconn *) wire \dut.close_busy_q ;

    always @(posedge clk_i) if (rst_ni) begin
        if (refused) assert ((refuse_write && waits_write) || (refuse_read && waits_read));
        cover (refused && refuse_write && event_code == EVENT_CODE_EXHAUSTED);
        cover (refused && refuse_read && \dut.code_q  == EVENT_CODE_MEDIA_TIMEOUT);
        cover (reply && reply_error && stuck);
        cover (closed && stuck);
    end

    wire mine = fill_page == page;
    wire busy = cached_q && (fill_runs_q || (closing && close_entry == place_q));

    always @* begin
        if (!close_runs_q) assume (!close_done);
        if (!release_runs_q) assume (!release_done && !retired);
        assume (fills == (fill_runs_q || others_q != 0));
        if (others_q == 2'd3) assume (!fill_ready);
        if (others_q == 0 && !mine) assume (!fill_done);
        if (fill_done && mine) assume (fill_runs_q && (!cached_q || fill_entry == place_q));
        if (fill_done && !mine && cached_q) assume (fill_entry != place_q);
        if (busy) begin
            assume (!(request_valid && request_page == page));
            assume (!(victim_valid && victim_entry == place_q));
            assume (!(dirty_valid && dirty_entry == place_q));
            assume (!(complete_valid && complete_entry == place_q));
        end
        if (closing) begin
            assume (!(victim_valid && victim_entry == close_entry));
            assume (!(dirty_valid && dirty_entry == close_entry));
            assume (!(complete_valid && complete_entry == close_entry));
        end
        assume (!dirty_valid || dirty_any);
    end

    // One that has ended is shown until it is taken; a close until the next one starts.
    always @(posedge clk_i) if (rst_ni && $past(rst_ni)) begin
        if ($past(fill_done && !fill_taken))
            assume (fill_done && $stable({fill_page, fill_entry, fill_error, fill_closes, fill_stored}));
        if ($past(close_done || held_q) && !$past(close_start))
            assume ($stable({close_error, close_state, close_length, close_word, close_crc, close_first, close_count}));
    end

    always @(posedge clk_i) begin
        if (close_done) {close_runs_q, held_q} <= 2'b01;
        if (fill_taken && mine) fill_runs_q <= 1'b0;
        others_q <= others_q + {1'b0, fill_start && lookup_page != page} - {1'b0, fill_taken && !mine};
        if (release_done) release_runs_q <= 1'b0;
        if (close_start) {close_runs_q, held_q} <= 2'b10;
        if (fill_start && lookup_page == page) fill_runs_q <= 1'b1;
        if (release_start) release_runs_q <= 1'b1;
        if (!rst_ni) {close_runs_q, fill_runs_q, release_runs_q, held_q, others_q} <= 6'd0;
    end

    always @(posedge clk_i) if (rst_ni) begin
        if (close_start) assert (!close_runs_q && !\dut.close_busy_q );
        if (release_start) assert (!release_runs_q);
        if (fill_start) assert (fill_ready);
        if (fill_start && lookup_page == page) assert (!fill_runs_q && !(busy && \dut.close_busy_q ));
        if (write) assert (!fill_runs_q);                                              // its page is locked
        if (take && cached_q && entry == place_q) assert (!busy);
        if (drop && cached_q && entry == place_q) assert (!fill_runs_q);
        if (command_valid && command_ready) assert (!fills && !close_runs_q && !\dut.close_busy_q );
        cover (fill_runs_q && close_runs_q && fill_taken && mine);
        cover (fill_runs_q && fill_start);
    end

    // Who is served: host and mailbox in turn when both wait; nobody is passed over twice.
    (* hierconn *) wire \dut.do_request ;
    (* hierconn *) wire \dut.may_begin ;
    (* hierconn *) wire \dut.complete ;
    (* hierconn *) wire \dut.jobs ;

    wire choice     = \dut.state_q == 6'd0 && ready && \dut.may_begin && !\dut.complete ;
    wire to_host    = choice && \dut.do_request ;
    wire to_mailbox = command_valid && command_ready;

    reg host_passed_q, mailbox_passed_q, cleaning_q;

    always @(posedge clk_i) begin
        host_passed_q    <= request_valid && !to_host && (host_passed_q || to_mailbox);
        mailbox_passed_q <= command_valid && !to_mailbox && (mailbox_passed_q || to_host);
        cleaning_q       <= (cleaning_q && !close_done)
                            || (choice && \dut.do_clean );
        if (!rst_ni) {host_passed_q, mailbox_passed_q, cleaning_q} <= 3'b000;
    end

    always @(posedge clk_i) if (rst_ni) begin
        assert (!(to_host && to_mailbox));
        cover (cleaning_q && close_done && close_error == 0 && request_valid);
        if (to_host) assert (request_valid);
        if (\dut.u_table.busy_seen ) assert (!\dut.table_read && !\dut.table_write );  // as page_table asks
        if (choice && (request_valid || command_valid) && !\dut.jobs ) assert (to_host || to_mailbox);
        if (host_passed_q && request_valid) assert (!to_mailbox);
        if (mailbox_passed_q && command_valid) assert (!to_host);
        cover (mailbox_passed_q && to_mailbox && request_valid);
        cover (host_passed_q && to_host && command_valid);
    end
    always @(posedge clk_i) if (rst_ni && reply && !write) cover (seen_q[3] && reply_state == STATE_POISON);
endmodule

`default_nettype wire
