// SPDX-License-Identifier: MIT
// chain_release_formal: as many sectors are given back as asked, in chain order: the first one first, then always the
// successor that FOLLOW has told; each is followed before it is given back; then `done_o`, once.
//
// Assumed of the allocator: the result of an operation comes in the cycle after it was taken. No start while one runs.

`default_nettype none

module chain_release_formal #(
    parameter BITS = 4
) (
    input  wire            clk_i,
    input  wire            rst_ni,
    input  wire            start,
    input  wire [BITS-1:0] first,
    input  wire [BITS-1:0] result,
    input  wire [6:0]      count,
    input  wire            op_ready,
    input  wire            result_valid
);
    localparam [1:0] PUSH = 2'd1, FOLLOW = 2'd3;

    wire            done, op_valid;
    wire [1:0]      op;
    wire [BITS-1:0] sector;

    chain_release #(
        .SECTOR_BITS(BITS)
    ) dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .start_i(start),
        .first_i(first),
        .count_i(count),
        .done_o(done),
        .op_valid_o(op_valid),
        .op_ready_i(op_ready),
        .op_o(op),
        .sector_o(sector),
        .result_valid_i(result_valid),
        .result_i(result)
    );

    (* hierconn *) wire       \dut.active_q ;
    (* hierconn *) wire       \dut.pushing_q ;
    (* hierconn *) wire       \dut.waiting_q ;
    (* hierconn *) wire [6:0] \dut.left_q ;
    (* hierconn *) wire [BITS-1:0] \dut.successor_q ;
    (* hierconn *) wire [BITS-1:0] \dut.sector_q ;

    reg            runs_q, followed_q, answer_q;   // answer_q: the result comes in this cycle
    reg [1:0]      op_q;
    reg [6:0]      owed_q;                         // pushes still to come
    reg [BITS-1:0] turn_q, next_q;                 // whose turn it is, and its successor

    wire taken = op_valid && op_ready;

    initial assume (!rst_ni);
    always @* begin
        assume (result_valid == answer_q);
        if (runs_q) assume (!start);
    end

    always @(posedge clk_i) begin
        answer_q <= taken;
        if (taken) op_q <= op;
        if (done) runs_q <= 1'b0;
        if (taken && op == PUSH) begin
            owed_q     <= owed_q - 7'd1;
            followed_q <= 1'b0;
            turn_q     <= next_q;
        end
        if (answer_q && op_q == FOLLOW) {followed_q, next_q} <= {1'b1, result};
        if (start) {runs_q, followed_q, owed_q, turn_q} <= {2'b10, count, first};
        if (!rst_ni) {runs_q, answer_q} <= 2'b00;
    end

    always @(posedge clk_i) if (rst_ni) begin
        if (op_valid) assert (runs_q && owed_q != 0 && sector == turn_q && op == (followed_q ? PUSH : FOLLOW));
        if (done) assert (runs_q && owed_q == 0);
        // what induction needs
        assert (runs_q == \dut.active_q );
        if (runs_q) begin
            assert (answer_q == \dut.waiting_q );
            if (\dut.waiting_q ) assert (op_q == (\dut.pushing_q ? PUSH : FOLLOW));
            if (\dut.waiting_q && \dut.pushing_q )
                assert (\dut.left_q == owed_q + 7'd1 && owed_q != 7'd127 && \dut.successor_q == turn_q && !followed_q);
            else begin
                assert (\dut.left_q == owed_q && \dut.sector_q == turn_q && followed_q == \dut.pushing_q );
                if (followed_q) assert (\dut.successor_q == next_q && owed_q != 0);
                if (\dut.waiting_q ) assert (owed_q != 0);
            end
        end else assert (!answer_q);
        cover (done && $past(answer_q));
        cover (runs_q && owed_q == 1 && followed_q && turn_q != next_q);
        cover (done && owed_q == 0 && $past(start));
    end
endmodule

`default_nettype wire
