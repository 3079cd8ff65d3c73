// SPDX-License-Identifier: MIT
// media_timer: tells when the media has made no progress for too long.
//
// Handshake: `expired_o` is high from the cycle after `limit_i` cycles with `waiting_i` and without `progress_i` until there
//            is progress, or nothing to wait for. A limit of 0 never expires; it may change at any time.
// Latency:   none behind the limit.

`default_nettype none

module media_timer (
    input  wire        clk_i,
    input  wire        rst_ni,
    input  wire [31:0] limit_i,
    input  wire        waiting_i,
    input  wire        progress_i,
    output wire        expired_o
);
    reg [31:0] waited_q;

    assign expired_o = limit_i != 32'd0 && waited_q >= limit_i;

    always @(posedge clk_i) begin
        if (!rst_ni || !waiting_i || progress_i) waited_q <= 32'd0;
        else if (!expired_o && waited_q != 32'hFFFFFFFF) waited_q <= waited_q + 1'b1;
    end
endmodule

`default_nettype wire
