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
// Latency:   about a dozen cycles from the first input beat to the first line of 16 bytes; a beat of four such lines follows
//            when it is complete. No combinational path from input to output handshake or back.
//
// Inside all goes in lines of 16 bytes, a sequence a cycle:
//
//    block beats           two lines            operations          steps of 16 bytes            page beats
//    ----------->  window  --------->  parser  ----------->  queue  ->  stepper  ---->  copier  ------------>
//                                     (tokens)                                        (history)

`default_nettype none

module lz4_decompressor (
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
    localparam OP_BITS = 171;

    wire page_done = page_valid_o && page_ready_i && page_last_o;
    wire restart   = !rst_ni || clear_i || page_done;

    wire         input_ready;
    wire         window_ready, window_pop, window_ended;
    wire [127:0] first, second;
    wire [95:0]  next;
    wire [5:0]   have;

    assign block_ready_o = input_ready && !clear_i;

    lz4_decompressor_window u_window (
        .clk_i(clk_i),
        .restart_i(restart),
        .drain_i(error_o),
        .block_valid_i(block_valid_i),
        .block_ready_o(input_ready),
        .block_data_i(block_data_i),
        .block_bytes_i(block_bytes_i),
        .block_last_i(block_last_i),
        .ready_o(window_ready),
        .pop_i(window_pop),
        .first_o(first),
        .second_o(second),
        .next_o(next),
        .have_o(have),
        .ended_o(window_ended)
    );

    wire         op_valid, op_ready;
    wire [127:0] op_literals;
    wire [3:0]   op_lane;
    wire [4:0]   op_literal_bytes;
    wire [3:0]   op_token_literals;
    wire         op_match;
    wire         op_continue;
    wire         op_short;
    wire [15:0]  op_offset;
    wire [8:0]   op_match_bytes;
    wire         op_final;
    wire         op_error;

    lz4_decompressor_parser u_parser (
        .clk_i(clk_i),
        .restart_i(restart),
        .window_ready_i(window_ready),
        .window_pop_o(window_pop),
        .first_i(first),
        .second_i(second),
        .next_i(next),
        .have_i(have),
        .ended_i(window_ended),
        .op_valid_o(op_valid),
        .op_ready_i(op_ready),
        .op_literals_o(op_literals),
        .op_lane_o(op_lane),
        .op_literal_bytes_o(op_literal_bytes),
        .op_token_literals_o(op_token_literals),
        .op_match_o(op_match),
        .op_continue_o(op_continue),
        .op_short_o(op_short),
        .op_offset_o(op_offset),
        .op_match_bytes_o(op_match_bytes),
        .op_final_o(op_final),
        .op_error_o(op_error)
    );

    // Tokens run ahead while a long match takes its steps.
    wire         next_valid, next_ready;
    wire [127:0] next_literals;
    wire [3:0]   next_lane;
    wire [4:0]   next_literal_bytes;
    wire [3:0]   next_token_literals;
    wire         next_match;
    wire         next_continue;
    wire         next_short;
    wire [15:0]  next_offset;
    wire [8:0]   next_match_bytes;
    wire         next_final;
    wire         next_error;

    wire [OP_BITS-1:0] queued;
    wire [OP_BITS-1:0] op = {op_literals, op_lane, op_literal_bytes, op_token_literals, op_match, op_continue, op_short,
        op_offset, op_match_bytes, op_final, op_error};

    assign {next_literals, next_lane, next_literal_bytes, next_token_literals, next_match, next_continue,
        next_short, next_offset, next_match_bytes, next_final, next_error} = queued;

    fifo #(
        .WIDTH(OP_BITS),
        .DEPTH(8)
    ) u_queue (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(restart),
        .in_valid_i(op_valid),
        .in_ready_o(op_ready),
        .in_data_i(op),
        .out_valid_o(next_valid),
        .out_ready_i(next_ready),
        .out_data_o(queued)
    );

    wire         go;
    wire         step_valid;
    wire [127:0] step_literals;
    wire [3:0]   step_lane;
    wire [4:0]   step_literal_bytes;
    wire [3:0]   step_token_literals;
    wire [4:0]   step_match_bytes;
    wire [9:0]   step_reach;
    wire         step_copies;
    wire         step_starts;
    wire         step_reaches;
    wire         step_short;
    wire [15:0]  step_offset;
    wire         step_pattern;
    wire         step_final;
    wire         step_error;

    lz4_decompressor_stepper u_stepper (
        .clk_i(clk_i),
        .restart_i(restart),
        .go_i(go),
        .op_valid_i(next_valid),
        .op_ready_o(next_ready),
        .op_literals_i(next_literals),
        .op_lane_i(next_lane),
        .op_literal_bytes_i(next_literal_bytes),
        .op_token_literals_i(next_token_literals),
        .op_match_i(next_match),
        .op_continue_i(next_continue),
        .op_short_i(next_short),
        .op_offset_i(next_offset),
        .op_match_bytes_i(next_match_bytes),
        .op_final_i(next_final),
        .op_error_i(next_error),
        .step_valid_o(step_valid),
        .step_literals_o(step_literals),
        .step_lane_o(step_lane),
        .step_literal_bytes_o(step_literal_bytes),
        .step_token_literals_o(step_token_literals),
        .step_match_bytes_o(step_match_bytes),
        .step_reach_o(step_reach),
        .step_copies_o(step_copies),
        .step_starts_o(step_starts),
        .step_reaches_o(step_reaches),
        .step_short_o(step_short),
        .step_offset_o(step_offset),
        .step_pattern_o(step_pattern),
        .step_final_o(step_final),
        .step_error_o(step_error)
    );

    lz4_decompressor_copier u_copier (
        .clk_i(clk_i),
        .restart_i(restart),
        .go_o(go),
        .step_valid_i(step_valid),
        .step_literals_i(step_literals),
        .step_lane_i(step_lane),
        .step_literal_bytes_i(step_literal_bytes),
        .step_token_literals_i(step_token_literals),
        .step_match_bytes_i(step_match_bytes),
        .step_reach_i(step_reach),
        .step_copies_i(step_copies),
        .step_starts_i(step_starts),
        .step_reaches_i(step_reaches),
        .step_short_i(step_short),
        .step_offset_i(step_offset),
        .step_pattern_i(step_pattern),
        .step_final_i(step_final),
        .step_error_i(step_error),
        .page_valid_o(page_valid_o),
        .page_ready_i(page_ready_i),
        .page_data_o(page_data_o),
        .page_last_o(page_last_o),
        .error_o(error_o)
    );
endmodule

`default_nettype wire
