// SPDX-License-Identifier: MIT
// lz4_page_windows: takes a page in lines, as fast as they come, and hands it on in words and windows of 8 bytes.
//
// Handshake: `line_valid_i`/`line_ready_o`, until the page is complete. Words leave in order, one a cycle where the line
//            is there and `hold_i` is low; so do windows, each with the word before it and the word behind it. Nobody
//            can refuse either. `clear_i` starts over; `start_o` tells that the first line of a page is being taken.
// Latency:   4 cycles from a line to its first word; a window leaves in the cycle after the word behind it.

`default_nettype none

module lz4_page_windows (
    input  wire         clk_i,
    input  wire         rst_ni,
    input  wire         clear_i,
    input  wire         hold_i,

    input  wire         line_valid_i,
    output wire         line_ready_o,
    input  wire [511:0] line_data_i,
    output wire         start_o,

    output reg          word_valid_o,
    output reg  [8:0]   word_number_o,
    output reg  [63:0]  word_data_o,

    output reg          window_valid_o,   // of 511: no match starts in the last word of a page
    output reg  [8:0]   window_number_o,
    output reg  [191:0] window_bytes_o    // the word before | the window | the word behind
);
    // ---- lines

    reg [6:0] taken_q;    // lines in the memory
    reg [6:0] read_q;     // lines read from it
    reg       ahead_q;    // the memory's output is a line that is not in words yet
    reg       words_q;    // `line_q` holds words
    reg [8:0] number_q;   // of the next word
    reg [511:0] line_q;

    wire         line = line_valid_i && line_ready_o;
    wire         step = words_q && !hold_i;
    wire         ends = step && number_q[2:0] == 3'd7;
    wire         load = ahead_q && (!words_q || ends);
    wire         read = (!ahead_q || load) && read_q != taken_q;
    wire [511:0] data;

    assign line_ready_o = !taken_q[6];
    assign start_o      = line && taken_q == 7'd0;

    ram_apart #(
        .WIDTH(512),
        .DEPTH(64),
        .ADDRESS_BITS(6)
    ) u_lines (
        .clk_i(clk_i),
        .write_i(line),
        .write_address_i(taken_q[5:0]),
        .write_data_i(line_data_i),
        .read_i(read),
        .read_address_i(read_q[5:0]),
        .read_data_o(data)
    );

    always @(posedge clk_i) begin
        if (line) taken_q <= taken_q + 7'd1;
        if (read) read_q <= read_q + 7'd1;
        if (read) ahead_q <= 1'b1;
        else if (load) ahead_q <= 1'b0;
        if (load) words_q <= 1'b1;
        else if (ends) words_q <= 1'b0;
        if (load) line_q <= data;
        if (step) number_q <= number_q + 9'd1;
        if (!rst_ni || clear_i) begin
            taken_q <= 7'd0;
            read_q <= 7'd0;
            ahead_q <= 1'b0;
            words_q <= 1'b0;
            number_q <= 9'd0;
        end
    end

    // ---- words and windows

    always @(posedge clk_i) begin
        word_valid_o <= step;
        word_number_o <= number_q;
        word_data_o <= line_q[{number_q[2:0], 6'd0} +: 64];
        window_valid_o <= word_valid_o && word_number_o != 9'd0;
        window_number_o <= word_number_o - 9'd1;
        if (word_valid_o) window_bytes_o <= {word_data_o, window_bytes_o[191:64]};
        if (!rst_ni || clear_i) begin
            word_valid_o <= 1'b0;
            window_valid_o <= 1'b0;
        end
    end
endmodule

`default_nettype wire
