// SPDX-License-Identifier: MIT
// axi_burst_address: the address of the next beat of an AXI4 burst (AMBA AXI, A3.4.1).
//
// Handshake: none, combinational. `length_i` is AxLEN (beats - 1), `size_i` AxSIZE, `burst_i` AxBURST: FIXED, INCR or
//            WRAP.
// Latency:   none.

`default_nettype none

module axi_burst_address (
    input  wire [39:0] address_i,
    input  wire [7:0]  length_i,
    input  wire [2:0]  size_i,
    input  wire [1:0]  burst_i,
    output wire [39:0] next_o
);
    localparam [1:0] FIXED = 2'b00, WRAP = 2'b10;

    // A burst stays within 4 KiB (A3.4.1): the bits above never change.
    wire [11:0] bytes     = 12'd1 << size_i;
    wire [11:0] increment = (address_i[11:0] & ~(bytes - 12'd1)) + bytes;
    // In a wrapping burst beats * bytes is a power of two: the address runs round inside a window of that size.
    wire [11:0] window    = (({4'd0, length_i} + 12'd1) << size_i) - 12'd1;
    wire [11:0] wrapped   = (address_i[11:0] & ~window) | (increment & window);

    assign next_o = {address_i[39:12], burst_i == FIXED ? address_i[11:0] : burst_i == WRAP ? wrapped : increment};
endmodule

`default_nettype wire
