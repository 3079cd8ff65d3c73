// SPDX-License-Identifier: MIT
// sector_arbiter: lets several users share sector_allocator, one operation at a time.
//
// Handshake: each user's `op_valid_i`/`op_ready_o` are those of the allocator; `result_valid_o` pulses for the user whose
//            operation it was. Users of lower numbers go first: none of them asks again before its result is used.
// Latency:   none.

`default_nettype none

module sector_arbiter #(
    parameter USERS = 3,
    parameter BITS  = 31   // of what is asked
) (
    input  wire                  clk_i,

    input  wire [USERS-1:0]      op_valid_i,
    output wire [USERS-1:0]      op_ready_o,
    input  wire [USERS*BITS-1:0] op_i,
    output wire [USERS-1:0]      result_valid_o,

    // ---- sector_allocator ----
    output wire                  op_valid_o,
    input  wire                  op_ready_i,
    output wire [BITS-1:0]       op_o,
    input  wire                  result_valid_i
);
    wire [USERS-1:0] turn = op_valid_i & (~op_valid_i + 1'b1);  // the lowest one
    reg  [USERS-1:0] owner_q;
    reg  [BITS-1:0]  op;
    integer          u;

    always @* begin
        op = {BITS{1'b0}};
        for (u = 0; u < USERS; u = u + 1) op = op | (op_i[u*BITS +: BITS] & {BITS{turn[u]}});
    end

    assign op_valid_o     = |op_valid_i;
    assign op_ready_o     = turn & {USERS{op_ready_i}};
    assign op_o           = op;
    assign result_valid_o = owner_q & {USERS{result_valid_i}};

    always @(posedge clk_i) if (op_valid_o && op_ready_i) owner_q <= turn;
endmodule

`default_nettype wire
