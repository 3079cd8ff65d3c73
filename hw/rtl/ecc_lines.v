// SPDX-License-Identifier: MIT
// ecc_lines: a memory of 64-byte lines, one write and one read port, whose lines are checked: a flipped bit is corrected,
// two to six are told.
//
// A line is stored with a check that covers what it is bound to (page and line) as well (docs/device/integrity.md). A
// line that was corrected is written back, unless the write port is in use or the line was written meanwhile.
//
//     write --> encode -----> RAM --> syndrome --> flip --> line
//                 |            ^                              |
//                 +-- passed --)---------------> (each arrow but the first a register)
//                              +------------ scrub -----------+
//
// Handshake: `write_i` stores a line, `read_i` asks for one; `write_cancel_i`, `read_cancel_i` in the next cycle take that back. `valid_o` pulses
//            when `data_o` and `check_o` are there, with `error_o` (they cannot be told) or `corrected_o`. A cycle after the
//            error `flaw_o` pulses, with the address, unless the line was written since it was read. While `moves_o` is
//            high the clock is needed.
// Latency:   three cycles from `read_i` to `valid_o`; a read each cycle. A line is encoded a cycle after `write_i`: a read
//            in the cycle of the write gives the old line, one in the next cycle the new line.

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
    input  wire                    write_cancel_i,

    input  wire                    read_i,
    input  wire [ADDRESS_BITS-1:0] read_address_i,
    input  wire [BOUND_BITS-1:0]   read_bound_i,
    input  wire                    read_cancel_i,
    output wire                    valid_o,
    output wire [ADDRESS_BITS-1:0] address_o,
    output wire [511:0]            data_o,
    output wire [CHECK_BITS-1:0]   check_o,
    output wire                    corrected_o,
    output wire                    error_o,
    output wire                    flaw_o,
    output wire [ADDRESS_BITS-1:0] flaw_address_o
);
    localparam PARTS = 512 / 16 + 1;

    // ---- in the cycle after the write ----
    reg                    write_q;
    reg [ADDRESS_BITS-1:0] write_address_q;
    reg [BOUND_BITS-1:0]   write_bound_q;
    reg [511:0]            write_data_q;

    // ---- in the cycle after the read: the RAM's word, or what was written in its place in the cycle of the read ----
    reg                    read_q, passed_q;
    reg [ADDRESS_BITS-1:0] read_address_q;
    reg [BOUND_BITS-1:0]   read_bound_q;
    reg [511:0]            passed_data_q;
    reg [CHECK_BITS-1:0]   passed_check_q;

    // ---- in the one after that: its syndrome ----
    reg                    syndrome_valid_q, syndrome_stale_q;
    reg [ADDRESS_BITS-1:0] syndrome_address_q;
    reg [511:0]            syndrome_data_q;
    reg [CHECK_BITS-1:0]   syndrome_check_q, syndrome_q;

    // ---- in the last one: corrected, and where ----
    reg                    valid_q, differs_q, stale_q;
    reg [ADDRESS_BITS-1:0] address_q;
    reg [511:0]            data_q;
    reg [CHECK_BITS-1:0]   check_q;
    reg [PARTS-1:0]        found_q;

    // ---- and after it: which one could not be told ----
    reg                    flaw_q;
    reg [ADDRESS_BITS-1:0] flaw_address_q;

    wire [511:0]          word_data;
    wire [CHECK_BITS-1:0] word_check, syndrome, check;
    wire [511:0]          flip;
    wire [PARTS-1:0]      found;
    wire                  corrected = |found_q;

    wire writes = write_q && !write_cancel_i;

    assign moves_o     = write_q || read_i || read_q || syndrome_valid_q || valid_q || flaw_q;
    assign valid_o     = valid_q;
    assign address_o   = address_q;
    assign data_o      = data_q;
    assign check_o     = check_q;
    assign corrected_o = valid_q && corrected;
    assign error_o     = valid_q && differs_q && !corrected;

    assign flaw_o         = flaw_q && !(writes && write_address_q == flaw_address_q);
    assign flaw_address_o = flaw_address_q;

    // A read never meets a write in the RAM: it is given what is written. That of a scrub is the same line.
    wire                    scrub       = corrected_o && !stale_q && !writes;
    wire                    passes      = writes && write_address_q == read_address_i;
    wire                    passes_scrub = scrub && address_q == read_address_i;
    wire                    stores      = writes || scrub;
    wire [ADDRESS_BITS-1:0] address     = writes ? write_address_q : address_q;
    wire [511:0]            data        = writes ? write_data_q : data_q;
    wire [CHECK_BITS-1:0]   data_check  = writes ? check : check_q;

    ram_apart #(
        .WIDTH(512 + CHECK_BITS),
        .DEPTH(DEPTH),
        .ADDRESS_BITS(ADDRESS_BITS)
    ) u_lines (
        .clk_i(clk_i),
        .write_i(stores),
        .write_address_i(address),
        .write_data_i({data_check, data}),
        .read_i(read_i),
        .read_address_i(read_address_i),
        .read_data_o({word_check, word_data})
    );

    ecc_encode #(
        .DATA_BITS(512),
        .BOUND_BITS(BOUND_BITS),
        .CHECK_BITS(CHECK_BITS),
        .POLYNOMIAL(POLYNOMIAL)
    ) u_encode (
        .valid_i(writes),
        .data_i(write_data_q),
        .bound_i(write_bound_q),
        .check_o(check)
    );

    ecc_check #(
        .DATA_BITS(512),
        .BOUND_BITS(BOUND_BITS),
        .CHECK_BITS(CHECK_BITS),
        .POLYNOMIAL(POLYNOMIAL)
    ) u_check (
        .valid_i(read_q && !passed_q),
        .data_i(word_data),
        .bound_i(read_bound_q),
        .check_i(word_check),
        .syndrome_o(syndrome),
        .syndrome_i(syndrome_q),
        .flip_o(flip),
        .found_o(found)
    );

    always @(posedge clk_i) begin
        write_q <= write_i;
        if (write_i) {write_address_q, write_bound_q, write_data_q} <= {write_address_i, write_bound_i, write_data_i};

        read_q <= read_i;
        if (read_i) begin
            passed_q       <= passes || passes_scrub;
            read_address_q <= read_address_i;
            read_bound_q   <= read_bound_i;
        end
        if (stores) {passed_data_q, passed_check_q} <= {data, data_check};

        syndrome_valid_q <= read_q && !read_cancel_i;
        if (read_q) begin
            syndrome_address_q <= read_address_q;
            syndrome_data_q    <= passed_q ? passed_data_q : word_data;
            syndrome_check_q   <= passed_q ? passed_check_q : word_check;
            syndrome_q         <= syndrome;
            syndrome_stale_q   <= writes && write_address_q == read_address_q;
        end

        valid_q <= syndrome_valid_q;
        if (syndrome_valid_q) begin
            address_q <= syndrome_address_q;
            data_q    <= syndrome_data_q ^ flip;
            check_q   <= syndrome_check_q ^ (found[PARTS-1] ? syndrome_q : {CHECK_BITS{1'b0}});  // of a flip in the check
            differs_q <= syndrome_q != {CHECK_BITS{1'b0}};
            found_q   <= found;
            stale_q   <= syndrome_stale_q || (writes && write_address_q == syndrome_address_q);
        end

        flaw_q <= error_o && !stale_q && !(writes && write_address_q == address_q);
        if (valid_q) flaw_address_q <= address_q;
        if (!rst_ni) {write_q, read_q, syndrome_valid_q, valid_q, flaw_q} <= 5'b00000;
    end
endmodule

`default_nettype wire
