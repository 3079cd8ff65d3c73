// SPDX-License-Identifier: MIT
// byte_mask: each bit as a byte of ones or zeros.
//
// Handshake: none. Wires; each step moves half of the bits of a group to where they belong, for a simulator's sake.
// Latency:   none.
// Legal:     BYTES is a multiple of 8.

`default_nettype none

module byte_mask #(
    parameter BYTES = 16
) (
    input  wire [BYTES-1:0]   bits_i,
    output wire [8*BYTES-1:0] mask_o
);
    genvar n;
    generate
        for (n = 0; n < BYTES / 8; n = n + 1) begin : gen_word
            wire [63:0] four = {28'd0, bits_i[n*8+4 +: 4], 28'd0, bits_i[n*8 +: 4]};
            wire [63:0] two  = (four | (four << 14)) & 64'h0003_0003_0003_0003;
            wire [63:0] one  = (two | (two << 7)) & 64'h0101_0101_0101_0101;
            wire [63:0] pair = one | (one << 1);
            wire [63:0] half = pair | (pair << 2);

            assign mask_o[n*64 +: 64] = half | (half << 4);
        end
    endgenerate
endmodule

`default_nettype wire
