// SPDX-License-Identifier: MIT
// lz4_decompressor_history: the completed lines of a page, two adjacent ones read at once.
//
// Handshake: none; `write_i` writes a line, `read_i` loads `read_even_o` and `read_odd_o`.
// Latency:   one cycle from `read_i` to the data, which hold until the next read. A read of a line that is written in the
//            same cycle gives the old content.
//
// Even and odd lines lie in two memories of one write and one read port. For the pair of lines that begins with `line`
// the rows are: even (line + 1) / 2, odd line / 2.

`default_nettype none

module lz4_decompressor_history (
    input  wire         clk_i,

    input  wire         write_i,
    input  wire [5:0]   write_line_i,
    input  wire [511:0] write_data_i,

    input  wire         read_i,
    input  wire [4:0]   read_even_row_i,
    input  wire [4:0]   read_odd_row_i,
    output reg  [511:0] read_even_o,
    output reg  [511:0] read_odd_o
);
    (* ram_style = "block" *) reg [511:0] even_q [0:31];
    (* ram_style = "block" *) reg [511:0] odd_q [0:31];

    always @(posedge clk_i) begin
        if (read_i) begin
            read_even_o <= even_q[read_even_row_i];
            read_odd_o  <= odd_q[read_odd_row_i];
        end
        if (write_i && !write_line_i[0]) even_q[write_line_i[5:1]] <= write_data_i;
        if (write_i && write_line_i[0]) odd_q[write_line_i[5:1]] <= write_data_i;
    end
endmodule

`default_nettype wire
