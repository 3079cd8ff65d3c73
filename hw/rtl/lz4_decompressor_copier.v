// SPDX-License-Identifier: MIT
// lz4_decompressor_copier: executes steps: literals and matches become lines of 16 bytes, and four of them a page beat.
//
// Handshake: a step is taken when `go_o` is high; page beats by valid/ready. `go_o` depends on registers and
//            `page_ready_i` only. `restart_i` forgets all.
// Latency:   three cycles from a step to its bytes.
//
// A byte of the page lies in lane `position mod 16` of its line, and so it does in every register on the way. A step
// appends 16 bytes at most: it completes at most one line. Three stages:
//
//     address: where? read the history  |  align: rotate literals, choose lanes, judge  |  merge: rotate match, append
//
// The page so far lies in these places when a step is in the merge stage:
//
//     line:   0 ............ n-3  |  n-2        |  n-1       |  n
//             history             |  before_q   |  last_q    |  line_q, a part of it
//
// The history is read two cycles before, when the two steps ahead were not yet merged: they complete lines n-1 and n-2
// at the latest, which are taken from the registers. So what is read while it is written is never used.

`default_nettype none

module lz4_decompressor_copier (
    input  wire         clk_i,
    input  wire         restart_i,

    input  wire         step_valid_i,
    output wire         go_o,
    input  wire [127:0] step_literals_i,
    input  wire [3:0]   step_lane_i,
    input  wire [4:0]   step_literal_bytes_i,
    input  wire [3:0]   step_token_literals_i,
    input  wire [4:0]   step_match_bytes_i,
    input  wire [9:0]   step_reach_i,
    input  wire         step_copies_i,
    input  wire         step_starts_i,
    input  wire         step_reaches_i,
    input  wire         step_short_i,
    input  wire [15:0]  step_offset_i,
    input  wire         step_pattern_i,
    input  wire         step_final_i,
    input  wire         step_error_i,

    output reg          page_valid_o,
    input  wire         page_ready_i,
    output reg  [511:0] page_data_o,
    output reg          page_last_o,
    output reg          error_o
);
    // What liblz4 asks of the end of a block (docs/decompressor.md)
    localparam [12:0] PAGE_BYTES       = 4096;
    localparam [12:0] LAST_MATCH_START = PAGE_BYTES - 12;
    localparam [12:0] LAST_MATCH_END   = PAGE_BYTES - 5;
    localparam [12:0] LAST_SHORTCUT    = PAGE_BYTES - 32;  // a short sequence from here on may break the rule above

    integer n;

    // ---- address

    reg         at_valid_q;
    reg [127:0] at_literals_q;
    reg [3:0]   at_lane_q, at_token_q;
    reg [4:0]   at_literal_bytes_q, at_bytes_q;
    reg [9:0]   at_reach_q;
    reg [11:0]  at_back_q, at_back_line_q;  // from the position to the source, and to the line behind it
    reg [15:0]  at_offset_q;
    reg         at_copies_q, at_starts_q, at_reaches_q, at_short_q, at_pattern_q, at_final_q, at_error_q;

    reg [12:0] position_q;  // bytes decoded

    wire [12:0] literal_end = position_q + {8'd0, at_literal_bytes_q};
    wire [12:0] step_end    = position_q + {8'd0, at_bytes_q};
    wire [12:0] reach       = position_q + {3'd0, at_reach_q};
    wire [11:0] source      = position_q[11:0] + at_back_q;
    wire [11:0] source_line = position_q[11:0] + at_back_line_q;  // its upper bits

    wire [11:0] back = {7'd0, step_literal_bytes_i} - step_offset_i[11:0];

    always @(posedge clk_i) begin
        if (go_o) begin
            at_valid_q         <= step_valid_i;
            at_literals_q      <= step_literals_i;
            at_lane_q          <= step_lane_i;
            at_token_q         <= step_token_literals_i;
            at_literal_bytes_q <= step_literal_bytes_i;
            at_bytes_q         <= step_literal_bytes_i + step_match_bytes_i;
            at_reach_q         <= step_reach_i;
            at_back_q          <= back;
            at_back_line_q     <= back + 12'd16;
            at_offset_q        <= step_offset_i;
            at_copies_q        <= step_copies_i;
            at_starts_q        <= step_starts_i;
            at_reaches_q       <= step_reaches_i;
            at_short_q         <= step_short_i;
            at_pattern_q       <= step_pattern_i;
            at_final_q         <= step_final_i;
            at_error_q         <= step_error_i;
        end
        if (restart_i) at_valid_q <= 1'b0;
    end

    wire [127:0] even, odd;
    wire         complete;     // merge stage: a line is full
    wire [127:0] merged;
    reg  [7:0]   number_q;     // of the line that is being filled there

    lz4_decompressor_history u_history (
        .clk_i(clk_i),
        .write_i(complete),
        .write_line_i(number_q),
        .write_data_i(merged),
        .read_i(go_o && at_valid_q),
        .even_row_i(source_line[11:5]),
        .odd_row_i(source[11:5]),
        .even_o(even),
        .odd_o(odd)
    );

    wire unused = &{1'b0, source_line[4:0]};

    // ---- align

    reg         valid_q;
    reg [127:0] literals_q;
    reg [3:0]   turn_q;         // lanes that the literals move up
    reg [3:0]   token_q;
    reg [12:0]  literal_end_q, end_q, reach_q;
    reg [11:0]  start_q, source_q;
    reg         completes_line_q;
    reg [15:0]  offset_q;
    reg         copies_q, starts_q, reaches_q, short_q, pattern_q, final_q, error_q;

    always @(posedge clk_i) begin
        if (go_o) begin
            valid_q       <= at_valid_q;
            literals_q    <= at_literals_q;
            turn_q        <= position_q[3:0] - at_lane_q;
            token_q       <= at_token_q;
            start_q       <= position_q[11:0];
            literal_end_q <= literal_end;
            end_q         <= step_end;
            completes_line_q <= step_end[4] != position_q[4];
            reach_q       <= reach;
            source_q      <= source;
            offset_q      <= at_offset_q;
            copies_q      <= at_copies_q;
            starts_q      <= at_starts_q;
            reaches_q     <= at_reaches_q;
            short_q       <= at_short_q;
            pattern_q     <= at_pattern_q;
            final_q       <= at_final_q;
            error_q       <= at_error_q;
            if (at_valid_q) position_q <= step_end;
        end
        if (restart_i) begin
            valid_q    <= 1'b0;
            position_q <= 13'd0;
        end
    end

    wire excused = short_q && offset_q >= 16'd8 && literal_end_q <= LAST_SHORTCUT + {9'd0, token_q};

    wire bad = error_q ||
               (copies_q && (offset_q == 16'd0 || offset_q > {3'd0, literal_end_q})) ||
               (starts_q && literal_end_q > LAST_MATCH_START) ||
               (reaches_q && !excused && reach_q > LAST_MATCH_END) ||
               end_q > PAGE_BYTES ||
               (final_q && literal_end_q != PAGE_BYTES);

    wire [127:0] turned;

    lz4_decompressor_rotator u_turn (
        .data_i(literals_q),
        .distance_i({16{turn_q}}),
        .data_o(turned)
    );

    // Of the source the lanes from its first byte on are in one line, those below in the one behind it.
    localparam [1:0] LINE = 2'd0, LAST = 2'd1, BEFORE = 2'd2, HISTORY = 2'd3;

    wire [7:0] away      = start_q[11:4] - source_q[11:4];
    wire [1:0] from_line = away >= 8'd3 ? HISTORY : away[1:0];
    wire [1:0] from_next = away >= 8'd4 ? HISTORY : away[1:0] - 2'd1;
    wire       wraps     = literal_end_q[4] != start_q[4];  // the literals go round the end of the line
    wire [3:0] mask      = offset_q[3:0] - 4'd1;              // of a pattern

    reg [15:0]  is_upper, is_literal, is_kept;
    reg [31:0]  origin;
    reg [63:0]  distance;
    reg [127:0] stored;

    always @* begin
        for (n = 0; n < 16; n = n + 1) begin
            is_upper[n]   = n[3:0] >= source_q[3:0];
            is_kept[n]    = n[3:0] < start_q[3:0];
            is_literal[n] = wraps ? !is_kept[n] || n[3:0] < literal_end_q[3:0] : !is_kept[n] && n[3:0] < literal_end_q[3:0];
            origin[n*2 +: 2]   = is_upper[n] ? from_line : from_next;
            distance[n*4 +: 4] = pattern_q ? ((n[3:0] - literal_end_q[3:0]) | mask) + 4'd1 : offset_q[3:0];
            stored[n*8 +: 8]   = is_upper[n] != source_q[4] ? even[n*8 +: 8] : odd[n*8 +: 8];
        end
    end

    // ---- merge

    reg         merges_q;
    reg [127:0] stored_q, turned_q;
    reg [31:0]  origin_q;
    reg [63:0]  distance_q;
    reg [15:0]  is_literal_q, is_kept_q, is_kept_next_q;
    reg         completes_q, last_line_q, ends_q, bad_q;
    reg         stopped_q;       // final or faulty: nothing more

    reg [127:0] line_q, last_q, before_q;

    reg  [127:0] sources, next_line;
    wire [127:0] match;
    reg  [127:0] appended;

    // A beat that is still offered would be overwritten, or overtaken by an error.
    assign go_o     = !(merges_q && (completes_q || bad_q) && page_valid_o && !page_ready_i);
    assign complete = merges_q && !stopped_q && completes_q && !bad_q && go_o;

    always @(posedge clk_i) begin
        if (go_o) begin
            merges_q       <= valid_q;
            stored_q       <= stored;
            turned_q       <= turned;
            origin_q       <= origin;
            distance_q     <= distance;
            is_literal_q   <= is_literal;
            is_kept_q      <= is_kept;
            is_kept_next_q <= completes_line_q ? 16'd0 : is_kept;
            completes_q    <= completes_line_q;
            number_q       <= start_q[11:4];
            last_line_q    <= start_q[11:4] == 8'd255;
            ends_q         <= final_q;
            bad_q          <= bad;
        end
        if (restart_i) merges_q <= 1'b0;
    end

    always @* begin
        for (n = 0; n < 16; n = n + 1)
            case (origin_q[n*2 +: 2])
                LINE:    sources[n*8 +: 8] = line_q[n*8 +: 8];
                LAST:    sources[n*8 +: 8] = last_q[n*8 +: 8];
                BEFORE:  sources[n*8 +: 8] = before_q[n*8 +: 8];
                default: sources[n*8 +: 8] = stored_q[n*8 +: 8];
            endcase
    end

    lz4_decompressor_rotator u_match (
        .data_i(sources),
        .distance_i(distance_q),
        .data_o(match)
    );

    always @* begin
        for (n = 0; n < 16; n = n + 1) begin
            appended[n*8 +: 8] = is_literal_q[n] ? turned_q[n*8 +: 8] : match[n*8 +: 8];
            next_line[n*8 +: 8] = is_kept_next_q[n] ? line_q[n*8 +: 8] : appended[n*8 +: 8];
        end
    end

    reg [127:0] full_line;

    always @* for (n = 0; n < 16; n = n + 1)
        full_line[n*8 +: 8] = is_kept_q[n] ? line_q[n*8 +: 8] : appended[n*8 +: 8];

    assign merged = full_line;

    always @(posedge clk_i) begin
        if (page_ready_i) page_valid_o <= 1'b0;
        if (merges_q && go_o && !stopped_q) begin
            line_q <= next_line;
            if (complete) begin
                last_q   <= merged;
                before_q <= last_q;
                page_data_o[{30'd0, number_q[1:0]} * 128 +: 128] <= merged;
            end
            // The last beat waits until the block has been checked to its end.
            if (!bad_q && (ends_q || (completes_q && number_q[1:0] == 2'd3 && !last_line_q))) page_valid_o <= 1'b1;
            page_last_o <= ends_q;
            stopped_q   <= ends_q || bad_q;
            if (bad_q) error_o <= 1'b1;
        end
        if (restart_i) begin
            page_valid_o <= 1'b0;
            error_o      <= 1'b0;
            stopped_q    <= 1'b0;
        end
    end
endmodule

`default_nettype wire
