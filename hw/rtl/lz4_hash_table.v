// SPDX-License-Identifier: MIT
// lz4_hash_table: where in this page four bytes with a given hash were seen last, for LANES positions a cycle.
//
// Handshake: while `lookup_i` is high, LANES consecutive positions from `base_i` on are looked up and then entered.
//            `compare_i` asks for what the last lookup found; without it the lengths are 0, and nothing toggles.
//            `new_page_i` forgets all entries (not together with `lookup_i`). After reset nothing may be done before
//            `ready_o` is high.
// Latency:   one cycle from `lookup_i` to `length_o` and `candidate_o`, which hold until the next lookup. `ready_o` rises
//            2^ROW_BITS cycles after reset.
//
// A length is the number of bytes that position and candidate have in common, 4 .. COMPARE_BYTES, or 0 for no match;
// COMPARE_BYTES means "that many or more".
//
// The table is BANKS memories with one read and one write port each; the low bits of a hash name the bank. An entry is
//
//     | valid | page (ROW_BITS) | position (12) | the COMPARE_BYTES bytes from there on |
//
// Bank conflicts. Lanes that want different rows of one bank compete: the lowest lane reads, the highest writes. Nobody
// tells the loser. It gets the entry of another hash, thus of four other bytes, and rejects it when it compares them.
//
// Pages. An entry counts only if it carries the number of the current page. Numbers repeat after 2^ROW_BITS pages, so
// each new page also clears one row of every bank, the one that its number names: each row is cleared once before any
// number returns, and there is no sweep but the one after reset.

`default_nettype none

module lz4_hash_table #(
    parameter LANES         = 8,
    parameter HASH_BITS     = 12,
    parameter BANK_BITS     = 5,
    parameter COMPARE_BYTES = 16,
    parameter LENGTH_BITS   = 5
) (
    input  wire                                 clk_i,
    input  wire                                 rst_ni,
    output wire                                 ready_o,
    input  wire                                 new_page_i,

    input  wire                                 lookup_i,
    input  wire [LANES*HASH_BITS-1:0]           hash_i,
    input  wire [11:0]                          base_i,
    input  wire [8*(LANES+COMPARE_BYTES-1)-1:0] bytes_i,     // the page from base_i on

    input  wire                                 compare_i,
    output wire [LANES*LENGTH_BITS-1:0]         length_o,
    output wire [LANES*12-1:0]                  candidate_o  // position
);
    localparam BANKS     = 1 << BANK_BITS;
    localparam ROW_BITS  = HASH_BITS - BANK_BITS;
    localparam LANE_BITS = LANES > 1 ? $clog2(LANES) : 1;
    localparam DATA_BITS = 8 * COMPARE_BYTES;
    localparam ENTRY     = 1 + ROW_BITS + 12 + DATA_BITS;

    // ---- clearing: all rows after reset, one row for each new page

    reg [ROW_BITS:0]   sweep_q;
    reg [ROW_BITS-1:0] page_q;

    wire [ROW_BITS-1:0] page_next = page_q + 1'b1;
    wire                clear     = !ready_o || new_page_i;
    wire [ROW_BITS-1:0] clear_row = ready_o ? page_next : sweep_q[ROW_BITS-1:0];

    assign ready_o = sweep_q[ROW_BITS];

    always @(posedge clk_i) begin
        if (!ready_o) sweep_q <= sweep_q + 1'b1;
        if (new_page_i) page_q <= page_next;
        if (!rst_ni) begin
            sweep_q <= 0;
            page_q <= 0;
        end
    end

    // ---- lanes to banks

    reg [BANKS-1:0]     wanted;
    reg [ROW_BITS-1:0]  read_row [0:BANKS-1], write_row [0:BANKS-1];
    reg [LANE_BITS-1:0] write_lane [0:BANKS-1];

    reg [BANK_BITS-1:0] bank;
    integer             lane, n;

    always @* begin
        wanted = {BANKS{1'b0}};
        for (n = 0; n < BANKS; n = n + 1) begin
            read_row[n] = {ROW_BITS{1'b0}};
            write_row[n] = {ROW_BITS{1'b0}};
            write_lane[n] = {LANE_BITS{1'b0}};
        end
        bank = {BANK_BITS{1'b0}};
        lane = 0;  // or synthesis sees a latch where there is no lookup
        if (lookup_i) for (lane = 0; lane < LANES; lane = lane + 1) begin
            bank = hash_i[lane*HASH_BITS +: BANK_BITS];
            if (!wanted[bank]) read_row[bank] = hash_i[lane*HASH_BITS+BANK_BITS +: ROW_BITS];
            write_row[bank] = hash_i[lane*HASH_BITS+BANK_BITS +: ROW_BITS];
            write_lane[bank] = lane[LANE_BITS-1:0];
            wanted[bank] = 1'b1;
        end
    end

    // ---- banks

    wire [ENTRY-1:0] entry [0:BANKS-1];

    genvar b;
    generate
        for (b = 0; b < BANKS; b = b + 1) begin : gen_bank
            wire [LANE_BITS-1:0] writer   = write_lane[b];
            wire [11:0]          position = base_i + {{12-LANE_BITS{1'b0}}, writer};

            reg [ENTRY-1:0] written;

            always @* begin
                written = {ENTRY{1'b0}};  // as a clear writes it
                if (wanted[b]) written = {1'b1, page_q, position, bytes_i[writer*8 +: DATA_BITS]};
            end

            lz4_table_bank #(
                .WIDTH(ENTRY),
                .ROW_BITS(ROW_BITS)
            ) u_bank (
                .clk_i(clk_i),
                .write_i(clear || wanted[b]),
                .write_row_i(clear ? clear_row : write_row[b]),
                .write_data_i(written),
                .read_i(wanted[b]),
                .read_row_i(read_row[b]),
                .read_data_o(entry[b])
            );
        end
    endgenerate

    // ---- banks to lanes

    reg [8*(LANES+COMPARE_BYTES-1)-1:0] bytes_q;

    always @(posedge clk_i) if (lookup_i) bytes_q <= bytes_i;

    genvar l;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : gen_lane
            reg [BANK_BITS-1:0] bank_q;
            wire [ENTRY-1:0]    mine = entry[bank_q];

            reg [DATA_BITS-1:0]   differ;
            reg [LENGTH_BITS-1:0] length;
            integer               i;

            always @* begin
                i = 0;  // or it would be a latch where the loop does not run
                differ = {DATA_BITS{1'b0}};
                length = {LENGTH_BITS{1'b0}};
                if (compare_i && mine[ENTRY-1 -: 1+ROW_BITS] == {1'b1, page_q}) begin
                    differ = mine[0 +: DATA_BITS] ^ bytes_q[l*8 +: DATA_BITS];
                    if (differ[31:0] == 32'd0) begin
                        length = COMPARE_BYTES[LENGTH_BITS-1:0];
                        for (i = COMPARE_BYTES - 1; i >= 4; i = i - 1)
                            if (differ[i*8 +: 8] != 8'd0) length = i[LENGTH_BITS-1:0];
                    end
                end
            end

            always @(posedge clk_i) if (lookup_i) bank_q <= hash_i[l*HASH_BITS +: BANK_BITS];

            assign length_o[l*LENGTH_BITS +: LENGTH_BITS] = length;
            assign candidate_o[l*12 +: 12] = mine[DATA_BITS +: 12];
        end
    endgenerate
endmodule

`default_nettype wire
