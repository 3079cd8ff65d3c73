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
    output reg  [7:0]   found_hits_o,     // of each lane; none where no window is found
    output reg  [127:0] found_origins_o   // of each lane 13 bits with sign, in 16
);
    localparam LANES     = 8;
    localparam HASH_BITS = 12;
    localparam BANK_BITS = 4;
    localparam BANKS     = 1 << BANK_BITS;
    localparam ROW_BITS  = HASH_BITS - BANK_BITS;
    localparam TAG_BITS  = 8;
    localparam ENTRY     = 1 + ROW_BITS + 12 + TAG_BITS;
    localparam KEPT      = 1 + 12 + TAG_BITS;  // of an entry: whether it is of this page, position, tag
    localparam LOWS      = 2 * (LANES + 3);    // two bits of each byte that a lane looks at

    // A register takes what belongs to a window, and nothing in other cycles: a simulator has less to do. Fields of lanes
    // and banks lie in 4, 8, 16 or 32 bits for the same reason: none crosses a word.

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

    // ---- hash of each lane; the lane's tag starts at bit 2 * lane of `lows`

    function [HASH_BITS-1:0] hash_of;  // each byte turned within 12 bits, some twice
        input [31:0] four;
        reg   [17:0] wide;
        begin
            wide = {10'd0, four[7:0]} ^ {5'd0, four[7:0], 5'd0} ^ {7'd0, four[15:8], 3'd0}
                   ^ {3'd0, four[23:16], 7'd0} ^ {four[31:24], 10'd0} ^ {8'd0, four[31:24], 2'd0};
            hash_of = wide[11:0] ^ {6'd0, wide[17:12]};
        end
    endfunction

    reg [LANES*BANK_BITS-1:0] banks, banks1_q, banks2_q;
    reg [LANES*ROW_BITS-1:0]  rows, rows1_q, rows2_q, rows3_q;
    reg [LOWS-1:0]            lows, lows1_q, lows2_q, lows3_q;
    reg [HASH_BITS-1:0]       hash;
    integer                   i;

    always @* begin
        banks = {LANES*BANK_BITS{1'b0}};
        rows  = {LANES*ROW_BITS{1'b0}};
        for (i = 0; i < LANES; i = i + 1) begin
            hash = hash_of(window_bytes_i[i*8 +: 32]);
            banks[i*BANK_BITS +: BANK_BITS] = hash[BANK_BITS-1:0];
            rows[i*ROW_BITS +: ROW_BITS] = hash[HASH_BITS-1:BANK_BITS];
        end
        for (i = 0; i < LANES + 3; i = i + 1) lows[i*2 +: 2] = window_bytes_i[i*8 +: 2];
    end

    // ---- whether a lane before it wants the same bank

    reg [LANES*BANK_BITS-1:0] other, alone;  // alone: in the lowest bit of each lane's bank
    reg [LANES-1:0]           first, first2_q;
    integer                   back;

    always @* begin
        alone = {LANES*BANK_BITS{1'b1}};
        for (back = 1; back < LANES; back = back + 1) begin
            other = banks1_q ^ (banks1_q << back * BANK_BITS);
            other = other | (other >> 1);
            other = other | (other >> 2);
            alone = alone & (other | ~({LANES*BANK_BITS{1'b1}} << back * BANK_BITS));
        end
        for (back = 0; back < LANES; back = back + 1) first[back] = alone[back*BANK_BITS];
    end

    // ---- lanes to banks: for each bank, whether a lane wants it, and which one

    reg [BANKS*4-1:0] owners, owners3_q;
    integer           j;

    always @* begin
        owners = {BANKS*4{1'b0}};
        for (j = 0; j < LANES; j = j + 1)
            owners = owners | ({{BANKS*4-4{1'b0}}, {4{first2_q[j]}} & {1'b1, j[2:0]}}
                               << {banks2_q[j*BANK_BITS +: BANK_BITS], 2'd0});
    end

    always @(posedge clk_i) begin
        if (window_valid_i) begin
            banks1_q <= banks;
            rows1_q  <= rows;
            lows1_q  <= lows;
        end
        if (valid_q[1]) begin
            banks2_q <= banks1_q;
            rows2_q  <= rows1_q;
            lows2_q  <= lows1_q;
            first2_q <= first;
        end
        owners3_q <= {BANKS*4{1'b0}};
        if (valid_q[2]) begin
            rows3_q   <= rows2_q;
            lows3_q   <= lows2_q;
            owners3_q <= owners;
        end
        if (!rst_ni || clear_i) owners3_q <= {BANKS*4{1'b0}};
    end

    // ---- banks

    reg  [ROW_BITS+9:0] common4_q;  // of the entries of all banks
    wire [BANKS*32-1:0] kept6;

    always @(posedge clk_i) common4_q <= {!clear, page_q, number3_q};

    genvar n;
    generate
        for (n = 0; n < BANKS; n = n + 1) begin : gen_bank
            reg [ROW_BITS-1:0] row4_q;
            reg [2:0]          lane4_q;
            reg [TAG_BITS-1:0] tag4_q;
            reg [KEPT-1:0]     kept6_q;
            wire [ENTRY-1:0]   entry5;
            reg                enable4_q;
            wire [2:0]         lane = owners3_q[n*4 +: 3];

            always @(posedge clk_i) begin
                enable4_q <= 1'b0;
                if (clear || owners3_q[n*4+3]) begin
                    enable4_q <= clear || !clear_i;
                    row4_q  <= clear ? clear_row : rows3_q[{lane, 3'd0} +: ROW_BITS];
                    lane4_q <= lane;
                    tag4_q  <= lows3_q[{1'b0, lane, 1'b0} +: TAG_BITS];
                end
                if (!rst_ni) enable4_q <= 1'b0;
                kept6_q <= {entry5[ENTRY-1 -: 1+ROW_BITS] == {1'b1, page_q}, entry5[0 +: 12+TAG_BITS]};
            end

            lz4_table_bank #(
                .WIDTH(ENTRY),
                .ROW_BITS(ROW_BITS)
            ) u_bank (
                .clk_i(clk_i),
                .enable_i(enable4_q),
                .row_i(row4_q),
                .write_data_i({common4_q, lane4_q, tag4_q}),
                .read_data_o(entry5)
            );

            assign kept6[n*32 +: 32] = {{32-KEPT{1'b0}}, kept6_q};
        end
    endgenerate

    // ---- banks to lanes

    wire [LANES*BANK_BITS-1:0] banks6;
    wire [LOWS-1:0]            lows7;

    delay #(
        .WIDTH(LANES*BANK_BITS),
        .CYCLES(4)
    ) u_banks (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .in_i(banks2_q),
        .out_o(banks6)
    );
    delay #(
        .WIDTH(LOWS),
        .CYCLES(5)
    ) u_lows (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .in_i(lows2_q),
        .out_o(lows7)
    );

    genvar l;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : gen_lane
            reg [KEPT-1:0]       kept7_q;
            wire [BANK_BITS-1:0] mine = banks6[l*BANK_BITS +: BANK_BITS];
            wire [12:0]          origin = {1'b0, kept7_q[TAG_BITS +: 12]} - l[12:0];
            wire                 late = number7 == 9'd510 && l > 4;  // LZ4 block format: no match starts so late

            always @(posedge clk_i) begin
                if (valid_q[6]) kept7_q <= kept6[{mine, 5'd0} +: KEPT];
                if (valid_q[7]) found_origins_o[l*16 +: 16] <= {3'd0, origin};
                found_hits_o[l] <= valid_q[7] && kept7_q[KEPT-1] && !late
                                   && kept7_q[0 +: TAG_BITS] == lows7[l*2 +: TAG_BITS];
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
