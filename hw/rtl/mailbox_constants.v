// SPDX-License-Identifier: MIT
// mailbox_constants: the replies of the mailbox that never change, byte by byte (hw/regs/replies.toml, docs/device/mailbox.md).
//
// Handshake: none, combinational. `first_o` and `bytes_o` say where the reply to `opcode_i` lies, `constant_o` whether it
//            has one; `byte_o` is the byte of number `index_i`, made only with `valid_i`, which keeps simulation fast.
//            `log_right_o`: `word_i` is the word of number `word_index_i` of the UUID of the Command Effects Log.
// Latency:   none.

`default_nettype none

module mailbox_constants #(
    parameter PERCEIVED_PAGES = 4096
) (
    input  wire [15:0] opcode_i,
    output reg         constant_o,
    output reg  [8:0]  first_o,
    output reg  [8:0]  bytes_o,

    input  wire        valid_i,
    input  wire [8:0]  index_i,
    output reg  [7:0]  byte_o,

    input  wire        word_index_i,
    input  wire [63:0] word_i,
    output wire        log_right_o
);
    `include "cram_codes.vh"

    localparam [31:0] PAGE_COUNT     = PERCEIVED_PAGES;
    localparam [63:0] CAPACITY       = {48'd0, PAGE_COUNT[31:16]};  // units of 256 MiB
    localparam [23:0] POISON_RECORDS = |PAGE_COUNT[31:24] ? 24'hFFFFFF : PAGE_COUNT[23:0];

    `include "cram_replies.vh"

    assign log_right_o = word_i == UUID_COMMAND_EFFECTS_LOG[{word_index_i, 6'd0} +: 64];

    always @* begin
        constant_o = 1'b1;
        case (opcode_i)
            OPCODE_IDENTIFY:           {first_o, bytes_o} = {REPLY_IDENTIFY, REPLY_IDENTIFY_BYTES};
            OPCODE_GET_FW_INFO:        {first_o, bytes_o} = {REPLY_GET_FW_INFO, REPLY_GET_FW_INFO_BYTES};
            OPCODE_GET_SUPPORTED_LOGS: {first_o, bytes_o} = {REPLY_GET_SUPPORTED_LOGS, REPLY_GET_SUPPORTED_LOGS_BYTES};
            OPCODE_GET_PARTITION_INFO: {first_o, bytes_o} = {REPLY_GET_PARTITION_INFO, REPLY_GET_PARTITION_INFO_BYTES};
            default: begin  // OPCODE_GET_LOG, after its input
                constant_o         = 1'b0;
                {first_o, bytes_o} = {REPLY_GET_LOG, REPLY_GET_LOG_BYTES};
            end
        endcase
    end

    always @* begin
        byte_o = 8'd0;
        if (valid_i) byte_o = REPLIES[{3'd0, index_i} * 8 +: 8];
    end
endmodule

`default_nettype wire
