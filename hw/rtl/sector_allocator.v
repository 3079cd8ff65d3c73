// SPDX-License-Identifier: MIT
// sector_allocator: hands out media sectors and keeps the chains that pages are stored in.
//
// One table `next` serves both the free list and the chains: a sector is in exactly one of them. Sectors that were
// never used are not in the list at all but counted by `fresh_q`, so that reset needs no sweep.
//
//     free list:  head_q -> next[head_q] -> ...   (list_count_q sectors, last freed first)
//     fresh:      fresh_q, fresh_q + 1, ... SECTORS - 1
//     a page:     first -> next[first] -> ...     (its length tells how many)
//
// The table is checked (ecc_ram). A sector whose successor cannot be told any more ends its chain or its list: what
// comes after it stays out of use until the next reset. So a flip never gives away a sector that is in use.
//
// Handshake: `op_valid_i`/`op_ready_o`; then `result_valid_o` pulses.
//     POP     takes a sector: result is its number. Never asked when `free_o` is 0.
//     PUSH    gives `sector_i` back.
//     LINK    makes `next_i` the successor of `sector_i`.
//     FOLLOW  result is the successor of `sector_i`, unless `result_error_o`.
//            `lost_o` is the number of free sectors that a POP has found out of reach, in the cycle of `lost_valid_o`.
// Latency:   PUSH and LINK: result in the next cycle, one every two cycles. POP and FOLLOW: a cycle more.

`default_nettype none

module sector_allocator #(
    parameter SECTORS     = 16384,
    parameter SECTOR_BITS = 14
) (
    input  wire                   clk_i,
    input  wire                   rst_ni,

    input  wire                   op_valid_i,
    output wire                   op_ready_o,
    input  wire [1:0]             op_i,
    input  wire [SECTOR_BITS-1:0] sector_i,
    input  wire [SECTOR_BITS-1:0] next_i,

    output wire                   result_valid_o,
    output wire [SECTOR_BITS-1:0] result_o,
    output wire                   result_error_o,

    output wire                   lost_valid_o,
    output wire [SECTOR_BITS:0]   lost_o,
    output wire                   corrected_o,
    output wire [SECTOR_BITS:0]   free_o
);
    localparam [1:0] POP = 2'd0, PUSH = 2'd1, LINK = 2'd2, FOLLOW = 2'd3;
    localparam       COUNT = SECTORS;
    localparam [SECTOR_BITS:0] SECTOR_COUNT = COUNT[SECTOR_BITS:0];

    reg [SECTOR_BITS-1:0] head_q;
    reg [SECTOR_BITS:0]   list_count_q;
    reg [SECTOR_BITS:0]   fresh_q;

    reg                   busy_q;
    reg                   read_q;        // the operation under way waits for the table
    reg                   pop_list_q;    // it pops from the list: the successor becomes the head
    reg                   follow_q;      // it follows: the successor is the result
    reg [SECTOR_BITS-1:0] popped_q;

    wire                   start     = op_valid_i && op_ready_o;
    wire                   from_list = list_count_q != 0;
    wire                   pop       = op_i == POP;
    wire                   writes    = op_i == PUSH || op_i == LINK;
    wire                   read      = start && (op_i == FOLLOW || (pop && from_list));
    wire                   there, flawed;
    wire [SECTOR_BITS-1:0] successor;

    assign op_ready_o     = !busy_q;
    assign result_valid_o = busy_q && (there || !read_q);
    assign result_o       = follow_q ? successor : popped_q;
    assign result_error_o = follow_q && flawed;
    assign free_o         = list_count_q + (SECTOR_COUNT - fresh_q);

    // The last sector of the list has no successor: what its word says does not matter.
    assign lost_valid_o = there && pop_list_q && flawed && list_count_q != 0;
    assign lost_o       = list_count_q;

    ecc_ram #(
        .DATA_BITS(SECTOR_BITS),
        .DEPTH(SECTORS),
        .ADDRESS_BITS(SECTOR_BITS)
    ) u_links (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .address_i(pop ? head_q : sector_i),
        .read_i(read),
        .write_i(start && writes),
        .data_i(op_i == PUSH ? head_q : next_i),
        .valid_o(there),
        .data_o(successor),
        .error_o(flawed),
        .corrected_o(corrected_o)
    );

    always @(posedge clk_i) begin
        if (start) begin
            busy_q     <= 1'b1;
            read_q     <= read;
            follow_q   <= op_i == FOLLOW;
            pop_list_q <= pop && from_list;
            popped_q   <= from_list ? head_q : fresh_q[SECTOR_BITS-1:0];
            if (pop && from_list)  list_count_q <= list_count_q - 1'b1;
            if (pop && !from_list) fresh_q <= fresh_q + 1'b1;
            if (op_i == PUSH) begin
                head_q       <= sector_i;
                list_count_q <= list_count_q + 1'b1;
            end
        end else if (result_valid_o) begin
            busy_q <= 1'b0;
        end
        if (there && pop_list_q) head_q <= successor;
        if (lost_valid_o) list_count_q <= 0;
        if (!rst_ni) begin
            busy_q       <= 1'b0;
            head_q       <= 0;  // the first sector of a list links to it, though nobody follows that
            list_count_q <= 0;
            fresh_q      <= 0;
        end
    end
endmodule

`default_nettype wire
