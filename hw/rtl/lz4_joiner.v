// SPDX-License-Identifier: MIT
// lz4_joiner: joins matches that go on with each other: of one offset, the second one touches the first.
//
// Handshake: matches come and leave in order, one a cycle at most, and nobody can refuse them. After those of a page
//            `last_i` comes, later than the last match or with it, and one with `match_last_o` alone leaves. `clear_i`
//            starts over.
// Latency:   3 cycles from a match to the one that does not go on with it, which lets it leave.
//
// A match starts where the one before ended at the earliest: bytes that it has before that are those of the other.

`default_nettype none

module lz4_joiner (
    input  wire        clk_i,
    input  wire        rst_ni,
    input  wire        clear_i,

    input  wire        valid_i,
    input  wire        last_i,
    input  wire [11:0] start_i,
    input  wire [11:0] end_i,
    input  wire [11:0] offset_i,
    input  wire        open_i,

    output reg         match_valid_o,
    output reg         match_last_o,    // no match, but the end of the page
    output reg  [11:0] match_start_o,
    output reg  [11:0] match_end_o,
    output reg  [11:0] match_offset_o,
    output reg         match_open_o     // the byte at its end was not compared
);
    // ---- 1: does it touch the match before, does it go on with it?

    reg        any1_q, joins1_q, open1_q, last1_q;
    reg [11:0] start1_q, end1_q, offset1_q;  // of the last match

    wire touches = end1_q >= start_i;

    always @(posedge clk_i) begin
        any1_q  <= valid_i;
        last1_q <= last_i;
        if (valid_i) begin
            joins1_q  <= touches && offset1_q == offset_i;
            start1_q  <= touches ? end1_q : start_i;
            end1_q    <= end_i;
            offset1_q <= offset_i;
            open1_q   <= open_i;
        end
        if (!rst_ni || clear_i) begin
            any1_q    <= 1'b0;
            last1_q   <= 1'b0;
            end1_q    <= 12'd0;
            offset1_q <= 12'd0;
        end
    end

    // ---- 2: the match that others may go on with; 3: one that none has gone on with

    reg        kept_q, finish_q;
    reg [11:0] start2_q, end2_q, offset2_q;
    reg        open2_q;

    always @(posedge clk_i) begin
        match_valid_o  <= (any1_q && !joins1_q && kept_q) || finish_q;
        match_last_o   <= finish_q && !kept_q;
        match_start_o  <= start2_q;
        match_end_o    <= end2_q;
        match_offset_o <= offset2_q;
        match_open_o   <= open2_q;
        if (any1_q) begin
            kept_q  <= 1'b1;
            end2_q  <= end1_q;
            open2_q <= open1_q;
            if (!joins1_q) begin
                start2_q  <= start1_q;
                offset2_q <= offset1_q;
            end
        end
        if (last1_q) finish_q <= 1'b1;
        if (finish_q) begin
            kept_q   <= 1'b0;
            finish_q <= kept_q;
        end
        if (!rst_ni || clear_i) begin
            kept_q        <= 1'b0;
            finish_q      <= 1'b0;
            match_valid_o <= 1'b0;
        end
    end
endmodule

`default_nettype wire
