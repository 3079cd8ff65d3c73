// SPDX-License-Identifier: MIT
// fifo: a small first-word-fall-through queue in flip-flops.
//
// Handshake: valid/ready on both sides; an item is taken where both are high. `in_ready_o` does not depend on
//            `out_ready_i`, so no combinational path runs through.
// Latency:   one cycle from in to out.
// Legal:     DEPTH is a power of two, 2 or more.

`default_nettype none

module fifo #(
    parameter WIDTH = 8,
    parameter DEPTH = 2
) (
    input  wire             clk_i,
    input  wire             rst_ni,
    input  wire             clear_i,  // drop everything

    input  wire             in_valid_i,
    output wire             in_ready_o,
    input  wire [WIDTH-1:0] in_data_i,

    output wire             out_valid_o,
    input  wire             out_ready_i,
    output wire [WIDTH-1:0] out_data_o
);
    localparam POINTER_BITS = $clog2(DEPTH);

    reg [WIDTH-1:0]      memory_q [0:DEPTH-1];
    reg [POINTER_BITS:0] head_q, tail_q;  // one bit more than the index tells full from empty

    wire [POINTER_BITS:0] level = tail_q - head_q;

    assign in_ready_o  = !level[POINTER_BITS];
    assign out_valid_o = level != 0;
    assign out_data_o  = memory_q[head_q[POINTER_BITS-1:0]];

    always @(posedge clk_i) begin
        if (in_valid_i && in_ready_o) begin
            memory_q[tail_q[POINTER_BITS-1:0]] <= in_data_i;
            tail_q <= tail_q + 1'b1;
        end
        if (out_valid_o && out_ready_i) head_q <= head_q + 1'b1;
        if (!rst_ni || clear_i) begin
            head_q <= 0;
            tail_q <= 0;
        end
    end

`ifdef FORMAL
    reg [DEPTH*WIDTH-1:0] memory_seen;  // for hw/formal/fifo_formal.v
    integer i;

    always @* for (i = 0; i < DEPTH; i = i + 1) memory_seen[i*WIDTH +: WIDTH] = memory_q[i];
`endif
endmodule

`default_nettype wire
