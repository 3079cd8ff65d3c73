// SPDX-License-Identifier: MIT
// ecc_check: corrects a single flipped bit of a stored word, and tells what it cannot correct.
//
// The syndrome of a flip of bit n is x^n modulo the generator, with the check in the low bits, then the data, then what
// is bound. One that is that of a stored bit is corrected. Any other but zero is an error, also that of a bound bit: the
// word was stored for another place.
//
// Handshake: none, combinational, in parts with room for a register between them: `syndrome_o` of what was read; from
//            `syndrome_i` what to flip, and `found_o`: in which part of the word, a bit each for 16 bits of the data and
//            the last one for the check. Then any bit of it means corrected, none with a syndrome that is not zero means
//            that the word cannot be told. All are zero, and nothing toggles, without `valid_i` and with syndrome zero.
// Latency:   none.

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
    output reg  [DATA_BITS-1:0]       flip_o,
    output reg  [(DATA_BITS+15)/16:0] found_o
);
    localparam PARTS = (DATA_BITS + 15) / 16;

    wire [CHECK_BITS-1:0] check;

    ecc_encode #(
        .DATA_BITS(DATA_BITS),
        .BOUND_BITS(BOUND_BITS),
        .CHECK_BITS(CHECK_BITS),
        .POLYNOMIAL(POLYNOMIAL)
    ) u_encode (
        .valid_i(valid_i),
        .data_i(data_i),
        .bound_i(bound_i),
        .check_o(check)
    );

    assign syndrome_o = valid_i ? check ^ check_i : {CHECK_BITS{1'b0}};

    // The bit whose flip has this syndrome, none if there is none. A function, so that no variable of it needs a latch.
    function [DATA_BITS-1:0] flipped;
        input [CHECK_BITS-1:0] syndrome;
        reg   [CHECK_BITS-1:0] power;
        integer                k;
        begin
            power = POLYNOMIAL;
            for (k = 0; k < DATA_BITS; k = k + 1) begin
                flipped[k] = syndrome == power;
                power      = {power[CHECK_BITS-2:0], 1'b0} ^ (power[CHECK_BITS-1] ? POLYNOMIAL : {CHECK_BITS{1'b0}});
            end
        end
    endfunction

    // Whether it has a single one, found in pairs of halves: which have one, which have more.
    localparam LEAVES = 1 << $clog2(CHECK_BITS);

    function single;
        input [CHECK_BITS-1:0] syndrome;
        reg   [LEAVES-1:0]     some, many;
        integer                span, k;
        begin
            some = {{(LEAVES - CHECK_BITS){1'b0}}, syndrome};
            many = {LEAVES{1'b0}};
            for (span = LEAVES / 2; span > 0; span = span / 2)
                for (k = 0; k < span; k = k + 1) begin
                    many[k] = many[2*k] || many[2*k+1] || (some[2*k] && some[2*k+1]);
                    some[k] = some[2*k] || some[2*k+1];
                end
            single = some[0] && !many[0];
        end
    endfunction

    // Where it is, in parts of 16 bits.
    function [PARTS-1:0] part_of;
        input [DATA_BITS-1:0] flip;
        integer               k;
        begin
            part_of = {PARTS{1'b0}};
            for (k = 0; k < DATA_BITS; k = k + 1) if (flip[k]) part_of[k / 16] = 1'b1;
        end
    endfunction

    always @* begin
        flip_o  = {DATA_BITS{1'b0}};
        found_o = {(PARTS + 1){1'b0}};
        if (syndrome_i != {CHECK_BITS{1'b0}}) begin
            flip_o  = flipped(syndrome_i);
            found_o = {single(syndrome_i), part_of(flip_o)};
        end
    end
endmodule

`default_nettype wire
