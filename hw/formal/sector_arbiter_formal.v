// SPDX-License-Identifier: MIT
// sector_arbiter_formal: an allocator with several users. Each operation of a user is passed on as it is asked, and its
// result comes to that user, once, and to nobody else, whatever the others ask for meanwhile; none waits for nothing.
//
// One user, whichever, is followed.
//
// Assumed: the allocator takes no operation while one is under way, and gives one result for each (sector_allocator_formal
// proves both).

`default_nettype none

module sector_arbiter_formal #(
    parameter USERS = 3,
    parameter BITS  = 4
) (
    input  wire                  clk_i,
    input  wire                  rst_ni,
    input  wire [USERS-1:0]      op_valid,
    input  wire [USERS*BITS-1:0] op,
    input  wire                  allocator_ready,
    input  wire                  allocator_result
);
    wire [USERS-1:0] op_ready, result_valid;
    wire [BITS-1:0]  passed_op;
    wire             passed_valid;

    sector_arbiter #(
        .USERS(USERS),
        .BITS(BITS)
    ) dut (
        .clk_i(clk_i),
        .op_valid_i(op_valid),
        .op_ready_o(op_ready),
        .op_i(op),
        .result_valid_o(result_valid),
        .op_valid_o(passed_valid),
        .op_ready_i(allocator_ready),
        .op_o(passed_op),
        .result_valid_i(allocator_result)
    );

    (* hierconn *) wire [USERS-1:0] \dut.owner_q ;
    (* anyconst *) reg [$clog2(USERS)-1:0] user;

    reg under_q;   // an operation is under way
    reg mine_q;    // it is the user's
    reg others_q;  // one of another user came to its end while the user asked

    wire takes = passed_valid && allocator_ready;

    initial assume (!rst_ni);
    always @* begin
        assume (user < USERS);
        if (under_q) assume (!allocator_ready);
        else assume (!allocator_result);
    end

    always @(posedge clk_i) begin
        if (allocator_result) under_q <= 1'b0;
        if (takes) {under_q, mine_q} <= {1'b1, op_ready[user]};
        others_q <= op_valid[user] && !op_ready[user] && (others_q || (allocator_result && !mine_q));
        if (!rst_ni) {under_q, mine_q, others_q} <= 3'b000;
    end

    always @(posedge clk_i) if (rst_ni) begin
        assert ((op_ready & ~op_valid) == 0 && (op_ready & (op_ready - 1'b1)) == 0);
        assert (takes == (op_ready != 0));
        if (op_ready[user]) assert (takes && passed_op == op[user*BITS +: BITS]);
        assert (result_valid[user] == (allocator_result && mine_q));
        if (allocator_result) assert (result_valid != 0 && (result_valid & (result_valid - 1'b1)) == 0);
        // what induction needs
        if (under_q) assert (\dut.owner_q [user] == mine_q && \dut.owner_q != 0 && (\dut.owner_q & (\dut.owner_q - 1'b1)) == 0);
        cover (result_valid[user] && op_valid != 0 && !op_valid[user]);
        cover (others_q && op_ready[user]);
    end
endmodule

`default_nettype wire
