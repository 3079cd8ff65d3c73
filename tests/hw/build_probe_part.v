// SPDX-License-Identifier: MIT
// build_probe_part: adds STEP.
//
// Handshake: none, combinational.
// Latency:   none.

`default_nettype none

module build_probe_part #(
    parameter STEP = 1
) (
    input  wire [7:0] value_i,
    output wire [7:0] sum_o
);
    localparam [7:0] ADDEND = STEP;
    wire [7:0] inner = value_i + ADDEND;
    assign sum_o = inner;
endmodule

`default_nettype wire
