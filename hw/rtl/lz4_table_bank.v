// SPDX-License-Identifier: MIT
// lz4_table_bank: one bank of the compressor's hash table, a memory whose one port reads a row and writes it at once.
//
// Handshake: `enable_i` loads `read_data_o` with what the row holds, and writes it.
// Latency:   one cycle from `enable_i` to `read_data_o`, which holds until the next one.

`default_nettype none

module lz4_table_bank #(
    parameter WIDTH    = 29,
    parameter ROW_BITS = 8
) (
    input  wire                clk_i,

    input  wire                enable_i,
    input  wire [ROW_BITS-1:0] row_i,
    input  wire [WIDTH-1:0]    write_data_i,
    output reg  [WIDTH-1:0]    read_data_o
);
    (* ram_style = "block" *)
    reg [WIDTH-1:0] memory_q [0:(1<<ROW_BITS)-1];

    // Nobody else reads the memory, so its writes may be blocking: for a simulator that is one copy less.
    always @(posedge clk_i)
        if (enable_i) begin
            read_data_o <= memory_q[row_i];
            memory_q[row_i] = write_data_i;
        end
endmodule

`default_nettype wire
