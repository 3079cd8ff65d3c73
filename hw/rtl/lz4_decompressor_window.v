// SPDX-License-Identifier: MIT
// lz4_decompressor_window: the next 32 bytes of a block as two lines of 16, and where a sequence would end that begins at
// any byte of the first.
//
// Handshake: block beats as in lz4_decompressor. With `ready_o` the lines are there; those behind the end of the block are
//            empty. `pop_i`, only then, drops the first line. `restart_i` forgets everything. `drain_i` takes and drops
//            input up to the last beat.
// Latency:   three cycles from a beat to `ready_o`. All outputs depend on registers only.
//
// `next_o` has for each byte of the first line where the next token is if a token without length bytes is here: behind
// that many literals and an offset, counted from the start of the line. It is found while the line moves up, so that
// going from token to token is nothing but a choice of one of 16.

`default_nettype none

module lz4_decompressor_window (
    input  wire         clk_i,
    input  wire         restart_i,
    input  wire         drain_i,

    input  wire         block_valid_i,
    output wire         block_ready_o,
    input  wire [511:0] block_data_i,
    input  wire [6:0]   block_bytes_i,
    input  wire         block_last_i,

    output wire         ready_o,
    input  wire         pop_i,
    output reg  [127:0] first_o,
    output reg  [127:0] second_o,
    output reg  [95:0]  next_o,   // 6 bits for each byte of the first line
    output wire [5:0]   have_o,   // bytes of the block from the start of the first line, up to 32
    output reg          ended_o   // and no more will come
);
    // ---- a beat waits in a register and moves up by 16 bytes a cycle

    reg [511:0] beat_q;
    reg         beat_busy_q, beat_last_q;
    reg [6:0]   beat_left_q;  // bytes not yet moved
    reg [1:0]   slice_q;      // next 16 bytes
    reg         received_q;   // the last beat was taken

    reg [4:0]   first_bytes_q, second_bytes_q;  // 0 where there is no line
    reg         first_valid_q, second_valid_q;

    wire         first_free  = !first_valid_q || pop_i;
    wire         second_free = !second_valid_q || first_free;
    wire         take        = block_valid_i && block_ready_o;
    wire         move        = beat_busy_q && second_free;
    wire         beat_ends   = beat_left_q <= 7'd16;
    wire [127:0] slice       = beat_q[{30'd0, slice_q} * 128 +: 128];

    assign block_ready_o = !received_q && (drain_i || !beat_busy_q);
    assign ready_o       = ended_o ? first_valid_q || !second_valid_q : first_valid_q && second_valid_q;
    assign have_o        = {1'b0, first_bytes_q} + {1'b0, second_bytes_q};

    integer i;

    always @(posedge clk_i) begin
        if (move) begin
            slice_q     <= slice_q + 2'd1;
            beat_left_q <= beat_left_q - 7'd16;
            if (beat_ends) beat_busy_q <= 1'b0;
            if (beat_ends && beat_last_q) ended_o <= 1'b1;
        end
        if (take) begin
            beat_q      <= block_data_i;
            beat_busy_q <= 1'b1;
            beat_last_q <= block_last_i;
            beat_left_q <= block_last_i ? block_bytes_i : 7'd64;
            slice_q     <= 2'd0;
            received_q  <= block_last_i;
        end
        if (second_free) begin
            second_o       <= slice;
            second_valid_q <= beat_busy_q;
            second_bytes_q <= !beat_busy_q ? 5'd0 : beat_ends ? beat_left_q[4:0] : 5'd16;
        end
        if (first_free) begin
            first_o       <= second_o;
            first_valid_q <= second_valid_q;
            first_bytes_q <= second_bytes_q;
            for (i = 0; i < 16; i = i + 1)
                next_o[i*6 +: 6] <= i[5:0] + 6'd3 + {2'd0, second_o[i*8 + 4 +: 4]};
        end
        if (restart_i) begin
            beat_busy_q    <= 1'b0;
            received_q     <= 1'b0;
            ended_o        <= 1'b0;
            first_valid_q  <= 1'b0;
            second_valid_q <= 1'b0;
            first_bytes_q  <= 5'd0;
            second_bytes_q <= 5'd0;
        end
    end
endmodule

`default_nettype wire
