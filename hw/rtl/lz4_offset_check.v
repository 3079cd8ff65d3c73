// SPDX-License-Identifier: MIT
// lz4_offset_check: compares a window and the words around it with the page one offset before.
//
// Handshake: a window a cycle at most, in order. The window's own bytes come 6 cycles after `hit_i`.
// Latency:   9 cycles:   address | 5 of a page copy | equal bytes | before and behind the lane | ends
//
//     | 8 bytes before the window | window | 8 bytes behind |
//               start_o ^     ^ lane         ^ end_o             counted from the first of these 24 bytes
//
// The ends are those of the equal bytes around the lane, where they are, as far as is compared.

`default_nettype none

module lz4_offset_check (
    input  wire         clk_i,
    input  wire         rst_ni,

    input  wire         write_i,
    input  wire [8:0]   write_word_i,
    input  wire [63:0]  write_data_i,

    input  wire         hit_i,
    input  wire [8:0]   number_i,
    input  wire [2:0]   lane_i,
    input  wire [12:0]  origin_i,       // of the window moved by the offset, with sign
    input  wire [191:0] bytes_i,        // 6 cycles later

    output reg          found_o,
    output reg  [3:0]   start_o,        // 0 .. 15
    output reg  [4:0]   end_o,          // 8 .. 24
    output wire [12:0]  origin_o
);
    localparam [63:0] EACH = 64'h0101_0101_0101_0101;  // bit 0 of each byte tells something about it

    reg [11:0]   address1_q;
    wire [191:0] there;

    lz4_page_copy #(
        .BYTES(24)
    ) u_copy (
        .clk_i(clk_i),
        .write_i(write_i),
        .write_word_i(write_word_i),
        .write_data_i(write_data_i),
        .address_i(address1_q),
        .bytes_o(there)
    );

    // Of the 24 bytes the first `outside` ones lie before the page when moved.
    wire [12:0] beyond  = 13'd8 - origin_i;
    wire        on_page  = !origin_i[12] && origin_i[11:3] != 9'd0;
    wire [3:0]  outside = on_page ? 4'd0 : beyond[3:0];

    wire       hit6, last6;
    wire [2:0] lane6;
    wire [3:0] outside6;

    delay #(
        .WIDTH(9),
        .CYCLES(6)
    ) u_asked (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .in_i({hit_i, number_i == 9'd510, lane_i, outside}),
        .out_o({hit6, last6, lane6, outside6})
    );
    delay #(
        .WIDTH(13),
        .CYCLES(9)
    ) u_origin (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .in_i(origin_i),
        .out_o(origin_o)
    );

    wire [191:0] apart6;

    bytes_apart #(
        .BYTES(24)
    ) u_apart (
        .one_i(bytes_i),
        .other_i(there),
        .apart_o(apart6)
    );

    // The first bytes lie before the page, the last ones are not to be in a match.
    wire [63:0] before6 = EACH & ~(EACH << {outside6[2:0], 3'd0});
    wire [63:0] behind6 = last6 ? {EACH[39:0], 24'd0} : 64'd0;

    reg         hit7_q, hit8_q;
    reg [2:0]   lane7_q;
    reg [191:0] apart7_q;
    reg [127:0] before8_q;  // apart, and before the lane: one byte later, as if that before the first one were
    reg [127:0] behind8_q;  // apart, from the lane on: the window and the 8 bytes behind it

    wire [63:0] lanes7 = EACH << {lane7_q, 3'd0};  // from the lane on
    wire [63:0] window7_before = apart7_q[127:64] & ~lanes7;
    wire [3:0]  start;
    wire [4:0]  past;

    last_byte u_start (
        .bytes_i(before8_q),
        .last_o(start)
    );
    first_byte u_past (
        .bytes_i(behind8_q),
        .first_o(past)
    );

    always @(posedge clk_i) begin
        address1_q <= origin_i[11:0] - 12'd8;

        hit7_q <= hit6;
        if (hit6) begin
            lane7_q  <= lane6;
            apart7_q <= {apart6[191:128] | behind6, apart6[127:64] | (outside6[3] ? before6 : 64'd0),
                         apart6[63:0] | (outside6[3] ? EACH : before6)};
        end

        hit8_q <= hit7_q;
        if (hit7_q) begin
            before8_q <= {window7_before[55:0], apart7_q[63:0], 8'd1};
            behind8_q <= {apart7_q[191:128], apart7_q[127:64] & lanes7};
        end

        found_o <= hit8_q;
        if (hit8_q) begin
            start_o <= start;
            end_o   <= {past[4] | past[3], ~past[3], past[2:0]};  // 8 more
        end
    end

    wire unused = &{1'b0, beyond[12:4], window7_before[63:56]};
endmodule

`default_nettype wire
