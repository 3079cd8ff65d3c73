// SPDX-License-Identifier: MIT
// lz4_packer: joins fragments of 1 to 63 bytes into dense beats of 64.
//
// Handshake: valid/ready on both sides. The beat with the last byte of the last fragment carries `beat_last_o` and may be
//            partial; all others are full. `clear_i` drops everything.
// Latency:   one cycle from the fragment that fills a beat to the beat; one fragment a cycle.

`default_nettype none

module lz4_packer (
    input  wire         clk_i,
    input  wire         rst_ni,
    input  wire         clear_i,

    input  wire         fragment_valid_i,
    output wire         fragment_ready_o,
    input  wire [511:0] fragment_data_i,   // zero beyond its bytes
    input  wire [5:0]   fragment_bytes_i,  // 1 .. 63
    input  wire         fragment_last_i,

    output reg          beat_valid_o,
    input  wire         beat_ready_i,
    output reg  [511:0] beat_data_o,       // zero beyond its bytes
    output reg  [6:0]   beat_bytes_o,      // 1 .. 64
    output reg          beat_last_o
);
    reg [511:0] kept_q;   // bytes that do not fill a beat yet, zero beyond them
    reg [5:0]   count_q;
    reg         flush_q;  // the last fragment is in, what is kept leaves as the last beat

    reg [1023:0] joined;

    always @* begin
        joined = 1024'd0;
        if (fragment_valid_i)  // nothing toggles without
            joined = {512'd0, kept_q} | ({512'd0, fragment_data_i} << {count_q, 3'b0});
    end

    wire [6:0] total  = {1'b0, count_q} + {1'b0, fragment_bytes_i};
    wire       full   = total >= 7'd64;
    wire       over   = total > 7'd64;

    wire free = !beat_valid_o || beat_ready_i;
    wire step = fragment_valid_i && fragment_ready_o;

    assign fragment_ready_o = free && !flush_q;

    always @(posedge clk_i) begin
        if (beat_ready_i) beat_valid_o <= 1'b0;
        if (step) begin
            if (full || fragment_last_i) begin
                beat_valid_o <= 1'b1;
                beat_data_o <= joined[511:0];
                beat_bytes_o <= full ? 7'd64 : total;
                beat_last_o <= fragment_last_i && !over;
            end
            kept_q <= full ? joined[1023:512] : joined[511:0];
            count_q <= total[5:0];
            flush_q <= fragment_last_i && over;
        end else if (flush_q && free) begin
            beat_valid_o <= 1'b1;
            beat_data_o <= kept_q;
            beat_bytes_o <= {1'b0, count_q};
            beat_last_o <= 1'b1;
            flush_q <= 1'b0;
        end
        if (!rst_ni || clear_i) begin
            beat_valid_o <= 1'b0;
            flush_q <= 1'b0;
            kept_q <= 512'd0;
            count_q <= 6'd0;
        end
    end
endmodule

`default_nettype wire
