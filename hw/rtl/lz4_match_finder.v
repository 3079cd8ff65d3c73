// SPDX-License-Identifier: MIT
// lz4_match_finder: walks over the page in windows of LANES bytes and finds, for each byte, a candidate for a match.
//
// Handshake: windows leave by `window_valid_o`/`window_ready_i`, in rising order. `resume_i` is the position that the
//            parser has reached; windows that lie wholly before it are not fetched any more. `done_o` is high when no
//            window is left or on its way. Nothing moves in a cycle without `run_i`, which must be low while
//            `can_run_o` is: the page has not been loaded far enough. `clear_i` drops all windows; `new_page_i` starts
//            a page (its first line is being written). After reset wait for `ready_o`.
// Latency:   three cycles from the fetch of a window to its valid; one window a cycle.
//
//     fetch            hash                    compare                     window
//     page buffer -> | hash of each lane   -> | entries against the    -> | length and candidate
//                    | table read and write   | bytes of the window       | of each lane

`default_nettype none

module lz4_match_finder #(
    parameter LANES         = 8,
    parameter COMPARE_BYTES = 16,
    parameter LENGTH_BITS   = 5
) (
    input  wire                                 clk_i,
    input  wire                                 rst_ni,
    output wire                                 ready_o,
    input  wire                                 clear_i,
    input  wire                                 new_page_i,
    output wire                                 can_run_o,
    input  wire                                 run_i,

    input  wire [6:0]                           loaded_i,     // lines of the page that can be read, 0 .. 64
    input  wire [11:0]                          resume_i,
    output wire                                 read_o,
    output wire [11:0]                          read_address_o,
    input  wire [8*(LANES+COMPARE_BYTES-1)-1:0] read_data_i,  // the page from there on
    output wire                                 done_o,

    output reg                                  window_valid_o,
    input  wire                                 window_ready_i,
    output reg  [11:0]                          window_base_o,
    output reg  [LANES*LENGTH_BITS-1:0]         window_length_o,
    output reg  [LANES*12-1:0]                  window_candidate_o
);
    localparam HASH_BITS  = 12;
    localparam BANK_BITS  = $clog2(4 * LANES);
    localparam LAST_START = 4096 - 12;                  // LZ4 block format, end of block: no match starts later
    localparam BYTES      = LANES + COMPARE_BYTES - 1;  // what a window needs of the page

    wire advance = run_i && (!window_valid_o || window_ready_i);

    // ---- fetch: the next window that the parser has not passed yet

    reg [12:0] fetch_q;

    wire [12:0] resume_base = {1'b0, resume_i} & ~(LANES[12:0] - 13'd1);
    wire [12:0] base        = resume_base > fetch_q ? resume_base : fetch_q;
    wire [12:0] end_byte    = base + BYTES[12:0] - 13'd1;
    wire        more        = base <= LAST_START[12:0];

    assign read_o         = more && advance;
    assign read_address_o = base[11:0];
    assign can_run_o      = !more || loaded_i[6] || end_byte[12:6] < loaded_i;

    // ---- hash: one of LZ4's own, the top bits of a product (Knuth's multiplicative hash)

    reg                hash_valid_q;
    reg [11:0]         hash_base_q;
    reg [8*BYTES-1:0]  hash_bytes_q;

    wire [LANES*HASH_BITS-1:0] hash;

    genvar h;
    generate
        for (h = 0; h < LANES; h = h + 1) begin : gen_hash
            wire [31:0] product = hash_bytes_q[h*8 +: 32] * 32'd2654435761;
            wire        unused  = &{1'b0, product[31-HASH_BITS:0]};
            assign hash[h*HASH_BITS +: HASH_BITS] = product[31 -: HASH_BITS];
        end
    endgenerate

    // ---- table

    reg                          compare_valid_q;
    wire [LANES*LENGTH_BITS-1:0] length;
    wire [LANES*12-1:0]          candidate;

    lz4_hash_table #(
        .LANES(LANES),
        .HASH_BITS(HASH_BITS),
        .BANK_BITS(BANK_BITS),
        .COMPARE_BYTES(COMPARE_BYTES),
        .LENGTH_BITS(LENGTH_BITS)
    ) u_table_of_hashes (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .ready_o(ready_o),
        .new_page_i(new_page_i),
        .lookup_i(advance && hash_valid_q),
        .hash_i(hash),
        .base_i(hash_base_q),
        .bytes_i(hash_bytes_q),
        .compare_i(compare_valid_q),
        .length_o(length),
        .candidate_o(candidate)
    );

    // ---- pipeline

    reg [11:0] compare_base_q;

    assign done_o = !more && !hash_valid_q && !compare_valid_q && !window_valid_o;

    always @(posedge clk_i) begin
        if (advance) begin
            hash_valid_q <= more;
            if (more) begin
                fetch_q <= base + LANES[12:0];
                hash_base_q <= base[11:0];
                hash_bytes_q <= read_data_i;
            end
            compare_valid_q <= hash_valid_q;
            if (hash_valid_q) compare_base_q <= hash_base_q;
            window_valid_o <= compare_valid_q;
            if (compare_valid_q) begin
                window_base_o <= compare_base_q;
                window_length_o <= length;
                window_candidate_o <= candidate;
            end
        end
        if (!rst_ni || clear_i) begin
            fetch_q <= 13'd0;
            hash_valid_q <= 1'b0;
            compare_valid_q <= 1'b0;
            window_valid_o <= 1'b0;
        end
    end

    wire unused = &{1'b0, end_byte[5:0]};
endmodule

`default_nettype wire
