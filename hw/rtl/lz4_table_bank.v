// SPDX-License-Identifier: MIT
// lz4_table_bank: one bank of the compressor's hash table, a memory with one read and one write port.
//
// Handshake: none; `write_i` writes a row, `read_i` loads `read_data_o`.
// Latency:   one cycle from `read_i` to `read_data_o`, which holds until the next read. A read of the row that is
//            written in the same cycle gives the old content.

`default_nettype none

module lz4_table_bank #(
    parameter WIDTH    = 8,
    parameter ROW_BITS = 7
) (
    input  wire                clk_i,

    input  wire                write_i,
    input  wire [ROW_BITS-1:0] write_row_i,
    input  wire [WIDTH-1:0]    write_data_i,

    input  wire                read_i,
    input  wire [ROW_BITS-1:0] read_row_i,
    output reg  [WIDTH-1:0]    read_data_o
);
    reg [WIDTH-1:0] memory_q [0:(1<<ROW_BITS)-1];

    // Nobody else reads the memory, so its writes may be blocking: for a simulator that is one copy less.
    always @(posedge clk_i) begin
        if (read_i) read_data_o <= memory_q[read_row_i];
        if (write_i) memory_q[write_row_i] = write_data_i;
    end
endmodule

`default_nettype wire
