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

    reg        hit7_q, hit8_q;
    reg [2:0]  lane7_q;
    reg [23:0] equal7_q;
    reg [15:0] apart8_q;  // before the lane
    reg [15:0] same8_q;   // from the window on
    reg [3:0]  start;
    reg [4:0]  past;
    integer    i;

    always @* begin
        start = 4'd0;
        for (i = 0; i < 15; i = i + 1) if (apart8_q[i]) start = i[3:0] + 4'd1;
        past = 5'd24;
        for (i = 15; i >= 0; i = i - 1) if (!same8_q[i]) past = 5'd8 + i[4:0];
    end

    always @(posedge clk_i) begin
        address1_q <= origin_i[11:0] - 12'd8;

        for (i = 0; i < 24; i = i + 1)
            equal7_q[i] <= bytes_i[i*8 +: 8] == there[i*8 +: 8] && i[4:0] >= {1'b0, outside6} && !(last6 && i >= 19);
        hit7_q  <= hit6;
        lane7_q <= lane6;

        for (i = 0; i < 16; i = i + 1) begin
            apart8_q[i] <= !equal7_q[i] && i[4:0] < 5'd8 + {2'd0, lane7_q};
            same8_q[i]  <= equal7_q[i+8] || i[3:0] < {1'b0, lane7_q};
        end
        hit8_q <= hit7_q;

        found_o <= hit8_q;
        start_o <= start;
        end_o   <= past;
    end

    wire unused = &{1'b0, beyond[12:4], apart8_q[15]};
endmodule

`default_nettype wire
