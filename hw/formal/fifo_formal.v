// SPDX-License-Identifier: MIT
// fifo_formal: what goes into a fifo comes out once, in order, unchanged.
//
// One item, whichever (`watch` is free), is followed from in to out: `ahead_q` items are before it. Since it may be any,
// the claim holds for all of them.

`default_nettype none

module fifo_formal #(
    parameter WIDTH = 4,
    parameter DEPTH = 4
) (
    input  wire             clk_i,
    input  wire             rst_ni,
    input  wire             clear_i,
    input  wire             in_valid_i,
    input  wire [WIDTH-1:0] in_data_i,
    input  wire             out_ready_i,
    input  wire             watch  // follow the item that goes in now
);
    localparam BITS = $clog2(DEPTH);
    localparam [BITS:0] FULL = DEPTH;

    wire             in_ready, out_valid;
    wire [WIDTH-1:0] out_data;

    fifo #(
        .WIDTH(WIDTH),
        .DEPTH(DEPTH)
    ) dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(clear_i),
        .in_valid_i(in_valid_i),
        .in_ready_o(in_ready),
        .in_data_i(in_data_i),
        .out_valid_o(out_valid),
        .out_ready_i(out_ready_i),
        .out_data_o(out_data)
    );

    (* hierconn *) wire [BITS:0] \dut.head_q ;
    (* hierconn *) wire [BITS:0] \dut.level ;
    (* hierconn *) wire [DEPTH*WIDTH-1:0] \dut.memory_seen ;

    wire push = in_valid_i && in_ready;
    wire pop  = out_valid && out_ready_i;

    reg [BITS:0]      count_q;             // items inside, counted here
    reg               inside_q;            // the watched item is one of them
    reg [BITS:0]      ahead_q;
    reg [WIDTH-1:0]   item_q;
    reg               left_q, filled_q;    // it has left; the fifo has been full
    wire [BITS-1:0]   place = \dut.head_q [BITS-1:0] + ahead_q[BITS-1:0];

    initial assume (!rst_ni);

    always @(posedge clk_i) begin
        count_q <= count_q + {{BITS{1'b0}}, push} - {{BITS{1'b0}}, pop};
        if (push && watch && !inside_q) begin
            inside_q <= 1'b1;
            ahead_q  <= count_q - {{BITS{1'b0}}, pop};
            item_q   <= in_data_i;
        end else if (inside_q && pop) begin
            ahead_q <= ahead_q - 1'b1;
            if (ahead_q == 0) {inside_q, left_q} <= 2'b01;
        end
        if (count_q == FULL) filled_q <= 1'b1;
        if (!rst_ni || clear_i) {count_q, inside_q} <= 0;
        if (!rst_ni) {left_q, filled_q} <= 0;
    end

    always @(posedge clk_i) if (rst_ni) begin
        // claims
        assert (in_ready == (count_q != FULL));
        assert (out_valid == (count_q != 0));
        if (inside_q && ahead_q == 0) assert (out_valid && out_data == item_q);
        // what induction needs
        assert (count_q <= FULL);
        if (inside_q) assert (ahead_q < count_q && \dut.memory_seen [place*WIDTH +: WIDTH] == item_q);
        assert (\dut.level == count_q);
        // it happens
        cover (filled_q && left_q && count_q == 0);
        cover (push && pop && inside_q && ahead_q == 0);
        cover (inside_q && ahead_q == FULL - 1);
    end
endmodule

`default_nettype wire
