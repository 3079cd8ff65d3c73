// SPDX-License-Identifier: MIT
// sector_allocator_formal: no sector is handed out twice, none is lost, and chains stay as they were linked.
//
// The model beside it: which sectors are in use, and the free list as a stack `stack_q`. Nobody reads the stack but the
// assertions that induction needs: it says what the table of the allocator must hold.
//
// Held sectors are in use in the model, and in a stack of their own; they become free only while `settled_i` is high.
//
// The table stands in for ecc_ram: no bit flips (free_ecc_ram).
//
// Assumed, as the header of the allocator asks: POP only while a sector is free; PUSH, LINK and FOLLOW only of sectors
// in use.

`default_nettype none

module sector_allocator_formal #(
    parameter SECTORS = 4,
    parameter BITS    = 2
) (
    input  wire            clk_i,
    input  wire            rst_ni,
    input  wire            op_valid_i,
    input  wire [1:0]      op_i,
    input  wire [BITS-1:0] sector_i,
    input  wire [BITS-1:0] next_i,
    input  wire            hold_i,
    input  wire            settled_i
);
    localparam [1:0] POP = 2'd0, PUSH = 2'd1, LINK = 2'd2, FOLLOW = 2'd3;
    localparam [BITS:0] ALL = SECTORS;
    localparam WORD = BITS + 1;  // of the table: in the free list, successor

    (* anyconst *) reg [BITS-1:0] watched;  // the sector whose fate is followed

    wire            op_ready, result_valid, returned;
    wire [BITS-1:0] result;
    wire [BITS:0]   free;

    sector_allocator #(
        .SECTORS(SECTORS),
        .SECTOR_BITS(BITS)
    ) dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .op_valid_i(op_valid_i),
        .op_ready_o(op_ready),
        .op_i(op_i),
        .sector_i(sector_i),
        .next_i(next_i),
        .hold_i(hold_i),
        .settled_i(settled_i),
        .returned_o(returned),
        .result_valid_o(result_valid),
        .result_o(result),
        .free_o(free)
    );

    (* hierconn *) wire [BITS-1:0] \dut.head_q ;
    (* hierconn *) wire [BITS:0] \dut.at_q ;
    (* hierconn *) wire \dut.sweep_q ;
    (* hierconn *) wire \dut.look_q ;
    (* hierconn *) wire \dut.judge_q ;
    (* hierconn *) wire \dut.lose_q ;
    (* hierconn *) wire \dut.cut_q ;
    (* hierconn *) wire \dut.list_some_q ;
    (* hierconn *) wire \dut.held_some_q ;
    (* hierconn *) wire \dut.busy_q ;
    (* hierconn *) wire \dut.pop_q ;
    (* hierconn *) wire [BITS:0] \dut.list_count_q ;
    (* hierconn *) wire [BITS:0] \dut.fresh_q ;
    (* hierconn *) wire \dut.pop_list_q ;
    (* hierconn *) wire \dut.follow_q ;
    (* hierconn *) wire \dut.give ;
    (* hierconn *) wire \dut.return_q ;
    (* hierconn *) wire [BITS-1:0] \dut.held_q ;
    (* hierconn *) wire [BITS:0] \dut.held_count_q ;
    (* hierconn *) wire \dut.read_q ;
    (* hierconn *) wire \dut.u_links.read_q ;
    (* hierconn *) wire \dut.u_links.valid_q ;
    (* hierconn *) wire [BITS:0] \dut.u_links.data_q ;
    (* hierconn *) wire [SECTORS*WORD-1:0] \dut.u_links.memory_seen ;

    // ---- model ----
    integer n, m;
    reg [SECTORS-1:0]      used_q;
    reg [SECTORS*BITS-1:0] stack_q;      // bottom first
    reg [SECTORS*BITS-1:0] place_q;      // where in it a sector lies
    reg [SECTORS*BITS-1:0] successor_q;  // what LINK has said
    reg [SECTORS-1:0]      linked_q;
    reg [BITS:0]           depth_q;
    reg [SECTORS-1:0]      held_q;       // held sectors, likewise
    reg [SECTORS*BITS-1:0] held_stack_q;
    reg [SECTORS*BITS-1:0] held_place_q;
    reg [BITS:0]           held_depth_q;
    reg                    returned_q;   // some held sector has become free
    reg [BITS:0]           free_q;
    reg                    popping_q, following_q;
    reg [BITS-1:0]         followed_q;
    reg                    taken_again_q;  // the watched sector came back and was handed out again

    wire start = op_valid_i && op_ready;
    wire keep  = start && op_i == PUSH && hold_i;
    wire push  = start && op_i == PUSH && !hold_i;
    wire [BITS-1:0] held_top = held_stack_q[(held_depth_q - 1'b1)*BITS +: BITS];
    wire [BITS-1:0] top = stack_q[(depth_q - 1'b1)*BITS +: BITS];

    initial assume (!rst_ni);

    always @* begin
        assume (watched < ALL);
        if (op_valid_i && op_i == POP) assume (free != 0);
        if (op_valid_i && op_i != POP) assume (sector_i < ALL && used_q[sector_i] && !held_q[sector_i]);
    end

    always @(posedge clk_i) begin
        if (start) {popping_q, following_q} <= {op_i == POP, op_i == FOLLOW};
        else if (result_valid) {popping_q, following_q} <= 2'd0;
        if (start) followed_q <= sector_i;
        if (start && op_i == POP) begin
            free_q <= free_q - 1'b1;
            if (depth_q != 0) depth_q <= depth_q - 1'b1;
        end
        if (push || returned) begin
            free_q  <= free_q + 1'b1;
            depth_q <= depth_q + 1'b1;
        end
        if (keep) held_depth_q <= held_depth_q + 1'b1;
        if (\dut.give ) held_depth_q <= held_depth_q - 1'b1;
        if (returned) returned_q <= 1'b1;
        for (n = 0; n < SECTORS; n = n + 1) begin  // a loop, not an index, keeps the netlist small
            if (depth_q == n && push) stack_q[n*BITS +: BITS] <= sector_i;
            if (depth_q == n && returned) stack_q[n*BITS +: BITS] <= \dut.at_q [BITS-1:0];
            if (held_depth_q == n && keep) held_stack_q[n*BITS +: BITS] <= sector_i;
            if (keep && sector_i == n) begin
                held_q[n]                    <= 1'b1;
                linked_q[n]                  <= 1'b0;
                held_place_q[n*BITS +: BITS] <= held_depth_q[BITS-1:0];
            end
            if ((push && sector_i == n) || (returned && \dut.at_q == n)) begin
                used_q[n]                <= 1'b0;
                held_q[n]                <= 1'b0;
                linked_q[n]              <= 1'b0;
                place_q[n*BITS +: BITS]  <= depth_q[BITS-1:0];
            end
            if (start && op_i == LINK && sector_i == n) begin
                successor_q[n*BITS +: BITS] <= next_i;
                linked_q[n]                 <= 1'b1;
            end
            if (popping_q && result_valid && result == n) begin
                used_q[n]   <= 1'b1;
                linked_q[n] <= 1'b0;
            end
        end
        if (popping_q && result_valid && result == watched && \dut.pop_list_q ) taken_again_q <= 1'b1;
        if (!rst_ni) begin
            used_q   <= 0;
            linked_q <= 0;
            held_q   <= 0;
            {held_depth_q, returned_q} <= 0;
            depth_q  <= 0;
            free_q   <= ALL;
            {popping_q, following_q, taken_again_q} <= 3'd0;
        end
    end

    // ---- claims ----
    reg [BITS:0] used_count;

    always @* begin
        used_count = 0;
        for (m = 0; m < SECTORS; m = m + 1) used_count = used_count + {{BITS{1'b0}}, used_q[m]};
    end

    always @(posedge clk_i) if (rst_ni) begin
        if (result_valid) assert (!op_ready);
        if (popping_q) assert (result < ALL && !used_q[result]);                      // not handed out twice
        if (popping_q && result == watched) assert (!used_q[watched]);
        if (\dut.give ) assert (settled_i);
        if (returned) assert (held_q[\dut.at_q [BITS-1:0]]);
        assert (free == free_q);
        assert (free_q + used_count + {{BITS{1'b0}}, popping_q} == ALL);              // none lost
        if (following_q && result_valid && linked_q[followed_q]) assert (result == successor_q[followed_q*BITS +: BITS]);
        cover (taken_again_q && used_count == ALL);
        cover (following_q && result_valid && linked_q[followed_q] && result != followed_q);
        cover (depth_q == 4);  // all sectors there are, in the smallest configuration
        cover (returned_q && held_q != 0 && held_depth_q == 2);
        cover (popping_q && \dut.pop_list_q && depth_q != 0);
    end

    // ---- what induction needs: the table, the head and the counts are those of the model ----
    genvar s;
    wire settled = !(popping_q && \dut.pop_list_q );  // after a pop from the list the head follows later
    wire [BITS-1:0] asked_of = following_q ? followed_q : \dut.at_q [BITS-1:0];
    wire [BITS-1:0] asked    = \dut.u_links.memory_seen [asked_of*WORD +: BITS];

    always @(posedge clk_i) if (rst_ni) begin
        assert (\dut.list_count_q == depth_q && \dut.fresh_q <= ALL && depth_q <= \dut.fresh_q );
        assert (!\dut.sweep_q && !\dut.look_q && !\dut.judge_q && !\dut.lose_q && !\dut.cut_q );
        assert (\dut.list_some_q == (depth_q != 0) && \dut.held_some_q == (held_depth_q != 0));
        assert (\dut.busy_q == !op_ready);
        if (!op_ready) assert (\dut.pop_q == popping_q);
        assert (popping_q + following_q + \dut.return_q <= 1);
        if (popping_q || following_q || \dut.return_q ) assert (!op_ready);
        assert (\dut.held_count_q == held_depth_q && held_depth_q <= ALL);
        if (held_depth_q != 0) assert ((\dut.return_q ? asked : \dut.held_q ) == held_top);
        if (\dut.return_q ) assert (held_q[\dut.at_q [BITS-1:0]] && \dut.at_q < \dut.fresh_q && held_depth_q < ALL);
        if (!op_ready) assert (\dut.follow_q == following_q && (!\dut.pop_list_q || popping_q));
        if (!op_ready) assert (\dut.read_q == (following_q || \dut.pop_list_q || \dut.return_q ));
        if (popping_q && \dut.pop_list_q ) assert (\dut.at_q == {1'b0, \dut.head_q });
        assert (\dut.u_links.read_q + \dut.u_links.valid_q == (!op_ready && \dut.read_q ));  // the table is at it
        if (!op_ready && \dut.read_q ) assert (\dut.u_links.data_q [BITS-1:0] == asked);
        if (depth_q != 0) assert ((settled ? \dut.head_q : asked) == top);
        if (popping_q && !\dut.pop_list_q ) assert (depth_q == 0 && {1'b0, result} == \dut.fresh_q - 1'b1);
        if (popping_q) assert ({1'b0, result} < \dut.fresh_q );
        if (following_q && linked_q[followed_q]) assert (\dut.u_links.memory_seen [followed_q*WORD +: BITS] == successor_q[followed_q*BITS +: BITS]);
    end

    generate
        for (s = 0; s < SECTORS; s = s + 1) begin : gen_each
            wire [BITS-1:0] held   = held_stack_q[s*BITS +: BITS];
            wire [BITS-1:0] listed = stack_q[s*BITS +: BITS];

            always @(posedge clk_i) if (rst_ni) begin
                if (s < depth_q)
                    assert (!used_q[listed] && {1'b0, listed} < \dut.fresh_q
                            && place_q[listed*BITS +: BITS] == s && !(popping_q && result == listed));
                if (s != 0 && s < depth_q)
                    assert (\dut.u_links.memory_seen [listed*WORD +: BITS] == stack_q[(s == 0 ? 0 : s - 1)*BITS +: BITS]);
                if (s < held_depth_q)
                    assert (held_q[held] && held_place_q[held*BITS +: BITS] == s && !(\dut.return_q && \dut.at_q == held));
                if (s != 0 && s < held_depth_q)
                    assert (\dut.u_links.memory_seen [held*WORD +: BITS] == held_stack_q[(s == 0 ? 0 : s - 1)*BITS +: BITS]);
                if (held_q[s]) assert (used_q[s] && !linked_q[s]);
                if (s >= \dut.fresh_q ) assert (!used_q[s]);
                // a sweep would find the sectors of the list, and no other
                if (s < \dut.fresh_q && !(popping_q && \dut.at_q == s))
                    assert (\dut.u_links.memory_seen [s*WORD + BITS] == !used_q[s]);
                if (!used_q[s]) assert (!linked_q[s]);
                if (linked_q[s]) assert (\dut.u_links.memory_seen [s*WORD +: BITS] == successor_q[s*BITS +: BITS]);
            end
        end
    endgenerate
endmodule

`default_nettype wire
