// SPDX-License-Identifier: MIT
// lz4_compressor: a 4096-byte page in, its LZ4 block out. docs/compressor.md explains it.
//
// Handshake: valid/ready on both sides. The page comes in 64 beats, byte 0 in bits 7:0; its block leaves dense, 64 bytes
//            a beat, the last one with `block_bytes_o` of 1 to 64 and zeros beyond. The next page is taken once the last
//            beat of the block was taken. `clear_i` abandons the page (a page beat taken in that very cycle belongs to
//            it); the next cycle is ready for a new one. After reset `page_ready_o` rises within 1024 cycles.
// Latency:   the block starts while the page is still coming in. 8 bytes of the page a cycle, and some 70 cycles.
// Output:    a complete block for every page, at most 4096 + 4096/255 + 16 bytes; a function of the page alone, whatever
//            the gaps on either side.
//
//     page -> windows -> hash table -> choice -> checks -> parser -> grower -> fifo -> emitter -> packer -> block
//                        hits          offsets   ends      matches   sequences         fragments  beats
//
// Up to the grower nothing ever waits in a register: no window is begun while too many matches wait at the grower.

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
    localparam PORTS        = 3;                    // offsets that are compared for a window
    localparam FOUND_CYCLES = 8 + 2 * PORTS - 1;    // from a window to its offsets,
    localparam CHECK_CYCLES = 9;                    // and on to where their bytes are equal

    wire restart = clear_i || (block_valid_o && block_ready_i && block_last_o);

    // ---- page

    wire         table_ready, windows_ready, hold_windows, start;
    wire         word_valid, window_valid;
    wire [8:0]   word_number, window_number;
    wire [63:0]  word_data;
    wire [191:0] window_bytes;

    assign page_ready_o = table_ready && windows_ready;

    lz4_page_windows u_windows (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(restart),
        .hold_i(hold_windows),
        .line_valid_i(page_valid_i && table_ready),
        .line_ready_o(windows_ready),
        .line_data_i(page_data_i),
        .start_o(start),
        .word_valid_o(word_valid),
        .word_number_o(word_number),
        .word_data_o(word_data),
        .window_valid_o(window_valid),
        .window_number_o(window_number),
        .window_bytes_o(window_bytes)
    );

    // ---- offsets

    wire         found_valid, chosen_valid;
    wire [8:0]   found_number, chosen_number;
    wire [7:0]   found_hits;
    wire [127:0] found_origins;

    wire [PORTS-1:0]    chosen_hits, checked;
    wire [PORTS*3-1:0]  chosen_lanes;
    wire [PORTS*13-1:0] chosen_origins, checked_origins;
    wire [PORTS*4-1:0]  checked_starts;
    wire [PORTS*5-1:0]  checked_ends;

    lz4_hash_table u_table (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(restart),
        .ready_o(table_ready),
        .start_i(start),
        .window_valid_i(window_valid),
        .window_number_i(window_number),
        .window_bytes_i(window_bytes[151:64]),
        .found_valid_o(found_valid),
        .found_number_o(found_number),
        .found_hits_o(found_hits),
        .found_origins_o(found_origins)
    );

    lz4_offset_choice #(
        .PORTS(PORTS)
    ) u_choice (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(restart),
        .found_valid_i(found_valid),
        .found_number_i(found_number),
        .found_hits_i(found_hits),
        .found_origins_i(found_origins),
        .chosen_valid_o(chosen_valid),
        .chosen_number_o(chosen_number),
        .chosen_hits_o(chosen_hits),
        .chosen_lanes_o(chosen_lanes),
        .chosen_origins_o(chosen_origins)
    );

    wire [191:0] checked_bytes;

    delay #(
        .WIDTH(192),
        .CYCLES(FOUND_CYCLES + 6)
    ) u_bytes (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .in_i(window_bytes),
        .out_o(checked_bytes)
    );

    genvar p;
    generate
        for (p = 0; p < PORTS; p = p + 1) begin : gen_check
            lz4_offset_check u_check (
                .clk_i(clk_i),
                .rst_ni(rst_ni),
                .write_i(word_valid),
                .write_word_i(word_number),
                .write_data_i(word_data),
                .hit_i(chosen_hits[p]),
                .number_i(chosen_number),
                .lane_i(chosen_lanes[p*3 +: 3]),
                .origin_i(chosen_origins[p*13 +: 13]),
                .bytes_i(checked_bytes),
                .found_o(checked[p]),
                .start_o(checked_starts[p*4 +: 4]),
                .end_o(checked_ends[p*5 +: 5]),
                .origin_o(checked_origins[p*13 +: 13])
            );
        end
    endgenerate

    reg  [CHECK_CYCLES-1:0] checks_q;
    wire [8:0]              checked_number;

    delay #(
        .WIDTH(9),
        .CYCLES(CHECK_CYCLES)
    ) u_number (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .in_i(chosen_number),
        .out_o(checked_number)
    );

    always @(posedge clk_i)
        if (!rst_ni || restart) checks_q <= {CHECK_CYCLES{1'b0}};
        else                    checks_q <= {checks_q[CHECK_CYCLES-2:0], chosen_valid};

    // ---- matches

    wire        match_valid, match_last, match_open;
    wire [11:0] match_start, match_end, match_offset;

    lz4_parser #(
        .PORTS(PORTS)
    ) u_parser (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(restart),
        .window_valid_i(checks_q[CHECK_CYCLES-1]),
        .window_number_i(checked_number),
        .found_i(checked),
        .start_i(checked_starts),
        .end_i(checked_ends),
        .origin_i(checked_origins),
        .match_valid_o(match_valid),
        .match_last_o(match_last),
        .match_start_o(match_start),
        .match_end_o(match_end),
        .match_offset_o(match_offset),
        .match_open_o(match_open)
    );

    // ---- sequences

    localparam SEQUENCE_BITS = 1 + 12 + 13 + 12 + 12;

    wire                     cut_valid, cut_ready, cut_last;
    wire [11:0]              cut_literals, cut_match, cut_offset;
    wire [12:0]              cut_run;
    wire                     queued_valid, queued_ready;
    wire [SEQUENCE_BITS-1:0] queued;

    lz4_grower u_grower (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(restart),
        .hold_o(hold_windows),
        .word_valid_i(word_valid),
        .word_number_i(word_number),
        .word_data_i(word_data),
        .match_valid_i(match_valid),
        .match_last_i(match_last),
        .match_start_i(match_start),
        .match_end_i(match_end),
        .match_offset_i(match_offset),
        .match_open_i(match_open),
        .sequence_valid_o(cut_valid),
        .sequence_ready_i(cut_ready),
        .sequence_last_o(cut_last),
        .literal_start_o(cut_literals),
        .literal_length_o(cut_run),
        .match_length_o(cut_match),
        .match_offset_o(cut_offset)
    );

    fifo #(
        .WIDTH(SEQUENCE_BITS),
        .DEPTH(16)
    ) u_sequences (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(restart),
        .in_valid_i(cut_valid),
        .in_ready_o(cut_ready),
        .in_data_i({cut_last, cut_literals, cut_run, cut_match, cut_offset}),
        .out_valid_o(queued_valid),
        .out_ready_i(queued_ready),
        .out_data_o(queued)
    );

    // ---- bytes

    wire         hold_fragments, fragment_valid, fragment_last;
    wire [127:0] fragment_data;
    wire [4:0]   fragment_bytes;

    lz4_emitter u_emitter (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(restart),
        .hold_i(hold_fragments),
        .word_valid_i(word_valid),
        .word_number_i(word_number),
        .word_data_i(word_data),
        .sequence_valid_i(queued_valid),
        .sequence_ready_o(queued_ready),
        .sequence_last_i(queued[49]),
        .literal_start_i(queued[48:37]),
        .literal_length_i(queued[36:24]),
        .match_length_i(queued[23:12]),
        .match_offset_i(queued[11:0]),
        .fragment_valid_o(fragment_valid),
        .fragment_data_o(fragment_data),
        .fragment_bytes_o(fragment_bytes),
        .fragment_last_o(fragment_last)
    );

    lz4_packer u_packer (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(restart),
        .hold_o(hold_fragments),
        .fragment_valid_i(fragment_valid),
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
