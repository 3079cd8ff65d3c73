// SPDX-License-Identifier: MIT
// lz4_decompressor_pattern: the bytes of a match, laid out over itself where it overlaps itself.
//
// Handshake: none, combinational. `data_o` is the first `period_i` bytes of `data_i` over and over, or `data_i` as it is
//            where the period is 0, cut to `bytes_i` bytes with zeros behind.
// Latency:   none.

`default_nettype none

module lz4_decompressor_pattern #(
    parameter BYTES = 8
) (
    input  wire [8*BYTES-1:0] data_i,
    input  wire [3:0]         period_i,
    input  wire [6:0]         bytes_i,
    output wire [8*BYTES-1:0] data_o
);
    localparam LONGEST = BYTES + 15;  // whole patterns fill BYTES with at most so many

    wire [8*LONGEST-1:0] data = {120'd0, data_i};
    reg  [8*LONGEST-1:0] wide;

    always @* begin
        wide = data;
        case (period_i)
            4'd0: ;
            4'd1: wide[8*(LONGEST/1)-1:0] = {LONGEST/1{data[7:0]}};
            4'd2: wide[16*(LONGEST/2)-1:0] = {LONGEST/2{data[15:0]}};
            4'd3: wide[24*(LONGEST/3)-1:0] = {LONGEST/3{data[23:0]}};
            4'd4: wide[32*(LONGEST/4)-1:0] = {LONGEST/4{data[31:0]}};
            4'd5: wide[40*(LONGEST/5)-1:0] = {LONGEST/5{data[39:0]}};
            4'd6: wide[48*(LONGEST/6)-1:0] = {LONGEST/6{data[47:0]}};
            4'd7: wide[56*(LONGEST/7)-1:0] = {LONGEST/7{data[55:0]}};
            4'd8: wide[64*(LONGEST/8)-1:0] = {LONGEST/8{data[63:0]}};
            4'd9: wide[72*(LONGEST/9)-1:0] = {LONGEST/9{data[71:0]}};
            4'd10: wide[80*(LONGEST/10)-1:0] = {LONGEST/10{data[79:0]}};
            4'd11: wide[88*(LONGEST/11)-1:0] = {LONGEST/11{data[87:0]}};
            4'd12: wide[96*(LONGEST/12)-1:0] = {LONGEST/12{data[95:0]}};
            4'd13: wide[104*(LONGEST/13)-1:0] = {LONGEST/13{data[103:0]}};
            4'd14: wide[112*(LONGEST/14)-1:0] = {LONGEST/14{data[111:0]}};
            default: wide[120*(LONGEST/15)-1:0] = {LONGEST/15{data[119:0]}};
        endcase
    end

    assign data_o = wide[8*BYTES-1:0] & ~({8*BYTES{1'b1}} << {bytes_i, 3'd0});

    wire unused = &{1'b0, wide[8*LONGEST-1:8*BYTES]};
endmodule

`default_nettype wire
