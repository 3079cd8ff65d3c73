// SPDX-License-Identifier: MIT
// ratio_meter: the achieved compression ratio in per-mille: bytes of resident pages per 1000 bytes of used media.
//
//     ratio = resident pages * (4096 / SECTOR_BYTES) * 1000 / used sectors, rounded down
//
// 1000 while no page is resident; all ones when no sector is used, or when the ratio does not fit 32 bit.
//
// Handshake: `start_i` pulse takes the inputs; `busy_o` is high from the next cycle until `ratio_o` is valid.
// Latency:   44 cycles: one bit of the quotient a cycle (restoring division).

`default_nettype none

module ratio_meter #(
    parameter SECTOR_BYTES = 256
) (
    input  wire        clk_i,
    input  wire        rst_ni,

    input  wire        start_i,
    input  wire [31:0] resident_i,  // pages, up to 2^24
    input  wire [31:0] used_i,      // sectors
    output wire        busy_o,
    output wire [31:0] ratio_o
);
    localparam [5:0]  BITS         = 6'd43;  // 25 of the pages, 7 of the sectors of a page, 10 of 1000, and one
    localparam        PAGE_SECTORS = 4096 / SECTOR_BYTES;
    localparam [42:0] SCALE        = 1000 * PAGE_SECTORS;

    reg [5:0]  left_q;      // bits of the quotient to come
    reg [42:0] dividend_q;  // bits that are not used yet, above the bits of the quotient
    reg [31:0] rest_q, divisor_q;

    wire [32:0] shifted = {rest_q, dividend_q[42]};
    wire        fits    = shifted >= {1'b0, divisor_q};

    assign busy_o  = left_q != 6'd0;
    assign ratio_o = |dividend_q[42:32] ? 32'hFFFFFFFF : dividend_q[31:0];

    always @(posedge clk_i) begin
        if (start_i) begin
            left_q     <= BITS;
            rest_q     <= 32'd0;
            divisor_q  <= used_i;  // a divisor of 0 makes all bits of the quotient ones
            dividend_q <= {11'd0, resident_i} * SCALE;
            if (resident_i == 32'd0) begin
                left_q     <= 6'd0;
                dividend_q <= 43'd1000;
            end
        end else if (busy_o) begin
            left_q     <= left_q - 6'd1;
            rest_q     <= fits ? shifted[31:0] - divisor_q : shifted[31:0];
            dividend_q <= {dividend_q[41:0], fits};
        end
        if (!rst_ni) left_q <= 6'd0;
    end
endmodule

`default_nettype wire
