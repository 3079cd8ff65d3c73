// SPDX-License-Identifier: MIT
// ecc_check_formal: a word as it was stored passes; one flip of what is stored is corrected; two to TOLD, and one of what
// is bound, are told and never taken for another word.
//
// In two parts, for the solver's sake. LINEAR 1: for any word, bound to anything, and any flips, the syndrome is that of the
// flips alone. LINEAR 0: the claim for the word of zeros, so with the first part for every word.

`default_nettype none

module ecc_check_formal #(
    parameter                  DATA_BITS  = 20,
    parameter                  BOUND_BITS = 10,
    parameter                  CHECK_BITS = 15,
    parameter [CHECK_BITS-1:0] POLYNOMIAL = 15'h4599,
    parameter                  TOLD       = 4,
    parameter                  LINEAR     = 0
) (
    input  wire                                                    valid,
    input  wire [DATA_BITS-1:0]                                    any_data,
    input  wire [BOUND_BITS-1:0]                                   any_bound,
    input  wire [DATA_BITS+BOUND_BITS+CHECK_BITS-1:0]              any_flips,
    input  wire [TOLD*$clog2(DATA_BITS+BOUND_BITS+CHECK_BITS)-1:0] places
);
    localparam BITS = DATA_BITS + BOUND_BITS + CHECK_BITS;

    localparam PLACE_BITS = $clog2(BITS);

    // ---- the word, and what happens to it: TOLD flips at most, as they lie in TOLD places ----
    reg [BITS-1:0] few;
    integer        n;

    always @* begin
        few = {BITS{1'b0}};
        for (n = 0; n < TOLD; n = n + 1) few = few | ({{(BITS - 1){1'b0}}, 1'b1} << places[n*PLACE_BITS +: PLACE_BITS]);
        for (n = 1; n < TOLD; n = n + 1)  // in order: each set of places once
            assume (places[(n-1)*PLACE_BITS +: PLACE_BITS] <= places[n*PLACE_BITS +: PLACE_BITS]);
    end

    wire [BITS-1:0]       flips  = LINEAR != 0 ? any_flips : few;
    wire [DATA_BITS-1:0]  data   = LINEAR != 0 ? any_data : {DATA_BITS{1'b0}};
    wire [BOUND_BITS-1:0] bound  = LINEAR != 0 ? any_bound : {BOUND_BITS{1'b0}};
    wire                  none   = flips == 0;
    wire                  one    = !none && (flips & (flips - 1'b1)) == 0;

    wire [DATA_BITS-1:0]  data_flips;
    wire [BOUND_BITS-1:0] bound_flips;
    wire [CHECK_BITS-1:0] check_flips, check, check_of_flips, syndrome;
    wire [DATA_BITS-1:0]  flip;
    wire [(DATA_BITS+15)/16:0] found;

    wire corrected = |found;
    wire error     = syndrome != 0 && !corrected;

    assign {bound_flips, check_flips, data_flips} = flips;

    wire stored = bound_flips == 0;

    ecc_encode #(
        .DATA_BITS(DATA_BITS),
        .BOUND_BITS(BOUND_BITS),
        .CHECK_BITS(CHECK_BITS),
        .POLYNOMIAL(POLYNOMIAL)
    ) u_flips (
        .valid_i(1'b1),
        .data_i(data_flips),
        .bound_i(bound_flips),
        .check_o(check_of_flips)
    );

    ecc_encode #(
        .DATA_BITS(DATA_BITS),
        .BOUND_BITS(BOUND_BITS),
        .CHECK_BITS(CHECK_BITS),
        .POLYNOMIAL(POLYNOMIAL)
    ) u_stored (
        .valid_i(1'b1),
        .data_i(data),
        .bound_i(bound),
        .check_o(check)
    );

    ecc_check #(
        .DATA_BITS(DATA_BITS),
        .BOUND_BITS(BOUND_BITS),
        .CHECK_BITS(CHECK_BITS),
        .POLYNOMIAL(POLYNOMIAL)
    ) dut (
        .valid_i(valid),
        .data_i(data ^ data_flips),
        .bound_i(bound ^ bound_flips),
        .check_i(check ^ check_flips),
        .syndrome_o(syndrome),
        .syndrome_i(syndrome),
        .flip_o(flip),
        .found_o(found)
    );

    always @* begin
        for (n = 0; n < DATA_BITS; n = n + 1) if (flip[n]) assert (found == 1 << n / 16);
        if (!valid) assert (syndrome == 0 && !corrected && !error && flip == 0);
        if (LINEAR != 0) begin
            if (valid) assert (syndrome == (check_of_flips ^ check_flips));
        end else begin
            if (valid && none) assert (!corrected && !error && flip == 0);
            if (valid && one && stored) assert (corrected && !error && flip == data_flips);
            if (valid && !none && !(one && stored)) assert (error && !corrected && flip == 0);
        end
        cover (valid && corrected && flip != 0);
        cover (valid && corrected && flip == 0);
        cover (valid && error && stored);
        cover (valid && error && one);
    end
endmodule

`default_nettype wire
