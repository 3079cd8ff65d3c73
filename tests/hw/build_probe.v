// SPDX-License-Identifier: MIT
// build_probe: a page-wide register and a submodule, to see what a build shows to cocotb.
//
// Handshake: none.
// Latency:   one cycle from `page_i` to `page_o`, none from `value_i` to `sum_o`.

`default_nettype none

module build_probe #(
    parameter STEP = 1
) (
    input  wire           clk_i,
    input  wire [32767:0] page_i,
    output reg  [32767:0] page_o,
    input  wire [7:0]     value_i,
    output wire [7:0]     sum_o
);
    wire [7:0] top_net = value_i;

    build_probe_part #(
        .STEP(STEP)
    ) u_part (
        .value_i(top_net),
        .sum_o(sum_o)
    );

    always @(posedge clk_i) page_o <= ~page_i;
endmodule

`default_nettype wire
