// SPDX-License-Identifier: MIT
// lz4_parser: chooses matches among the candidates of the windows, extends them, and hands out LZ4 sequences.
//
// Handshake: windows in, sequences out, valid/ready each. `resume_o` is the first position not covered by a match yet.
//            After the last window (`done_i`) one sequence without a match carries the remaining literals, `sequence_last_o`
//            high. Nothing moves in a cycle without `run_i`, which must be low while `can_run_o` is: the page has not
//            been loaded far enough, or a sequence is not taken. `others_run_i` tells that nobody else prevents `run_i`.
//            `clear_i` starts over at position 0.
// Latency:   a match that is shorter than COMPARE_BYTES leaves one cycle after its window; a longer one grows by
//            FORWARD_BYTES a cycle.
//
// Choice. Of the lanes at or after `resume_o`, the longest within REACH lanes of the first one is taken, not the first.
// When lanes with candidates remain behind the match, the window is looked at again in the next cycle.
//
// Extension. The match and its candidate are read as 64 bytes each, so that one read serves both directions:
//
//     | 8 bytes before | COMPARE_BYTES known to be equal | FORWARD_BYTES to compare |
//                      ^ start                           ^ resume_o
//
// While a match grows, windows it has covered are dropped; any other window waits until its end is known.

`default_nettype none

module lz4_parser #(
    parameter LANES         = 8,
    parameter COMPARE_BYTES = 16,
    parameter LENGTH_BITS   = 5
) (
    input  wire                         clk_i,
    input  wire                         rst_ni,
    input  wire                         clear_i,
    output wire                         can_run_o,
    input  wire                         others_run_i,
    input  wire                         run_i,

    input  wire                         window_valid_i,
    output wire                         window_ready_o,
    input  wire [11:0]                  window_base_i,
    input  wire [LANES*LENGTH_BITS-1:0] window_length_i,
    input  wire [LANES*12-1:0]          window_candidate_i,
    input  wire                         done_i,
    output wire [11:0]                  resume_o,

    input  wire [6:0]                   loaded_i,          // lines of the page that can be read, 0 .. 64
    output wire                         match_read_o,      // of both
    output wire [11:0]                  match_address_o,
    input  wire [511:0]                 match_data_i,
    output wire [11:0]                  candidate_address_o,
    input  wire [511:0]                 candidate_data_i,

    output wire                         sequence_valid_o,
    input  wire                         sequence_ready_i,
    output wire                         sequence_last_o,   // literals only, ends the block
    output wire [11:0]                  literal_start_o,
    output wire [12:0]                  literal_length_o,  // 0 .. 4096
    output wire [11:0]                  match_length_o,    // 4 .. 4090
    output wire [11:0]                  match_offset_o     // 1 .. 4084
);
    localparam LAST_START    = 4096 - 12;  // LZ4 block format, end of block: no match starts later,
    localparam LAST_END      = 4096 - 5;   // and the last five bytes are literals
    localparam REACH         = 7;
    localparam BACK_BYTES    = 8;
    localparam KNOWN_BYTES   = BACK_BYTES + COMPARE_BYTES;
    localparam FORWARD_BYTES = 64 - KNOWN_BYTES;

    reg [11:0] resume_q;   // end of the match under way or, without one, of the last match
    reg [11:0] anchor_q;   // end of the last match handed out: where the next literals start
    reg        match_q;    // a match is under way
    reg        open_q;     // it may be longer than what is known
    reg        fresh_q;    // it has not been extended backwards yet
    reg [11:0] start_q;
    reg [11:0] offset_q;
    reg        ended_q;    // the last sequence was handed out

    assign resume_o = resume_q;

    // ---- choice

    wire [12:0] window_base = {1'b0, window_base_i};
    wire        covered     = window_base + LANES[12:0] <= {1'b0, resume_q};
    wire        choose      = window_valid_i && !covered && !(match_q && open_q);

    reg                   found, again;
    reg [12:0]            position, first, start;
    reg [LENGTH_BITS-1:0] length, best;
    reg [11:0]            candidate;
    integer               i;

    always @* begin
        i = 0;  // or it would be a latch where the loops do not run
        found = 1'b0;
        again = 1'b0;
        first = 13'd0;
        start = 13'd0;
        best = {LENGTH_BITS{1'b0}};
        candidate = 12'd0;
        position = 13'd0;
        length = {LENGTH_BITS{1'b0}};
        if (choose) begin
            for (i = 0; i < LANES; i = i + 1) begin
                position = window_base + i[12:0];
                length = window_length_i[i*LENGTH_BITS +: LENGTH_BITS];
                if (length > best && position >= {1'b0, resume_q} && position <= LAST_START[12:0]
                        && (!found || position < first + REACH[12:0])) begin
                    if (!found) first = position;
                    found = 1'b1;
                    start = position;
                    best = length;
                    candidate = window_candidate_i[i*12 +: 12];
                end
            end
            for (i = 0; i < LANES; i = i + 1) begin
                position = window_base + i[12:0];
                length = window_length_i[i*LENGTH_BITS +: LENGTH_BITS];
                if (found && length != 0 && position >= start + {{13-LENGTH_BITS{1'b0}}, best}
                        && position <= LAST_START[12:0])
                    again = 1'b1;
            end
        end
    end

    wire [12:0] found_end = start + {{13-LENGTH_BITS{1'b0}}, best};
    wire        clipped   = found_end >= LAST_END[12:0];

    // ---- extension

    wire [11:0] origin = open_q ? resume_q - KNOWN_BYTES[11:0] : start_q - BACK_BYTES[11:0];

    assign match_read_o        = match_q;
    assign match_address_o     = origin;
    assign candidate_address_o = origin - offset_q;

    wire [11:0] back_literals  = start_q - anchor_q;
    wire [11:0] back_candidate = start_q - offset_q;

    reg [511:0] differ;
    reg [11:0]  back, forward;
    integer     j;

    always @* begin
        j = 0;
        back = BACK_BYTES[11:0];
        forward = FORWARD_BYTES[11:0];
        differ = 512'd0;
        if (match_q) begin
            differ = match_data_i ^ candidate_data_i;
            for (j = BACK_BYTES - 1; j >= 0; j = j - 1)
                if (differ[(BACK_BYTES-1-j)*8 +: 8] != 8'd0) back = j[11:0];
            for (j = FORWARD_BYTES - 1; j >= 0; j = j - 1)
                if (differ[(KNOWN_BYTES+j)*8 +: 8] != 8'd0) forward = j[11:0];
        end
        if (back > back_literals) back = back_literals;
        if (back > back_candidate) back = back_candidate;
        if (!fresh_q) back = 12'd0;
    end

    wire [12:0] grown      = {1'b0, resume_q} + {1'b0, forward};
    wire        at_end     = grown >= LAST_END[12:0];
    wire [12:0] last_byte  = {1'b0, resume_q} + FORWARD_BYTES[12:0] - 13'd1;
    wire        readable   = loaded_i[6] || last_byte[12:6] < loaded_i;
    wire        complete   = !open_q || at_end || forward != FORWARD_BYTES[11:0];
    wire [11:0] match_end   = !open_q ? resume_q : at_end ? LAST_END[11:0] : grown[11:0];
    wire [11:0] match_start = start_q - back;

    // ---- sequences

    wire known  = !(match_q && open_q) || readable;
    wire finish = done_i && !match_q && !ended_q;
    wire leave  = match_q && complete;
    wire send   = leave || finish;

    assign can_run_o        = known && (!send || sequence_ready_i);
    assign sequence_valid_o = known && send && others_run_i;
    assign sequence_last_o  = !match_q;
    assign literal_start_o  = anchor_q;
    assign literal_length_o = (match_q ? {1'b0, match_start} : 13'd4096) - {1'b0, anchor_q};
    assign match_length_o   = match_end - match_start;
    assign match_offset_o   = offset_q;

    // ---- state

    wire take = found && (!match_q || leave);

    assign window_ready_o = covered || (choose && (!found || (take && !again)));

    always @(posedge clk_i) begin
        if (run_i && leave) begin
            match_q <= 1'b0;
            open_q <= 1'b0;
            resume_q <= match_end;
            anchor_q <= match_end;
        end else if (run_i && match_q) begin
            fresh_q <= 1'b0;
            start_q <= match_start;
            resume_q <= grown[11:0];
        end
        if (run_i && take) begin
            match_q <= 1'b1;
            open_q <= best == COMPARE_BYTES[LENGTH_BITS-1:0] && !clipped;
            fresh_q <= 1'b1;
            start_q <= start[11:0];
            offset_q <= start[11:0] - candidate;
            resume_q <= clipped ? LAST_END[11:0] : found_end[11:0];
        end
        if (run_i && finish) ended_q <= 1'b1;
        if (!rst_ni || clear_i) begin
            match_q <= 1'b0;
            open_q <= 1'b0;
            fresh_q <= 1'b0;
            ended_q <= 1'b0;
            start_q <= 12'd0;
            offset_q <= 12'd0;
            resume_q <= 12'd0;
            anchor_q <= 12'd0;
        end
    end

    wire unused = &{1'b0, last_byte[5:0], start[12]};
endmodule

`default_nettype wire
