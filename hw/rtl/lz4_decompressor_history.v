// SPDX-License-Identifier: MIT
// lz4_decompressor_history: the completed lines of 16 bytes of a page, two adjacent ones read at once.
//
// Handshake: none; `write_i` writes a line, `read_i` loads `even_o` and `odd_o`.
// Latency:   one cycle from `read_i` to the data, which hold until the next read.
// Legal:     what is read of a line that is written in the same cycle is not used: it may be anything.
//
// Even and odd lines lie in two memories of one write and one read port. For the pair of lines that begins with `line`
// the rows are: even (line + 1) / 2, odd line / 2.

`default_nettype none

module lz4_decompressor_history (
    input  wire         clk_i,

    input  wire         write_i,
    input  wire [7:0]   write_line_i,
    input  wire [127:0] write_data_i,

    input  wire         read_i,
    input  wire [6:0]   even_row_i,
    input  wire [6:0]   odd_row_i,
    output reg  [127:0] even_o,
    output reg  [127:0] odd_o
);
    (* ram_style = "block" *) (* no_rw_check *) reg [127:0] even_q [0:127];
    (* ram_style = "block" *) (* no_rw_check *) reg [127:0] odd_q [0:127];

    always @(posedge clk_i) begin
        if (read_i) begin
            even_o <= even_q[even_row_i];
            odd_o  <= odd_q[odd_row_i];
        end
        if (write_i && !write_line_i[0]) even_q[write_line_i[7:1]] <= write_data_i;
        if (write_i && write_line_i[0]) odd_q[write_line_i[7:1]] <= write_data_i;
    end
endmodule

`default_nettype wire
