// SPDX-License-Identifier: MIT
// free_ecc_check: stands in for ecc_check; any word is whole, corrected or not to be told, whatever its check says. What is
// flipped is any, but always the same (`mask`).

`default_nettype none

module ecc_check #(
    parameter                  DATA_BITS  = 512,
    parameter                  BOUND_BITS = 30,
    parameter                  CHECK_BITS = 31,
    parameter [CHECK_BITS-1:0] POLYNOMIAL = 31'h71FB3335
) (
    input  wire                       valid_i,
    input  wire [DATA_BITS-1:0]       data_i,
    input  wire [BOUND_BITS-1:0]      bound_i,
    input  wire [CHECK_BITS-1:0]      check_i,
    output wire [CHECK_BITS-1:0]      syndrome_o,

    input  wire [CHECK_BITS-1:0]      syndrome_i,
    output wire [DATA_BITS-1:0]       flip_o,
    output wire [(DATA_BITS+15)/16:0] found_o
);
    (* anyseq *) wire [CHECK_BITS-1:0] found;
    (* anyconst *) reg [DATA_BITS-1:0] mask;

    assign syndrome_o = valid_i ? found : {CHECK_BITS{1'b0}};
    assign found_o    = {{((DATA_BITS + 15) / 16){1'b0}}, syndrome_i[0]};
    assign flip_o     = syndrome_i[0] ? mask : {DATA_BITS{1'b0}};
endmodule

`default_nettype wire
