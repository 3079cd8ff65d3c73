// SPDX-License-Identifier: MIT
// mailbox_replies: what the mailbox answers, 16 bytes at a time, but for what never changes (docs/device/mailbox.md).
//
//     Get Event Interrupt Policy | a byte of each log (4) |
//     Get Timestamp    | nanoseconds (8) |
//     Get Health       | health, media, additional, life, temperature (2), dirty shutdowns (4), corrected (4), ... (18) |
//     Get Alert        | valid, programmable, life critical, life warning, 6 x u16 (16) |
//     Get Capacity     | total, free, reserved, resident | sector bytes, ratio |
//     Get Hot Pages    | count, overflow, 0 | a record each: DPA (8), 0 |
//     Get Page State   | state, flags, length, CRC, word | sector |
//     Discovery        | granularity (8), supported (2), returned (2), class and subclass of each (2 x 2) |
//     Get Poison List  | flags, 0, overflow time (8), count (2), 0 ... | 0 ... | a record each: DPA and source, length, 0 |
//     Get Event Records| flags, 0, overflow count (2), times ... | ... count (2), 0 | 8 pieces a record |
//
// Handshake: none, combinational: `piece_o` is the 16 bytes of number `index_i`; it is made only with `valid_i`, which keeps
//            simulation fast.
// Latency:   none.

`default_nettype none

module mailbox_replies #(
    parameter MEDIA_SECTORS   = 16384,
    parameter SECTOR_BYTES    = 256
) (
    input  wire         valid_i,
    input  wire [15:0]  opcode_i,
    input  wire [7:0]   index_i,
    output reg  [127:0] piece_o,

    // Get Page State, poison records
    input  wire [31:0]  page_i,
    input  wire [2:0]   state_i,
    input  wire         cached_i,
    input  wire         dirty_i,
    input  wire         fenced_i,
    input  wire [12:0]  length_i,
    input  wire [31:0]  crc_i,
    input  wire [63:0]  word_i,
    input  wire [7:0]   cause_i,
    input  wire         writing_i,       // not in the cycle of the core's reply
    input  wire [31:0]  kept_sector_i,

    // Lists
    input  wire [7:0]   records_i,
    input  wire         more_i,
    input  wire [4:0]   events_i,
    input  wire         failure_log_i,
    input  wire [15:0]  event_handle_i,  // of the oldest
    input  wire [7:0]   event_code_i,    // of the one that event_index_o names
    input  wire [31:0]  event_page_i,
    output wire [3:0]   event_index_o,
    input  wire [31:0]  event_lost_i,    // since the last clearing
    input  wire [31:0]  hot_page_i,
    input  wire [31:0]  hot_overflow_i,

    // Health, alerts, settings, capacity
    input  wire         low_i,
    input  wire         critical_i,
    input  wire         alert_enable_i,
    input  wire [15:0]  alert_threshold_i,
    input  wire [31:0]  corrected_i,
    input  wire [31:0]  retired_i,
    input  wire [31:0]  policy_i,
    input  wire [63:0]  timestamp_i,
    input  wire [31:0]  free_i,
    input  wire [31:0]  reserved_i,
    input  wire [31:0]  resident_i,
    input  wire [31:0]  ratio_i
);
    `include "cram_codes.vh"

    localparam [31:0]  SECTORS    = MEDIA_SECTORS;
    localparam [31:0]  UNIT       = SECTOR_BYTES;
    localparam [127:0] GENERAL_MEDIA_EVENT = {                        // fbcd0a77-c260-417f-85a9-088b1621eba6
        8'hA6, 8'hEB, 8'h21, 8'h16, 8'h8B, 8'h08, 8'hA9, 8'h85, 8'h7F, 8'h41, 8'h60, 8'hC2, 8'h77, 8'h0A, 8'hCD, 8'hFB};

    wire has_block = ON_MEDIA[state_i];

    // ---- Event records: 8 pieces each, behind two of the header ----
    wire [7:0]  event_piece    = index_i - 8'd2;
    wire [15:0] handle         = {1'b1, event_handle_i[14:0] + {10'd0, event_piece[7:3]}};
    wire        is_media       = EVENT_CODE_MEDIA_ERRORS[event_code_i];
    wire        is_injected    = event_code_i == EVENT_CODE_POISON_INJECTED;
    wire        is_loss        = EVENT_CODE_LOSSES[event_code_i];
    wire [7:0]  memory_event   = is_media ? 8'd0 : 8'd2;              // media ECC error, data path error
    wire [7:0]  transaction    = is_media ? 8'd0 : is_injected ? 8'd4 : 8'd2;  // unknown, inject poison, host write
    wire [15:0] lost           = |event_lost_i[31:16] ? 16'hFFFF : event_lost_i[15:0];

    assign event_index_o = event_piece[6:3];

    // ---- Poison records ----
    wire [2:0] source = cause_i == EVENT_CODE_POISON_INJECTED ? POISON_SOURCE_INJECTED
                        : POISON_SOURCE_INTERNAL;

    wire alert = alert_enable_i && corrected_i > {16'd0, alert_threshold_i};

    always @* begin
        piece_o = 128'd0;
        if (valid_i) case (opcode_i)
            OPCODE_GET_EVENT_INTERRUPT_POLICY: piece_o[31:0] = policy_i;
            OPCODE_GET_TIMESTAMP: piece_o[63:0] = timestamp_i;
            OPCODE_GET_HEALTH_INFO:
                if (!index_i[0]) begin
                    piece_o[0]       = retired_i != 32'd0;  // maintenance needed
                    piece_o[1]       = low_i;       // performance degraded
                    piece_o[3]       = critical_i;  // memory capacity degraded
                    piece_o[20]      = alert;       // corrected volatile errors: warning
                    piece_o[31:24]   = 8'hFF;       // life used: not known
                    piece_o[47:32]   = 16'h7FFF;    // temperature: not known
                    piece_o[111:80]  = corrected_i;
                end
            OPCODE_GET_ALERT_CONFIGURATION: begin
                piece_o[3]       = alert_enable_i;
                piece_o[11]      = 1'b1;            // the one that can be programmed
                piece_o[23:16]   = 8'd100;          // life used, critical: never reached
                piece_o[47:32]   = 16'h7FFF;        // over-temperature
                piece_o[63:48]   = 16'h8000;        // under-temperature
                piece_o[111:96]  = alert_threshold_i;
            end
            OPCODE_GET_CAPACITY:
                piece_o = index_i[0] ? {64'd0, ratio_i, UNIT} : {resident_i, reserved_i, free_i, SECTORS};
            OPCODE_GET_HOT_PAGES:
                if (index_i == 8'd0) piece_o = {64'd0, hot_overflow_i, 24'd0, records_i};
                else piece_o[63:0] = {20'd0, hot_page_i, 12'd0};
            OPCODE_MEDIA_OPERATIONS: begin  // discovery
                piece_o[63:0]  = 64'd4096;
                piece_o[79:64] = 16'd2;
                piece_o[95:80] = {8'd0, records_i};
                piece_o[111:96] = page_i[0] ? 16'h0101 : 16'h0000;
                piece_o[127:112] = 16'h0101;
            end
            OPCODE_GET_PAGE_STATE:
                if (writing_i) piece_o = {96'd0, kept_sector_i};
                else piece_o = {
                    KEEPS_WORD[state_i] ? word_i : 64'd0,
                    has_block ? crc_i : 32'd0,
                    3'd0, has_block ? length_i : 13'd0,
                    5'd0, fenced_i, dirty_i, cached_i,
                    5'd0, state_i
                };
            OPCODE_GET_POISON_LIST:
                if (!writing_i) piece_o = {32'd0, 32'd64, 20'd0, page_i, 9'd0, source};
                else if (!index_i[0]) begin
                    piece_o[0]     = more_i;
                    piece_o[95:80] = {8'd0, records_i};
                end
            default:  // OPCODE_GET_EVENT_RECORDS
                if (index_i == 8'd0) begin
                    piece_o[0]     = failure_log_i && event_lost_i != 32'd0;
                    piece_o[31:16] = failure_log_i ? lost : 16'd0;
                end else if (index_i == 8'd1) piece_o[47:32] = {11'd0, events_i};
                else case (event_piece[2:0])
                    3'd0: piece_o = GENERAL_MEDIA_EVENT;
                    3'd1: piece_o = {64'd0, 16'd0, handle, 24'd2, 8'h80};  // severity: failure
                    3'd3: begin
                        piece_o[63:0]    = {20'd0, event_page_i, 12'd1};   // volatile
                        piece_o[64]      = is_loss;                        // uncorrectable
                        piece_o[79:72]   = memory_event;
                        piece_o[87:80]   = transaction;
                        piece_o[103:88]  = 16'h0008;                       // the component identifier is valid
                    end
                    3'd4: piece_o[23:16] = event_code_i;                   // its first byte
                    default: ;
                endcase
        endcase
    end

    wire unused = &{1'b0, event_handle_i[15], event_piece[7]};
endmodule

`default_nettype wire
