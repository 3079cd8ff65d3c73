// lz4_decompressor_copier: executes the parser's operations: literals and matches become the lines of a page.
//
// Handshake: operations and page beats by valid/ready; `op_ready_o` depends on registers only. `restart_i` forgets all.
// Latency:   two cycles from an operation to its bytes. An operation with a match of more than BYTES_PER_CYCLE bytes takes
//            one step for every BYTES_PER_CYCLE of them, any other one step.
//
// A step appends up to BYTES_PER_CYCLE literals and up to BYTES_PER_CYCLE match bytes at `position_q`. Two stages:
//
//     address: lengths, checks, read of two adjacent lines   |   merge: align, replicate, append
//
// The page so far lies in three places, and the merge stage sees each of them complete up to the step before:
//
//     line:   0 ............ n-2   |   n-1         |   n
//             memory               |   page_data_o |   current_q, then this step's literals
//
// A match that begins in line n-1 or n is taken from the registers (`near`), any other from memory. The memory is read
// one cycle before the merge, while line n-1 may just be on its way in: of a read that ends in line n-1 that part comes
// from `page_data_o` (`spill`). Nothing else can be stale: a step completes at most one line.

module lz4_decompressor_copier #(
    parameter BYTES_PER_CYCLE = 8
) (
    input              clk_i,
    input              restart_i,

    input              op_valid_i,
    output             op_ready_o,
    input  [8*BYTES_PER_CYCLE-1:0] op_literals_i,
    input      [4:0]   op_literal_bytes_i,
    input      [3:0]   op_token_literals_i,
    input              op_match_i,
    input              op_continue_i,
    input              op_short_i,
    input      [15:0]  op_offset_i,
    input      [8:0]   op_match_bytes_i,
    input              op_final_i,
    input              op_error_i,

    output reg         page_valid_o,
    input              page_ready_i,
    output reg [511:0] page_data_o,
    output reg         page_last_o,
    output reg         error_o
);
    localparam WIDTH = BYTES_PER_CYCLE;
    localparam [8:0]  WIDTH_BYTES = WIDTH[8:0];
    localparam [15:0] WIDTH_OFFSET = WIDTH[15:0];

    // What liblz4 asks of the end of a block (docs/decompressor.md)
    localparam [12:0] PAGE_BYTES         = 4096;
    localparam [12:0] LAST_MATCH_START   = PAGE_BYTES - 12;
    localparam [12:0] LAST_MATCH_END     = PAGE_BYTES - 5;
    localparam [12:0] LAST_SHORTCUT      = PAGE_BYTES - 32;  // a short sequence from here on may break the rule above

    // ---- address stage: one step of an operation

    reg [12:0] position_q;  // bytes decoded
    reg        resumed_q;   // in the midst of a match
    reg [8:0]  left_q;      // its bytes left
    reg        excused_q;   // it may end in the last five bytes
    reg [15:0] offset_q;
    reg        stopped_q;   // final or faulty: nothing more

    wire        merge_ready;
    wire        step = op_valid_i && merge_ready && !stopped_q;

    wire [4:0]  literal_bytes = resumed_q ? 5'd0 : op_literal_bytes_i;
    wire [8:0]  match_left    = resumed_q ? left_q : op_match_bytes_i;
    wire        match_ends    = match_left <= WIDTH_BYTES;
    wire [4:0]  match_bytes   = match_ends ? match_left[4:0] : WIDTH_BYTES[4:0];
    wire [15:0] offset        = op_continue_i ? offset_q : op_offset_i;
    wire [12:0] literal_end   = position_q + {8'd0, literal_bytes};
    wire [12:0] match_end     = literal_end + {8'd0, match_bytes};
    wire        match_starts  = op_match_i && !op_continue_i && !resumed_q;
    wire        excused       = resumed_q ? excused_q :
                                op_short_i && offset >= 16'd8 &&
                                literal_end <= LAST_SHORTCUT + {9'd0, op_token_literals_i};

    wire bad = op_error_i ||
               (op_match_i && (offset == 16'd0 || offset > {3'd0, literal_end})) ||
               (match_starts && literal_end > LAST_MATCH_START) ||
               (op_match_i && !excused && match_end > LAST_MATCH_END) ||
               literal_end > PAGE_BYTES ||
               (op_final_i && literal_end != PAGE_BYTES);

    assign op_ready_o = merge_ready && !stopped_q && match_ends;

    always @(posedge clk_i) begin
        if (step) begin
            position_q <= match_end;
            resumed_q  <= !match_ends;
            left_q     <= match_left - WIDTH_BYTES;
            excused_q  <= excused;
            offset_q   <= offset;
            stopped_q  <= bad || op_final_i;
        end
        if (restart_i) begin
            position_q <= 13'd0;
            resumed_q  <= 1'b0;
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

    reg [511:0] even_q [0:31];
    reg [511:0] odd_q [0:31];
    reg [511:0] even_read_q, odd_read_q;

    wire       complete;
    wire [5:0] merge_line;
    wire [511:0] line;

    always @(posedge clk_i) begin
        if (step && op_match_i && !near) begin
            even_read_q <= even_q[next_line[5:1]];
            odd_read_q  <= odd_q[far_line[5:1]];
        end
        if (complete && !merge_line[0]) even_q[merge_line[5:1]] <= line;
        if (complete && merge_line[0]) odd_q[merge_line[5:1]] <= line;
    end

    // ---- merge stage

    reg                valid_q, near_q, spill_q, odd_first_q, completes_q, page_ends_q, final_q, bad_q;
    reg [8*WIDTH-1:0]  literals_q;
    reg [4:0]          literal_bytes_q, match_bytes_q, period_q;
    reg [5:0]          line_q, fill_q;   // where the step begins: line, byte
    reg [7:0]          near_start_q;
    reg [5:0]          far_byte_q;

    always @(posedge clk_i) begin
        if (merge_ready) valid_q <= step;
        if (step) begin
            literals_q      <= op_literals_i;
            literal_bytes_q <= literal_bytes;
            match_bytes_q   <= match_bytes;
            period_q        <= offset < WIDTH_OFFSET ? offset[4:0] : 5'd0;  // 0: no overlap with itself
            line_q          <= position_q[11:6];
            fill_q          <= position_q[5:0];
            near_q          <= near;
            near_start_q    <= near_start;
            spill_q         <= next_line + 6'd1 == position_q[11:6];
            odd_first_q     <= far_line[0];
            far_byte_q      <= far_start[5:0];
            completes_q     <= match_end[12:6] != position_q[12:6] && !bad;
            page_ends_q     <= match_end == PAGE_BYTES;
            final_q         <= op_final_i && !bad;
            bad_q           <= bad;
        end
        if (restart_i) valid_q <= 1'b0;
    end

    reg  [511:0] current_q;  // line n so far, zeros behind

    wire stall = page_valid_o && (completes_q || bad_q);  // the output register is still needed
    wire merge = valid_q && !stall;

    assign merge_ready = !valid_q || !stall;
    assign complete    = merge && completes_q;
    assign merge_line  = line_q;

    reg [8*WIDTH-1:0]      literals, raw, match;
    reg [8*(64+WIDTH)-1:0]   with_literals;
    reg [8*(64+2*WIDTH)-1:0] with_match;
    reg [1023:0]           far_lines;

    // The first `bytes` bytes of a vector, zeros behind.
    function [8*WIDTH-1:0] first;
        input [8*WIDTH-1:0] vector;
        input [4:0]         bytes;
        first = vector & ~({8*WIDTH{1'b1}} << {bytes, 3'd0});
    endfunction

    // The first `period` bytes of a vector, over and over.
    function [8*WIDTH-1:0] repeated;
        input [8*WIDTH-1:0] vector;
        input [4:0]         period;
        begin
            repeated = first(vector, period);
            repeated = repeated | (repeated << {period, 3'd0});
            if (WIDTH > 2) repeated = repeated | (repeated << {period, 4'd0});
            if (WIDTH > 4) repeated = repeated | (repeated << {period, 5'd0});
            if (WIDTH > 8) repeated = repeated | (repeated << {period, 6'd0});
        end
    endfunction

    always @* begin
        literals      = {8*WIDTH{1'b0}};
        with_literals = {{8*WIDTH{1'b0}}, current_q};
        far_lines     = 1024'd0;
        raw           = {8*WIDTH{1'b0}};
        match         = {8*WIDTH{1'b0}};
        if (valid_q && literal_bytes_q != 5'd0) begin
            literals      = first(literals_q, literal_bytes_q);
            with_literals = with_literals | ({512'd0, literals} << {fill_q, 3'd0});
        end
        with_match = {{8*WIDTH{1'b0}}, with_literals};
        if (valid_q && match_bytes_q != 5'd0) begin
            if (near_q)
                raw = near_bytes[{24'd0, near_start_q} * 8 +: 8*WIDTH];
            else begin
                far_lines[511:0]    = odd_first_q ? odd_read_q : even_read_q;
                far_lines[1023:512] = spill_q ? page_data_o : odd_first_q ? even_read_q : odd_read_q;
                raw = far_lines[{26'd0, far_byte_q} * 8 +: 8*WIDTH];
            end
            match = first(period_q == 5'd0 ? raw : repeated(raw, period_q), match_bytes_q);
            with_match = with_match | ({{8*(64+WIDTH){1'b0}}, match} << {{2'd0, fill_q} + {3'd0, literal_bytes_q}, 3'd0});
        end
    end

    // line n-1, line n with the literals; behind them only bytes that the match itself will fill
    wire [8*(128+2*WIDTH)-1:0] near_bytes = {{8*WIDTH{1'b0}}, with_literals, page_data_o};

    assign line = with_match[511:0];

    always @(posedge clk_i) begin
        if (page_ready_i) page_valid_o <= 1'b0;
        if (merge) begin
            if (!completes_q)
                current_q <= with_match[511:0];
            else begin
                current_q   <= {{512-16*WIDTH{1'b0}}, with_match[512 +: 16*WIDTH]};
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
