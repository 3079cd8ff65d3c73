// SPDX-License-Identifier: MIT
// page_scan: watches a page pass by and tells what it is: all zero, one word repeated, and its CRC-32.
//
// Handshake: a beat is taken in every cycle with `valid_i`. `clear_i` starts a page, in a cycle without a beat.
// Latency:   the outputs speak of all beats taken, from the cycle after the last one. Before the first beat: zero, same,
//            word 0, CRC 0.

`default_nettype none

module page_scan (
    input  wire         clk_i,
    input  wire         rst_ni,
    input  wire         clear_i,

    input  wire         valid_i,
    input  wire [511:0] data_i,

    output wire         zero_o,
    output wire         same_o,  // one 64-bit word repeated; true for zero as well
    output wire [63:0]  word_o,  // the first word
    output wire [31:0]  crc_o    // as zlib.crc32
);
    reg        begun_q, same_q;
    reg [63:0] word_q;
    reg [31:0] crc_q;

    wire [31:0] crc_d;

    crc32 u_crc32 (
        .valid_i(valid_i),
        .crc_i(crc_q),
        .data_i(data_i),
        .crc_o(crc_d)
    );

    wire alike = valid_i && data_i == {8{data_i[63:0]}};  // the words of this beat

    always @(posedge clk_i) begin
        if (clear_i || !rst_ni) begin
            begun_q <= 1'b0;
            same_q  <= 1'b1;
            word_q  <= 64'd0;
            crc_q   <= 32'hFFFFFFFF;
        end else if (valid_i) begin
            begun_q <= 1'b1;
            same_q  <= same_q && alike && (!begun_q || data_i[63:0] == word_q);
            if (!begun_q) word_q <= data_i[63:0];
            crc_q   <= crc_d;
        end
    end

    assign zero_o = same_q && word_q == 64'd0;
    assign same_o = same_q;
    assign word_o = word_q;
    assign crc_o  = ~crc_q;
endmodule

`default_nettype wire
