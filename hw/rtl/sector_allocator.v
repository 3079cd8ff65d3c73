// SPDX-License-Identifier: MIT
// sector_allocator: hands out media sectors and keeps the chains that pages are stored in.
//
// One table `next` serves both the free list and the chains: a sector is in exactly one of them. Sectors that were
// never used are not in the list at all but counted by `fresh_q`, so that reset needs no sweep.
//
//     free list:  head_q -> next[head_q] -> ...   (list_count_q sectors, last freed first)
//     fresh:      fresh_q, fresh_q + 1, ... SECTORS - 1
//     a page:     first -> next[first] -> ...     (its length tells how many)
//     held:       held_q -> next[held_q] -> ...   (held_count_q sectors, that the media may still write)
//
// Beside each link the table says whether its sector is in the free list. The table is checked (ecc_ram). A link of a
// chain that cannot be told ends the chain. A link of the free list that cannot be told costs nothing: the list is
// made anew in a sweep over all sectors that were ever used. A flip never gives away a sector that is in use.
//
// Handshake: `op_valid_i`/`op_ready_o`; then `result_valid_o` pulses.
//     POP     takes a sector: result is its number. Never asked when `free_o` is 0.
//     PUSH    gives `sector_i` back; with `hold_i` it becomes free when `settled_i` is high and no operation is asked for.
//     LINK    makes `next_i` the successor of `sector_i`.
//     FOLLOW  result is the successor of `sector_i`, unless `result_error_o`.
//            `lost_o` is the number of free sectors that a sweep has not found, in the cycle of `lost_valid_o`: their own
//            words cannot be told; or of held ones behind a link that cannot be told. `returned_o` pulses when a held one
//            becomes free.
// Latency:   PUSH and LINK: result in the next cycle, one every two cycles. POP and FOLLOW: a cycle more. After a sweep,
//            four cycles for each sector below `fresh_q`, the next operation is taken.

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
    input  wire                   hold_i,
    input  wire                   settled_i,
    output wire                   busy_o,        // of its own: it sweeps, or held sectors become free
    output wire                   returned_o,

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
    reg                   list_some_q;   // list_count_q is not 0

    reg [SECTOR_BITS-1:0] held_q;
    reg [SECTOR_BITS:0]   held_count_q;
    reg                   held_some_q;   // held_count_q is not 0

    reg                   busy_q;
    reg                   read_q;        // the operation under way waits for the table
    reg                   pop_q;         // it pops
    reg                   pop_list_q;    // from the list: the successor becomes the head
    reg                   follow_q;      // it follows: the successor is the result
    reg                   return_q;      // a held sector becomes free: nobody has asked
    reg [SECTOR_BITS:0]   at_q;          // the sector that it pops, or that the sweep is at

    // What an unreadable link leads to is done in the cycle after it was read.
    reg                   lose_q;        // it is that of the head: a sweep follows
    reg                   cut_q;         // it is that of a held sector: the others are lost

    reg                   sweep_q;
    reg                   look_q;        // the sweep waits for the table
    reg                   judge_q;       // the table has answered
    reg                   find_q;        // a free sector
    reg                   end_q;         // it was the last one
    reg [SECTOR_BITS:0]   last_q;        // fresh_q - 1
    reg [SECTOR_BITS:0]   found_q;       // free sectors that it has found

    wire                   start     = op_valid_i && op_ready_o;
    wire                   from_list = list_some_q;
    wire                   pop       = op_i == POP;
    wire                   writes    = op_i == PUSH || op_i == LINK;
    wire                   held      = held_some_q && settled_i;
    wire                   give      = held && !op_valid_i && op_ready_o;
    wire                   there, flawed, listed;
    wire                   over      = busy_q && (there || !read_q);
    wire [SECTOR_BITS-1:0] successor;

    assign op_ready_o     = !busy_q && !sweep_q && !lose_q && !cut_q;
    assign busy_o         = sweep_q || return_q || held || lose_q || cut_q;
    assign returned_o     = over && return_q;
    assign result_valid_o = over && !return_q;
    assign result_o       = follow_q ? successor : at_q[SECTOR_BITS-1:0];
    assign result_error_o = follow_q && flawed;
    assign free_o         = list_count_q + (SECTOR_COUNT - fresh_q);

    // ---- the sweep: the head cannot be told, and it is not that of an empty list ----
    wire swept   = sweep_q && !look_q && !judge_q && end_q;
    wire look    = sweep_q && !look_q && !judge_q && !end_q;
    wire find    = judge_q && find_q;

    assign lost_valid_o = cut_q || (swept && found_q < list_count_q);
    assign lost_o       = cut_q ? held_count_q : list_count_q - found_q;

    // ---- the table: a sector that is taken leaves the list in the cycle of the result, in which the port is free ----
    wire leave = result_valid_o && pop_q;

    wire [SECTOR_BITS:0] word  = busy_q || sweep_q ? {sweep_q || return_q, head_q} : op_i == LINK ? {1'b0, next_i}
                                 : hold_i ? {1'b0, held_q} : {1'b1, head_q};

    ecc_ram #(
        .DATA_BITS(SECTOR_BITS + 1),
        .DEPTH(SECTORS),
        .ADDRESS_BITS(SECTOR_BITS)
    ) u_links (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .address_i(busy_q || sweep_q ? at_q[SECTOR_BITS-1:0] : give ? held_q : pop ? head_q : sector_i),
        .read_i((start && (op_i == FOLLOW || (pop && from_list))) || look || give),
        .write_i((start && writes) || leave || find || returned_o),
        .data_i(word),
        .valid_o(there),
        .data_o({listed, successor}),
        .error_o(flawed),
        .corrected_o(corrected_o)
    );

    always @(posedge clk_i) begin
        if (start) begin
            busy_q     <= 1'b1;
            read_q     <= op_i == FOLLOW || (pop && from_list);
            follow_q   <= op_i == FOLLOW;
            pop_q      <= pop;
            pop_list_q <= pop && from_list;
            at_q       <= from_list ? {1'b0, head_q} : fresh_q;
            if (pop && from_list) begin
                list_count_q <= list_count_q - 1'b1;
                list_some_q  <= list_count_q != 1;
            end
            if (pop && !from_list) fresh_q <= fresh_q + 1'b1;
            if (op_i == PUSH && hold_i) begin
                held_q       <= sector_i;
                held_count_q <= held_count_q + 1'b1;
                held_some_q  <= 1'b1;
            end else if (op_i == PUSH) begin
                head_q       <= sector_i;
                list_count_q <= list_count_q + 1'b1;
                list_some_q  <= 1'b1;
            end
        end else if (over) begin
            busy_q   <= 1'b0;
            return_q <= 1'b0;
        end
        if (give) begin
            busy_q       <= 1'b1;
            read_q       <= 1'b1;
            return_q     <= 1'b1;
            {follow_q, pop_q, pop_list_q} <= 3'b000;
            at_q         <= {1'b0, held_q};
            held_count_q <= held_count_q - 1'b1;
            held_some_q  <= held_count_q != 1;
        end
        if (returned_o) begin
            head_q       <= at_q[SECTOR_BITS-1:0];
            list_count_q <= list_count_q + 1'b1;
            list_some_q  <= 1'b1;
            held_q       <= successor;
        end
        if (busy_q && there && pop_list_q) head_q <= successor;
        lose_q <= busy_q && there && pop_list_q && flawed && from_list;
        cut_q  <= returned_o && flawed && held_some_q;
        if (cut_q) begin
            held_count_q <= 0;
            held_some_q  <= 1'b0;
        end
        last_q <= fresh_q - 1'b1;
        if (lose_q) begin
            sweep_q <= 1'b1;
            at_q    <= 0;
            found_q <= 0;
            end_q   <= 1'b0;
        end
        if (look) look_q <= 1'b1;
        if (look_q && there) begin
            look_q  <= 1'b0;
            judge_q <= 1'b1;
            find_q  <= listed && !flawed;
            end_q   <= at_q == last_q;
        end
        if (judge_q) begin
            judge_q <= 1'b0;
            at_q    <= at_q + 1'b1;
        end
        if (find) begin
            head_q  <= at_q[SECTOR_BITS-1:0];
            found_q <= found_q + 1'b1;
        end
        if (swept) begin  // a loss is seen in `free_o` a cycle before the next operation
            list_count_q <= found_q;
            list_some_q  <= found_q != 0;
            if (found_q >= list_count_q) sweep_q <= 1'b0;
        end
        if (!rst_ni) begin
            busy_q       <= 1'b0;
            head_q       <= 0;  // the first sector of a list links to it, though nobody follows that
            list_count_q <= 0;
            list_some_q  <= 1'b0;
            fresh_q      <= 0;
            held_count_q <= 0;
            held_some_q  <= 1'b0;
            return_q     <= 1'b0;
            lose_q       <= 1'b0;
            cut_q        <= 1'b0;
            sweep_q      <= 1'b0;
            look_q       <= 1'b0;
            judge_q      <= 1'b0;
        end
    end
endmodule

`default_nettype wire
