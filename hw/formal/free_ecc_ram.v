// SPDX-License-Identifier: MIT
// free_ecc_ram: stands in for ecc_ram; exact, as long as no bit flips.

`default_nettype none

module ecc_ram #(
    parameter DATA_BITS    = 2,
    parameter DEPTH        = 4,
    parameter ADDRESS_BITS = 2
) (
    input  wire                    clk_i,
    input  wire                    rst_ni,
    input  wire [ADDRESS_BITS-1:0] address_i,
    input  wire                    read_i,
    input  wire                    write_i,
    input  wire [DATA_BITS-1:0]    data_i,
    output wire                    valid_o,
    output wire [DATA_BITS-1:0]    data_o,
    output wire                    error_o,
    output wire                    corrected_o
);
    reg [DATA_BITS-1:0] memory_q [0:DEPTH-1];
    reg [DATA_BITS-1:0] data_q;
    reg                 read_q, valid_q;

    assign valid_o     = valid_q;
    assign data_o      = data_q;
    assign error_o     = 1'b0;
    assign corrected_o = 1'b0;

    always @(posedge clk_i) begin
        if (write_i) memory_q[address_i] <= data_i;
        else if (read_i) data_q <= memory_q[address_i];
        read_q  <= read_i && rst_ni;
        valid_q <= read_q && rst_ni;
    end

    reg [DEPTH*DATA_BITS-1:0] memory_seen;  // for checkers
    integer i;

    always @* for (i = 0; i < DEPTH; i = i + 1) memory_seen[i*DATA_BITS +: DATA_BITS] = memory_q[i];
endmodule

`default_nettype wire
