// SPDX-License-Identifier: MIT
// lz4_page_buffer: one page, written in lines, read as up to 64 bytes from any byte address.
//
// Handshake: none; `write_i` writes a line; what is read is zero without `read_i`, so that nothing toggles. A page that
//            is read from several places has one copy per place.
// Latency:   reads are combinational; a line can be read in the cycle after it was written. Reads past the end of the
//            page go on at its start.
//
// Even and odd lines lie in two memories, so that the two lines that 64 unaligned bytes touch are read at once:
//
//     read_address_i = 64 * line + offset
//     line even:  | even[line/2]     | odd[line/2]        |     read_data_o starts `offset` bytes into the pair
//     line odd:   | odd[line/2]      | even[line/2 + 1]   |

`default_nettype none

module lz4_page_buffer #(
    parameter READ_BYTES = 64  // 1 .. 64
) (
    input  wire                    clk_i,

    input  wire                    write_i,
    input  wire [5:0]              write_line_i,
    input  wire [511:0]            write_data_i,

    input  wire                    read_i,
    input  wire [11:0]             read_address_i,
    output reg  [8*READ_BYTES-1:0] read_data_o
);
    reg [511:0] even_q [0:31];
    reg [511:0] odd_q [0:31];

    wire [5:0]   line      = read_address_i[11:6];
    wire [4:0]   even_row  = line[5:1] + {4'b0, line[0]};
    wire [511:0] even_line = even_q[even_row];
    wire [511:0] odd_line  = odd_q[line[5:1]];

    reg [1023:0] pair;

    always @* begin
        pair        = 1024'd0;
        read_data_o = {8 * READ_BYTES{1'b0}};
        if (read_i) begin
            pair        = line[0] ? {even_line, odd_line} : {odd_line, even_line};
            read_data_o = pair[{1'b0, read_address_i[5:0], 3'b0} +: 8*READ_BYTES];
        end
    end

    always @(posedge clk_i)
        if (write_i) begin
            if (write_line_i[0]) odd_q[write_line_i[5:1]] <= write_data_i;
            else                 even_q[write_line_i[5:1]] <= write_data_i;
        end
endmodule

`default_nettype wire
