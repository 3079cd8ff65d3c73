// SPDX-License-Identifier: MIT
// last_byte: the last of 16 bytes that is set; 0 if none is. As first_byte.
//
// Handshake: none.
// Latency:   none.

`default_nettype none

module last_byte (
    input  wire [127:0] bytes_i,
    output wire [3:0]   last_o
);
    wire        far   = bytes_i[127:64] != 64'd0;
    wire [63:0] eight = far ? bytes_i[127:64] : bytes_i[63:0];
    wire        late  = eight[63:32] != 32'd0;
    wire [31:0] four  = late ? eight[63:32] : eight[31:0];

    assign last_o = {far, late, four[24] ? 2'd3 : four[16] ? 2'd2 : four[8] ? 2'd1 : 2'd0};

    wire unused = &{1'b0, four[31:25], four[23:17], four[15:9], four[7:0]};
endmodule

`default_nettype wire
