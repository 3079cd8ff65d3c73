// SPDX-License-Identifier: MIT
// free_lz4_decompressor_pattern: stands in for lz4_decompressor_pattern; the bytes of a match are any.

`default_nettype none

module lz4_decompressor_pattern #(
    parameter BYTES = 8
) (
    input  wire [8*BYTES-1:0] data_i,
    input  wire [3:0]         period_i,
    input  wire [6:0]         bytes_i,
    output wire [8*BYTES-1:0] data_o
);
    (* anyseq *) wire [8*BYTES-1:0] any;

    assign data_o = any;
endmodule

`default_nettype wire
