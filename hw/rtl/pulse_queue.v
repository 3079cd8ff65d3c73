// SPDX-License-Identifier: MIT
// pulse_queue: puts the pulses of several sources behind each other, so that a counter of single pulses counts them all.
//
// Handshake: none. `busy_o` is high while pulses are still to come out; the clock is needed then.
// Latency:   one cycle for the first of those that come at once. Up to 255 may wait.

`default_nettype none

module pulse_queue #(
    parameter SOURCES = 2
) (
    input  wire               clk_i,
    input  wire               rst_ni,
    input  wire [SOURCES-1:0] pulse_i,
    output wire               pulse_o,
    output wire               busy_o
);
    reg [7:0] waiting_q, coming;
    integer   n;

    assign pulse_o = waiting_q != 8'd0;
    assign busy_o  = pulse_o || pulse_i != {SOURCES{1'b0}};

    always @* begin
        coming = 8'd0;
        for (n = 0; n < SOURCES; n = n + 1) coming = coming + {7'd0, pulse_i[n]};
    end

    always @(posedge clk_i) begin
        waiting_q <= waiting_q + coming - {7'd0, pulse_o};
        if (!rst_ni) waiting_q <= 8'd0;
    end
endmodule

`default_nettype wire
