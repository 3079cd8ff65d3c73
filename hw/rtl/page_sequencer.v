// SPDX-License-Identifier: MIT
// page_sequencer: decides, one page operation at a time, what happens to pages.
//
// It is the only user of the page table, the reservations and the entries' fate, so that every operation sees a settled
// device. Order of service: complete entries are closed first; host requests and mailbox commands go in turn, so that a
// host that misses all the time does not keep a command waiting.
//
//     PREPARE   a host access needs a page: open it (taking a victim), reserve and make it dirty, fill it
//     COMMAND   from the mailbox: trim, state, export, flush, inject and clear poison (OP_* of cram_codes.vh)
//     CLOSE, FILL, POISON, RELEASE   steps shared by these; `after_*_q` say where to go on
//
// Handshake: see page_cache (requests), mailbox (commands: valid/ready, then one `reply_valid_o` pulse) and page_store.
// Latency:   a refusal takes 4 cycles; an open of a clean page 5 cycles plus its fill.

`default_nettype none

module page_sequencer #(
    parameter PAGES        = 4096,
    parameter PAGE_BITS    = 12,
    parameter ENTRY_BITS   = 3,
    parameter SECTOR_BITS  = 14,
    parameter SECTOR_BYTES = 256
) (
    input  wire                   clk_i,
    input  wire                   rst_ni,
    output wire                   ready_o,
    output wire                   idle_o,
    output wire                   moves_o,          // the next edge changes something
    output wire [31:0]            reserved_o,
    output wire [31:0]            resident_o,

    // ---- page_cache ----
    input  wire                   request_valid_i,
    input  wire                   request_write_i,
    input  wire                   request_fill_i,
    input  wire [PAGE_BITS-1:0]   request_page_i,
    input  wire [5:0]             request_line_i,
    input  wire                   request_again_i,  // a line of this burst was refused before
    input  wire                   critical_i,       // no new page is admitted
    output wire                   refuse_write_o,
    output wire                   refuse_read_o,
    output wire [PAGE_BITS-1:0]   lookup_page_o,
    input  wire                   lookup_hit_i,
    input  wire [ENTRY_BITS-1:0]  lookup_entry_i,
    input  wire [ENTRY_BITS-1:0]  victim_entry_i,
    input  wire                   victim_dirty_i,
    input  wire                   dirty_valid_i,
    input  wire [ENTRY_BITS-1:0]  dirty_entry_i,
    input  wire                   complete_valid_i,
    input  wire [ENTRY_BITS-1:0]  complete_entry_i,
    output wire [ENTRY_BITS-1:0]  entry_o,
    input  wire [PAGE_BITS-1:0]   entry_page_i,
    input  wire                   entry_dirty_i,
    input  wire                   entry_missing_i,
    output wire [5:0]             entry_line_o,
    input  wire                   entry_line_missing_i,
    output wire                   take_o,
    output wire                   take_zero_o,
    output wire                   drop_o,
    output wire                   make_dirty_o,
    output wire                   make_clean_o,
    output wire                   closing_o,

    // ---- page_store ----
    input  wire [SECTOR_BITS:0]   free_i,
    output wire                   close_start_o,
    input  wire                   close_done_i,
    input  wire [7:0]             close_error_i,    // 0, or an event code
    input  wire [2:0]             close_state_i,
    input  wire [12:0]            close_length_i,
    input  wire [63:0]            close_word_i,
    input  wire [31:0]            close_crc_i,
    input  wire [SECTOR_BITS-1:0] close_first_i,
    input  wire [6:0]             close_count_i,
    output wire                   fill_start_o,
    output wire                   fill_export_o,
    output wire                   import_o,         // the fill checks, the close stores an imported block
    output wire [2:0]             fill_state_o,
    output wire [12:0]            fill_length_o,
    output wire [63:0]            fill_word_o,
    output wire [31:0]            fill_crc_o,
    output wire [SECTOR_BITS-1:0] fill_first_o,
    input  wire                   fill_done_i,
    input  wire [7:0]             fill_error_i,
    output wire                   release_start_o,
    output wire [SECTOR_BITS-1:0] release_first_o,
    output wire [6:0]             release_count_o,
    input  wire                   release_done_i,

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
    output wire                   closed_o,
    output wire                   filled_o,
    output wire                   trimmed_o,
    output wire                   poisoned_o,
    output wire                   not_admitted_o,
    output wire                   fenced_o,
    output wire                   imported_o
);
    `include "cram_codes.vh"

    localparam       SECTOR_SHIFT = $clog2(SECTOR_BYTES);
    localparam       PAGE_SECTORS = 4096 / SECTOR_BYTES;
    localparam [SECTOR_BITS:0] RAW_SECTORS = PAGE_SECTORS[SECTOR_BITS:0];

    localparam [4:0] IDLE          = 5'd0,
                     PREPARE       = 5'd1,   // read the table entry of page_q again: the access starts over
                     OPEN          = 5'd2,   // cached, poison, or take a victim
                     DIRTY         = 5'd3,   // reserve
                     NEED          = 5'd4,   // fill, if the line is missing
                     CLOSE         = 5'd5,   // read the table entry of the page in entry_q
                     CLOSE_LOOK    = 5'd6,
                     CLOSE_START   = 5'd7,
                     CLOSE_WAIT    = 5'd8,
                     CLOSE_STORE   = 5'd9,   // old sectors are back: write the new entry
                     FILL          = 5'd10,
                     FILL_WAIT     = 5'd11,
                     POISON        = 5'd12,  // read the table entry of page_q
                     POISON_LOOK   = 5'd13,
                     POISON_DROP   = 5'd14,
                     POISON_STORE  = 5'd15,
                     RELEASE       = 5'd16,
                     RELEASE_WAIT  = 5'd17,
                     COMMAND       = 5'd18,  // read the table entry of page_q
                     COMMAND_LOOK  = 5'd19,
                     COMMAND_DO    = 5'd20,
                     TRIM_STORE    = 5'd21,
                     FENCE_STORE   = 5'd22,
                     IMPORT_START  = 5'd23,  // the block is good: store it
                     IMPORT_STORE  = 5'd24,
                     IMPORT_REFUSE = 5'd25,  // log it
                     REPLY         = 5'd26;

    reg [4:0]             state_q;
    reg [4:0]             after_close_q, after_fill_q, after_release_q;

    // ---- the operation under way ----
    reg                   write_q, fill_q;      // PREPARE: what the access needs
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

    reg                   take_q;               // entry_q was chosen in the last cycle: it is taken in this one

    reg [SECTOR_BITS:0]   reserved_q;
    reg [PAGE_BITS:0]     resident_q;

    reg                   command_turn_q;       // the last operation was a host access
    wire                  serve_request = request_valid_i && !(command_valid_i && command_turn_q);

    // ---- page table ---------------------------------------------------------------------------------------------
    reg                  table_read, table_write;
    reg  [PAGE_BITS-1:0] table_page;
    reg  [TABLE_BITS-1:0] table_new;
    wire [TABLE_BITS-1:0] table_entry;

    page_table #(
        .PAGES(PAGES),
        .PAGE_BITS(PAGE_BITS),
        .WIDTH(TABLE_BITS)
    ) u_table (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .ready_o(ready_o),
        .page_i(table_page),
        .read_i(table_read),
        .write_i(table_write),
        .entry_i(table_new),
        .entry_o(table_entry)
    );

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
    wire                   old_resident = RESIDENT[old_state];

    always @* begin
        table_read  = (state_q == IDLE && ready_o && serve_request) || state_q == PREPARE || state_q == CLOSE
                      || state_q == POISON || state_q == COMMAND;
        table_write = state_q == CLOSE_STORE || state_q == POISON_STORE || state_q == TRIM_STORE
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

    wire unused = &{1'b0, old_round[5:0]};

    // ---- outputs ------------------------------------------------------------------------------------------------
    wire room = free_i - reserved_q >= RAW_SECTORS;

    assign idle_o          = state_q == IDLE && ready_o && !complete_valid_i && !request_valid_i && !command_valid_i;
    wire   waits           = (state_q == CLOSE_WAIT && !close_done_i) || (state_q == FILL_WAIT && !fill_done_i)
                             || (state_q == RELEASE_WAIT && !release_done_i);
    wire   cleared         = !export_q && !import_q && !error_q && reason_q == REASON_INTERNAL;  // as IDLE leaves them

    assign moves_o         = take_q || (state_q == IDLE ? !idle_o || !cleared : !waits);
    assign reserved_o      = {{(31 - SECTOR_BITS){1'b0}}, reserved_q};
    assign resident_o      = {{(31 - PAGE_BITS){1'b0}}, resident_q};

    // A page that is fenced, or free in the critical state, is not made dirty.
    wire   asking          = write_q && (state_q == OPEN ? !lookup_hit_i : state_q == DIRTY && !take_q && !entry_dirty_i);
    wire   closed_door     = asking && (old_fenced || (critical_i && old_state == STATE_FREE));

    assign refuse_write_o  = (state_q == OPEN && !lookup_hit_i && old_state == STATE_POISON && write_q) || closed_door;
    assign refuse_read_o   = state_q == OPEN && !lookup_hit_i && old_state == STATE_POISON && !write_q;
    assign lookup_page_o   = page_q;
    assign entry_o         = entry_q;
    assign entry_line_o    = line_q;

    assign take_o          = take_q;
    assign take_zero_o     = old_state == STATE_FREE;
    assign make_dirty_o    = state_q == DIRTY && !take_q && write_q && !entry_dirty_i && room
                             && !closed_door;
    assign make_clean_o    = state_q == CLOSE_STORE;
    assign closing_o       = state_q == CLOSE || state_q == CLOSE_LOOK || state_q == CLOSE_START
                             || (state_q == CLOSE_WAIT && !import_q) || state_q == CLOSE_STORE
                             || state_q == POISON || state_q == POISON_LOOK || state_q == POISON_DROP
                             || ((state_q == RELEASE || state_q == RELEASE_WAIT) && after_release_q != TRIM_STORE && !import_q)
                             || ((state_q == FILL || state_q == FILL_WAIT) && after_fill_q == CLOSE_START);
    wire   trim            = state_q == COMMAND_DO && op_q == OP_TRIM;
    assign drop_o          = cached_q && (state_q == POISON_DROP || state_q == IMPORT_STORE || trim);

    assign close_start_o   = state_q == CLOSE_START || state_q == IMPORT_START;
    // A read that misses a page on the media needs nothing but its lines: they come long after the entry was taken.
    wire   read_through    = state_q == OPEN && !lookup_hit_i && !write_q && !victim_dirty_i && old_stored;

    assign fill_start_o    = state_q == FILL || read_through;
    assign fill_export_o   = export_q;
    assign import_o        = import_q;
    assign fill_state_o    = old_state;
    assign fill_length_o   = old_length;
    assign fill_word_o     = old_word;
    assign fill_crc_o      = import_q ? import_crc_i : old_crc;
    assign fill_first_o    = old_first;
    assign release_start_o = state_q == RELEASE;
    assign release_first_o = release_first_q;
    assign release_count_o = release_count_q;

    assign command_ready_o = state_q == IDLE && ready_o && !complete_valid_i && !serve_request;
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
    assign event_valid_o   = poisoned_o || (closed_door && !request_again_i) || state_q == IMPORT_REFUSE;
    assign event_code_o    = poisoned_o ? code_q : state_q == IMPORT_REFUSE ? EVENT_CODE_IMPORT_REFUSED
                             : old_fenced ? EVENT_CODE_FENCED : EVENT_CODE_NOT_ADMITTED;
    assign event_page_o    = page_q;
    assign closed_o        = state_q == CLOSE_STORE;
    assign filled_o        = state_q == FILL_WAIT && fill_done_i && fill_error_i == 0 && !export_q && !import_q;
    assign imported_o      = state_q == IMPORT_STORE;
    assign trimmed_o       = state_q == TRIM_STORE && op_q == OP_TRIM;

    // ---- counts -------------------------------------------------------------------------------------------------
    wire give_back = make_clean_o || (drop_o && entry_dirty_i);

    always @(posedge clk_i) begin
        if (make_dirty_o) reserved_q <= reserved_q + RAW_SECTORS;
        else if (give_back) reserved_q <= reserved_q - RAW_SECTORS;
        if (table_write) begin
            if ((state_q == CLOSE_STORE || state_q == IMPORT_STORE) && !old_resident) resident_q <= resident_q + 1'b1;
            if ((state_q == POISON_STORE || state_q == TRIM_STORE) && old_resident) resident_q <= resident_q - 1'b1;
        end
        if (!rst_ni) begin
            reserved_q <= 0;
            resident_q <= 0;
        end
    end

    // ---- sequence -----------------------------------------------------------------------------------------------
    always @(posedge clk_i) begin
        take_q <= 1'b0;
        case (state_q)
            IDLE: if (ready_o) begin
                export_q <= 1'b0;
                import_q <= 1'b0;
                error_q  <= 1'b0;
                reason_q <= REASON_INTERNAL;
                if (complete_valid_i) begin
                    entry_q       <= complete_entry_i;
                    after_close_q <= IDLE;
                    state_q       <= CLOSE;
                end else if (serve_request) begin
                    command_turn_q <= 1'b1;
                    target_q <= request_page_i;
                    page_q   <= request_page_i;
                    line_q   <= request_line_i;
                    write_q  <= request_write_i;
                    fill_q   <= request_fill_i;
                    state_q  <= OPEN;
                end else if (command_valid_i) begin
                    command_turn_q <= 1'b0;
                    target_q <= command_page_i;
                    page_q   <= command_page_i;
                    op_q     <= command_op_i;
                    state_q  <= COMMAND;
                end
            end

            // ---- a host access ----
            PREPARE: state_q <= OPEN;
            OPEN: if (lookup_hit_i) begin
                entry_q <= lookup_entry_i;
                state_q <= DIRTY;
            end else if (old_state == STATE_POISON || closed_door) begin
                state_q <= IDLE;
            end else begin
                entry_q <= victim_entry_i;
                if (victim_dirty_i) begin
                    after_close_q <= PREPARE;
                    state_q       <= CLOSE;
                end else begin
                    take_q  <= 1'b1;
                    state_q <= read_through ? FILL_WAIT : DIRTY;
                    if (read_through) begin
                        after_fill_q  <= IDLE;
                        after_close_q <= IDLE;
                    end
                end
            end
            DIRTY: if (!take_q) begin  // one cycle later when the entry was just taken
                if (closed_door) begin
                    state_q <= IDLE;
                end else if (!write_q || entry_dirty_i || room) begin
                    state_q <= NEED;
                end else if (dirty_valid_i) begin
                    entry_q       <= dirty_entry_i;
                    after_close_q <= PREPARE;
                    state_q       <= CLOSE;
                end else begin
                    code_q        <= EVENT_CODE_EXHAUSTED;
                    after_close_q <= IDLE;
                    state_q       <= POISON;
                end
            end
            NEED: if (fill_q && entry_line_missing_i) begin
                after_fill_q  <= IDLE;
                after_close_q <= IDLE;
                state_q       <= FILL;
            end else begin
                state_q <= IDLE;
            end

            // ---- close entry_q ----
            CLOSE: begin
                page_q  <= entry_page_i;
                state_q <= CLOSE_LOOK;
            end
            CLOSE_LOOK: begin
                after_fill_q <= CLOSE_START;
                state_q      <= entry_missing_i ? FILL : CLOSE_START;
            end
            CLOSE_START: state_q <= CLOSE_WAIT;
            CLOSE_WAIT: if (close_done_i) begin
                code_q          <= close_error_i;
                release_first_q <= close_error_i != 0 ? close_first_i : old_first;
                release_count_q <= close_error_i != 0 ? close_count_i : old_count;
                after_release_q <= import_q ? (close_error_i != 0 ? IMPORT_REFUSE : IMPORT_STORE)
                                   : close_error_i != 0 ? POISON : CLOSE_STORE;
                state_q         <= RELEASE;
            end
            CLOSE_STORE: begin
                page_q  <= target_q;
                state_q <= after_close_q;
            end

            // ---- fill entry_q from the table entry of page_q ----
            FILL: state_q <= FILL_WAIT;
            FILL_WAIT: if (fill_done_i) begin
                code_q  <= fill_error_i;
                error_q <= export_q && fill_error_i != 0;
                state_q <= fill_error_i == 0 ? after_fill_q : import_q ? IMPORT_REFUSE : POISON;
                if (import_q && fill_error_i != 0) reason_q <= REASON_INPUT;
            end

            // ---- page_q is lost ----
            POISON: state_q <= POISON_LOOK;
            POISON_LOOK: begin
                cached_q <= lookup_hit_i;
                entry_q  <= lookup_entry_i;
                state_q  <= POISON_DROP;
            end
            POISON_DROP: begin
                release_first_q <= old_first;
                release_count_q <= old_count;
                after_release_q <= POISON_STORE;
                state_q         <= RELEASE;
            end
            POISON_STORE: begin
                page_q  <= target_q;
                state_q <= after_close_q;
            end

            RELEASE: state_q <= RELEASE_WAIT;
            RELEASE_WAIT: if (release_done_i) state_q <= after_release_q;

            // ---- a mailbox command ----
            COMMAND: state_q <= COMMAND_LOOK;
            COMMAND_LOOK: begin
                cached_q <= lookup_hit_i;
                entry_q  <= lookup_entry_i;
                state_q  <= COMMAND_DO;
            end
            COMMAND_DO: begin
                dirty_q       <= cached_q && entry_dirty_i;
                after_close_q <= COMMAND;
                case (op_q)
                    OP_TRIM: begin
                        release_first_q <= old_first;
                        release_count_q <= old_count;
                        after_release_q <= TRIM_STORE;
                        state_q         <= RELEASE;
                    end
                    OP_STATE: state_q <= REPLY;
                    OP_EXPORT: if (cached_q && entry_dirty_i) begin
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
                    OP_CLEAR: state_q <= old_state == STATE_POISON ? TRIM_STORE : REPLY;
                    default: if (dirty_valid_i) begin  // OP_FLUSH
                        entry_q <= dirty_entry_i;
                        state_q <= CLOSE;
                    end else begin
                        state_q <= REPLY;
                    end
                endcase
            end
            IMPORT_START: state_q <= CLOSE_WAIT;
            IMPORT_REFUSE: begin
                error_q <= 1'b1;
                state_q <= REPLY;
            end
            TRIM_STORE, FENCE_STORE, IMPORT_STORE: state_q <= REPLY;
            default: state_q <= IDLE;
        endcase
        if (!rst_ni) begin
            state_q        <= IDLE;
            import_q       <= 1'b0;
            take_q         <= 1'b0;
            command_turn_q <= 1'b0;
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
            assert ($stable({reserved_q, resident_q}));
        end
    end
`endif
endmodule

`default_nettype wire
