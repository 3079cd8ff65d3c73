// SPDX-License-Identifier: MIT
// delay: what came CYCLES cycles before.
//
// Handshake: none. There is no reset of what is under way.
// Latency:   CYCLES. Up to 17 of them are a ring of small memory and a register, those beyond it registers.
// Legal:     CYCLES is 2 or more.

`default_nettype none

module delay #(
    parameter WIDTH  = 8,
    parameter CYCLES = 2
) (
    input  wire             clk_i,
    input  wire             rst_ni,
    input  wire [WIDTH-1:0] in_i,
    output wire [WIDTH-1:0] out_o
);
    localparam RING = CYCLES > 17 ? 17 : CYCLES;
    localparam MORE = CYCLES - RING;
    localparam BACK = RING - 1;

    reg [WIDTH-1:0] memory_q [0:15];
    reg [WIDTH-1:0] late_q;
    reg [3:0]       at_q;

    wire [3:0] from = at_q - BACK[3:0];

    always @(posedge clk_i) begin
        late_q <= memory_q[from];
        memory_q[at_q] <= in_i;
        at_q <= at_q + 4'd1;
        if (!rst_ni) at_q <= 4'd0;
    end

    generate
        if (MORE == 0) begin : gen_ring
            assign out_o = late_q;
        end else begin : gen_more
            reg [WIDTH*MORE-1:0] more_q;

            integer i;

            always @(posedge clk_i) begin
                more_q[0 +: WIDTH] <= late_q;
                for (i = 1; i < MORE; i = i + 1) more_q[i*WIDTH +: WIDTH] <= more_q[(i-1)*WIDTH +: WIDTH];
            end
            assign out_o = more_q[WIDTH*(MORE-1) +: WIDTH];
        end
    endgenerate
endmodule

`default_nettype wire
