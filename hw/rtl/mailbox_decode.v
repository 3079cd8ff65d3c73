// SPDX-License-Identifier: MIT
// mailbox_decode: which mailbox commands there are, how long their input is, and how each begins.
//
// Handshake: none, combinational. One of `read_o` (the input is read first), `command_o` (the core is asked), `ratio_o`
//            (the ratio is waited for), `background_o` (a background operation is started) and `write_o` (a reply of
//            `bytes_o` bytes is written by pieces) is high; none for a reply that never changes.
// Latency:   none.

`default_nettype none

module mailbox_decode #(
    parameter SECTOR_BYTES = 256
) (
    input  wire [15:0] opcode_i,
    input  wire [20:0] length_i,
    input  wire [7:0]  hot_count_i,
    output reg         known_o,
    output reg         fits_o,      // the length of the input is one that the command takes
    output reg  [3:0]  op_o,        // of the core
    output reg         read_o,
    output reg         command_o,
    output reg         ratio_o,
    output reg         background_o,
    output reg         write_o,
    output reg  [20:0] bytes_o
);
    `include "cram_codes.vh"

    localparam        LONGEST        = 64 + 4096 - SECTOR_BYTES;  // a block to import and its head
    localparam [20:0] LONGEST_IMPORT = LONGEST[20:0];

    always @* begin
        known_o      = 1'b1;
        fits_o       = length_i == 21'd0;
        op_o         = OP_FLUSH;
        read_o       = 1'b0;
        command_o    = 1'b0;
        ratio_o      = 1'b0;
        background_o = 1'b0;
        write_o      = 1'b0;
        bytes_o      = 21'd0;
        case (opcode_i)
            OPCODE_IDENTIFY, OPCODE_GET_FW_INFO, OPCODE_GET_SUPPORTED_LOGS, OPCODE_GET_PARTITION_INFO: ;
            OPCODE_GET_HEALTH_INFO:             {write_o, bytes_o} = {1'b1, 21'd18};
            OPCODE_GET_ALERT_CONFIGURATION:     {write_o, bytes_o} = {1'b1, 21'd16};
            OPCODE_GET_TIMESTAMP:               {write_o, bytes_o} = {1'b1, 21'd8};
            OPCODE_GET_EVENT_INTERRUPT_POLICY:  {write_o, bytes_o} = {1'b1, 21'd4};
            OPCODE_GET_HOT_PAGES:               {write_o, bytes_o} = {1'b1, 21'd16 + {9'd0, hot_count_i, 4'd0}};
            OPCODE_GET_CAPACITY:                ratio_o = 1'b1;
            OPCODE_FLUSH:                       command_o = 1'b1;
            OPCODE_SANITIZE:                    background_o = 1'b1;
            OPCODE_GET_PAGE_STATE:              {read_o, op_o, fits_o} = {1'b1, OP_STATE, length_i == 21'd8};
            OPCODE_EXPORT_BLOCK:                {read_o, op_o, fits_o} = {1'b1, OP_EXPORT, length_i == 21'd8};
            OPCODE_INJECT_POISON:               {read_o, op_o, fits_o} = {1'b1, OP_INJECT, length_i == 21'd8};
            OPCODE_CLEAR_POISON:                {read_o, op_o, fits_o} = {1'b1, OP_CLEAR, length_i == 21'd72};
            OPCODE_GET_POISON_LIST:             {read_o, op_o, fits_o} = {1'b1, OP_STATE, length_i == 21'd16};
            OPCODE_MEDIA_OPERATIONS:            {read_o, op_o, fits_o} = {1'b1, OP_TRIM, length_i >= 21'd8};
            OPCODE_SET_FENCE:                   {read_o, op_o, fits_o} = {1'b1, OP_FENCE, length_i >= 21'd8};
            OPCODE_IMPORT_BLOCK: begin
                {read_o, op_o} = {1'b1, OP_IMPORT};
                fits_o         = length_i > 21'd64 && length_i <= LONGEST_IMPORT;
            end
            OPCODE_GET_EVENT_RECORDS:           {read_o, fits_o} = {1'b1, length_i == 21'd1};
            OPCODE_CLEAR_EVENT_RECORDS:         {read_o, fits_o} = {1'b1, length_i >= 21'd6};
            OPCODE_SET_ALERT_CONFIGURATION:     {read_o, fits_o} = {1'b1, length_i == 21'd12};
            OPCODE_SET_EVENT_INTERRUPT_POLICY:  {read_o, fits_o} = {1'b1, length_i == 21'd4 || length_i == 21'd5};
            OPCODE_SET_TIMESTAMP:               {read_o, fits_o} = {1'b1, length_i == 21'd8};
            OPCODE_GET_LOG:                     {read_o, fits_o} = {1'b1, length_i == 21'd24};
            default:                            known_o = 1'b0;
        endcase
    end
endmodule

`default_nettype wire
