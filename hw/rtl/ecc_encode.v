// SPDX-License-Identifier: MIT
// ecc_encode: the check bits of a word, and of bits that are bound to it but not stored (docs/device/integrity.md).
//
// The word {bound, data} times x^CHECK_BITS, modulo a generator polynomial. It is linear: bit i of the check is the parity
// of the bits that reach it. MASK(i) has a one for each of them.
//
// Handshake: none, combinational; zero without `valid_i`.
// Latency:   none.

`default_nettype none

module ecc_encode #(
    parameter                  DATA_BITS  = 512,
    parameter                  BOUND_BITS = 30,
    parameter                  CHECK_BITS = 31,
    parameter [CHECK_BITS-1:0] POLYNOMIAL = 31'h71FB3335  // without its highest term
) (
    input  wire                  valid_i,
    input  wire [DATA_BITS-1:0]  data_i,
    input  wire [BOUND_BITS-1:0] bound_i,
    output wire [CHECK_BITS-1:0] check_o
);
    localparam BITS = DATA_BITS + BOUND_BITS;

    // Which bits reach bit `index` of the check: bit 0 of the word is x^CHECK_BITS, every later one a power more.
    function [BITS-1:0] reach;
        input [$clog2(CHECK_BITS)-1:0] index;
        integer              k;
        reg [CHECK_BITS-1:0] power;
        begin
            power = POLYNOMIAL;
            for (k = 0; k < BITS; k = k + 1) begin
                reach[k] = power[index];
                power    = {power[CHECK_BITS-2:0], 1'b0} ^ (power[CHECK_BITS-1] ? POLYNOMIAL : {CHECK_BITS{1'b0}});
            end
        end
    endfunction

    wire [BITS-1:0] word = {bound_i, data_i};

    genvar i;
    generate
        for (i = 0; i < CHECK_BITS; i = i + 1) begin : gen_bit
            localparam [BITS-1:0] MASK = reach(i[$clog2(CHECK_BITS)-1:0]);
            assign check_o[i] = valid_i ? ^(word & MASK) : 1'b0;
        end
    endgenerate
endmodule

`default_nettype wire
