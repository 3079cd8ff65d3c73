// SPDX-License-Identifier: MIT
// lz4_decompressor: one LZ4 block in, one 4 KiB page out.
//
// Handshake: valid/ready on both sides. The block comes in dense 64-byte beats, first byte in bits 7:0; only the last beat
//            may be partial (`block_bytes_i`, 1 .. 64, is looked at with `block_last_i` alone). The page leaves as 64
//            beats in ascending order, each as soon as it is decoded. `page_last_o` comes with the 64th beat, which is
//            offered only after the block was found well formed to its very end. Once it is taken the next block may
//            come. `page_valid_o` never falls without `page_ready_i`, but by `clear_i`.
// Error:     `error_o` rises when the block is malformed (docs/decompressor.md), after the beats that
//            precede the fault have been taken; no beat follows. The rest of the block is taken and dropped. It falls
//            with `clear_i`.
// Clear:     `clear_i` abandons the block. No input beat is taken in that cycle; the next one may begin a new block.
// Latency:   four cycles from the first input beat to the first step of decoding in a register; the first output line
//            follows when its 64 bytes are complete. No combinational path from input to output handshake or back.
//
//     block beats                 operations                         page beats
//    ------------->  parser  ------------------------>  copier  ------------------>
//                   (window)   literals, offset,      (history)
//                              match length

`default_nettype none

module lz4_decompressor #(
    parameter BYTES_PER_CYCLE = 8  // 1, 4, 8 or 16
) (
    input  wire         clk_i,
    input  wire         rst_ni,
    input  wire         clear_i,

    input  wire         block_valid_i,
    output wire         block_ready_o,
    input  wire [511:0] block_data_i,
    input  wire [6:0]   block_bytes_i,
    input  wire         block_last_i,

    output wire         page_valid_o,
    input  wire         page_ready_i,
    output wire [511:0] page_data_o,
    output wire         page_last_o,

    output wire         error_o
);
    generate
        if (BYTES_PER_CYCLE != 1 && BYTES_PER_CYCLE != 4 && BYTES_PER_CYCLE != 8 && BYTES_PER_CYCLE != 16)
        begin : gen_illegal
            lz4_decompressor_BYTES_PER_CYCLE_must_be_1_4_8_or_16 u_stop ();
        end
    endgenerate

    // What a cycle does: one sequence of so many literals and match bytes; at width 16 two sequences of 64 bytes in all.
    localparam PAIRS    = BYTES_PER_CYCLE == 16 ? 1 : 0;
    localparam LITERALS = PAIRS != 0 ? 28 : BYTES_PER_CYCLE;
    localparam MATCH    = PAIRS != 0 ? 64 : BYTES_PER_CYCLE;
    localparam SLICE    = BYTES_PER_CYCLE < 8 ? 8 : 2 * BYTES_PER_CYCLE;

    wire                  input_ready;
    wire                  op_valid, op_ready, op_match, op_continue, op_short, op_final, op_error;
    wire [8*LITERALS-1:0] op_literals;
    wire [4:0]            op_literal_bytes;
    wire [3:0]            op_token_literals;
    wire [15:0]           op_offset;
    wire [8:0]            op_match_bytes;
    wire                  op_second, op_second_short;
    wire [111:0]          op_second_literals;
    wire [3:0]            op_second_literal_bytes;
    wire [15:0]           op_second_offset;
    wire [8:0]            op_second_match_bytes;

    wire page_done = page_valid_o && page_ready_i && page_last_o;
    wire restart   = !rst_ni || clear_i || page_done;

    assign block_ready_o = input_ready && !clear_i;

    lz4_decompressor_parser #(
        .LITERALS(LITERALS),
        .SLICE(SLICE),
        .PAIRS(PAIRS)
    ) u_parser (
        .clk_i(clk_i),
        .restart_i(restart),
        .drain_i(error_o),
        .block_valid_i(block_valid_i),
        .block_ready_o(input_ready),
        .block_data_i(block_data_i),
        .block_bytes_i(block_bytes_i),
        .block_last_i(block_last_i),
        .op_valid_o(op_valid),
        .op_ready_i(op_ready),
        .op_literals_o(op_literals),
        .op_literal_bytes_o(op_literal_bytes),
        .op_token_literals_o(op_token_literals),
        .op_match_o(op_match),
        .op_continue_o(op_continue),
        .op_short_o(op_short),
        .op_offset_o(op_offset),
        .op_match_bytes_o(op_match_bytes),
        .op_final_o(op_final),
        .op_error_o(op_error),
        .op_second_o(op_second),
        .op_second_literals_o(op_second_literals),
        .op_second_literal_bytes_o(op_second_literal_bytes),
        .op_second_short_o(op_second_short),
        .op_second_offset_o(op_second_offset),
        .op_second_match_bytes_o(op_second_match_bytes)
    );

    lz4_decompressor_copier #(
        .LITERALS(LITERALS),
        .MATCH(MATCH),
        .PAIRS(PAIRS)
    ) u_copier (
        .clk_i(clk_i),
        .restart_i(restart),
        .op_valid_i(op_valid),
        .op_ready_o(op_ready),
        .op_literals_i(op_literals),
        .op_literal_bytes_i(op_literal_bytes),
        .op_token_literals_i(op_token_literals),
        .op_match_i(op_match),
        .op_continue_i(op_continue),
        .op_short_i(op_short),
        .op_offset_i(op_offset),
        .op_match_bytes_i(op_match_bytes),
        .op_final_i(op_final),
        .op_error_i(op_error),
        .op_second_i(op_second),
        .op_second_literals_i(op_second_literals),
        .op_second_literal_bytes_i(op_second_literal_bytes),
        .op_second_short_i(op_second_short),
        .op_second_offset_i(op_second_offset),
        .op_second_match_bytes_i(op_second_match_bytes),
        .page_valid_o(page_valid_o),
        .page_ready_i(page_ready_i),
        .page_data_o(page_data_o),
        .page_last_o(page_last_o),
        .error_o(error_o)
    );
endmodule

`default_nettype wire
