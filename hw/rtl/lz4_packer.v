// SPDX-License-Identifier: MIT
// lz4_packer: joins fragments of 1 to 16 bytes into dense beats of 64.
//
// Handshake: nobody can refuse fragments, but `hold_o` asks for no more; 13 may still come. Beats leave by valid/ready. The
//            beat with the last byte of the last fragment carries `beat_last_o` and may be partial; all others are full.
//            `clear_i` drops everything.
// Latency:   6 cycles from the fragment that fills a beat to the beat; one fragment a cycle.
//
//     turn by words | turn by bytes | 16 bytes | fifo | beat
//
// A fragment is turned by the bytes that are kept of those before it. Where they lie it goes on behind the full 16 bytes.

`default_nettype none

module lz4_packer (
    input  wire         clk_i,
    input  wire         rst_ni,
    input  wire         clear_i,
    output reg          hold_o,

    input  wire         fragment_valid_i,
    input  wire [127:0] fragment_data_i,   // zero beyond its bytes
    input  wire [4:0]   fragment_bytes_i,  // 1 .. 16
    input  wire         fragment_last_i,

    output reg          beat_valid_o,
    input  wire         beat_ready_i,
    output reg  [511:0] beat_data_o,       // zero beyond its bytes
    output reg  [6:0]   beat_bytes_o,      // 1 .. 64
    output reg          beat_last_o
);
    integer i;

    // ---- 1, 2: turn

    reg [3:0] count_q;  // bytes that do not fill a word of 16 yet

    wire [5:0] total = {2'd0, count_q} + {1'b0, fragment_bytes_i};

    reg         valid1_q, full1_q, over1_q, last1_q, valid2_q, full2_q, over2_q, last2_q;
    reg [1:0]   turn1_q;  // bytes, beyond whole words of 4
    reg [4:0]   bytes1_q, bytes2_q;  // of the word, or beyond it
    reg [15:0]  kept1_q, kept2_q;    // bytes that are kept of those before
    reg [127:0] data1_q, data2_q;

    wire [127:0] turned4 = count_q[2] ? {fragment_data_i[95:0], fragment_data_i[127:96]} : fragment_data_i;
    wire [127:0] turned1 = turn1_q[0] ? {data1_q[119:0], data1_q[127:120]} : data1_q;

    always @(posedge clk_i) begin
        valid1_q <= fragment_valid_i;
        if (fragment_valid_i) begin
            count_q  <= total[3:0];
            full1_q  <= total[4] || total[5];
            over1_q  <= total[5] || (total[4] && total[3:0] != 4'd0);
            last1_q  <= fragment_last_i;
            bytes1_q <= {1'b0, total[3:0]};
            turn1_q  <= count_q[1:0];
            kept1_q  <= ~(16'hFFFF << count_q);
            data1_q  <= count_q[3] ? {turned4[63:0], turned4[127:64]} : turned4;
        end
        valid2_q <= valid1_q;
        if (valid1_q) begin
            full2_q  <= full1_q;
            over2_q  <= over1_q;
            last2_q  <= last1_q;
            bytes2_q <= bytes1_q;
            kept2_q  <= kept1_q;
            data2_q  <= turn1_q[1] ? {turned1[111:0], turned1[127:112]} : turned1;
        end
        if (!rst_ni || clear_i) begin
            valid1_q <= 1'b0;
            valid2_q <= 1'b0;
            count_q  <= 4'd0;
        end
    end

    // ---- 3: words of 16 bytes

    reg [127:0] rest_q;                 // kept, zero beyond
    reg         flush_q;                // and it is the last word
    reg [4:0]   rest_bytes_q;
    reg         word_valid_q, word_last_q;
    reg [4:0]   word_bytes_q;
    reg [127:0] word_q;

    wire [127:0] kept;
    wire [127:0] merged = (rest_q & kept) | (data2_q & ~kept);

    byte_mask #(
        .BYTES(16)
    ) u_kept (
        .bits_i(kept2_q),
        .mask_o(kept)
    );

    always @(posedge clk_i) begin
        word_valid_q <= flush_q || (valid2_q && (full2_q || last2_q));
        word_last_q  <= flush_q || (last2_q && !over2_q);
        word_bytes_q <= flush_q ? rest_bytes_q : full2_q ? 5'd16 : bytes2_q;
        flush_q      <= valid2_q && last2_q && over2_q;
        if (valid2_q) begin
            rest_bytes_q <= bytes2_q;
            rest_q       <= full2_q ? data2_q & kept : merged;
        end
        if (valid2_q || flush_q) word_q <= flush_q ? rest_q : merged;
        if (!rst_ni || clear_i) begin
            word_valid_q <= 1'b0;
            flush_q      <= 1'b0;
        end
    end

    // ---- 4: words wait for their beat

    wire         queued_valid, queued_take, queued_last, unused_ready;
    wire [4:0]   queued_bytes;
    wire [127:0] queued;
    reg  [4:0]   level_q;

    fifo #(
        .WIDTH(134),
        .DEPTH(16)
    ) u_words (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(clear_i),
        .in_valid_i(word_valid_q),
        .in_ready_o(unused_ready),
        .in_data_i({word_last_q, word_bytes_q, word_q}),
        .out_valid_o(queued_valid),
        .out_ready_i(queued_take),
        .out_data_o({queued_last, queued_bytes, queued})
    );

    always @(posedge clk_i) begin
        if (word_valid_q != queued_take) level_q <= word_valid_q ? level_q + 5'd1 : level_q - 5'd1;
        hold_o <= level_q >= 5'd2;
        if (!rst_ni || clear_i) begin
            level_q <= 5'd0;
            hold_o  <= 1'b0;
        end
    end

    // ---- 5: beats

    reg [1:0] at_q;  // the next word's place in the beat

    assign queued_take = queued_valid && (!beat_valid_o || beat_ready_i);

    always @(posedge clk_i) begin
        if (beat_ready_i) beat_valid_o <= 1'b0;
        if (queued_take) begin
            for (i = 0; i < 4; i = i + 1)
                if (at_q == i[1:0])    beat_data_o[i*128 +: 128] <= queued;
                else if (at_q == 2'd0) beat_data_o[i*128 +: 128] <= 128'd0;
            at_q         <= at_q + 2'd1;
            beat_valid_o <= at_q == 2'd3 || queued_last;
            beat_bytes_o <= {1'b0, at_q, 4'd0} + {2'd0, queued_bytes};
            beat_last_o  <= queued_last;
        end
        if (!rst_ni || clear_i) begin
            beat_valid_o <= 1'b0;
            at_q         <= 2'd0;
        end
    end

`ifdef FORMAL
    always @(posedge clk_i) if (rst_ni && !clear_i && word_valid_q) assert (unused_ready);
`endif

    wire unused = &{1'b0, unused_ready};
endmodule

`default_nettype wire
