// SPDX-License-Identifier: MIT
// mailbox_commands: runs one mailbox command at a time (docs/device/mailbox.md).
//
//     IDLE -> DECODE -> READ <-> TAKE -> RANGE -> COMMAND <-> REPLY -> WRITE or CONSTANT -> DONE
//                \________ what a command does not need is left out ____________________/
//
// mailbox_decode says how a command begins. The input lies in the payload and is read 8 bytes at a time; the output is
// written there 16 bytes at a time, by *pieces* that mailbox_replies makes, except the beats of an exported block and the
// bytes of replies that never change (mailbox_constants). What the host sets is taken by mailbox_settings.
//
// Handshake: `start_i` level with opcode and length, which hold until `done_o`, a pulse with return code and length of the
//            reply. `read_o` asks for 8 bytes, `read_wait_i` puts it off; `word_i` follows by one cycle.
//            `command_*` go to the core's sequencer, valid/ready; it answers with one pulse of `reply_valid_i`.
// Latency:   3 cycles and one for each piece or byte; a range takes 4 cycles to check, then the core's time a page.

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
    localparam [31:0] MAXIMUM_RANGES   = 32'd255;  // (4096 - 8) / 16
    localparam [7:0]  MAXIMUM_RECORDS  = 8'd254;   // (4096 - 32) / 16
    localparam [31:0] PAGE_COUNT       = PERCEIVED_PAGES;
    localparam [51:0] PAGES            = {20'd0, PAGE_COUNT};

    localparam [3:0] IDLE     = 4'd0;
    localparam [3:0] DECODE   = 4'd1;
    localparam [3:0] READ     = 4'd2;  // ask the payload for 8 bytes
    localparam [3:0] TAKE     = 4'd3;  // use them
    localparam [3:0] RANGE    = 4'd4;  // judge a range, or start on it
    localparam [3:0] COMMAND  = 4'd5;
    localparam [3:0] REPLY    = 4'd6;
    localparam [3:0] RATIO    = 4'd7;  // wait for it
    localparam [3:0] POP      = 4'd8;  // drop events up to end_q
    localparam [3:0] WRITE    = 4'd9;  // pieces piece_q .. last_piece
    localparam [3:0] DONE     = 4'd10;
    localparam [3:0] CONSTANT = 4'd11;  // bytes piece_q .. last of a reply that never changes

    reg [3:0]  state_q;
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

    wire is_list   = opcode_i == OPCODE_GET_POISON_LIST;
    wire is_trim   = opcode_i == OPCODE_MEDIA_OPERATIONS;
    wire is_ranges = is_trim || opcode_i == OPCODE_SET_FENCE;
    wire is_poison = reply_state_i == STATE_POISON;
    wire goes_on   = is_list && more_q && start_q == listed_start_q && bytes_q == listed_bytes_q;

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
    wire record = state_q == REPLY && reply_valid_i && !reply_error_i && is_list && is_poison
                  && records_q != MAXIMUM_RECORDS;
    wire state  = state_q == REPLY && reply_valid_i && !reply_error_i && op_q == OP_STATE && !is_list;

    assign piece_valid_o = state_q == WRITE || record || state;
    assign piece_o       = record ? records_q + 8'd2 : state ? 8'd0 : piece_q;

    // The records of a poison list are there already: only its header, two pieces, is left to write.
    wire [20:0] last_byte  = result_length_q - 21'd1;
    wire [7:0]  last_piece = is_list ? 8'd1 : last_byte[11:4];

    // ---- How the command begins ----
    wire        known, fits, begins_read, begins_command, begins_ratio, begins_background, begins_write;
    wire [3:0]  decoded_op;
    wire [20:0] decoded_bytes;

    mailbox_decode #(
        .SECTOR_BYTES(SECTOR_BYTES)
    ) u_decode (
        .opcode_i(opcode_i),
        .length_i(length_i),
        .hot_count_i(hot_count_i),
        .known_o(known),
        .fits_o(fits),
        .op_o(decoded_op),
        .read_o(begins_read),
        .command_o(begins_command),
        .ratio_o(begins_ratio),
        .background_o(begins_background),
        .write_o(begins_write),
        .bytes_o(decoded_bytes)
    );

    // ---- What the words of the input say ----
    wire [63:0] covering          = {word_i[57:0], 6'd0} + {52'd0, start_q[11:0]} + 64'd4095;  // whole pages, of a list
    wire [8:0]  log_left          = bytes_i - word_i[8:0];  // behind the offset
    wire [8:0]  log_bytes         = word_i[63:32] < {23'd0, log_left} ? word_i[40:32] : log_left;
    wire [31:0] header_count      = word_i[63:32];
    wire [7:0]  header_count_8    = header_count[7:0];  // enough for the legal ones
    wire        range_shape_legal = start_q[11:0] == 12'd0 && bytes_q[11:0] == 12'd0 && bytes_q != 64'd0;
    wire        range_inside      = start_q[63:12] < PAGES && bytes_q[63:12] <= PAGES - start_q[63:12];
    wire [15:0] handle_there      = word_i[{handle_q[1:0] + 2'd3, 4'd0} +: 16];  // handle n lies at byte 6 + 2n
    wire [7:0]  next_handle       = handle_q + 8'd1;
    wire [8:0]  handle_place      = {1'b0, next_handle} + 9'd3;  // of the next one, in 16-bit units
    wire        handle_right      = {3'd0, event_count_i} > handle_q
                                    && handle_there == {1'b1, event_handle_i[14:0] + {7'd0, handle_q}};

    wire [1:0]  listed            = word_i[15:0] >= 16'd2 ? 2'd0  // two operations from the first that is asked for
                                    : word_i[31:16] < 16'd2 - word_i[15:0] ? word_i[17:16] : 2'd2 - word_i[1:0];

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
                records_q       <= opcode_i == OPCODE_GET_HOT_PAGES ? hot_count_i : 8'd0;
                first_q         <= first_i;
                op_q            <= decoded_op;
                if (length_i > PAYLOAD_BYTES) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_PAYLOAD_LENGTH};
                else if (!known) {state_q, result_q} <= {DONE, RETURN_CODE_UNSUPPORTED};
                else if (!fits) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_PAYLOAD_LENGTH};
                else if (begins_read) state_q <= READ;
                else if (begins_command) state_q <= COMMAND;
                else if (begins_ratio) state_q <= RATIO;
                else if (begins_background)
                    {state_q, result_q} <= {DONE, background_busy_i ? RETURN_CODE_BUSY : RETURN_CODE_BACKGROUND_STARTED};
                else if (begins_write) {state_q, result_length_q} <= {WRITE, decoded_bytes};
                else {state_q, result_length_q} <= {constant_i ? CONSTANT : DONE, 12'd0, bytes_i};
            end

            READ: if (!read_wait_i) state_q <= TAKE;

            TAKE: begin
                word_q  <= word_q + 9'd1;
                state_q <= READ;
                case (opcode_i)
                    OPCODE_SET_ALERT_CONFIGURATION, OPCODE_SET_EVENT_INTERRUPT_POLICY, OPCODE_SET_TIMESTAMP:
                        if (setting_bad_i) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                        else if (word_q[0] || opcode_i != OPCODE_SET_ALERT_CONFIGURATION) state_q <= DONE;

                    OPCODE_GET_LOG:
                        if (word_q[1]) begin  // offset and length
                            first_q         <= first_q + word_i[8:0];
                            result_length_q <= {12'd0, log_bytes};
                            state_q         <= log_bytes == 9'd0 ? DONE : CONSTANT;
                            if (word_i[31:0] > {23'd0, bytes_i}) begin
                                {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                                result_length_q     <= 21'd0;
                            end
                        end else if (!log_right_i) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_LOG};

                    OPCODE_GET_EVENT_RECORDS: begin
                        events_q      <= word_i[7:0] == EVENT_LOG_FAILURE ? event_count_i : 5'd0;
                        failure_log_q <= word_i[7:0] == EVENT_LOG_FAILURE;
                        if (word_i[7:0] > EVENT_LOG_FATAL) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_LOG};
                        else if (word_i[7:0] != EVENT_LOG_FAILURE) {state_q, result_length_q} <= {WRITE, 21'd32};
                        else {state_q, result_length_q} <= {WRITE, 21'd32 + {9'd0, event_count_i, 7'd0}};
                    end

                    OPCODE_CLEAR_EVENT_RECORDS:
                        if (!again_q) begin  // the header
                            again_q       <= 1'b1;
                            word_q        <= 9'd0;
                            ranges_left_q <= word_i[23:16] - 8'd1;
                            end_q         <= event_handle_i;
                            if (word_i[7:0] > EVENT_LOG_FATAL) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_LOG};
                            else if (length_i != 21'd6 + {12'd0, word_i[23:16], 1'b0})
                                {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_PAYLOAD_LENGTH};
                            else if (|word_i[15:9]) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                            else if (word_i[8]) begin  // all of them: only after an overflow
                                end_q <= {1'b1, event_handle_i[14:0] + {10'd0, event_count_i}};
                                if (word_i[7:0] == EVENT_LOG_FAILURE && event_overflow_i && word_i[23:16] == 8'd0)
                                    state_q <= POP;
                                else {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                            end else if (word_i[23:16] == 8'd0) {state_q, result_q} <= {DONE, RETURN_CODE_SUCCESS};
                            else if (word_i[7:0] != EVENT_LOG_FAILURE)
                                {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_HANDLE};
                        end else begin
                            handle_q      <= next_handle;
                            ranges_left_q <= ranges_left_q - 8'd1;
                            word_q        <= {2'd0, handle_place[8:2]};
                            end_q         <= {1'b1, handle_there[14:0] + 15'd1};
                            if (!handle_right) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_HANDLE};
                            else if (ranges_left_q == 8'd0) state_q <= POP;
                        end

                    OPCODE_MEDIA_OPERATIONS, OPCODE_SET_FENCE, OPCODE_GET_POISON_LIST:
                        if (is_ranges && word_q == 9'd0) begin  // the header
                            ranges_q      <= header_count_8 - 8'd1;
                            ranges_left_q <= header_count_8 - 8'd1;
                            if (!is_trim && !word_i[0]) op_q <= OP_UNFENCE;
                            if (!is_trim && |word_i[15:1]) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                            else if (is_trim && word_i[15:0] == 16'h0000) begin  // discovery: one more word
                                if (length_i != 21'd12)
                                    {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_PAYLOAD_LENGTH};
                                else if (header_count != 32'd0)
                                    {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                                else again_q <= 1'b1;
                            end else if (is_trim && word_i[15:0] != 16'h0101)
                                {state_q, result_q} <= {DONE, RETURN_CODE_UNSUPPORTED};
                            else if (header_count > MAXIMUM_RANGES || length_i != 21'd8 + {9'd0, header_count_8, 4'd0})
                                {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_PAYLOAD_LENGTH};
                            else if (header_count == 32'd0) {state_q, result_q} <= {DONE, RETURN_CODE_SUCCESS};
                        end else if (is_trim && again_q && length_i == 21'd12) begin  // of discovery: first, count
                            records_q <= {6'd0, listed};
                            page_q    <= {31'd0, word_i[0]};
                            {state_q, result_length_q} <= {WRITE, 21'd12 + {18'd0, listed, 1'b0}};
                        end else if (word_q[0] == is_ranges) begin  // start of a range
                            start_q <= word_i;
                            if (is_list && |word_i[5:0]) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                        end else begin  // its length; in the poison list in units of 64 bytes: the pages that it touches
                            bytes_q <= is_ranges ? word_i : {covering[63:12], 12'd0};
                            if (is_list) start_q[11:0] <= 12'd0;
                            if (is_list && word_i == 64'd0)  // Linux asks so for what lies behind the last page
                                {state_q, result_q} <= {DONE, start_q[63:12] >= PAGES
                                                              ? RETURN_CODE_INVALID_PHYSICAL_ADDRESS : RETURN_CODE_INVALID_INPUT};
                            else if (is_list && |word_i[63:57])
                                {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_PHYSICAL_ADDRESS};
                            else state_q <= RANGE;
                        end

                    default:  // a DPA; then, to clear poison, 64 bytes of zeros, or the CRC of a block
                        if (word_q == 9'd0) begin
                            page_q <= word_i[43:12];
                            if (|word_i[5:0] || (op_q != OP_INJECT && op_q != OP_CLEAR && |word_i[11:6]))
                                {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                            else if (word_i[63:12] >= PAGES)
                                {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_PHYSICAL_ADDRESS};
                            else if (op_q != OP_CLEAR && op_q != OP_IMPORT) state_q <= COMMAND;
                        end else if (op_q == OP_IMPORT) begin
                            start_q <= word_i;
                            state_q <= COMMAND;
                        end else if (word_i != 64'd0) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                        else if (word_q == 9'd8) state_q <= COMMAND;
                endcase
            end

            RANGE: begin
                ranges_left_q <= ranges_left_q - 8'd1;
                state_q       <= READ;
                page_q        <= goes_on ? next_q : start_q[43:12];
                pages_left_q  <= bytes_q[43:12] - (goes_on ? next_q - start_q[43:12] : 32'd0) - 32'd1;
                if (again_q) state_q <= COMMAND;
                else if (!range_shape_legal) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_INPUT};
                else if (!range_inside) {state_q, result_q} <= {DONE, RETURN_CODE_INVALID_PHYSICAL_ADDRESS};
                else if (is_list) begin
                    more_q         <= 1'b0;
                    listed_start_q <= start_q;
                    listed_bytes_q <= bytes_q;
                    state_q        <= COMMAND;
                end else if (ranges_left_q == 8'd0) begin  // all are legal: once more, to do it
                    again_q       <= 1'b1;
                    word_q        <= 9'd1;
                    ranges_left_q <= ranges_q;
                end
            end

            COMMAND: if (command_ready_i) state_q <= REPLY;

            REPLY: if (reply_valid_i) begin
                page_q       <= page_q + 32'd1;
                pages_left_q <= pages_left_q - 32'd1;
                sector_q     <= ON_MEDIA[reply_state_i] ? reply_sector_i : 32'd0;
                if (record) records_q <= records_q + 8'd1;
                state_q <= DONE;
                if (reply_error_i)
                    result_q <= reply_reason_i == REASON_INPUT ? RETURN_CODE_INVALID_INPUT
                                : reply_reason_i == REASON_EXHAUSTED ? RETURN_CODE_RESOURCES_EXHAUSTED
                                : RETURN_CODE_INTERNAL_ERROR;
                else if (is_list) begin
                    if (is_poison && records_q == MAXIMUM_RECORDS) begin
                        more_q <= 1'b1;
                        next_q <= page_q;
                        {state_q, result_length_q} <= {WRITE, 21'd32 + {9'd0, records_q, 4'd0}};
                    end else if (pages_left_q != 32'd0) state_q <= COMMAND;
                    else {state_q, result_length_q} <= {WRITE, 21'd32 + {9'd0, records_q + {7'd0, record}, 4'd0}};
                end else if (op_q == OP_STATE) begin
                    {state_q, result_length_q} <= {WRITE, 21'd20};
                    piece_q <= 8'd1;
                end else if (op_q == OP_EXPORT) result_length_q <= {8'd0, reply_length_i};
                else if (pages_left_q != 32'd0) state_q <= COMMAND;
                else if (is_ranges && ranges_left_q != 8'hFF) state_q <= READ;  // FF: that was the last
            end

            RATIO: if (!ratio_busy_i) {state_q, result_length_q} <= {WRITE, 21'd24};

            POP: if (event_count_i == 5'd0 || event_handle_i == end_q)
                {state_q, result_q} <= {DONE, RETURN_CODE_SUCCESS};

            WRITE: begin
                piece_q <= piece_q + 8'd1;
                if (piece_q == last_piece) state_q <= DONE;
            end

            CONSTANT: begin
                piece_q <= piece_q + 8'd1;
                if (piece_q == last_byte[7:0]) state_q <= DONE;
            end

            default: state_q <= IDLE;  // DONE
        endcase
        if (!rst_ni) begin
            state_q <= IDLE;
            more_q  <= 1'b0;
        end
    end

    wire unused = &{1'b0, handle_place[1:0], last_byte[20:12], covering[11:0]};
endmodule

`default_nettype wire
