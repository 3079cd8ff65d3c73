// SPDX-License-Identifier: MIT
// lz4_decompressor_rotator: moves the bytes of a line up, round its end, each to a lane as far as that lane says.
//
// Handshake: none, combinational. Lane n of `data_o` is lane n - distance n of `data_i`.
// Latency:   none.
// Legal:     all distances are the same, or lanes that are a power of two apart take the same byte.
//
// Four steps of 8, 4, 2 and 1 lanes, each taken by the lanes whose distance has that bit. A lane takes what the lane below
// it holds at that step, and the two have one source: so it is right for both cases, and a line that is filled with a
// pattern of 1, 2, 4 or 8 bytes costs no more than one that is shifted.

`default_nettype none

module lz4_decompressor_rotator (
    input  wire [127:0] data_i,
    input  wire [63:0]  distance_i,  // 4 bits a lane
    output wire [127:0] data_o
);
    reg [127:0] by_8, by_4, by_2, by_1;
    integer     n;

    always @* begin
        for (n = 0; n < 16; n = n + 1)
            by_8[n*8 +: 8] = distance_i[n*4 + 3] ? data_i[(n + 8) % 16 * 8 +: 8] : data_i[n*8 +: 8];
        for (n = 0; n < 16; n = n + 1)
            by_4[n*8 +: 8] = distance_i[n*4 + 2] ? by_8[(n + 12) % 16 * 8 +: 8] : by_8[n*8 +: 8];
        for (n = 0; n < 16; n = n + 1)
            by_2[n*8 +: 8] = distance_i[n*4 + 1] ? by_4[(n + 14) % 16 * 8 +: 8] : by_4[n*8 +: 8];
        for (n = 0; n < 16; n = n + 1)
            by_1[n*8 +: 8] = distance_i[n*4] ? by_2[(n + 15) % 16 * 8 +: 8] : by_2[n*8 +: 8];
    end

    assign data_o = by_1;
endmodule

`default_nettype wire
