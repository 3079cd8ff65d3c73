// SPDX-License-Identifier: MIT
// crc32: takes a CRC-32 (IEEE 802.3, as zlib computes it) on by 64 bytes.
//
// Handshake: none, combinational; zero without `valid_i`. `crc_o` is the register after `data_i`
//            (byte 0 in bits 7:0) given `crc_i` before it; the register starts as all ones and its complement is the
//            checksum.
// Latency:   none.
//
// The CRC is linear: bit i of the result is the parity of the data bits that reach it. MASK(i) has a one for each of
// them. The register enters like the first 32 bits of the data.

`default_nettype none

module crc32 (
    input  wire         valid_i,
    input  wire [31:0]  crc_i,
    input  wire [511:0] data_i,
    output wire [31:0]  crc_o
);
    localparam [31:0] POLYNOMIAL = 32'hEDB88320;  // reflected

    // Which data bits reach bit `bit_index`: the last one goes through the polynomial once, every earlier one once more.
    function [511:0] reach;
        input [4:0] bit_index;
        integer    k;
        reg [31:0] effect;
        begin
            effect = POLYNOMIAL;
            for (k = 511; k >= 0; k = k - 1) begin
                reach[k] = effect[bit_index];
                effect   = (effect >> 1) ^ (effect[0] ? POLYNOMIAL : 32'd0);
            end
        end
    endfunction

    wire [511:0] entering = data_i ^ {480'd0, crc_i};

    genvar i;
    generate
        for (i = 0; i < 32; i = i + 1) begin : gen_bit
            localparam [511:0] MASK = reach(i[4:0]);
            assign crc_o[i] = valid_i ? ^(entering & MASK) : 1'b0;
        end
    endgenerate
endmodule

`default_nettype wire
