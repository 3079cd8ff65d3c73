// SPDX-License-Identifier: MIT
// lz4_compressor: a 4096-byte page in, its LZ4 block out. docs/compressor.md explains it.
//
// Handshake: valid/ready on both sides. The page comes in 64 beats, byte 0 in bits 7:0; its block leaves dense, 64 bytes
//            a beat, the last one with `block_bytes_o` of 1 to 64 and zeros beyond. The next page is taken once the last
//            beat of the block was taken. `clear_i` abandons the page (a page beat taken in that very cycle belongs to
//            it); the next cycle is ready for a new one. After reset `page_ready_o` rises within 1024 cycles.
// Latency:   the block starts while the page is still coming in. About 4096 / BYTES_PER_CYCLE cycles a page, fewer where
//            matches are long, plus 10.
// Output:    a complete block for every page, at most 4096 + 4096/255 + 16 bytes; a function of the page alone, whatever
//            the gaps on either side.
//
//     page -> page buffer -> match finder -> parser -> fifo -> emitter -> packer -> block
//                            windows         sequences         fragments  beats

`default_nettype none

module lz4_compressor #(
    parameter BYTES_PER_CYCLE = 8  // 1, 4, 8 or 16
) (
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
    localparam COMPARE_BYTES = 16;  // bytes of a candidate that the hash table holds
    localparam LENGTH_BITS   = 5;   // 0 .. COMPARE_BYTES
    localparam WINDOW_BYTES  = BYTES_PER_CYCLE + COMPARE_BYTES - 1;
    localparam LITERALS      = 56;  // bytes of literals that the emitter takes a cycle

    generate
        if (BYTES_PER_CYCLE != 1 && BYTES_PER_CYCLE != 4 && BYTES_PER_CYCLE != 8 && BYTES_PER_CYCLE != 16)
        begin : gen_illegal
            lz4_compressor_BYTES_PER_CYCLE_must_be_1_4_8_or_16 u_stop ();
        end
    endgenerate

    // ---- page

    reg [6:0] loaded_q;  // lines taken

    wire table_ready;
    wire line     = page_valid_i && page_ready_o;
    wire new_page = line && loaded_q == 7'd0;
    wire restart  = clear_i || (block_valid_o && block_ready_i && block_last_o);

    assign page_ready_o = table_ready && !loaded_q[6];

    always @(posedge clk_i)
        if (!rst_ni || restart) loaded_q <= 7'd0;
        else if (line)          loaded_q <= loaded_q + 7'd1;

    // ---- one copy of the page for each reader

    wire [11:0]  window_address, match_address, candidate_address, literal_address;
    wire         window_read, match_read, literal_read;
    wire [511:0] match_data, candidate_data;

    wire [8*WINDOW_BYTES-1:0] window_data;
    wire [8*LITERALS-1:0]     literal_data;

    lz4_page_buffer #(
        .READ_BYTES(WINDOW_BYTES)
    ) u_window_buffer (
        .clk_i(clk_i),
        .write_i(line),
        .write_line_i(loaded_q[5:0]),
        .write_data_i(page_data_i),
        .read_i(window_read),
        .read_address_i(window_address),
        .read_data_o(window_data)
    );
    lz4_page_buffer u_match_buffer (
        .clk_i(clk_i),
        .write_i(line),
        .write_line_i(loaded_q[5:0]),
        .write_data_i(page_data_i),
        .read_i(match_read),
        .read_address_i(match_address),
        .read_data_o(match_data)
    );
    lz4_page_buffer u_candidate_buffer (
        .clk_i(clk_i),
        .write_i(line),
        .write_line_i(loaded_q[5:0]),
        .write_data_i(page_data_i),
        .read_i(match_read),
        .read_address_i(candidate_address),
        .read_data_o(candidate_data)
    );
    lz4_page_buffer #(
        .READ_BYTES(LITERALS)
    ) u_literal_buffer (
        .clk_i(clk_i),
        .write_i(line),
        .write_line_i(loaded_q[5:0]),
        .write_data_i(page_data_i),
        .read_i(literal_read),
        .read_address_i(literal_address),
        .read_data_o(literal_data)
    );

    // ---- matches

    // Finder and parser stop and go together. What the parser decides then depends on the page only, not on when its
    // lines came or its block was taken.
    wire finder_can_run, parser_can_run;
    wire run = finder_can_run && parser_can_run;

    wire                                   window_valid, window_ready, windows_done;
    wire [11:0]                            window_base, resume;
    wire [BYTES_PER_CYCLE*LENGTH_BITS-1:0] window_length;
    wire [BYTES_PER_CYCLE*12-1:0]          window_candidate;

    lz4_match_finder #(
        .LANES(BYTES_PER_CYCLE),
        .COMPARE_BYTES(COMPARE_BYTES),
        .LENGTH_BITS(LENGTH_BITS)
    ) u_match_finder (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .ready_o(table_ready),
        .clear_i(restart),
        .new_page_i(new_page),
        .can_run_o(finder_can_run),
        .run_i(run),
        .loaded_i(loaded_q),
        .resume_i(resume),
        .read_o(window_read),
        .read_address_o(window_address),
        .read_data_i(window_data),
        .done_o(windows_done),
        .window_valid_o(window_valid),
        .window_ready_i(window_ready),
        .window_base_o(window_base),
        .window_length_o(window_length),
        .window_candidate_o(window_candidate)
    );

    // ---- sequences

    localparam SEQUENCE_BITS = 1 + 12 + 13 + 12 + 12;

    wire                     parsed_valid, parsed_ready;
    wire [SEQUENCE_BITS-1:0] parsed;
    wire                     queued_valid, queued_ready;
    wire [SEQUENCE_BITS-1:0] queued;

    lz4_parser #(
        .LANES(BYTES_PER_CYCLE),
        .COMPARE_BYTES(COMPARE_BYTES),
        .LENGTH_BITS(LENGTH_BITS)
    ) u_parser (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(restart),
        .can_run_o(parser_can_run),
        .others_run_i(finder_can_run),
        .run_i(run),
        .window_valid_i(window_valid),
        .window_ready_o(window_ready),
        .window_base_i(window_base),
        .window_length_i(window_length),
        .window_candidate_i(window_candidate),
        .done_i(windows_done),
        .resume_o(resume),
        .loaded_i(loaded_q),
        .match_read_o(match_read),
        .match_address_o(match_address),
        .match_data_i(match_data),
        .candidate_address_o(candidate_address),
        .candidate_data_i(candidate_data),
        .sequence_valid_o(parsed_valid),
        .sequence_ready_i(parsed_ready),
        .sequence_last_o(parsed[49]),
        .literal_start_o(parsed[48:37]),
        .literal_length_o(parsed[36:24]),
        .match_length_o(parsed[23:12]),
        .match_offset_o(parsed[11:0])
    );

    fifo #(
        .WIDTH(SEQUENCE_BITS),
        .DEPTH(8)
    ) u_sequences (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(restart),
        .in_valid_i(parsed_valid),
        .in_ready_o(parsed_ready),
        .in_data_i(parsed),
        .out_valid_o(queued_valid),
        .out_ready_i(queued_ready),
        .out_data_o(queued)
    );

    // ---- bytes

    wire         fragment_valid, fragment_ready, fragment_last;
    wire [511:0] fragment_data;
    wire [5:0]   fragment_bytes;

    lz4_emitter u_emitter (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(restart),
        .sequence_valid_i(queued_valid),
        .sequence_ready_o(queued_ready),
        .sequence_last_i(queued[49]),
        .literal_start_i(queued[48:37]),
        .literal_length_i(queued[36:24]),
        .match_length_i(queued[23:12]),
        .match_offset_i(queued[11:0]),
        .literal_read_o(literal_read),
        .literal_address_o(literal_address),
        .literal_data_i(literal_data),
        .fragment_valid_o(fragment_valid),
        .fragment_ready_i(fragment_ready),
        .fragment_data_o(fragment_data),
        .fragment_bytes_o(fragment_bytes),
        .fragment_last_o(fragment_last)
    );

    lz4_packer u_packer (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(restart),
        .fragment_valid_i(fragment_valid),
        .fragment_ready_o(fragment_ready),
        .fragment_data_i(fragment_data),
        .fragment_bytes_i(fragment_bytes),
        .fragment_last_i(fragment_last),
        .beat_valid_o(block_valid_o),
        .beat_ready_i(block_ready_i),
        .beat_data_o(block_data_o),
        .beat_bytes_o(block_bytes_o),
        .beat_last_o(block_last_o)
    );
endmodule

`default_nettype wire
