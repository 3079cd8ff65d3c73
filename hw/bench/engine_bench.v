// SPDX-License-Identifier: MIT
// engine_bench: both LZ4 engines side by side, each with its own streams, to be measured alone.
//
// Handshake: those of lz4_compressor and lz4_decompressor.
// Latency:   theirs.

`default_nettype none

module engine_bench (
    input  wire         clk_i,
    input  wire         rst_ni,

    input  wire         compress_clear_i,
    input  wire         compress_page_valid_i,
    output wire         compress_page_ready_o,
    input  wire [511:0] compress_page_data_i,
    output wire         compress_block_valid_o,
    input  wire         compress_block_ready_i,
    output wire [511:0] compress_block_data_o,
    output wire [6:0]   compress_block_bytes_o,
    output wire         compress_block_last_o,

    input  wire         decompress_clear_i,
    input  wire         decompress_block_valid_i,
    output wire         decompress_block_ready_o,
    input  wire [511:0] decompress_block_data_i,
    input  wire [6:0]   decompress_block_bytes_i,
    input  wire         decompress_block_last_i,
    output wire         decompress_page_valid_o,
    input  wire         decompress_page_ready_i,
    output wire [511:0] decompress_page_data_o,
    output wire         decompress_page_last_o,
    output wire         decompress_error_o
);
    lz4_compressor u_compressor (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(compress_clear_i),
        .page_valid_i(compress_page_valid_i),
        .page_ready_o(compress_page_ready_o),
        .page_data_i(compress_page_data_i),
        .block_valid_o(compress_block_valid_o),
        .block_ready_i(compress_block_ready_i),
        .block_data_o(compress_block_data_o),
        .block_bytes_o(compress_block_bytes_o),
        .block_last_o(compress_block_last_o)
    );

    lz4_decompressor u_decompressor (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(decompress_clear_i),
        .block_valid_i(decompress_block_valid_i),
        .block_ready_o(decompress_block_ready_o),
        .block_data_i(decompress_block_data_i),
        .block_bytes_i(decompress_block_bytes_i),
        .block_last_i(decompress_block_last_i),
        .page_valid_o(decompress_page_valid_o),
        .page_ready_i(decompress_page_ready_i),
        .page_data_o(decompress_page_data_o),
        .page_last_o(decompress_page_last_o),
        .error_o(decompress_error_o)
    );
endmodule

`default_nettype wire
