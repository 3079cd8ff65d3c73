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
// Handshake: `op_valid_i`/`op_ready_o`; `result_valid_o` pulses in the next cycle.
//     POP     takes a sector: result is its number. Never asked when `free_o` is 0.
//     PUSH    gives `sector_i` back.
//     LINK    makes `next_i` the successor of `sector_i`.
//     FOLLOW  result is the successor of `sector_i`.
// Latency:   one operation every two cycles.

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

    output wire [SECTOR_BITS:0]   free_o
);
    localparam [1:0] POP = 2'd0, PUSH = 2'd1, LINK = 2'd2, FOLLOW = 2'd3;
    localparam       COUNT = SECTORS;
    localparam [SECTOR_BITS:0] SECTOR_COUNT = COUNT[SECTOR_BITS:0];

    reg [SECTOR_BITS-1:0] next_q [0:SECTORS-1];
    reg [SECTOR_BITS-1:0] read_q;

    reg [SECTOR_BITS-1:0] head_q;
    reg [SECTOR_BITS:0]   list_count_q;
    reg [SECTOR_BITS:0]   fresh_q;

    reg                   busy_q;
    reg                   pop_list_q;    // the operation under way pops from the list: its successor becomes the head
    reg                   take_read_q;   // the result comes from the table
    reg [SECTOR_BITS-1:0] popped_q;

    wire start     = op_valid_i && op_ready_o;
    wire from_list = list_count_q != 0;

    assign op_ready_o     = !busy_q;
    assign result_valid_o = busy_q;
    assign result_o       = take_read_q ? read_q : popped_q;
    assign free_o         = list_count_q + (SECTOR_COUNT - fresh_q);

    // ---- the table: one access a cycle ----
    always @(posedge clk_i) begin
        if (start) begin
            if (op_i == PUSH)      next_q[sector_i] <= head_q;
            else if (op_i == LINK) next_q[sector_i] <= next_i;
            else                   read_q <= next_q[op_i == POP ? head_q : sector_i];
        end
    end

    // ---- list head and counts ----
    always @(posedge clk_i) begin
        busy_q <= start;
        if (start) begin
            take_read_q <= op_i == FOLLOW;
            pop_list_q  <= op_i == POP && from_list;
            popped_q    <= from_list ? head_q : fresh_q[SECTOR_BITS-1:0];
            if (op_i == POP && from_list)  list_count_q <= list_count_q - 1'b1;
            if (op_i == POP && !from_list) fresh_q <= fresh_q + 1'b1;
            if (op_i == PUSH) begin
                head_q       <= sector_i;
                list_count_q <= list_count_q + 1'b1;
            end
        end
        if (busy_q && pop_list_q) head_q <= read_q;
        if (!rst_ni) begin
            busy_q       <= 1'b0;
            list_count_q <= 0;
            fresh_q      <= 0;
        end
    end

`ifdef FORMAL
    reg [SECTORS*SECTOR_BITS-1:0] next_seen;  // for hw/formal/sector_allocator_formal.v
    integer i;

    always @* for (i = 0; i < SECTORS; i = i + 1) next_seen[i*SECTOR_BITS +: SECTOR_BITS] = next_q[i];
`endif
endmodule

`default_nettype wire
