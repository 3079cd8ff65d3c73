// SPDX-License-Identifier: MIT
// bytes_apart: which bytes of two words differ: bit 8 * n of `apart_o` tells it of byte n. All other bits are zero.
//
// Handshake: none.
// Latency:   none. The answers stay where their bytes are: to a simulator that is a few operations on words of 64 bits.
// Legal:     BYTES is a multiple of 8.

`default_nettype none

module bytes_apart #(
    parameter BYTES = 16
) (
    input  wire [8*BYTES-1:0] one_i,
    input  wire [8*BYTES-1:0] other_i,
    output wire [8*BYTES-1:0] apart_o
);
    genvar n;
    generate
        for (n = 0; n < BYTES / 8; n = n + 1) begin : gen_word
            wire [63:0] bits  = one_i[n*64 +: 64] ^ other_i[n*64 +: 64];
            wire [63:0] fours = bits | (bits >> 4);
            wire [63:0] twos  = fours | (fours >> 2);

            assign apart_o[n*64 +: 64] = (twos | (twos >> 1)) & 64'h0101_0101_0101_0101;
        end
    endgenerate
endmodule

`default_nettype wire
