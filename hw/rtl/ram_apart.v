// SPDX-License-Identifier: MIT
// ram_apart: a block RAM with one write and one read port that never meet at an address.
//
// Handshake: none; `write_i` writes, `read_i` loads `read_data_o`. What is read in the cycle that writes it is undefined: the user
//            reads what was written earlier, or does not look.
// Latency:   one cycle from `read_address_i` to `read_data_o`, which holds until the next read.
// Legal:     there is no reset: content is unknown until written.

`default_nettype none

module ram_apart #(
    parameter WIDTH        = 64,
    parameter DEPTH        = 128,
    parameter ADDRESS_BITS = 7
) (
    input  wire                    clk_i,

    input  wire                    write_i,
    input  wire [ADDRESS_BITS-1:0] write_address_i,
    input  wire [WIDTH-1:0]        write_data_i,

    input  wire                    read_i,
    input  wire [ADDRESS_BITS-1:0] read_address_i,
    output reg  [WIDTH-1:0]        read_data_o
);
    (* ram_style = "block" *) (* no_rw_check *)
    reg [WIDTH-1:0] memory_q [0:DEPTH-1];

    // Nobody else reads the memory, so its writes may be blocking: for a simulator that is one copy less.
    always @(posedge clk_i) begin
        if (read_i) read_data_o <= memory_q[read_address_i];
        if (write_i) memory_q[write_address_i] = write_data_i;
    end
endmodule

`default_nettype wire
