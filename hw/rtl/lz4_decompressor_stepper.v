// SPDX-License-Identifier: MIT
// lz4_decompressor_stepper: cuts operations into steps of at most 16 bytes, literals and match together.
//
// Handshake: operations by valid/ready; steps leave when `go_i` is high, `step_*` are valid then with `step_valid_o`.
//            `restart_i` forgets everything.
// Latency:   one cycle.
//
// A step copies only what is there before it, so a match that overlaps itself needs care. Its offset is the period of what
// it copies:
//
//     16 and more  up to 16 bytes a step
//     1, 2, 4, 8   the literals in a step of their own; then 16 bytes a step: the rotator lays the pattern out
//     other        the literals alone; then one period in a step, and with it the period doubles, until it is above 16

`default_nettype none

module lz4_decompressor_stepper (
    input  wire         clk_i,
    input  wire         restart_i,
    input  wire         go_i,

    input  wire         op_valid_i,
    output wire         op_ready_o,
    input  wire [127:0] op_literals_i,
    input  wire [3:0]   op_lane_i,
    input  wire [4:0]   op_literal_bytes_i,
    input  wire [3:0]   op_token_literals_i,
    input  wire         op_match_i,
    input  wire         op_continue_i,
    input  wire         op_short_i,
    input  wire [15:0]  op_offset_i,
    input  wire [8:0]   op_match_bytes_i,
    input  wire         op_final_i,
    input  wire         op_error_i,

    output reg          step_valid_o,
    output reg  [127:0] step_literals_o,        // as in the operation
    output reg  [3:0]   step_lane_o,
    output wire [4:0]   step_literal_bytes_o,
    output reg  [3:0]   step_token_literals_o,
    output wire [4:0]   step_match_bytes_o,
    output wire [9:0]   step_reach_o,           // literals, and all of the match that is known of
    output wire         step_copies_o,          // bytes of a match
    output wire         step_starts_o,          // the match begins here
    output wire         step_reaches_o,         // the match begins here, or it is known here that it is longer
    output reg          step_short_o,
    output reg  [15:0]  step_offset_o,
    output wire         step_pattern_o,         // the offset is 1, 2, 4 or 8
    output wire         step_final_o,
    output reg          step_error_o
);
    reg [8:0] left_q;       // match bytes
    reg [4:0] literals_q;   // literals, until they are out
    reg [4:0] room_q;       // match bytes that the step may take
    reg [4:0] period_q;     // the same of the next steps
    reg       doubles_q;    // the offset is the period, below 16 and no power of two
    reg       pattern_q;
    reg       begins_q;     // no byte of the match is out
    reg       continue_q;
    reg       match_q, final_q;

    wire       ends  = left_q <= {4'd0, room_q};
    wire [4:0] bytes = ends ? left_q[4:0] : room_q;
    wire       apart = room_q == 5'd0;  // only the literals of a match

    assign op_ready_o           = !step_valid_o || (go_i && ends);
    assign step_literal_bytes_o = literals_q;
    assign step_match_bytes_o   = bytes;
    assign step_reach_o         = {5'd0, literals_q} + {1'b0, left_q};
    assign step_copies_o        = match_q && !apart;
    assign step_starts_o        = step_copies_o && begins_q && !continue_q;
    assign step_reaches_o       = step_copies_o && begins_q;
    assign step_pattern_o       = pattern_q;
    assign step_final_o         = final_q;

    wire       brief  = op_offset_i[15:4] == 12'd0;
    wire       power  = (op_offset_i[3:0] & (op_offset_i[3:0] - 4'd1)) == 4'd0;
    wire [4:0] period = brief && !power ? {1'b0, op_offset_i[3:0]} : 5'd16;

    wire [4:0] twice = step_offset_o[3] ? 5'd16 : {step_offset_o[3:0], 1'b0};

    always @(posedge clk_i) begin
        if (op_ready_o) step_valid_o <= op_valid_i;
        if (op_ready_o && op_valid_i) begin
            step_literals_o       <= op_literals_i;
            step_lane_o           <= op_lane_i;
            step_token_literals_o <= op_token_literals_i;
            step_short_o          <= op_short_i && !op_continue_i;
            step_error_o          <= op_error_i;
            final_q               <= op_final_i;
            match_q               <= op_match_i;
            continue_q            <= op_continue_i;
            begins_q              <= 1'b1;
            literals_q            <= op_literal_bytes_i;
            left_q                <= op_match_bytes_i;
            if (op_continue_i) room_q <= period_q;
            else begin
                room_q        <= !op_match_i                       ? 5'd16 :
                                 !brief                            ? 5'd16 - op_literal_bytes_i :
                                 op_literal_bytes_i != 5'd0        ? 5'd0 : period;
                period_q      <= period;
                step_offset_o <= op_offset_i;
                doubles_q     <= brief && !power;
                pattern_q     <= brief && power;
            end
        end else if (step_valid_o && go_i) begin
            left_q     <= left_q - {4'd0, bytes};
            literals_q <= 5'd0;
            room_q     <= period_q;
            if (!apart) begin
                begins_q <= 1'b0;
                if (doubles_q) begin
                    step_offset_o <= {step_offset_o[14:0], 1'b0};
                    room_q        <= twice;
                    period_q      <= twice;
                    doubles_q     <= !step_offset_o[3];
                end
            end
        end
        if (restart_i) begin
            step_valid_o <= 1'b0;
            period_q     <= 5'd16;
            doubles_q    <= 1'b0;
        end
    end
endmodule

`default_nettype wire
