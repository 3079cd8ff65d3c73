// SPDX-License-Identifier: MIT
// free_lz4_compressor: stands in for lz4_compressor; takes lines whenever, and gives a block of any bytes and any length,
// 64 a beat but for the last. It gives none before a line has come.

`default_nettype none

module lz4_compressor (
    input  wire         clk_i,
    input  wire         rst_ni,
    input  wire         clear_i,

    input  wire         page_valid_i,
    output wire         page_ready_o,
    input  wire [511:0] page_data_i,

    output wire         block_valid_o,
    input  wire         block_ready_i,
    output wire [511:0] block_data_o,
    output wire [6:0]   block_bytes_o,
    output wire         block_last_o
);
    (* anyseq *) wire         ready, valid, last;
    (* anyseq *) wire [511:0] data;
    (* anyseq *) wire [6:0]   bytes;

    reg fed_q;

    assign page_ready_o  = ready;
    assign block_valid_o = fed_q && valid;
    assign block_data_o  = data;
    assign block_bytes_o = last && bytes != 0 && bytes < 64 ? bytes : 7'd64;
    assign block_last_o  = last;

    always @(posedge clk_i) begin
        if (page_valid_i && page_ready_o) fed_q <= 1'b1;
        if (!rst_ni || clear_i || (block_valid_o && block_ready_i && last)) fed_q <= 1'b0;
    end
endmodule

`default_nettype wire
