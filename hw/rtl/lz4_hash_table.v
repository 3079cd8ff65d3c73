// SPDX-License-Identifier: MIT
// lz4_hash_table: where in this page four bytes with a given hash were seen last, for the 8 lanes of a window.
//
// Handshake: a window a cycle at most, in order; it is looked up and then entered, and nobody can refuse what was found.
//            `start_i` forgets all entries, before the first window of a page. `clear_i` drops the windows under way.
//            After reset nothing may be done before `ready_o` is high.
// Latency:   8 cycles from `window_valid_i` to `found_valid_o`; 2^ROW_BITS from reset to `ready_o`.
//
//     hash | conflicts | lanes of banks | rows | memories | entries of this page? | banks to lanes | tags, origins
//
// The low bits of a hash name one of BANKS memories. Of the lanes that want the same bank the first one reads and writes
// it. Nobody tells the others: they get the entry of other bytes, and most such entries have another tag.
//
// An entry is | valid | page (ROW_BITS) | position (12) | tag (8) |. The tag are the two lowest bits of each of the four
// bytes. A lane with an entry of this page and its own tag is a hit, and all is left to be compared. Told of it is the
// origin: where the window would lie if it were moved by the offset of the match, that is candidate - lane.
//
// Pages. An entry counts only if it carries the number of the current page. Numbers repeat after 2^ROW_BITS pages, so
// each new page also clears one row of every bank, the one that its number names: each row is cleared once before any
// number returns, and there is no sweep but the one after reset.

`default_nettype none

module lz4_hash_table (
    input  wire         clk_i,
    input  wire         rst_ni,
    input  wire         clear_i,
    output wire         ready_o,
    input  wire         start_i,

    input  wire         window_valid_i,
    input  wire [8:0]   window_number_i,
    input  wire [87:0]  window_bytes_i,   // the page from there on

    output reg          found_valid_o,
    output reg  [8:0]   found_number_o,
    output reg  [7:0]   found_hits_o,     // of each lane
    output reg  [103:0] found_origins_o   // 13 bits each, with sign
);
    localparam LANES     = 8;
    localparam HASH_BITS = 12;
    localparam BANK_BITS = 4;
    localparam BANKS     = 1 << BANK_BITS;
    localparam ROW_BITS  = HASH_BITS - BANK_BITS;
    localparam TAG_BITS  = 8;
    localparam ENTRY     = 1 + ROW_BITS + 12 + TAG_BITS;
    localparam KEPT      = 1 + 12 + TAG_BITS;  // of an entry: whether it is of this page, position, tag

    // ---- valid windows and their numbers at each stage

    reg [7:1] valid_q;
    reg [8:0] number1_q, number2_q, number3_q;
    wire [8:0] number7;

    delay #(
        .WIDTH(9),
        .CYCLES(7)
    ) u_number (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .in_i(window_number_i),
        .out_o(number7)
    );

    always @(posedge clk_i) begin
        valid_q <= {valid_q[6:1], window_valid_i};
        number1_q <= window_number_i;
        number2_q <= number1_q;
        number3_q <= number2_q;
        if (!rst_ni || clear_i) valid_q <= 7'd0;
    end

    // ---- clearing: all rows after reset, one row for each new page

    reg [ROW_BITS:0]   sweep_q;
    reg [ROW_BITS-1:0] page_q;

    wire [ROW_BITS-1:0] page_next = page_q + 1'b1;
    wire                clear     = !ready_o || start_i;
    wire [ROW_BITS-1:0] clear_row = ready_o ? page_next : sweep_q[ROW_BITS-1:0];

    assign ready_o = sweep_q[ROW_BITS];

    always @(posedge clk_i) begin
        if (!ready_o) sweep_q <= sweep_q + 1'b1;
        if (start_i) page_q <= page_next;
        if (!rst_ni) begin
            sweep_q <= 0;
            page_q <= 0;
        end
    end

    // ---- hash of each lane, and whether a lane before it wants the same bank

    wire [LANES*BANK_BITS-1:0] banks2;
    wire [LANES*ROW_BITS-1:0]  rows2;
    wire [LANES*TAG_BITS-1:0]  tags1;
    reg  [LANES*TAG_BITS-1:0]  tags2_q;
    reg  [LANES-1:0]           first2_q;

    wire [LANES*BANK_BITS-1:0] banks6;
    wire [LANES*TAG_BITS-1:0]  tags7;

    genvar l;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : gen_hash
            wire [7:0]  a = window_bytes_i[l*8 +: 8];
            wire [7:0]  b = window_bytes_i[l*8+8 +: 8];
            wire [7:0]  c = window_bytes_i[l*8+16 +: 8];
            wire [7:0]  d = window_bytes_i[l*8+24 +: 8];
            reg  [11:0] hash1_q;
            reg  [7:0]  tag1_q;
            reg  [11:0] hash2_q;

            always @(posedge clk_i) begin  // each byte turned within 12 bits, some twice
                hash1_q <= {4'd0, a} ^ {a[6:0], 4'd0, a[7]} ^ {1'd0, b, 3'd0} ^ {c[4:0], 4'd0, c[7:5]}
                           ^ {d[1:0], 4'd0, d[7:2]} ^ {2'd0, d, 2'd0};
                tag1_q  <= {d[1:0], c[1:0], b[1:0], a[1:0]};
                hash2_q <= hash1_q;
            end

            assign banks2[l*BANK_BITS +: BANK_BITS] = hash2_q[BANK_BITS-1:0];
            assign rows2[l*ROW_BITS +: ROW_BITS]    = hash2_q[HASH_BITS-1:BANK_BITS];
            assign tags1[l*TAG_BITS +: TAG_BITS]    = tag1_q;
        end
    endgenerate

    wire [LANES*BANK_BITS-1:0] banks1;

    generate
        for (l = 0; l < LANES; l = l + 1) begin : gen_bank_of
            assign banks1[l*BANK_BITS +: BANK_BITS] = gen_hash[l].hash1_q[BANK_BITS-1:0];
        end
        for (l = 0; l < LANES; l = l + 1) begin : gen_first
            integer earlier;
            reg     alone;

            always @* begin
                alone = 1'b1;
                for (earlier = 0; earlier < l; earlier = earlier + 1)
                    if (banks1[earlier*BANK_BITS +: BANK_BITS] == banks1[l*BANK_BITS +: BANK_BITS]) alone = 1'b0;
            end

            always @(posedge clk_i) first2_q[l] <= alone;
        end
    endgenerate

    reg [LANES*ROW_BITS-1:0] rows3_q;
    reg [LANES*TAG_BITS-1:0] tags3_q;

    always @(posedge clk_i) begin
        tags2_q <= tags1;
        tags3_q <= tags2_q;
        rows3_q <= rows2;
    end

    delay #(
        .WIDTH(LANES*BANK_BITS),
        .CYCLES(4)
    ) u_banks (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .in_i(banks2),
        .out_o(banks6)
    );
    delay #(
        .WIDTH(LANES*TAG_BITS),
        .CYCLES(5)
    ) u_tags (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .in_i(tags2_q),
        .out_o(tags7)
    );

    // ---- lanes to banks, banks

    wire [BANKS*KEPT-1:0] kept6;

    genvar n;
    generate
        for (n = 0; n < BANKS; n = n + 1) begin : gen_bank
            reg [LANES-1:0]    lanes3_q;  // the one that has this bank
            reg                enable4_q;
            reg [ROW_BITS-1:0] row4_q;
            reg [ENTRY-1:0]    entry4_q;
            reg [KEPT-1:0]     kept6_q;
            wire [ENTRY-1:0]   entry5;

            reg [ROW_BITS-1:0] row;
            reg [2:0]          lane;
            reg [TAG_BITS-1:0] tag;
            integer            i;

            always @* begin
                row  = clear ? clear_row : {ROW_BITS{1'b0}};
                lane = 3'd0;
                tag  = {TAG_BITS{1'b0}};
                for (i = 0; i < LANES; i = i + 1) begin
                    row  = row | (rows3_q[i*ROW_BITS +: ROW_BITS] & {ROW_BITS{lanes3_q[i]}});
                    tag  = tag | (tags3_q[i*TAG_BITS +: TAG_BITS] & {TAG_BITS{lanes3_q[i]}});
                    lane = lane | (i[2:0] & {3{lanes3_q[i]}});
                end
            end

            always @(posedge clk_i) begin
                for (i = 0; i < LANES; i = i + 1)
                    lanes3_q[i] <= valid_q[2] && first2_q[i] && banks2[i*BANK_BITS +: BANK_BITS] == n[BANK_BITS-1:0];
                enable4_q <= clear || (lanes3_q != 0 && !clear_i);
                row4_q    <= row;
                entry4_q  <= {!clear, page_q, number3_q, lane, tag};
                kept6_q   <= {entry5[ENTRY-1 -: 1+ROW_BITS] == {1'b1, page_q}, entry5[0 +: 12+TAG_BITS]};
                if (!rst_ni || clear_i) lanes3_q <= {LANES{1'b0}};
                if (!rst_ni) enable4_q <= 1'b0;
            end

            lz4_table_bank #(
                .WIDTH(ENTRY),
                .ROW_BITS(ROW_BITS)
            ) u_bank (
                .clk_i(clk_i),
                .enable_i(enable4_q),
                .row_i(row4_q),
                .write_data_i(entry4_q),
                .read_data_o(entry5)
            );

            assign kept6[n*KEPT +: KEPT] = kept6_q;
        end
    endgenerate

    // ---- banks to lanes

    generate
        for (l = 0; l < LANES; l = l + 1) begin : gen_lane
            reg [KEPT-1:0]       kept7_q;
            wire [BANK_BITS-1:0] mine = banks6[l*BANK_BITS +: BANK_BITS];
            wire                 late = number7 == 9'd510 && l > 4;  // LZ4 block format: no match starts so late

            always @(posedge clk_i) begin
                kept7_q <= kept6[mine*KEPT +: KEPT];
                found_hits_o[l] <= kept7_q[KEPT-1] && !late
                                   && kept7_q[0 +: TAG_BITS] == tags7[l*TAG_BITS +: TAG_BITS];
                found_origins_o[l*13 +: 13] <= {1'b0, kept7_q[TAG_BITS +: 12]} - l[12:0];
            end
        end
    endgenerate

    always @(posedge clk_i) begin
        found_valid_o <= valid_q[7];
        found_number_o <= number7;
        if (!rst_ni || clear_i) found_valid_o <= 1'b0;
    end
endmodule

`default_nettype wire
