// SPDX-License-Identifier: MIT
// lz4_grower: lets open matches grow to their end, cuts those that others have grown over, and makes sequences.
//
// Handshake: a match a cycle at most; nobody can refuse it, but `hold_o` asks for no more windows: MARGIN matches may
//            still come. Sequences leave by valid/ready; the last one has no match. `clear_i` starts over.
// Latency:   14 cycles from a match to its sequence.
//
//     fifo | entrance | addresses | 5 of two page copies | equal bytes | how many | end | fifo | cut | lengths | sequence
//
// Every match passes with the 16 bytes behind its end, whether it is open or not: one a cycle. One of which all of them
// are equal waits at the cut, while the next bytes are read, 16 a cycle, until some differ. Then no match enters the
// pipeline, and those at its entrance that do not reach beyond the long one are dropped.
//
// Cut. What an earlier match has covered is taken from the start of a match. One that had not 4 bytes left before it
// grew is dropped, and one whose rest would start in the last 12 bytes of the page.

`default_nettype none

module lz4_grower #(
    parameter MARGIN = 40
) (
    input  wire        clk_i,
    input  wire        rst_ni,
    input  wire        clear_i,
    output reg         hold_o,

    input  wire        word_valid_i,
    input  wire [8:0]  word_number_i,
    input  wire [63:0] word_data_i,

    input  wire        match_valid_i,
    input  wire        match_last_i,
    input  wire [11:0] match_start_i,
    input  wire [11:0] match_end_i,
    input  wire [11:0] match_offset_i,
    input  wire        match_open_i,

    output reg         sequence_valid_o,
    input  wire        sequence_ready_i,
    output reg         sequence_last_o,     // literals only
    output reg  [11:0] literal_start_o,
    output reg  [12:0] literal_length_o,
    output reg  [11:0] match_length_o,
    output reg  [11:0] match_offset_o
);
    localparam [11:0] LAST_START = 12'd4084;  // LZ4 block format, end of block: no match starts later,
    localparam [11:0] LAST_END   = 12'd4091;  // and the last five bytes are literals
    localparam        WAITING    = 64;        // matches that find room at the entrance
    localparam        LEVEL      = WAITING - MARGIN;

    // ---- entrance

    wire        waiting_valid, waiting_take;
    wire [37:0] waiting;
    wire        entry_take;
    reg         entry_valid;
    reg  [37:0] entry_q;        // last, open, start, end, offset
    reg  [9:0]  entry_needs_q;  // words that must be there: bytes behind an end need the two behind the one it lies in
    wire        unused_ready;
    reg  [6:0]  level_q;

    wire        entry_last = entry_q[37];
    wire [11:0] entry_end  = entry_q[23:12];

    assign waiting_take = waiting_valid && (!entry_valid || entry_take);

    always @(posedge clk_i) begin
        if (entry_take) entry_valid <= 1'b0;
        if (waiting_take) begin
            entry_valid   <= 1'b1;
            entry_q       <= waiting;
            entry_needs_q <= {1'b0, waiting[23:15]} + 10'd3;
        end
        if (!rst_ni || clear_i) entry_valid <= 1'b0;
    end

    fifo #(
        .WIDTH(38),
        .DEPTH(WAITING)
    ) u_entrance (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(clear_i),
        .in_valid_i(match_valid_i),
        .in_ready_o(unused_ready),
        .in_data_i({match_last_i, match_open_i, match_start_i, match_end_i, match_offset_i}),
        .out_valid_o(waiting_valid),
        .out_ready_i(waiting_take),
        .out_data_o(waiting)
    );

    always @(posedge clk_i) begin
        if (match_valid_i != waiting_take) level_q <= match_valid_i ? level_q + 7'd1 : level_q - 7'd1;
        hold_o <= level_q >= LEVEL[6:0];
        if (!rst_ni || clear_i) begin
            level_q <= 7'd0;
            hold_o  <= 1'b0;
        end
    end

    // ---- what can be read

    reg [9:0] written_q;

    always @(posedge clk_i) begin
        if (word_valid_i) written_q <= {1'b0, word_number_i} + 10'd1;
        if (!rst_ni || clear_i) written_q <= 10'd0;
    end

    // ---- reads: of matches that enter, or of the long one

    reg         long_q;         // a match waits at the cut
    reg         long_reads_q;   // and its bytes are asked for
    reg  [11:0] long_at_q;      // from here on
    reg  [9:0]  long_needs_q;   // words that must be there for it
    reg  [12:0] long_reach_q;   // 4 bytes behind where they are known to be equal
    reg  [4:0]  under_way_q;    // matches between entrance and cut

    wire        entry_read_ok = written_q[9] || entry_needs_q <= written_q;
    wire        long_read_ok  = written_q[9] || long_needs_q <= written_q;

    wire enter     = entry_valid && !long_q && !under_way_q[4] && (entry_read_ok || entry_last);
    wire drop      = entry_valid && long_q && !entry_last && {1'b0, entry_end} < long_reach_q;
    wire long_read = long_reads_q && long_read_ok;

    assign entry_take = enter || drop;

    reg         enters1_q, asks1_q;
    reg  [37:0] match1_q;
    reg  [11:0] at1_q, back1_q;  // offset of the read
    reg         enters2_q, asks2_q;
    reg  [37:0] match2_q;
    reg  [11:0] here2_q, there2_q;

    wire [11:0] long_offset;
    wire        long_done;

    always @(posedge clk_i) begin
        enters1_q <= enter;
        asks1_q   <= long_read;
        match1_q  <= entry_q;
        at1_q     <= long_q ? long_at_q : entry_end;
        back1_q   <= long_q ? long_offset : entry_q[11:0];
        enters2_q <= enters1_q;
        asks2_q   <= asks1_q;
        match2_q  <= match1_q;
        here2_q   <= at1_q;
        there2_q  <= at1_q - back1_q;
        if (!rst_ni || clear_i) begin
            enters1_q <= 1'b0;
            enters2_q <= 1'b0;
        end
        if (!rst_ni || clear_i || long_done) begin
            asks1_q <= 1'b0;
            asks2_q <= 1'b0;
        end
    end

    wire [127:0] here7, there7;

    lz4_page_copy #(
        .BYTES(16)
    ) u_here (
        .clk_i(clk_i),
        .write_i(word_valid_i),
        .write_word_i(word_number_i),
        .write_data_i(word_data_i),
        .address_i(here2_q),
        .bytes_o(here7)
    );
    lz4_page_copy #(
        .BYTES(16)
    ) u_there (
        .clk_i(clk_i),
        .write_i(word_valid_i),
        .write_word_i(word_number_i),
        .write_data_i(word_data_i),
        .address_i(there2_q),
        .bytes_o(there7)
    );

    // ---- how far

    reg  [9:3]  enters_q, asks_q;
    wire [37:0] match8;
    reg  [37:0] match9_q;
    wire [11:0] at8;
    wire [127:0] apart7;
    reg  [127:0] apart8_q;
    wire [4:0]  more;
    reg  [4:0]  more9_q;
    reg  [11:0] at9_q;

    delay #(
        .WIDTH(38),
        .CYCLES(6)
    ) u_match (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .in_i(match2_q),
        .out_o(match8)
    );
    delay #(
        .WIDTH(12),
        .CYCLES(6)
    ) u_at (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .in_i(here2_q),
        .out_o(at8)
    );

    bytes_apart #(
        .BYTES(16)
    ) u_apart (
        .one_i(here7),
        .other_i(there7),
        .apart_o(apart7)
    );
    first_byte u_more (
        .bytes_i(apart8_q),
        .first_o(more)
    );

    always @(posedge clk_i) begin
        enters_q <= {enters_q[8:3], enters2_q};
        asks_q   <= {asks_q[8:3], asks2_q};
        if (enters_q[7] || asks_q[7]) apart8_q <= apart7;
        more9_q  <= more;
        at9_q    <= at8;
        match9_q <= match8;
        if (!rst_ni || clear_i) enters_q <= 7'd0;
        if (!rst_ni || clear_i || long_done) asks_q <= 7'd0;
    end

    wire [12:0] reached  = {1'b0, at9_q} + {8'd0, more9_q};
    wire        too_far  = reached >= {1'b0, LAST_END};
    wire        open9    = match9_q[36];

    reg         enters10_q, asks10_q, goes10_q;
    reg  [11:0] end10_q;
    reg  [36:0] match10_q;  // without `open`

    always @(posedge clk_i) begin
        enters10_q <= enters_q[9];
        asks10_q   <= asks_q[9];
        end10_q    <= too_far ? LAST_END : reached[11:0];
        goes10_q   <= more9_q[4] && !too_far;  // all of them are equal
        match10_q  <= {match9_q[37], match9_q[35:0]};
        if (!open9 && enters_q[9]) begin
            end10_q  <= match9_q[23:12];
            goes10_q <= 1'b0;
        end
        if (!rst_ni || clear_i) enters10_q <= 1'b0;
        if (!rst_ni || clear_i || long_done) asks10_q <= 1'b0;
    end

    // ---- cut

    wire        grown_valid, grown_take, grown_last, grown_goes;
    wire [11:0] grown_start, grown_bare, grown_end, grown_offset;  // `bare`: the end that it came with
    wire        unused_grown_ready;

    fifo #(
        .WIDTH(50),
        .DEPTH(16)
    ) u_grown (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(clear_i),
        .in_valid_i(enters10_q),
        .in_ready_o(unused_grown_ready),
        .in_data_i({match10_q[36], goes10_q, match10_q[35:0], end10_q}),
        .out_valid_o(grown_valid),
        .out_ready_i(grown_take),
        .out_data_o({grown_last, grown_goes, grown_start, grown_bare, grown_offset, grown_end})
    );

    reg         cut_q, cut_last_q, cut_goes_q;  // a match at the cut
    reg  [11:0] cut_start_q, cut_bare_q, cut_offset_q, cut_end_q;
    reg  [11:0] end_q;                          // of the match before
    reg  [12:0] reach_q;                        // 4 bytes behind it
    reg         late_q;                         // no match may start there

    reg         cutout_q, cutout_last_q;        // a match that stays, or the end
    reg  [11:0] cutout_literals_q, cutout_start_q, cutout_end_q, cutout_offset_q;

    wire room  = !cutout_q || !sequence_valid_o || sequence_ready_i;
    wire stays = cut_last_q || !(late_q || {1'b0, cut_bare_q} < reach_q);
    wire wait_ = stays && cut_goes_q;           // it must grow first
    wire leave = cut_q && (!stays || (room && !wait_));

    assign grown_take  = grown_valid && (!cut_q || leave);
    assign long_offset = cut_offset_q;
    assign long_done   = long_q && asks10_q && !goes10_q;

    always @(posedge clk_i) begin
        if (leave) cut_q <= 1'b0;
        if (grown_take) begin
            cut_q        <= 1'b1;
            cut_last_q   <= grown_last;
            cut_goes_q   <= grown_goes && !grown_last;
            cut_start_q  <= grown_start;
            cut_bare_q   <= grown_bare;
            cut_offset_q <= grown_offset;
            cut_end_q    <= grown_end;
        end
        if (cut_q && wait_ && !long_q) begin
            long_q       <= 1'b1;
            long_reads_q <= 1'b1;
            long_at_q    <= cut_end_q;
            long_needs_q <= {1'b0, cut_end_q[11:3]} + 10'd3;
            long_reach_q <= {1'b0, cut_end_q} + 13'd4;
        end
        if (long_read) begin
            long_at_q    <= long_at_q + 12'd16;
            long_needs_q <= long_needs_q + 10'd2;
        end
        if (long_read && long_at_q >= LAST_END - 12'd16) long_reads_q <= 1'b0;
        if (long_q && asks10_q) long_reach_q <= {1'b0, end10_q} + 13'd4;
        if (long_done) begin
            long_q       <= 1'b0;
            long_reads_q <= 1'b0;
            cut_goes_q   <= 1'b0;
            cut_end_q    <= end10_q;
        end

        if (room) cutout_q <= 1'b0;
        if (leave && stays) begin
            cutout_q          <= 1'b1;
            cutout_last_q     <= cut_last_q;
            cutout_literals_q <= end_q;
            cutout_start_q    <= cut_start_q > end_q ? cut_start_q : end_q;
            cutout_end_q      <= cut_end_q;
            cutout_offset_q   <= cut_offset_q;
            end_q             <= cut_end_q;
            reach_q           <= {1'b0, cut_end_q} + 13'd4;
            late_q            <= cut_end_q > LAST_START;
        end

        if (enter != grown_take) under_way_q <= enter ? under_way_q + 5'd1 : under_way_q - 5'd1;

        if (!rst_ni || clear_i) begin
            cut_q        <= 1'b0;
            long_q       <= 1'b0;
            long_reads_q <= 1'b0;
            cutout_q     <= 1'b0;
            end_q        <= 12'd0;
            reach_q      <= 13'd0;
            late_q       <= 1'b0;
            under_way_q  <= 5'd0;
        end
    end

    // ---- lengths

    always @(posedge clk_i) begin
        if (sequence_ready_i) sequence_valid_o <= 1'b0;
        if (cutout_q && room) begin
            sequence_valid_o <= 1'b1;
            sequence_last_o  <= cutout_last_q;
            literal_start_o  <= cutout_literals_q;
            literal_length_o <= (cutout_last_q ? 13'd4096 : {1'b0, cutout_start_q}) - {1'b0, cutout_literals_q};
            match_length_o   <= cutout_end_q - cutout_start_q;
            match_offset_o   <= cutout_offset_q;
        end
        if (!rst_ni || clear_i) sequence_valid_o <= 1'b0;
    end

`ifdef FORMAL
    always @(posedge clk_i) if (rst_ni && !clear_i) begin
        if (match_valid_i) assert (unused_ready);
        if (enters10_q) assert (unused_grown_ready);
    end
`endif

    wire unused = &{1'b0, unused_ready, unused_grown_ready};
endmodule

`default_nettype wire
