// SPDX-License-Identifier: MIT
// lz4_decompressor_parser: cuts an LZ4 block into operations, one or two whole sequences a cycle where they are short.
//
// Handshake: block beats as in lz4_decompressor, operations by valid/ready. `restart_i` forgets everything. `drain_i` takes
//            and drops input up to the last beat.
// Latency:   two cycles from a beat to its first operation. `op_*` are registers; `block_ready_o` depends on registers only.
//
// The window holds the next bytes of the block, the token (or what is being read) always at byte 0:
//
//     beat_q 64 bytes --slice--> | token | length | literals ... | offset | length | next sequence ...  |
//                                  0       1        header         tail     tail+2             have_q ^
//
// Every cycle a slice of a beat is put behind byte `have_q`, then the window moves down by the bytes consumed. Putting
// depends on registers alone, so the loop from token to next token is: decode the token, select, shift.
//
// An operation is: up to LITERALS literals, then a match (offset, up to 273 bytes) or none. Longer literal runs become
// several operations; every further length byte of a match becomes an operation that continues the match. So no counter
// depends on how many length bytes a block has, except that of a literal run, which ends in an error as soon as it is
// more than a page.
//
// With PAIRS an operation may carry a second sequence: if its token follows in the window and announces at most 14
// literals and a match, all of it there. Its match, too, may be continued by the operations that follow.

`default_nettype none

module lz4_decompressor_parser #(
    parameter LITERALS = 8,   // literals of an operation, 1 .. 28
    parameter SLICE    = 16,  // bytes put into the window at once: 8, 16 or 32, at least LITERALS + 4
    parameter PAIRS    = 0    // 1: two sequences in an operation; SLICE is 32 then
) (
    input  wire                  clk_i,
    input  wire                  restart_i,
    input  wire                  drain_i,

    input  wire                  block_valid_i,
    output wire                  block_ready_o,
    input  wire [511:0]          block_data_i,
    input  wire [6:0]            block_bytes_i,
    input  wire                  block_last_i,

    output reg                   op_valid_o,
    input  wire                  op_ready_i,
    output reg  [8*LITERALS-1:0] op_literals_o,        // valid up to op_literal_bytes_o
    output reg  [4:0]            op_literal_bytes_o,
    output reg  [3:0]            op_token_literals_o,  // literal length as the token has it
    output reg                   op_match_o,           // a match follows the literals
    output reg                   op_continue_o,        // it continues the match of the operation before
    output reg                   op_short_o,           // no length byte in this sequence
    output reg  [15:0]           op_offset_o,
    output reg  [8:0]            op_match_bytes_o,     // 0 without a match
    output reg                   op_final_o,           // the block ends behind these literals
    output reg                   op_error_o,           // the block ends too early or a literal run exceeds a page

    output reg                   op_second_o,          // a second sequence follows: as above, always with a match
    output reg  [111:0]          op_second_literals_o,
    output reg  [3:0]            op_second_literal_bytes_o,
    output reg                   op_second_short_o,
    output reg  [15:0]           op_second_offset_o,
    output reg  [8:0]            op_second_match_bytes_o
);
    localparam WINDOW = PAIRS != 0 ? 3 * SLICE : 2 * SLICE;  // bytes; one that takes no slice holds a sequence, LITERALS + 5

    localparam [6:0]  SLICE_BYTES   = SLICE[6:0];
    localparam [12:0] LITERAL_LIMIT = LITERALS[12:0];
    localparam [12:0] PAGE_BYTES  = 4096;

    localparam [1:0] STATE_TOKEN          = 0,
                     STATE_LITERAL_LENGTH = 1,  // further length bytes of a literal run
                     STATE_LITERALS       = 2,  // the rest of a literal run
                     STATE_MATCH_LENGTH   = 3;  // further length bytes of a match

    // ---- input: a beat waits in a register and moves into the window slice by slice

    reg [511:0] beat_q;
    reg         beat_busy_q, beat_last_q;
    reg [6:0]   beat_left_q;   // bytes not yet moved
    reg [2:0]   slice_q;       // next slice
    reg         received_q;    // the last beat was taken
    reg         ended_q;       // all bytes of the block are or were in the window

    reg [8*WINDOW-1:0] window_q;
    reg [6:0]          have_q;  // bytes in the window

    wire room = have_q <= WINDOW[6:0] - SLICE_BYTES;

    assign block_ready_o = !received_q && (drain_i || !beat_busy_q || (room && beat_left_q <= SLICE_BYTES));

    wire         take        = block_valid_i && block_ready_o;
    wire [6:0]   taken_bytes = block_last_i ? block_bytes_i : 7'd64;
    wire [511:0] source      = beat_busy_q ? beat_q : block_data_i;
    wire [6:0]   source_left = beat_busy_q ? beat_left_q : taken_bytes;
    wire [2:0]   source_slice = beat_busy_q ? slice_q : 3'd0;
    wire         source_last = beat_busy_q ? beat_last_q : block_last_i;
    wire         refill      = room && (beat_busy_q || take);
    wire         refill_ends = source_left <= SLICE_BYTES;  // the last slice of its beat
    wire [6:0]   refill_bytes = refill_ends ? source_left : SLICE_BYTES;
    wire [8*SLICE-1:0] slice = source[{29'd0, source_slice} * (8 * SLICE) +: 8*SLICE];

    always @(posedge clk_i) begin
        if (take && (beat_busy_q || !refill)) begin
            beat_q      <= block_data_i;
            beat_busy_q <= 1'b1;
            beat_last_q <= block_last_i;
            beat_left_q <= taken_bytes;
            slice_q     <= 3'd0;
        end else if (refill) begin
            if (take) beat_q <= block_data_i;
            beat_busy_q <= !refill_ends;
            beat_last_q <= source_last;
            beat_left_q <= source_left - refill_bytes;
            slice_q     <= source_slice + 3'd1;
        end
        if (take && block_last_i) received_q <= 1'b1;
        if (refill && refill_ends && source_last) ended_q <= 1'b1;
        if (restart_i) begin
            beat_busy_q <= 1'b0;
            received_q  <= 1'b0;
            ended_q     <= 1'b0;
        end
    end

    // ---- parse: what lies at the start of the window

    reg [1:0]  state_q, state_d;
    reg [12:0] run_q, run_d;                 // literals left in this run
    reg [3:0]  token_literals_q, token_match_q;
    reg        stopped_q;                    // the final operation or an error was given out

    wire        at_token       = state_q == STATE_TOKEN;
    wire [3:0]  token_literals = at_token ? window_q[7:4] : token_literals_q;
    wire [3:0]  token_match    = at_token ? window_q[3:0] : token_match_q;
    wire        long_run       = at_token && window_q[7:4] == 4'd15;
    wire [1:0]  header         = at_token ? (long_run ? 2'd2 : 2'd1) : 2'd0;
    wire [12:0] run            = !at_token ? run_q :
                                 long_run  ? 13'd15 + {5'd0, window_q[15:8]} : {9'd0, window_q[7:4]};
    wire        run_ends       = run <= LITERAL_LIMIT;
    wire [4:0]  literal_bytes  = run_ends ? run[4:0] : LITERAL_LIMIT[4:0];
    wire [4:0]  tail           = {3'd0, header} + literal_bytes;  // where the offset lies
    wire [15:0] offset         = window_q[{27'd0, tail} * 8 +: 16];
    wire [7:0]  match_more     = window_q[{27'd0, tail} * 8 + 16 +: 8];
    wire        long_match     = token_match == 4'd15;
    wire [5:0]  sequence_bytes = {1'b0, tail} + 6'd2 + {5'd0, long_match};
    wire [12:0] longer_run     = run_q + {5'd0, window_q[7:0]};

    // ---- a second sequence right behind

    wire       pair;
    wire [5:0] pair_bytes;   // of both
    wire       pair_open;    // further length bytes follow
    wire       second_long;
    wire [3:0] second_literal_bytes, second_match;
    wire [15:0] second_offset;
    wire [7:0] second_more;
    wire [111:0] second_literals;

    generate
        if (PAIRS != 0) begin : gen_pairs
            reg [8*18-1:0] second;  // token, 14 literals, offset, length

            always @* second = window_q[{26'd0, sequence_bytes} * 8 +: 8*18];

            wire [4:0] second_tail = 5'd1 + {1'b0, second[7:4]};

            assign second_literal_bytes = second[7:4];
            assign second_match         = second[3:0];
            assign second_long          = second[3:0] == 4'd15;
            assign second_literals      = second[8 +: 112];
            assign {second_more, second_offset} = second[{27'd0, second_tail} * 8 +: 24];
            assign pair_bytes           = sequence_bytes + {1'b0, second_tail} + 6'd2 + {5'd0, second_long};
            assign pair                 = second[7:4] != 4'd15 && have_q >= {1'b0, pair_bytes};
            assign pair_open            = second_long && second_more == 8'd255;
        end else begin : gen_single
            assign pair = 1'b0;
            assign pair_bytes = 6'd0;
            assign pair_open = 1'b0;
            assign second_literal_bytes = 4'd0;
            assign second_match = 4'd0;
            assign second_long = 1'b0;
            assign second_offset = 16'd0;
            assign second_more = 8'd0;
            assign second_literals = 112'd0;
        end
    endgenerate

    reg       give, match, two, last, error;  // the operation of this step, if any
    reg       advance;                        // this step is possible
    reg [5:0] step;                           // bytes that it consumes

    always @* begin
        state_d = state_q;
        run_d   = run_q;
        give    = 1'b0;
        match   = 1'b0;
        two     = 1'b0;
        last    = 1'b0;
        error   = 1'b0;
        advance = 1'b0;
        step    = 6'd0;
        case (state_q)
            STATE_TOKEN, STATE_LITERALS:
                if (long_run && window_q[15:8] == 8'd255) begin
                    advance = have_q >= 7'd2;
                    step    = 6'd2;
                    run_d   = run;
                    state_d = STATE_LITERAL_LENGTH;
                end else if (have_q >= {2'd0, tail}) begin
                    give  = 1'b1;
                    step  = {1'b0, tail};
                    run_d = run - LITERAL_LIMIT;
                    if (!run_ends) begin
                        advance = 1'b1;
                        state_d = STATE_LITERALS;
                    end else if (ended_q && have_q == {2'd0, tail}) begin
                        advance = 1'b1;
                        last    = 1'b1;
                    end else begin
                        advance = have_q >= {1'b0, sequence_bytes};
                        match   = 1'b1;
                        step    = sequence_bytes;
                        state_d = STATE_TOKEN;
                        if (long_match && match_more == 8'd255)
                            state_d = STATE_MATCH_LENGTH;
                        else if (pair) begin
                            two  = 1'b1;
                            step = pair_bytes;
                            if (pair_open) state_d = STATE_MATCH_LENGTH;
                        end
                    end
                end
            STATE_LITERAL_LENGTH: begin
                advance = have_q != 7'd0;
                step    = 6'd1;
                run_d   = longer_run;
                if (window_q[7:0] != 8'd255) state_d = STATE_LITERALS;
                if (advance && longer_run > PAGE_BYTES) begin
                    give  = 1'b1;
                    error = 1'b1;
                end
            end
            default: begin  // STATE_MATCH_LENGTH
                advance = have_q != 7'd0;
                give    = 1'b1;
                match   = 1'b1;
                step    = 6'd1;
                if (window_q[7:0] != 8'd255) state_d = STATE_TOKEN;
            end
        endcase
        if (!advance && ended_q) begin  // the bytes that are missing will never come
            advance = 1'b1;
            give    = 1'b1;
            error   = 1'b1;
        end
        if (stopped_q || (give && op_valid_o && !op_ready_i)) advance = 1'b0;
    end

    always @(posedge clk_i) begin
        if (advance) begin
            state_q          <= state_d;
            run_q            <= run_d;
            token_literals_q <= token_literals;
            token_match_q    <= token_match;
            stopped_q        <= last || error;
        end
        if (restart_i) begin
            state_q   <= STATE_TOKEN;
            stopped_q <= 1'b0;
        end
    end

    // ---- window: a slice is put behind what is there, then all moves down by what was consumed

    reg [8*WINDOW-1:0] filled;

    always @* begin
        filled = window_q;
        if (refill) filled = filled | ({{8*(WINDOW-SLICE){1'b0}}, slice} << {have_q, 3'd0});
    end

    always @(posedge clk_i) begin
        if (refill || advance) window_q <= filled >> (advance ? {step, 3'd0} : 9'd0);
        have_q <= have_q + (refill ? refill_bytes : 7'd0) - (advance ? {1'b0, step} : 7'd0);
        if (restart_i) begin
            window_q <= {8*WINDOW{1'b0}};
            have_q   <= 7'd0;
        end
    end

    // ---- output register

    wire continued = state_q == STATE_MATCH_LENGTH;

    always @(posedge clk_i) begin
        if (op_ready_i) op_valid_o <= 1'b0;
        if (advance && give) begin
            op_valid_o          <= 1'b1;
            op_literals_o       <= window_q[{30'd0, header} * 8 +: 8*LITERALS];
            op_literal_bytes_o  <= continued ? 5'd0 : literal_bytes;
            op_token_literals_o <= token_literals;
            op_match_o          <= match;
            op_continue_o       <= continued;
            op_short_o          <= token_literals != 4'd15 && !long_match && !continued;
            op_offset_o         <= offset;
            op_match_bytes_o    <= !match     ? 9'd0 :
                                   continued  ? {1'b0, window_q[7:0]} :
                                   long_match ? 9'd19 + {1'b0, match_more} : 9'd4 + {5'd0, token_match};
            op_final_o          <= last;
            op_error_o          <= error;
            op_second_o         <= two;
            op_second_literals_o      <= second_literals;
            op_second_literal_bytes_o <= second_literal_bytes;
            op_second_short_o         <= !second_long;
            op_second_offset_o        <= second_offset;
            op_second_match_bytes_o   <= second_long ? 9'd19 + {1'b0, second_more} : 9'd4 + {5'd0, second_match};
        end
        if (restart_i) op_valid_o <= 1'b0;
    end
endmodule

`default_nettype wire
