// SPDX-License-Identifier: MIT
// ecc_ram: a memory with one port whose words are checked: a flipped bit is corrected, two to four are told.
//
// A word is stored with a check that covers its address as well (docs/device/integrity.md). A word that was corrected is
// written back in the next cycle, unless there is an access in this one or that, so that flips do not add up.
//
// Handshake: `write_i` stores `data_i`, `read_i` asks for a word; one of them a cycle. `valid_o` pulses when `data_o` is
//            there; it holds until the next read, and `error_o` with it: the word cannot be told. No access between a
//            read and its `valid_o`. `corrected_o` pulses with `valid_o`.
// Latency:   two cycles from `read_i` to `valid_o`.
// Legal:     DATA_BITS + ADDRESS_BITS is at most 112. There is no reset: a word is an error until it has been written.

`default_nettype none

module ecc_ram #(
    parameter DATA_BITS    = 81,
    parameter DEPTH        = 4096,
    parameter ADDRESS_BITS = 12
) (
    input  wire                    clk_i,
    input  wire                    rst_ni,
    input  wire [ADDRESS_BITS-1:0] address_i,
    input  wire                    read_i,
    input  wire                    write_i,
    input  wire [DATA_BITS-1:0]    data_i,
    output wire                    valid_o,
    output wire [DATA_BITS-1:0]    data_o,
    output wire                    error_o,
    output wire                    corrected_o
);
    `include "ecc_words.vh"

    localparam WIDTH = DATA_BITS + WORD_CHECK_BITS;

    reg [WIDTH-1:0]           memory_q [0:DEPTH-1];
    reg [WIDTH-1:0]           word_q;
    reg [WORD_CHECK_BITS-1:0] syndrome_q;
    reg [ADDRESS_BITS-1:0]    address_q;
    reg                       read_q, valid_q, scrub_q;

    wire [WORD_CHECK_BITS-1:0] syndrome, check;
    wire [DATA_BITS-1:0]       flip;
    wire [(DATA_BITS+15)/16:0] found;
    wire                       corrected = |found;

    assign valid_o     = valid_q;
    assign data_o      = word_q[DATA_BITS-1:0] ^ flip;
    assign corrected_o = valid_q && corrected;
    assign error_o     = syndrome_q != {WORD_CHECK_BITS{1'b0}} && !corrected;

    ecc_check #(
        .DATA_BITS(DATA_BITS),
        .BOUND_BITS(ADDRESS_BITS),
        .CHECK_BITS(WORD_CHECK_BITS),
        .POLYNOMIAL(WORD_POLYNOMIAL)
    ) u_check (
        .valid_i(read_q),
        .data_i(word_q[DATA_BITS-1:0]),
        .bound_i(address_q),
        .check_i(word_q[DATA_BITS +: WORD_CHECK_BITS]),
        .syndrome_o(syndrome),
        .syndrome_i(syndrome_q),
        .flip_o(flip),
        .found_o(found)
    );

    wire scrub = scrub_q && !read_i && !write_i;

    ecc_encode #(
        .DATA_BITS(DATA_BITS),
        .BOUND_BITS(ADDRESS_BITS),
        .CHECK_BITS(WORD_CHECK_BITS),
        .POLYNOMIAL(WORD_POLYNOMIAL)
    ) u_encode (
        .valid_i(write_i),
        .data_i(data_i),
        .bound_i(address_i),
        .check_o(check)
    );

    // What a scrub stores has been checked; the syndrome of a flip in the check is that very bit.
    wire                       in_check = found[(DATA_BITS+15)/16];
    wire [WORD_CHECK_BITS-1:0] checked  = word_q[DATA_BITS +: WORD_CHECK_BITS]
                                          ^ (in_check ? syndrome_q : {WORD_CHECK_BITS{1'b0}});
    wire [ADDRESS_BITS-1:0]    address  = read_i || write_i ? address_i : address_q;
    wire [WIDTH-1:0]           word     = write_i ? {check, data_i} : {checked, data_o};

    // ---- the memory: one access a cycle ----
    always @(posedge clk_i) begin
        if (write_i || scrub) memory_q[address] <= word;
        else if (read_i) word_q <= memory_q[address];
    end

    always @(posedge clk_i) begin
        read_q  <= read_i;
        valid_q <= read_q;
        scrub_q <= corrected_o && !read_i && !write_i;  // of an access now, it would store another word
        if (read_i) address_q <= address_i;
        if (read_q) syndrome_q <= syndrome;
        if (!rst_ni) begin
            read_q  <= 1'b0;
            valid_q <= 1'b0;
            scrub_q <= 1'b0;
        end
    end

`ifdef FORMAL
    reg [DEPTH*WIDTH-1:0] memory_seen;  // for checkers
    integer               n;

    always @* for (n = 0; n < DEPTH; n = n + 1) memory_seen[n*WIDTH +: WIDTH] = memory_q[n];
`endif
endmodule

`default_nettype wire
