// SPDX-License-Identifier: MIT
// ram: a synchronous memory with one write and one read port and byte enables.
//
// Handshake: none; `write_i` writes the enabled bytes, `read_i` loads `read_data_o`.
// Latency:   one cycle from `read_i` to `read_data_o`, which holds until the next read. A read of an address written in
//            the same cycle gives the old content.
// Legal:     WIDTH is a multiple of 8. There is no reset: content is unknown until written.

`default_nettype none

module ram #(
    parameter WIDTH        = 512,
    parameter DEPTH        = 64,
    parameter ADDRESS_BITS = 6
) (
    input  wire                    clk_i,

    input  wire                    write_i,
    input  wire [ADDRESS_BITS-1:0] write_address_i,
    input  wire [WIDTH-1:0]        write_data_i,
    input  wire [WIDTH/8-1:0]      write_strobe_i,

    input  wire                    read_i,
    input  wire [ADDRESS_BITS-1:0] read_address_i,
    output reg  [WIDTH-1:0]        read_data_o
);
    reg [WIDTH-1:0] memory_q [0:DEPTH-1];

    integer i;

    // Nobody else reads the memory, so its writes may be blocking: for a simulator that is one copy less of each byte.
    always @(posedge clk_i) begin
        if (read_i) read_data_o <= memory_q[read_address_i];
        if (write_i) begin
            if (&write_strobe_i) memory_q[write_address_i] = write_data_i;
            else
                for (i = 0; i < WIDTH / 8; i = i + 1)
                    if (write_strobe_i[i]) memory_q[write_address_i][i*8 +: 8] = write_data_i[i*8 +: 8];
        end
    end
endmodule

`default_nettype wire
