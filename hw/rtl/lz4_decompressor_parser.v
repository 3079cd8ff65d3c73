// SPDX-License-Identifier: MIT
// lz4_decompressor_parser: goes from token to token through a block and gives out what they ask for, a sequence a cycle.
//
// Handshake: the window of lz4_decompressor_window; operations by valid/ready, `op_*` in registers. `restart_i` forgets
//            everything. After the last operation (`op_final_o` or `op_error_o`) nothing comes.
// Latency:   two cycles from a token in the window to its operation.
//
// Three stages:
//
//     point: where is the next token?  |  cut: literals, offset, does the block suffice?  |  op_*: waits for a length byte
//
// The first knows nothing of the end of the block: behind it there are bytes of any content, and the second finds
// out. A cycle points at one of these:
//
//     TOKEN         a token; without length bytes of literals it is a whole sequence, up to its offset
//     LENGTH, SUM   a length byte of a run of literals; one cycle to add up the last one
//     LITERALS      16 literals of such a run, or its last 0 to 15 with the offset behind them
//     MATCH_LENGTH  a length byte of a match
//
// The first length byte of a match is added to its operation, which waits for it. Each further one is an operation that
// continues the match, so no counter depends on how many there are. The counter of a run stops beyond a page.

`default_nettype none

module lz4_decompressor_parser (
    input  wire         clk_i,
    input  wire         restart_i,

    input  wire         window_ready_i,
    output wire         window_pop_o,
    input  wire [127:0] first_i,
    input  wire [127:0] second_i,
    input  wire [95:0]  next_i,
    input  wire [5:0]   have_i,
    input  wire         ended_i,

    output wire         op_valid_o,
    input  wire         op_ready_i,
    output reg  [127:0] op_literals_o,        // a line, the literals from lane op_lane_o on and round its end
    output reg  [3:0]   op_lane_o,
    output reg  [4:0]   op_literal_bytes_o,   // 0 .. 16; 0 .. 15 with a match
    output reg  [3:0]   op_token_literals_o,  // literal length as the token has it
    output reg          op_match_o,           // a match follows the literals
    output reg          op_continue_o,        // it continues the match of the operation before
    output reg          op_short_o,           // no length byte in this sequence
    output reg  [15:0]  op_offset_o,
    output reg  [8:0]   op_match_bytes_o,     // 0 without a match
    output reg          op_final_o,           // the block ends behind these literals
    output reg          op_error_o            // the block ends too early
);
    localparam [2:0] TOKEN = 3'd0, LENGTH = 3'd1, SUM = 3'd2, LITERALS = 3'd3, MATCH_LENGTH = 3'd4;

    // ---- point

    reg [2:0]  state_q, state_d;
    reg [4:0]  at_q;      // from the start of the first line; 16: of the second, the first is used up
    reg [7:0]  token_q;   // of this sequence, where it is not the byte pointed at
    reg [12:0] run_q;     // literals left of a run with length bytes
    reg [7:0]  more_q;    // a length byte to be added to it
    reg        add_q;
    reg        stopped_q;

    wire       cut_free;
    wire [3:0] lane    = at_q[3:0];
    wire [7:0] here    = first_i[{28'd0, lane} * 8 +: 8];
    wire       full    = here == 8'd255;
    wire       long_run = here[7:4] == 4'd15;
    wire [7:0] token   = state_q == TOKEN ? here : token_q;
    wire       chunk   = run_q[12:4] != 9'd0;  // 16 literals and nothing else

    reg  [5:0] next;      // where the next cycle points
    wire       points  = window_ready_i && cut_free && !stopped_q && state_q != SUM;
    wire       used_up = at_q[4];
    wire       found  = points && !used_up && !(state_q == TOKEN && long_run);

    always @* begin
        state_d = state_q;
        next    = {2'd0, lane} + 6'd1;
        case (state_q)
            TOKEN: begin
                if (!long_run) next = next_i[{28'd0, lane} * 6 +: 6];
                state_d = long_run ? LENGTH : here[3:0] == 4'd15 ? MATCH_LENGTH : TOKEN;
            end
            LENGTH: if (!full) state_d = SUM;
            LITERALS: begin
                next = chunk ? {2'b01, lane} : {2'd0, lane} + {2'd0, run_q[3:0]} + 6'd2;
                if (!chunk) state_d = token_q[3:0] == 4'd15 ? MATCH_LENGTH : TOKEN;
            end
            default: if (!full) state_d = TOKEN;
        endcase
    end

    assign window_pop_o = points && (used_up || next[5:4] != 2'd0);

    always @(posedge clk_i) begin
        if (points) begin
            at_q <= used_up ? 5'd0 : {next[5], next[3:0]};
            if (!used_up) state_q <= state_d;
            if (!used_up && state_q == TOKEN) token_q <= here;
        end
        if (state_q == SUM) state_q <= LITERALS;
        add_q  <= points && !used_up && state_q == LENGTH;
        more_q <= here;
        if (add_q) begin
            if (run_q[12]) run_q[0] <= run_q[0] || more_q != 8'd0;  // a page, or more than one; how much does not matter
            else run_q <= run_q + {5'd0, more_q};
        end
        if (points && !used_up && state_q == TOKEN) run_q <= 13'd15;
        if (points && !used_up && state_q == LITERALS && chunk) run_q[12:4] <= run_q[12:4] - 9'd1;
        if (restart_i) begin
            state_q <= TOKEN;
            at_q    <= 5'd0;
            add_q   <= 1'b0;
        end
    end

    // ---- cut: the window as it was, and what was found in it

    reg         cut_q;
    reg [2:0]   cut_state_q;
    reg [255:0] cut_window_q;
    reg [4:0]   cut_base_q;      // where the literals begin
    reg [4:0]   cut_literals_q;
    reg [5:0]   cut_next_q;      // so many bytes must be there; the offset is before it
    reg [7:0]   cut_token_q, cut_byte_q;
    reg         cut_chunk_q;
    reg [5:0]   cut_have_q;
    reg         cut_ended_q;

    always @(posedge clk_i) begin
        if (cut_free) cut_q <= found;
        if (cut_free && points) begin
            cut_state_q    <= state_q;
            cut_window_q   <= {second_i, first_i};
            cut_base_q     <= state_q == TOKEN ? {1'b0, lane} + 5'd1 : {1'b0, lane};
            cut_literals_q <= state_q == TOKEN ? {1'b0, here[7:4]} : chunk ? 5'd16 : {1'b0, run_q[3:0]};
            cut_next_q     <= next;
            cut_token_q    <= token;
            cut_byte_q     <= here;
            cut_chunk_q    <= chunk;
            cut_have_q     <= have_i;
            cut_ended_q    <= ended_i;
        end
        if (restart_i) cut_q <= 1'b0;
    end

    wire is_token    = cut_state_q == TOKEN;
    wire is_literals = cut_state_q == LITERALS;
    wire is_length   = cut_state_q == MATCH_LENGTH;
    wire whole       = is_token || (is_literals && !cut_chunk_q);  // to the offset, or to the end of the block
    wire ends        = whole && cut_ended_q && cut_next_q == cut_have_q + 6'd2;
    wire error       = cut_next_q > cut_have_q && !ends;
    wire match       = (whole && !ends) || is_length;
    wire gives       = is_token || is_literals || is_length || error;

    wire [271:0] behind = {cut_window_q, 16'd0};  // so that byte n is the first of the two before n
    wire [15:0]  offset = behind[{26'd0, cut_next_q} * 8 +: 16];

    // ---- operation

    reg  busy_q;
    reg  waits_q;  // for its length byte
    wire adds    = cut_q && waits_q;  // what comes then is that
    wire op_free = !busy_q || waits_q || op_ready_i;

    assign op_valid_o = busy_q && !waits_q;
    assign cut_free   = !cut_q || op_free;

    integer i;

    always @(posedge clk_i) begin
        if (op_ready_i && !waits_q) busy_q <= 1'b0;
        if (cut_q && op_free && !stopped_q) begin
            if (adds) begin
                waits_q          <= 1'b0;
                op_match_bytes_o <= 9'd19 + {1'b0, cut_byte_q};
                op_error_o       <= error;
            end else if (gives) begin
                busy_q              <= 1'b1;
                waits_q             <= whole && match && !error && cut_token_q[3:0] == 4'd15;
                op_lane_o           <= cut_base_q[3:0];
                op_literal_bytes_o  <= is_length || error ? 5'd0 : cut_literals_q;
                op_token_literals_o <= cut_token_q[7:4];
                op_match_o          <= match && !error;
                op_continue_o       <= is_length;
                op_short_o          <= cut_token_q[7:4] != 4'd15 && cut_token_q[3:0] != 4'd15;
                op_offset_o         <= offset;
                op_match_bytes_o    <= !match || error ? 9'd0 : is_length ? {1'b0, cut_byte_q} : 9'd4 + {5'd0, cut_token_q[3:0]};
                op_final_o          <= ends;
                op_error_o          <= error;
                for (i = 0; i < 16; i = i + 1)
                    op_literals_o[i*8 +: 8] <= i[4:0] >= cut_base_q ? cut_window_q[i*8 +: 8] : cut_window_q[128 + i*8 +: 8];
            end
            if (ends || error) stopped_q <= 1'b1;
        end
        if (restart_i) begin
            busy_q    <= 1'b0;
            waits_q   <= 1'b0;
            stopped_q <= 1'b0;
        end
    end
endmodule

`default_nettype wire
