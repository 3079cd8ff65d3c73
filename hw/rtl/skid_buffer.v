// SPDX-License-Identifier: MIT
// skid_buffer: passes items on at once, and keeps one that is not taken. What was shown stays shown, whatever becomes of
// the one who offered it.
//
// Handshake: valid/ready on both sides; an item is taken where both are high. `in_ready_o` does not depend on
//            `out_ready_i`. In reset nothing is shown.
// Latency:   none.

`default_nettype none

module skid_buffer #(
    parameter WIDTH = 8
) (
    input  wire             clk_i,
    input  wire             rst_ni,

    input  wire             in_valid_i,
    output wire             in_ready_o,
    input  wire [WIDTH-1:0] in_data_i,

    output wire             out_valid_o,
    input  wire             out_ready_i,
    output wire [WIDTH-1:0] out_data_o
);
    reg             held_q;
    reg [WIDTH-1:0] data_q;

    assign in_ready_o  = !held_q;
    assign out_valid_o = rst_ni && (held_q || in_valid_i);
    assign out_data_o  = held_q ? data_q : in_data_i;

    always @(posedge clk_i) begin
        if (in_valid_i && !held_q && !out_ready_i) data_q <= in_data_i;
        held_q <= out_valid_o && !out_ready_i;
        if (!rst_ni) held_q <= 1'b0;
    end
endmodule

`default_nettype wire
