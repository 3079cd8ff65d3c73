// SPDX-License-Identifier: MIT
// lz4_decompressor_copier: executes the parser's operations: literals and matches become the lines of a page.
//
// Handshake: operations and page beats by valid/ready; `op_ready_o` depends on registers and `page_ready_i` only.
//            `restart_i` forgets all.
// Latency:   two cycles from an operation to its bytes. An operation takes one step unless a match is longer than a step
//            can take; then one for every part of it.
//
// A step appends literals and match bytes at `position_q`, with PAIRS those of two sequences: 64 bytes at most, so that it
// completes at most one line. Two stages:
//
//     address: lengths, checks, read of two adjacent lines per match   |   merge: align, repeat, append
//
// The page so far lies in three places, and the merge stage sees each of them complete up to the step before:
//
//     line:   0 ............ n-2   |   n-1         |   n
//             memory               |   page_data_o |   current_q, then what this step has appended already
//
// A match that begins in line n-1 or n is taken from the registers (`near`), any other from memory. The memory is read
// one cycle before the merge, while line n-1 may just be on its way in: of a read that ends in line n-1 that part comes
// from `page_data_o` (`spill`). Nothing else can be stale: a step completes at most one line.
//
// A match that overlaps itself: its offset is the period of what it copies. Below 16 the pattern is laid out over the
// whole part. From 16 on a part ends where the pattern does, and the next step takes what this one has written.
//
// A second sequence (PAIRS) begins in the step in which the first one ends; parts are cut so that its literals always
// find room. Its source may be what this very step copies for the first: the merge appends one after the other.

`default_nettype none

module lz4_decompressor_copier #(
    parameter LITERALS = 8,  // of an operation, 1 .. 28
    parameter MATCH    = 8,  // match bytes in a step, 1 .. 16, or 64 with PAIRS
    parameter PAIRS    = 0   // 1: two sequences in a step
) (
    input  wire                  clk_i,
    input  wire                  restart_i,

    input  wire                  op_valid_i,
    output wire                  op_ready_o,
    input  wire [8*LITERALS-1:0] op_literals_i,
    input  wire [4:0]            op_literal_bytes_i,
    input  wire [3:0]            op_token_literals_i,
    input  wire                  op_match_i,
    input  wire                  op_continue_i,
    input  wire                  op_short_i,
    input  wire [15:0]           op_offset_i,
    input  wire [8:0]            op_match_bytes_i,
    input  wire                  op_final_i,
    input  wire                  op_error_i,

    input  wire                  op_second_i,
    input  wire [111:0]          op_second_literals_i,
    input  wire [3:0]            op_second_literal_bytes_i,
    input  wire                  op_second_short_i,
    input  wire [15:0]           op_second_offset_i,
    input  wire [8:0]            op_second_match_bytes_i,

    output reg                   page_valid_o,
    input  wire                  page_ready_i,
    output reg  [511:0]          page_data_o,
    output reg                   page_last_o,
    output reg                   error_o
);
    localparam MOST  = PAIRS != 0 ? 64 : LITERALS + MATCH;  // bytes of a step
    localparam SPACE = 64 + MOST;                           // a line and what a step may append behind it

    localparam [6:0] MOST_BYTES   = 64;
    localparam [6:0] MATCH_BYTES  = MATCH[6:0];
    localparam [6:0] FIRST_BYTES  = 48;  // of a first sequence that a second one follows: room for 14 literals and more
    localparam [6:0] SECOND_BYTES = 48;

    // What liblz4 asks of the end of a block (docs/decompressor.md)
    localparam [12:0] PAGE_BYTES       = 4096;
    localparam [12:0] LAST_MATCH_START = PAGE_BYTES - 12;
    localparam [12:0] LAST_MATCH_END   = PAGE_BYTES - 5;
    localparam [12:0] LAST_SHORTCUT    = PAGE_BYTES - 32;  // a short sequence from here on may break the rule above

    // What a part of a match may take: up to `most`, and no more than one period if that is 16 or more.
    function [6:0] part;
        input [6:0]  most;
        input [15:0] offset;
        part = offset >= 16'd16 && offset < {9'd0, most} ? offset[6:0] : most;
    endfunction

    // ---- address stage: one step of an operation

    reg [12:0] position_q;  // bytes decoded
    reg        resumed_q;   // in the midst of a match
    reg        second_q;    // it is that of the second sequence
    reg [8:0]  left_q;      // its bytes left
    reg        excused_q;   // it may end in the last five bytes
    reg [15:0] offset_q;
    reg        fault_q;     // the second sequence was faulty: the next step tells
    reg        stopped_q;   // final or faulty: nothing more

    wire        merge_ready;
    wire        step = (op_valid_i || fault_q) && merge_ready && !stopped_q;
    wire        idle_step = fault_q || resumed_q;  // without literals

    wire        two           = PAIRS != 0 && op_second_i && !second_q && !fault_q;
    wire        copies        = op_match_i && !fault_q;
    wire [4:0]  literal_bytes = idle_step ? 5'd0 : op_literal_bytes_i;
    wire [8:0]  match_left    = fault_q ? 9'd0 : resumed_q ? left_q : op_match_bytes_i;
    wire [15:0] offset        = op_continue_i || resumed_q ? offset_q : op_offset_i;
    wire [6:0]  match_most    = PAIRS == 0 ? MATCH_BYTES :
                                part((two ? FIRST_BYTES : MOST_BYTES) - {2'd0, literal_bytes}, offset);
    wire        match_ends    = match_left <= {2'd0, match_most};
    wire [6:0]  match_bytes   = match_ends ? match_left[6:0] : match_most;
    wire [12:0] literal_end   = position_q + {8'd0, literal_bytes};
    wire [12:0] match_end     = literal_end + {6'd0, match_bytes};
    wire        match_starts  = copies && !op_continue_i && !resumed_q;
    wire        excused       = resumed_q ? excused_q :
                                op_short_i && offset >= 16'd8 &&
                                literal_end <= LAST_SHORTCUT + {9'd0, op_token_literals_i};

    wire bad = fault_q || op_error_i ||
               (copies && (offset == 16'd0 || offset > {3'd0, literal_end})) ||
               (match_starts && literal_end > LAST_MATCH_START) ||
               (copies && !excused && match_end > LAST_MATCH_END) ||
               literal_end > PAGE_BYTES ||
               (op_final_i && literal_end != PAGE_BYTES);

    // The second sequence begins where the first one ends, if this step gets there.
    wire        second               = two && match_ends;
    wire [3:0]  second_literal_bytes = second ? op_second_literal_bytes_i : 4'd0;
    wire [6:0]  before_second        = {2'd0, literal_bytes} + match_bytes + {3'd0, second_literal_bytes};
    wire [6:0]  second_room          = MOST_BYTES - before_second;
    wire [6:0]  second_most          = part(second_room < SECOND_BYTES ? second_room : SECOND_BYTES, op_second_offset_i);
    wire        second_ends          = op_second_match_bytes_i <= {2'd0, second_most};
    wire [6:0]  second_bytes         = !second ? 7'd0 : second_ends ? op_second_match_bytes_i[6:0] : second_most;
    wire [12:0] second_start         = match_end + {9'd0, second_literal_bytes};
    wire [12:0] second_end           = second_start + {6'd0, second_bytes};
    wire        second_excused       = op_second_short_i && op_second_offset_i >= 16'd8 &&
                                       second_start <= LAST_SHORTCUT + {9'd0, op_second_literal_bytes_i};

    wire second_bad = second &&
                      (op_second_offset_i == 16'd0 || op_second_offset_i > {3'd0, second_start} ||
                       second_start > LAST_MATCH_START || (!second_excused && second_end > LAST_MATCH_END));
    wire second_runs = second && !second_bad;

    wire        ends = match_ends && (!second || second_ends);
    wire [12:0] end_position = second_runs ? second_end : match_end;

    assign op_ready_o = merge_ready && !stopped_q && ends;

    always @(posedge clk_i) begin
        if (step) begin
            position_q <= end_position;
            resumed_q  <= !ends;
            second_q   <= !ends && (second || second_q);
            left_q     <= second ? op_second_match_bytes_i - {2'd0, second_bytes} : match_left - {2'd0, match_bytes};
            excused_q  <= second ? second_excused : excused;
            offset_q   <= second ? op_second_offset_i : offset;
            fault_q    <= second_bad && !bad;
            stopped_q  <= bad || op_final_i;
        end
        if (restart_i) begin
            position_q <= 13'd0;
            resumed_q  <= 1'b0;
            second_q   <= 1'b0;
            fault_q    <= 1'b0;
            stopped_q  <= 1'b0;
        end
    end

    // Bytes are counted from the start of line n-1 for near matches, from the start of the page for the others.
    wire [7:0]  near_end   = 8'd64 + {2'd0, position_q[5:0]} + {3'd0, literal_bytes};
    wire        near       = offset <= {8'd0, near_end};
    wire [7:0]  near_start = near_end - offset[7:0];
    wire [11:0] far_start  = literal_end[11:0] - offset[11:0];
    wire [5:0]  far_line   = far_start[11:6];
    wire [5:0]  next_line  = far_line + 6'd1;

    // ---- memory: completed lines, in two banks so that two adjacent lines are read at once

    wire         complete;
    wire [5:0]   merge_line;
    wire [511:0] line;
    wire [511:0] even_read, odd_read;

    lz4_decompressor_history u_history (
        .clk_i(clk_i),
        .write_i(complete),
        .write_line_i(merge_line),
        .write_data_i(line),
        .read_i(step && copies && !near),
        .read_even_row_i(next_line[5:1]),
        .read_odd_row_i(far_line[5:1]),
        .read_even_o(even_read),
        .read_odd_o(odd_read)
    );

    // ---- merge stage

    reg                valid_q, near_q, spill_q, odd_first_q, completes_q, page_ends_q, final_q, bad_q;
    reg [8*LITERALS-1:0] literals_q;
    reg [4:0]          literal_bytes_q;
    reg [6:0]          match_bytes_q;
    reg [3:0]          period_q;         // of a match that overlaps itself, 0: none below 16
    reg [5:0]          line_q, fill_q;   // where the step begins: line, byte
    reg [7:0]          near_start_q;
    reg [5:0]          far_byte_q;

    always @(posedge clk_i) begin
        if (merge_ready) valid_q <= step;
        if (step) begin
            literals_q      <= op_literals_i;
            literal_bytes_q <= literal_bytes;
            match_bytes_q   <= match_bytes;
            period_q        <= offset < 16'd16 ? offset[3:0] : 4'd0;
            line_q          <= position_q[11:6];
            fill_q          <= position_q[5:0];
            near_q          <= near;
            near_start_q    <= near_start;
            spill_q         <= next_line + 6'd1 == position_q[11:6];
            odd_first_q     <= far_line[0];
            far_byte_q      <= far_start[5:0];
            completes_q     <= end_position[12:6] != position_q[12:6] && !bad;
            page_ends_q     <= end_position == PAGE_BYTES;
            final_q         <= op_final_i && !bad;
            bad_q           <= bad;
        end
        if (restart_i) valid_q <= 1'b0;
    end

    reg  [511:0] current_q;  // line n so far, zeros behind

    wire stall = page_valid_o && !page_ready_i && (completes_q || bad_q);  // the output register is still needed
    wire merge = valid_q && !stall;

    assign merge_ready = !valid_q || !stall;
    assign complete    = merge && completes_q;
    assign merge_line  = line_q;

    reg [8*LITERALS-1:0]      literals;
    reg [8*MATCH-1:0]         raw;
    reg [8*(64+LITERALS)-1:0] with_literals;
    reg [8*SPACE-1:0]         with_match;
    reg [1023:0]              far_lines;
    wire [8*MATCH-1:0]        match;

    // line n-1, line n with the literals; behind them only bytes that the match itself will fill
    wire [8*(128+LITERALS+MATCH)-1:0] near_bytes = {{8*MATCH{1'b0}}, with_literals, page_data_o};

    always @* begin
        literals      = {8*LITERALS{1'b0}};
        with_literals = {{8*LITERALS{1'b0}}, current_q};
        far_lines     = 1024'd0;
        raw           = {8*MATCH{1'b0}};
        if (valid_q && literal_bytes_q != 5'd0) begin
            literals      = literals_q & ~({8*LITERALS{1'b1}} << {literal_bytes_q, 3'd0});
            with_literals = with_literals | ({512'd0, literals} << {fill_q, 3'd0});
        end
        if (valid_q && match_bytes_q != 7'd0) begin
            if (near_q)
                raw = near_bytes[{24'd0, near_start_q} * 8 +: 8*MATCH];
            else begin
                far_lines[511:0]    = odd_first_q ? odd_read : even_read;
                far_lines[1023:512] = spill_q ? page_data_o : odd_first_q ? even_read : odd_read;
                raw = far_lines[{26'd0, far_byte_q} * 8 +: 8*MATCH];
            end
        end
    end

    always @* begin
        with_match = {{8*(SPACE-64-LITERALS){1'b0}}, with_literals};
        if (valid_q && match_bytes_q != 7'd0)
            with_match = with_match
                         | ({{8*(SPACE-MATCH){1'b0}}, match} << {{2'd0, fill_q} + {3'd0, literal_bytes_q}, 3'd0});
    end

    lz4_decompressor_pattern #(
        .BYTES(MATCH)
    ) u_pattern (
        .data_i(raw),
        .period_i(period_q),
        .bytes_i(match_bytes_q),
        .data_o(match)
    );

    // ---- the second sequence of the step: the same again behind the first one, from a memory of its own

    wire [8*SPACE-1:0] appended;

    generate
        if (PAIRS != 0) begin : gen_second
            wire [7:0]  start_near = 8'd64 + {2'd0, position_q[5:0]} + {1'b0, before_second};
            wire        is_near    = op_second_offset_i <= {8'd0, start_near};
            wire [11:0] start_far  = second_start[11:0] - op_second_offset_i[11:0];
            wire [5:0]  first_line = start_far[11:6];
            wire [5:0]  line_after = first_line + 6'd1;

            wire [511:0] even, odd;

            lz4_decompressor_history u_history_of_second (
                .clk_i(clk_i),
                .write_i(complete),
                .write_line_i(merge_line),
                .write_data_i(line),
                .read_i(step && second && !is_near),
                .read_even_row_i(line_after[5:1]),
                .read_odd_row_i(first_line[5:1]),
                .read_even_o(even),
                .read_odd_o(odd)
            );

            reg          runs_q, is_near_q, spills_q, odd_line_first_q;
            reg [111:0]  its_literals_q;
            reg [3:0]    its_literal_bytes_q, its_period_q;
            reg [6:0]    its_bytes_q;
            reg [6:0]    behind_first_q;  // from the start of line n to its literals
            reg [6:0]    behind_q;        // and to its match
            reg [7:0]    start_near_q;
            reg [5:0]    start_byte_q;

            always @(posedge clk_i)
                if (step) begin
                    runs_q              <= second_runs;
                    its_literals_q      <= op_second_literals_i;
                    its_literal_bytes_q <= second_literal_bytes;
                    its_bytes_q         <= second_bytes;
                    its_period_q        <= op_second_offset_i < 16'd16 ? op_second_offset_i[3:0] : 4'd0;
                    behind_first_q      <= {1'b0, position_q[5:0]} + {2'd0, literal_bytes} + match_bytes;
                    behind_q            <= {1'b0, position_q[5:0]} + before_second;
                    is_near_q           <= is_near;
                    start_near_q        <= start_near - op_second_offset_i[7:0];
                    spills_q            <= line_after + 6'd1 == position_q[11:6];
                    odd_line_first_q    <= first_line[0];
                    start_byte_q        <= start_far[5:0];
                end

            reg [111:0]       its_literals;
            reg [8*SPACE-1:0] behind_literals, behind_match;
            reg [1023:0]      its_lines;
            reg [8*MATCH-1:0] its_raw;
            wire [8*MATCH-1:0] its_match;

            lz4_decompressor_pattern #(
                .BYTES(MATCH)
            ) u_pattern_of_second (
                .data_i(its_raw),
                .period_i(its_period_q),
                .bytes_i(its_bytes_q),
                .data_o(its_match)
            );

            wire [8*(64+SPACE+MATCH)-1:0] around = {{8*MATCH{1'b0}}, behind_literals, page_data_o};

            always @* begin
                its_literals    = 112'd0;
                behind_literals = with_match;
                its_lines       = 1024'd0;
                its_raw         = {8*MATCH{1'b0}};
                if (valid_q && runs_q) begin
                    its_literals    = its_literals_q & ~({112{1'b1}} << {its_literal_bytes_q, 3'd0});
                    behind_literals = with_match | ({{8*SPACE-112{1'b0}}, its_literals} << {behind_first_q, 3'd0});
                    if (is_near_q)
                        its_raw = around[{24'd0, start_near_q} * 8 +: 8*MATCH];
                    else begin
                        its_lines[511:0]    = odd_line_first_q ? odd : even;
                        its_lines[1023:512] = spills_q ? page_data_o : odd_line_first_q ? even : odd;
                        its_raw = its_lines[{26'd0, start_byte_q} * 8 +: 8*MATCH];
                    end
                end
            end

            always @* begin
                behind_match = behind_literals;
                if (valid_q && runs_q)
                    behind_match = behind_match | ({{8*(SPACE-MATCH){1'b0}}, its_match} << {behind_q, 3'd0});
            end

            assign appended = behind_match;
        end else begin : gen_first_only
            assign appended = with_match;

            wire unused = &{1'b0, op_second_literals_i};
        end
    endgenerate

    assign line = appended[511:0];

    always @(posedge clk_i) begin
        if (page_ready_i) page_valid_o <= 1'b0;
        if (merge) begin
            if (!completes_q)
                current_q <= line;
            else begin
                current_q   <= {{8*(128-SPACE){1'b0}}, appended[512 +: 8*MOST]};
                page_data_o <= line;
            end
            // The last line waits until the block has been checked to its end.
            if (final_q || (completes_q && !page_ends_q)) page_valid_o <= 1'b1;
            page_last_o <= final_q;
            if (bad_q) error_o <= 1'b1;
        end
        if (restart_i) begin
            current_q    <= 512'd0;
            page_valid_o <= 1'b0;
            error_o      <= 1'b0;
        end
    end
endmodule

`default_nettype wire
