// SPDX-License-Identifier: MIT
// lz4_page_copy: a copy of the page in block RAM, written in words of 8 bytes, read from any byte on.
//
// Handshake: none. What is read was written a cycle before its read at the latest, or means nothing. Reads beyond the
//            end of the page go on at its start.
// Latency:   5 cycles from `address_i` to `bytes_o`, a read a cycle:
//
//     rows | memories | register | turn by words | turn by bytes
//
// Word n lies in memory n mod 4, so that four words in a row are read at once, whichever is the first.

`default_nettype none

module lz4_page_copy #(
    parameter BYTES = 16  // 1 .. 25
) (
    input  wire               clk_i,

    input  wire               write_i,
    input  wire [8:0]         write_word_i,
    input  wire [63:0]        write_data_i,

    input  wire [11:0]        address_i,
    output reg  [8*BYTES-1:0] bytes_o
);
    localparam WORDS = (BYTES + 14) / 8;  // that so many bytes touch

    wire [1:0] first    = address_i[4:3];
    wire [3:0] next_row = {1'b0, &first, first[1], |first};  // of which memories the word lies behind the turn

    reg [4:0]   turn1_q, turn2_q, turn3_q;  // where in the four words the first byte is
    reg [2:0]   turn4_q;
    reg [255:0] read_q;
    reg [64*WORDS-1:0] words_q;

    wire [255:0] read;

    genvar m;
    generate
        for (m = 0; m < 4; m = m + 1) begin : gen_memory
            reg [6:0] row_q;

            always @(posedge clk_i) row_q <= address_i[11:5] + {6'd0, next_row[m]};

            ram_apart #(
                .WIDTH(64),
                .DEPTH(128),
                .ADDRESS_BITS(7)
            ) u_memory (
                .clk_i(clk_i),
                .write_i(write_i && write_word_i[1:0] == m[1:0]),
                .write_address_i(write_word_i[8:2]),
                .write_data_i(write_data_i),
                .read_i(1'b1),
                .read_address_i(row_q),
                .read_data_o(read[m*64 +: 64])
            );
        end
    endgenerate

    wire [255:0] turned2 = turn3_q[4] ? {read_q[127:0], read_q[255:128]} : read_q;
    wire [255:0] turned  = turn3_q[3] ? {turned2[63:0], turned2[255:64]} : turned2;

    always @(posedge clk_i) begin
        turn1_q <= address_i[4:0];
        turn2_q <= turn1_q;
        turn3_q <= turn2_q;
        turn4_q <= turn3_q[2:0];
        read_q  <= read;
        words_q <= turned[0 +: 64*WORDS];
        bytes_o <= words_q[{2'd0, turn4_q, 3'd0} +: 8*BYTES];
    end

    wire unused = &{1'b0, turned};
endmodule

`default_nettype wire
