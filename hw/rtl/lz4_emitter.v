// SPDX-License-Identifier: MIT
// lz4_emitter: writes LZ4 sequences as bytes, in fragments of up to 61.
//
// Handshake: valid/ready on both sides; a sequence is taken with its last fragment. `clear_i` drops the sequence.
// Latency:   one cycle. Most sequences are one fragment; literals leave LITERALS a fragment, length bytes beyond the
//            first one a fragment each.
//
//     sequence (LZ4 block format):   token | length bytes | literals | offset (2) | length bytes
//     phase:                         HEAD    HEAD, MORE_L   HEAD, BODY       ...    ..., MORE_M
//     fragment:                      | head (0..2) | literals (0..56) | tail (0..3) |, each part may be missing

`default_nettype none

module lz4_emitter (
    input  wire         clk_i,
    input  wire         rst_ni,
    input  wire         clear_i,

    input  wire         sequence_valid_i,
    output wire         sequence_ready_o,
    input  wire         sequence_last_i,
    input  wire [11:0]  literal_start_i,
    input  wire [12:0]  literal_length_i,
    input  wire [11:0]  match_length_i,
    input  wire [11:0]  match_offset_i,

    output wire         literal_read_o,
    output wire [11:0]  literal_address_o,
    input  wire [447:0] literal_data_i,

    output reg          fragment_valid_o,
    input  wire         fragment_ready_i,
    output reg  [511:0] fragment_data_o,   // zero beyond its bytes
    output reg  [5:0]   fragment_bytes_o,  // 1 .. 61
    output reg          fragment_last_o
);
    localparam LITERALS = 56;  // what literal_data_i holds

    localparam HEAD   = 2'd0;
    localparam MORE_L = 2'd1;  // further length bytes of the literals
    localparam BODY   = 2'd2;  // literals
    localparam MORE_M = 2'd3;  // further length bytes of the match

    reg [1:0]  phase_q;
    reg [12:0] sent_q;  // literals that have left
    reg [12:0] rest_q;  // length not written yet, in MORE_L and MORE_M

    // ---- lengths

    wire [11:0] match_code  = match_length_i - 12'd4;
    wire        long_run    = literal_length_i >= 13'd15;
    wire        long_match  = match_code >= 12'd15;
    wire [12:0] run_rest    = literal_length_i - 13'd15;
    wire [12:0] match_rest  = {1'b0, match_code} - 13'd15;
    wire [7:0]  token       = {long_run ? 4'd15 : literal_length_i[3:0],
                               sequence_last_i ? 4'd0 : long_match ? 4'd15 : match_code[3:0]};

    function [7:0] length_byte;
        input [12:0] rest;
        length_byte = rest >= 13'd255 ? 8'd255 : rest[7:0];
    endfunction

    // ---- literals

    wire [12:0] unsent = literal_length_i - sent_q;
    wire [5:0]  run    = unsent > LITERALS[12:0] ? LITERALS[5:0] : unsent[5:0];

    assign literal_address_o = literal_start_i + sent_q[11:0];

    // ---- fragment of this cycle

    wire        with_literals = phase_q == BODY || (phase_q == HEAD && (!long_run || run_rest < 13'd255));
    assign literal_read_o = sequence_valid_i && with_literals;

    wire        run_ends   = with_literals && unsent <= LITERALS[12:0];
    wire        with_tail  = run_ends && !sequence_last_i;
    wire        more_match = long_match && match_rest >= 13'd255;
    wire [1:0]  tail_bytes = !with_tail ? 2'd0 : long_match ? 2'd3 : 2'd2;
    wire [23:0] tail       = with_tail ? {long_match ? length_byte(match_rest) : 8'd0, 4'd0, match_offset_i} : 24'd0;

    reg [15:0] head;
    reg [1:0]  head_bytes;
    reg [1:0]  phase_d;
    reg [12:0] rest_d;

    always @* begin
        head = 16'd0;
        head_bytes = 2'd0;
        phase_d = phase_q;
        rest_d = rest_q;
        case (phase_q)
            HEAD: begin
                head = {long_run ? length_byte(run_rest) : 8'd0, token};
                head_bytes = long_run ? 2'd2 : 2'd1;
                phase_d = with_literals ? BODY : MORE_L;
                rest_d = run_rest - 13'd255;
            end
            BODY: ;
            default: begin
                head = {8'd0, length_byte(rest_q)};
                head_bytes = 2'd1;
                if (rest_q < 13'd255) phase_d = phase_q == MORE_L ? BODY : HEAD;
                rest_d = rest_q - 13'd255;
            end
        endcase
        if (tail_bytes != 2'd0) begin
            phase_d = more_match ? MORE_M : HEAD;
            rest_d = match_rest - 13'd255;
        end
    end

    wire [5:0] middle_bytes = with_literals ? run : 6'd0;
    wire [5:0] tail_at      = {4'd0, head_bytes} + middle_bytes;

    reg [LITERALS*8-1:0] middle;
    reg [511:0]          fragment;

    always @* begin
        middle   = {LITERALS*8{1'b0}};
        fragment = 512'd0;
        if (sequence_valid_i) begin  // nothing toggles without
            if (with_literals) middle = literal_data_i & ~({LITERALS*8{1'b1}} << {run, 3'b0});
            fragment = {496'd0, head} | ({64'd0, middle} << {head_bytes, 3'b0}) | ({488'd0, tail} << {tail_at, 3'b0});
        end
    end

    // ---- registers

    wire step     = sequence_valid_i && (!fragment_valid_o || fragment_ready_i);
    wire complete = (run_ends && (sequence_last_i || !more_match)) || (phase_q == MORE_M && rest_q < 13'd255);

    assign sequence_ready_o = step && complete;

    always @(posedge clk_i) begin
        if (fragment_ready_i) fragment_valid_o <= 1'b0;
        if (step) begin
            fragment_valid_o <= 1'b1;
            fragment_data_o <= fragment;
            fragment_bytes_o <= tail_at + {4'd0, tail_bytes};
            fragment_last_o <= sequence_last_i && complete;
            phase_q <= complete ? HEAD : phase_d;
            sent_q <= complete ? 13'd0 : sent_q + {7'd0, middle_bytes};
            rest_q <= rest_d;
        end
        if (!rst_ni || clear_i) begin
            fragment_valid_o <= 1'b0;
            phase_q <= HEAD;
            sent_q <= 13'd0;
        end
    end
endmodule

`default_nettype wire
