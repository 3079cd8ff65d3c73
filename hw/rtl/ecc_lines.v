// SPDX-License-Identifier: MIT
// ecc_lines: a memory of 64-byte lines, one write and one read port, whose lines are checked: a flipped bit is corrected,
// two to six are told.
//
// A line is stored with a check that covers what it is bound to (page and line) as well (docs/device/integrity.md). A
// line that was corrected is written back, unless the write port is in use or the line was written meanwhile.
//
// Handshake: `write_i` stores a line. `read_i` asks for one; with `pass_i`, `pass_data_i` is given instead, as it is.
//            `valid_o` pulses when `data_o` and `check_o` are there, with `error_o` (they cannot be told) or `corrected_o`.
//            `stale_o`: the line was written since it was read. While `moves_o` is high the clock is needed.
// Latency:   two cycles from `read_i` to `valid_o`; a read each cycle. A read in the cycle of a write gives the old line.

`default_nettype none

module ecc_lines #(
    parameter                  DEPTH        = 512,
    parameter                  ADDRESS_BITS = 9,
    parameter                  BOUND_BITS   = 30,
    parameter                  CHECK_BITS   = 31,
    parameter [CHECK_BITS-1:0] POLYNOMIAL   = 31'h71FB3335
) (
    input  wire                    clk_i,
    input  wire                    rst_ni,
    output wire                    moves_o,

    input  wire                    write_i,
    input  wire [ADDRESS_BITS-1:0] write_address_i,
    input  wire [BOUND_BITS-1:0]   write_bound_i,
    input  wire [511:0]            write_data_i,

    input  wire                    read_i,
    input  wire [ADDRESS_BITS-1:0] read_address_i,
    input  wire [BOUND_BITS-1:0]   read_bound_i,
    input  wire                    pass_i,
    input  wire [511:0]            pass_data_i,
    output wire                    valid_o,
    output wire [ADDRESS_BITS-1:0] address_o,
    output wire [511:0]            data_o,
    output wire [CHECK_BITS-1:0]   check_o,
    output wire                    corrected_o,
    output wire                    error_o,
    output wire                    stale_o
);
    localparam WIDTH = 512 + 32;  // whole bytes; the last bit of the check's word is not used

    // ---- in the cycle after the read ----
    reg                    read_q, pass_q, stale_q;
    reg [ADDRESS_BITS-1:0] address_q;
    reg [BOUND_BITS-1:0]   bound_q;
    reg [511:0]            passed_q;

    // ---- in the one after that ----
    reg                    valid_q, stale_too_q;
    reg [ADDRESS_BITS-1:0] address_too_q;
    reg [511:0]            data_q;
    reg [CHECK_BITS-1:0]   check_q, syndrome_q;

    wire [WIDTH-1:0]      word;
    wire [CHECK_BITS-1:0] syndrome, check;
    wire [511:0]          flip;
    wire [32:0]           found;
    wire                  corrected = |found;
    wire                  flawed    = syndrome_q != {CHECK_BITS{1'b0}} && !corrected;
    wire                  unused = word[WIDTH-1];

    // The syndrome of a flip in the check is that very bit.
    wire [CHECK_BITS-1:0] check_flip = corrected && flip == 512'd0 ? syndrome_q : {CHECK_BITS{1'b0}};

    assign moves_o     = read_i || read_q || valid_q;
    assign valid_o     = valid_q;
    assign address_o   = address_too_q;
    assign data_o      = data_q ^ flip;
    assign check_o     = check_q ^ check_flip;
    assign corrected_o = valid_q && corrected;
    assign error_o     = valid_q && flawed;
    assign stale_o     = stale_too_q;

    wire scrub = corrected_o && !stale_too_q && !write_i;

    ram #(
        .WIDTH(WIDTH),
        .DEPTH(DEPTH),
        .ADDRESS_BITS(ADDRESS_BITS)
    ) u_lines (
        .clk_i(clk_i),
        .write_i(write_i || scrub),
        .write_address_i(scrub ? address_too_q : write_address_i),
        .write_data_i(scrub ? {1'b0, check_o, data_o} : {1'b0, check, write_data_i}),
        .write_strobe_i({(WIDTH / 8){1'b1}}),
        .read_i(read_i && !pass_i),
        .read_address_i(read_address_i),
        .read_data_o(word)
    );

    ecc_encode #(
        .DATA_BITS(512),
        .BOUND_BITS(BOUND_BITS),
        .CHECK_BITS(CHECK_BITS),
        .POLYNOMIAL(POLYNOMIAL)
    ) u_encode (
        .valid_i(write_i),
        .data_i(write_data_i),
        .bound_i(write_bound_i),
        .check_o(check)
    );

    ecc_check #(
        .DATA_BITS(512),
        .BOUND_BITS(BOUND_BITS),
        .CHECK_BITS(CHECK_BITS),
        .POLYNOMIAL(POLYNOMIAL)
    ) u_check (
        .valid_i(read_q && !pass_q),
        .data_i(word[511:0]),
        .bound_i(bound_q),
        .check_i(word[512 +: CHECK_BITS]),
        .syndrome_o(syndrome),
        .syndrome_i(syndrome_q),
        .flip_o(flip),
        .found_o(found)
    );

    always @(posedge clk_i) begin
        read_q  <= read_i;
        valid_q <= read_q;
        if (read_i) begin
            pass_q    <= pass_i;
            address_q <= read_address_i;
            bound_q   <= read_bound_i;
            stale_q   <= write_i && write_address_i == read_address_i;
        end
        if (read_i && pass_i) passed_q <= pass_data_i;
        if (read_q) begin
            address_too_q <= address_q;
            data_q        <= pass_q ? passed_q : word[511:0];
            check_q       <= word[512 +: CHECK_BITS];
            syndrome_q    <= syndrome;
            stale_too_q   <= stale_q || (write_i && write_address_i == address_q);
        end
        if (!rst_ni) begin
            read_q  <= 1'b0;
            valid_q <= 1'b0;
        end
    end
endmodule

`default_nettype wire
