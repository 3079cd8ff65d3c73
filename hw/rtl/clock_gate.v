// SPDX-License-Identifier: MIT
// clock_gate: passes the clock on while its enable was high in the second half of the cycle before. Blocks that work now
// and then get their clock through it: they take no power, and no time in a simulation, while they rest.
//
// Handshake: `enable_i` comes from the domain of `clk_i` and names the next rising edge: `clk_o` has that edge or not.
// Latency:   none; the edges of `clk_o` are edges of `clk_i`. `enable_i` has half a cycle to settle.
//
// A technology with a clock-gating cell puts it in the place of this module. Where clocks are not to be gated (FPGA), GATE
// is 0 and the clock always passes: a block that rests does not change with its clock either.

`default_nettype none

module clock_gate #(
    parameter GATE = 1
) (
    input  wire clk_i,
    input  wire enable_i,
    output wire clk_o
);
    generate
        if (GATE != 0) begin : gen_gate
            reg enable_q;

            always @(negedge clk_i) enable_q <= enable_i;

            assign clk_o = clk_i && enable_q;
        end else begin : gen_pass
            wire unused = enable_i;

            assign clk_o = clk_i;
        end
    endgenerate
endmodule

`default_nettype wire
