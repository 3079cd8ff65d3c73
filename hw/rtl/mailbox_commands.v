// SPDX-License-Identifier: MIT
// mailbox_commands: runs one mailbox command at a time (docs/device/mailbox.md).
//
//     IDLE -> DECODE -> READ -> LOOK -> WEIGH -> TAKE -> MEASURE -> RANGE -> SKIP -> COMMAND <-> REPLY
//                        ^_______________________/                                                 |
//                                 DONE <- LAST <- WRITE or CONSTANT <- SIZE <----------------------+
//     What a command does not need is left out.
//
// mailbox_decode says how a command begins. The input lies in the payload and is read 8 bytes at a time; the output is
// written there 16 bytes at a time, by *pieces* that mailbox_replies makes, except the beats of an exported block and the
// bytes of replies that never change (mailbox_constants). What the host sets is taken by mailbox_settings.
//
// Handshake: `start_i` level with opcode and length, which hold until `done_o`, a pulse with return code and length of the
//            reply. `read_o` asks for 8 bytes, `read_wait_i` puts it off; `word_i` follows by two cycles, and holds.
//            What is compared for a decision is compared in the cycle before it.
//            `command_*` go to the core's sequencer, valid/ready; it answers with one pulse of `reply_valid_i`.
// Latency:   5 cycles and one for each piece or byte; a range takes 10 cycles to check, then the core's time a page.

`default_nettype none

module mailbox_commands #(
    parameter PERCEIVED_PAGES = 4096,
    parameter SECTOR_BYTES    = 256
) (
    input  wire        clk_i,
    input  wire        rst_ni,

    input  wire        start_i,
    input  wire [15:0] opcode_i,
    input  wire [20:0] length_i,
    output wire        done_o,
    output wire [15:0] return_code_o,
    output wire [20:0] length_o,

    // Payload
    output wire        read_o,
    output wire [8:0]  read_word_o,
    input  wire        read_wait_i,
    input  wire [63:0] word_i,
    output wire        piece_valid_o,
    output wire [7:0]  piece_o,

    // For mailbox_settings
    output wire        take_o,            // word_i, of number read_word_o, is the next of the input
    input  wire        setting_bad_i,

    // For mailbox_constants
    input  wire        constant_i,
    input  wire [8:0]  first_i,
    input  wire [8:0]  bytes_i,
    input  wire        log_right_i,
    output wire        byte_valid_o,      // byte piece_o of the payload becomes the one of this index
    output wire [8:0]  byte_index_o,

    // For mailbox_replies
    output wire [7:0]  records_o,         // of the poison list
    output wire        more_o,            // it goes on
    output wire [4:0]  events_o,          // records of the event log in this reply
    output wire        failure_log_o,     // the log that is asked for is the one with records
    output wire [31:0] page_o,
    output wire [31:0] sector_o,          // of Get Page State, kept for its second piece

    // Core's sequencer
    output wire        command_valid_o,
    input  wire        command_ready_i,
    output wire [3:0]  command_op_o,
    input  wire        reply_valid_i,
    input  wire [2:0]  reply_state_i,
    input  wire        reply_error_i,
    input  wire [1:0]  reply_reason_i,
    input  wire [12:0] reply_length_i,
    input  wire [31:0] reply_sector_i,

    output wire [31:0] import_crc_o,

    // Event log
    input  wire [4:0]  event_count_i,
    input  wire [15:0] event_handle_i,    // of the oldest
    input  wire        event_overflow_i,  // events were dropped since the last clearing
    output wire        event_pop_o,
    output wire        event_cleared_o,   // the overflow is known

    // Hot pages, ratio, background
    input  wire [7:0]  hot_count_i,
    output wire        ratio_start_o,
    input  wire        ratio_busy_i,
    output wire        background_start_o,
    input  wire        background_busy_i
);
    `include "cram_registers.vh"
    `include "cram_codes.vh"

    localparam [20:0] PAYLOAD_BYTES    = {5'd0, SIZE_MAILBOX_PAYLOAD};
    localparam [7:0]  MAXIMUM_RECORDS  = 8'd254;   // (4096 - 32) / 16
    localparam [31:0] PAGE_COUNT       = PERCEIVED_PAGES;
    localparam [51:0] PAGES            = {20'd0, PAGE_COUNT};

    localparam [4:0] IDLE     = 5'd0;
    localparam [4:0] DECODE   = 5'd1;
    localparam [4:0] READ     = 5'd2;   // ask the payload for 8 bytes
    localparam [4:0] LOOK     = 5'd3;   // they come
    localparam [4:0] WEIGH    = 5'd4;   // what they say
    localparam [4:0] TAKE     = 5'd5;   // use them
    localparam [4:0] MEASURE  = 5'd6;   // whether a range is legal
    localparam [4:0] RANGE    = 5'd7;   // judge it, or start on it
    localparam [4:0] SKIP     = 5'd8;   // the pages of a list that were told before
    localparam [4:0] COMMAND  = 5'd9;
    localparam [4:0] REPLY    = 5'd10;
    localparam [4:0] RATIO    = 5'd11;  // wait for it
    localparam [4:0] POP      = 5'd12;  // drop events up to end_q
    localparam [4:0] SIZE     = 5'd13;  // of the reply
    localparam [4:0] WRITE    = 5'd14;  // pieces piece_q to the last one
    localparam [4:0] CONSTANT = 5'd15;  // bytes piece_q to the last one of a reply that never changes
    localparam [4:0] LAST     = 5'd16;  // it is on its way to the payload
    localparam [4:0] DONE     = 5'd17;

    reg [4:0]  state_q;
    reg [15:0] result_q;
    reg [20:0] result_length_q;
    reg [3:0]  op_q;
    reg [8:0]  word_q;           // index of the 8 bytes to read
    reg [7:0]  ranges_left_q;    // behind the present one
    reg [7:0]  ranges_q;         // all, minus 1
    reg        again_q;          // second pass: the ranges are legal
    reg [63:0] start_q, bytes_q;
    reg [31:0] page_q;
    reg [31:0] pages_left_q;     // behind the present one
    reg [7:0]  piece_q;
    reg [7:0]  records_q;
    reg        more_q;           // the last poison list was cut off before next_q
    reg [31:0] next_q;
    reg [63:0] listed_start_q, listed_bytes_q;
    reg [4:0]  events_q;
    reg        failure_log_q;
    reg [7:0]  handle_q;         // index of the handle that is looked at
    reg [15:0] end_q;
    reg [8:0]  first_q;          // byte of the constants
    reg [31:0] sector_q;

    wire is_poison = reply_state_i == STATE_POISON;

    // ---- Of the opcode, which holds since before DECODE ----
    reg is_list_q, is_trim_q, is_ranges_q, is_setting_q, is_alert_q, is_log_q, is_records_q, is_clear_q, is_constant_q;

    always @(posedge clk_i) begin
        is_list_q     <= opcode_i == OPCODE_GET_POISON_LIST;
        is_trim_q     <= opcode_i == OPCODE_MEDIA_OPERATIONS;
        is_ranges_q   <= opcode_i == OPCODE_MEDIA_OPERATIONS || opcode_i == OPCODE_SET_FENCE;
        is_alert_q    <= opcode_i == OPCODE_SET_ALERT_CONFIGURATION;
        is_setting_q  <= opcode_i == OPCODE_SET_ALERT_CONFIGURATION || opcode_i == OPCODE_SET_EVENT_INTERRUPT_POLICY
                       || opcode_i == OPCODE_SET_TIMESTAMP;
        is_log_q      <= opcode_i == OPCODE_GET_LOG;
        is_records_q  <= opcode_i == OPCODE_GET_EVENT_RECORDS;
        is_clear_q    <= opcode_i == OPCODE_CLEAR_EVENT_RECORDS;
        is_constant_q <= constant_i || opcode_i == OPCODE_GET_LOG;
    end

    // ---- Of what a state leaves, for the next one but one ----
    reg records_full_q, pages_more_q, no_range_left_q, no_range_meant_q;

    always @(posedge clk_i) begin
        records_full_q   <= records_q == MAXIMUM_RECORDS;
        pages_more_q     <= pages_left_q != 32'd0;
        no_range_left_q  <= ranges_left_q == 8'd0;
        no_range_meant_q <= ranges_left_q == 8'hFF;
    end

    assign done_o             = state_q == DONE;
    assign return_code_o      = result_q;
    assign length_o           = result_length_q;
    assign read_o             = state_q == READ;
    assign read_word_o        = word_q;
    assign take_o             = state_q == TAKE;
    assign byte_valid_o       = state_q == CONSTANT;
    assign byte_index_o       = first_q + {1'b0, piece_q};
    assign command_valid_o    = state_q == COMMAND;
    assign command_op_o       = op_q;
    assign import_crc_o       = start_q[31:0];
    assign page_o             = page_q;
    assign sector_o           = sector_q;
    assign records_o          = records_q;
    assign more_o             = more_q;
    assign events_o           = events_q;
    assign failure_log_o      = failure_log_q;
    assign event_pop_o        = state_q == POP && event_count_i != 5'd0 && event_handle_i != end_q;
    assign event_cleared_o    = state_q == POP;
    assign ratio_start_o      = state_q == DECODE && opcode_i == OPCODE_GET_CAPACITY;
    assign background_start_o = state_q == DONE && result_q == RETURN_CODE_BACKGROUND_STARTED;

    // A record of the poison list, and the first piece of a page's state, are written as they come.
    wire record = state_q == REPLY && reply_valid_i && !reply_error_i && is_list_q && is_poison && !records_full_q;
    wire state  = state_q == REPLY && reply_valid_i && !reply_error_i && op_q == OP_STATE && !is_list_q;

    assign piece_valid_o = state_q == WRITE || record || state;
    assign piece_o       = record ? records_q + 8'd2 : state ? 8'd0 : piece_q;

    // The records of a poison list are there already: only its header, two pieces, is left to write.
    reg  [7:0]  last_piece_q, last_byte_q;
    wire [11:0] last_byte = result_length_q[11:0] - 12'd1;

    // ---- How the command begins ----
    wire        is_known, is_fit, is_read, is_command, is_ratio, is_background, is_write;
    wire [3:0]  its_op;
    wire [20:0] its_bytes;
    reg         known_q, fits_q, too_long_q;
    reg         begins_read_q, begins_command_q, begins_ratio_q, begins_background_q, begins_write_q;
    reg  [3:0]  decoded_op_q;
    reg  [20:0] decoded_bytes_q;
    reg  [7:0]  hot_count_q;
    reg  [8:0]  constant_first_q, constant_bytes_q;
    reg         constant_q, discovery_length_q;

    mailbox_decode #(
        .SECTOR_BYTES(SECTOR_BYTES)
    ) u_decode (
        .opcode_i(opcode_i),
        .length_i(length_i),
        .hot_count_i(hot_count_i),
        .known_o(is_known),
        .fits_o(is_fit),
        .op_o(its_op),
        .read_o(is_read),
        .command_o(is_command),
        .ratio_o(is_ratio),
        .background_o(is_background),
        .write_o(is_write),
        .bytes_o(its_bytes)
    );

    always @(posedge clk_i) begin
        {known_q, fits_q, begins_read_q, begins_command_q}        <= {is_known, is_fit, is_read, is_command};
        {begins_ratio_q, begins_background_q, begins_write_q}   <= {is_ratio, is_background, is_write};
        {decoded_op_q, decoded_bytes_q, hot_count_q}          <= {its_op, its_bytes, hot_count_i};
        {constant_q, constant_first_q, constant_bytes_q}  <= {constant_i, first_i, bytes_i};
        too_long_q           <= length_i > PAYLOAD_BYTES;
        discovery_length_q <= length_i == 21'd12;
    end

    // ---- What the words of the input say, in WEIGH ----
    reg         word_zero_q, word_beyond_q, word_low_q, word_middle_q, word_high_q;  // its bits 5:0, 11:6, 63:57
    reg  [51:0] covering_q;         // whole pages, of a list
    reg  [12:0] start_more_q;       // to round up to them
    reg  [8:0]  log_left_q;         // behind the offset
    reg         log_far_q, log_none_q, log_beyond_q, log_wrong_q, setting_bad_q;
    reg         of_failure_q, of_none_q;  // the event log that is named: the one with records, none that there is
    reg         clear_misfit_q, clear_reserved_q, clear_nothing_q;
    reg         fence_bad_q, trim_lists_q, trim_known_q, ranges_misfit_q, no_ranges_q;
    reg  [1:0]  listed_q;           // two operations from the first that is asked for
    reg         handle_right_q;
    reg  [15:0] handle_next_q;      // that of handle_q

    wire [63:0] covered        = {word_i[57:0], 6'd0} + {51'd0, start_more_q};
    wire [8:0]  log_bytes      = !log_far_q && word_i[40:32] < log_left_q ? word_i[40:32] : log_left_q;
    wire [7:0]  header_count_8 = word_i[39:32];  // enough for the legal ones
    wire [15:0] handle_there   = word_i[{handle_q[1:0] + 2'd3, 4'd0} +: 16];  // handle n lies at byte 6 + 2n
    wire [7:0]  next_handle    = handle_q + 8'd1;
    wire [8:0]  handle_place   = {1'b0, next_handle} + 9'd3;  // of the next one, in 16-bit units

    always @(posedge clk_i) begin
        start_more_q  <= {1'b0, start_q[11:0]} + 13'd4095;
        handle_next_q <= {1'b1, event_handle_i[14:0] + {7'd0, handle_q}};
        if (state_q == WEIGH) begin
            word_zero_q      <= word_i == 64'd0;
            word_beyond_q    <= word_i[63:12] >= PAGES;
            word_low_q       <= |word_i[5:0];
            word_middle_q    <= |word_i[11:6];
            word_high_q      <= |word_i[63:57];
            covering_q       <= covered[63:12];
            log_left_q       <= constant_bytes_q - word_i[8:0];
            log_far_q        <= |word_i[63:41];
            log_none_q       <= word_i[63:32] == 32'd0 || constant_bytes_q == word_i[8:0];
            log_beyond_q     <= word_i[31:0] > {23'd0, constant_bytes_q};
            log_wrong_q      <= !log_right_i;
            setting_bad_q    <= setting_bad_i;
            of_failure_q     <= word_i[7:0] == EVENT_LOG_FAILURE;
            of_none_q        <= word_i[7:0] > EVENT_LOG_FATAL;
            clear_misfit_q   <= length_i != 21'd6 + {12'd0, word_i[23:16], 1'b0};
            clear_reserved_q <= |word_i[15:9];
            clear_nothing_q  <= word_i[23:16] == 8'd0;
            fence_bad_q      <= |word_i[15:1];
            trim_lists_q     <= word_i[15:0] == 16'h0000;
            trim_known_q     <= word_i[15:0] == 16'h0101;
            ranges_misfit_q  <= |word_i[63:40] || length_i != {9'd0, header_count_8, 4'd8};
            no_ranges_q      <= word_i[63:32] == 32'd0;
            listed_q         <= |word_i[15:1] ? 2'd0 : word_i[0] ? {1'b0, |word_i[31:16]}
                              : |word_i[31:17] ? 2'd2 : {1'b0, word_i[16]};
            handle_right_q   <= {3'd0, event_count_i} > handle_q && handle_there == handle_next_q;
        end
    end

    // ---- What a range is, in MEASURE ----
    reg         start_beyond_q, shape_legal_q, is_inside_q, goes_on_q;
    reg  [51:0] room_q;             // pages from the start on
    reg  [31:0] told_q;             // pages of the list that were told before

    always @(posedge clk_i) begin
        start_beyond_q <= start_q[63:12] >= PAGES;
        room_q         <= PAGES - start_q[63:12];
        told_q         <= next_q - start_q[43:12];
        if (state_q == MEASURE) begin
            shape_legal_q <= start_q[11:0] == 12'd0 && bytes_q[11:0] == 12'd0 && bytes_q != 64'd0;
            is_inside_q   <= !start_beyond_q && bytes_q[63:12] <= room_q;
            goes_on_q     <= is_list_q && more_q && start_q == listed_start_q && bytes_q == listed_bytes_q;
        end
    end

    wire [31:0] pages_from = state_q == RANGE ? bytes_q[43:12] : pages_left_q;
    wire [31:0] pages_less = pages_from - (state_q == SKIP ? told_q : 32'd1);

    always @(posedge clk_i) begin
        case (state_q)
            IDLE: if (start_i) state_q <= DECODE;

            DECODE: begin
                result_q        <= RETURN_CODE_SUCCESS;
                result_length_q <= 21'd0;
                word_q          <= 9'd0;
                again_q         <= 1'b0;
                page_q          <= 32'd0;
                pages_left_q    <= 32'd0;
                ranges_left_q   <= 8'd0;
                piece_q         <= 8'd0;
                handle_q        <= 8'd0;
                records_q       <= begins_write_q ? hot_count_q : 8'd0;  // of hot pages; others have none
                first_q         <= constant_first_q;
                op_q            <= decoded_op_q;
                if (too_long_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_PAYLOAD_LENGTH};
                else if (!known_q) {state_q, result_q} <= {DONE, RETURN_CODE_UNSUPPORTED};
                else if (!fits_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_PAYLOAD_LENGTH};
                else if (begins_read_q) state_q <= READ;
                else if (begins_command_q) state_q <= COMMAND;
                else if (begins_ratio_q) state_q <= RATIO;
                else if (begins_background_q)
                    {state_q, result_q} <= {DONE, background_busy_i ? RETURN_CODE_BUSY : RETURN_CODE_BACKGROUND_STARTED};
                else if (begins_write_q) {state_q, result_length_q} <= {SIZE, decoded_bytes_q};
                else {state_q, result_length_q} <= {constant_q ? SIZE : DONE, 12'd0, constant_bytes_q};
            end

            READ: if (!read_wait_i) state_q <= LOOK;

            LOOK: state_q <= WEIGH;

            WEIGH: state_q <= TAKE;

            TAKE: begin
                word_q  <= word_q + 9'd1;
                state_q <= READ;
                if (is_setting_q) begin
                    if (setting_bad_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                    else if (word_q[0] || !is_alert_q) state_q <= DONE;
                end else if (is_log_q) begin
                    if (word_q[1]) begin  // offset and length
                        first_q         <= first_q + word_i[8:0];
                        result_length_q <= {12'd0, log_bytes};
                        state_q         <= log_none_q ? DONE : SIZE;
                        if (log_beyond_q) begin
                            {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                            result_length_q     <= 21'd0;
                        end
                    end else if (log_wrong_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_LOG};
                end else if (is_records_q) begin
                    events_q      <= of_failure_q ? event_count_i : 5'd0;
                    failure_log_q <= of_failure_q;
                    if (of_none_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_LOG};
                    else {state_q, result_length_q} <= {SIZE, 9'd0, of_failure_q ? event_count_i : 5'd0, 7'd32};
                end else if (is_clear_q) begin
                    if (!again_q) begin  // the header
                        again_q       <= 1'b1;
                        word_q        <= 9'd0;
                        ranges_left_q <= word_i[23:16] - 8'd1;
                        end_q         <= word_i[8] ? {1'b1, event_handle_i[14:0] + {10'd0, event_count_i}}
                                         : event_handle_i;
                        if (of_none_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_LOG};
                        else if (clear_misfit_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_PAYLOAD_LENGTH};
                        else if (clear_reserved_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                        else if (word_i[8]) begin  // all of them: only after an overflow
                            if (of_failure_q && event_overflow_i && clear_nothing_q) state_q <= POP;
                            else {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                        end else if (clear_nothing_q) {state_q, result_q} <= {DONE, RETURN_CODE_SUCCESS};
                        else if (!of_failure_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_HANDLE};
                    end else begin
                        handle_q      <= next_handle;
                        ranges_left_q <= ranges_left_q - 8'd1;
                        word_q        <= {2'd0, handle_place[8:2]};
                        end_q         <= {1'b1, handle_there[14:0] + 15'd1};
                        if (!handle_right_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_HANDLE};
                        else if (no_range_left_q) state_q <= POP;
                    end
                end else if (is_ranges_q && word_q == 9'd0) begin  // the header
                    ranges_q      <= header_count_8 - 8'd1;
                    ranges_left_q <= header_count_8 - 8'd1;
                    if (!is_trim_q && !word_i[0]) op_q <= OP_UNFENCE;
                    if (!is_trim_q && fence_bad_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                    else if (is_trim_q && trim_lists_q) begin  // discovery: one more word
                        if (!discovery_length_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_PAYLOAD_LENGTH};
                        else if (!no_ranges_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                        else again_q <= 1'b1;
                    end else if (is_trim_q && !trim_known_q) {state_q, result_q} <= {DONE, RETURN_CODE_UNSUPPORTED};
                    else if (ranges_misfit_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_PAYLOAD_LENGTH};
                    else if (no_ranges_q) {state_q, result_q} <= {DONE, RETURN_CODE_SUCCESS};
                end else if (is_trim_q && again_q && discovery_length_q) begin  // of discovery: first, count
                    records_q <= {6'd0, listed_q};
                    page_q    <= {31'd0, word_i[0]};
                    {state_q, result_length_q} <= {SIZE, 21'd12 + {18'd0, listed_q, 1'b0}};
                end else if (is_ranges_q || is_list_q) begin
                    if (word_q[0] == is_ranges_q) begin  // start of a range
                        start_q <= word_i;
                        if (is_list_q && word_low_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                    end else begin  // its length; in the poison list in units of 64 bytes: the pages that it touches
                        bytes_q <= is_ranges_q ? word_i : {covering_q, 12'd0};
                        if (is_list_q) start_q[11:0] <= 12'd0;
                        if (is_list_q && word_zero_q)  // Linux asks so for what lies behind the last page
                            {state_q, result_q} <= {DONE, start_beyond_q ? RETURN_CODE_INVALID_PHYSICAL_ADDRESS
                                                          : RETURN_CODE_INVALID_INPUT};
                        else if (is_list_q && word_high_q)
                            {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_PHYSICAL_ADDRESS};
                        else state_q <= MEASURE;
                    end
                end else if (word_q == 9'd0) begin  // a DPA; then 64 bytes of zeros to clear poison, or a block's CRC
                    page_q <= word_i[43:12];
                    if (word_low_q || (op_q != OP_INJECT && op_q != OP_CLEAR && word_middle_q))
                        {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                    else if (word_beyond_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_PHYSICAL_ADDRESS};
                    else if (op_q != OP_CLEAR && op_q != OP_IMPORT) state_q <= COMMAND;
                end else if (op_q == OP_IMPORT) begin
                    start_q <= word_i;
                    state_q <= COMMAND;
                end else if (!word_zero_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                else if (word_q == 9'd8) state_q <= COMMAND;
            end

            MEASURE: state_q <= RANGE;

            RANGE: begin
                ranges_left_q <= ranges_left_q - 8'd1;
                state_q       <= READ;
                page_q        <= goes_on_q ? next_q : start_q[43:12];
                pages_left_q  <= pages_less;
                if (again_q) state_q <= COMMAND;
                else if (!shape_legal_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                else if (!is_inside_q) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_PHYSICAL_ADDRESS};
                else if (is_list_q) begin
                    more_q         <= 1'b0;
                    listed_start_q <= start_q;
                    listed_bytes_q <= bytes_q;
                    state_q        <= goes_on_q ? SKIP : COMMAND;
                end else if (no_range_left_q) begin  // all are legal: once more, to do it
                    again_q       <= 1'b1;
                    word_q        <= 9'd1;
                    ranges_left_q <= ranges_q;
                end
            end

            SKIP: begin
                pages_left_q <= pages_less;
                state_q      <= COMMAND;
            end

            COMMAND: if (command_ready_i) state_q <= REPLY;

            REPLY: if (reply_valid_i) begin
                page_q       <= page_q + 32'd1;
                pages_left_q <= pages_less;
                sector_q     <= ON_MEDIA[reply_state_i] ? reply_sector_i : 32'd0;
                if (record) records_q <= records_q + 8'd1;
                state_q <= DONE;
                if (reply_error_i)
                    result_q <= reply_reason_i == REASON_INPUT ? RETURN_CODE_INVALID_INPUT
                                : reply_reason_i == REASON_EXHAUSTED ? RETURN_CODE_RESOURCES_EXHAUSTED
                                : RETURN_CODE_INTERNAL_ERROR;
                else if (is_list_q) begin
                    if (is_poison && records_full_q) begin
                        more_q  <= 1'b1;
                        next_q  <= page_q;
                        state_q <= SIZE;
                    end else state_q <= pages_more_q ? COMMAND : SIZE;
                end else if (op_q == OP_STATE) begin
                    {state_q, result_length_q} <= {SIZE, 21'd20};
                    piece_q <= 8'd1;
                end else if (op_q == OP_EXPORT) result_length_q <= {8'd0, reply_length_i};
                else if (pages_more_q) state_q <= COMMAND;
                else if (is_ranges_q && !no_range_meant_q) state_q <= READ;  // otherwise that was the last
            end

            RATIO: if (!ratio_busy_i) {state_q, result_length_q} <= {SIZE, 21'd24};

            POP: if (event_count_i == 5'd0 || event_handle_i == end_q)
                {state_q, result_q} <= {DONE, RETURN_CODE_SUCCESS};

            SIZE: begin
                last_piece_q <= is_list_q ? 8'd1 : last_byte[11:4];
                last_byte_q  <= last_byte[7:0];
                if (is_list_q) result_length_q <= 21'd32 + {9'd0, records_q, 4'd0};
                state_q <= is_constant_q ? CONSTANT : WRITE;
            end

            WRITE: begin
                piece_q <= piece_q + 8'd1;
                if (piece_q == last_piece_q) state_q <= LAST;
            end

            CONSTANT: begin
                piece_q <= piece_q + 8'd1;
                if (piece_q == last_byte_q) state_q <= LAST;
            end

            LAST: state_q <= DONE;

            default: state_q <= IDLE;  // DONE
        endcase
        if (!rst_ni) begin
            state_q <= IDLE;
            more_q  <= 1'b0;
        end
    end

    wire unused = &{1'b0, handle_place[1:0], covered[11:0]};
endmodule

`default_nettype wire
