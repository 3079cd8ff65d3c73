// SPDX-License-Identifier: MIT
// first_byte: the first of 16 bytes that is set; 16 if none is. A byte is set or not in its lowest bit, as bytes_apart
// tells it; all other bits are zero.
//
// Handshake: none.
// Latency:   none.

`default_nettype none

module first_byte (
    input  wire [127:0] bytes_i,
    output wire [4:0]   first_o
);
    wire        far   = bytes_i[63:0] == 64'd0;
    wire [63:0] eight = far ? bytes_i[127:64] : bytes_i[63:0];
    wire        late  = eight[31:0] == 32'd0;
    wire [31:0] four  = late ? eight[63:32] : eight[31:0];
    wire        none  = far && bytes_i[127:64] == 64'd0;

    assign first_o = none ? 5'd16 : {1'b0, far, late, four[0] ? 2'd0 : four[8] ? 2'd1 : four[16] ? 2'd2 : 2'd3};

    wire unused = &{1'b0, four[31:17], four[15:9], four[7:1]};
endmodule

`default_nettype wire
