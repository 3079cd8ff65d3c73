// SPDX-License-Identifier: MIT
// chain_release_formal: as many sectors are given back or retired as asked, in chain order: the first one first, then always
// the successor that FOLLOW has told; each but the last is followed before that; the bad ones are retired, no other; then
// `done_o`, once. A link that cannot be told ends the chain: the sectors behind it are counted as lost, once.
//
// Assumed of the allocator: a result comes only of an operation that was taken, whenever. No start while one runs.

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
    input  wire [63:0]     bad,
    input  wire            hold,
    input  wire            op_ready,
    input  wire            result_valid,
    input  wire            result_error
);
    localparam [1:0] PUSH = 2'd1, FOLLOW = 2'd3;

    wire            op_hold;
    wire            done, op_valid, retired, lost_valid;
    wire [6:0]      lost;
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
        .bad_i(bad),
        .hold_i(hold),
        .hold_o(op_hold),
        .done_o(done),
        .retired_o(retired),
        .lost_valid_o(lost_valid),
        .lost_o(lost),
        .op_valid_o(op_valid),
        .op_ready_i(op_ready),
        .op_o(op),
        .sector_o(sector),
        .result_valid_i(result_valid),
        .result_i(result),
        .result_error_i(result_error)
    );

    (* hierconn *) wire       \dut.active_q ;
    (* hierconn *) wire       \dut.pushing_q ;
    (* hierconn *) wire       \dut.waiting_q ;
    (* hierconn *) wire [6:0] \dut.left_q ;
    (* hierconn *) wire [63:0] \dut.bad_q ;
    (* hierconn *) wire [BITS-1:0] \dut.successor_q ;
    (* hierconn *) wire [BITS-1:0] \dut.sector_q ;

    reg            runs_q, followed_q, answer_q;   // answer_q: a result is owed
    reg [1:0]      op_q;
    reg            hold_q;
    reg [63:0]     bad_q;                          // of the chain, by position
    reg [6:0]      gone_q;                         // sectors given back or retired
    reg [6:0]      owed_q;                         // sectors still to go
    reg [6:0]      count_q, lost_q;
    reg [BITS-1:0] turn_q, next_q;                 // whose turn it is, and its successor

    wire taken  = op_valid && op_ready;
    wire told   = answer_q && result_valid && op_q == FOLLOW;
    wire unlink = told && result_error;
    wire goes   = followed_q || owed_q == 1;       // the sector may be given back

    initial assume (!rst_ni);
    always @* begin
        if (start) assume (count <= 7'd64);
        if (result_valid) assume (answer_q);
        if (runs_q) assume (!start);
    end

    always @(posedge clk_i) begin
        if (taken) answer_q <= 1'b1;
        else if (result_valid) answer_q <= 1'b0;
        if (taken) op_q <= op;
        if (done) runs_q <= 1'b0;
        if (retired || (taken && op == PUSH)) begin
            gone_q     <= gone_q + 7'd1;
            owed_q     <= owed_q - 7'd1;
            followed_q <= 1'b0;
            turn_q     <= next_q;
        end
        if (told) {followed_q, next_q} <= {!result_error, result};
        if (unlink) {owed_q, lost_q} <= {7'd1, owed_q - 7'd1};
        if (start) {runs_q, followed_q, owed_q, turn_q, bad_q, gone_q} <= {2'b10, count, first, bad, 7'd0};
        if (start) hold_q <= hold;
        if (start) {count_q, lost_q} <= {count, 7'd0};
        if (!rst_ni) {runs_q, answer_q} <= 2'b00;
    end

    always @(posedge clk_i) if (rst_ni) begin
        if (op_valid) assert (runs_q && owed_q != 0 && sector == turn_q && op == (goes ? PUSH : FOLLOW));
        if (op_valid && op == PUSH) assert (!bad_q[gone_q] && op_hold == hold_q);
        if (retired) assert (runs_q && owed_q != 0 && goes && sector == turn_q && bad_q[gone_q]);
        if (done) assert (runs_q && owed_q == 0 && gone_q + lost_q == count_q);
        assert (lost_valid == unlink);
        if (lost_valid) assert (lost == owed_q - 7'd1 && lost != 0 && lost_q == 0);
        // what induction needs
        assert (runs_q == \dut.active_q );
        if (runs_q) begin
            assert (answer_q == \dut.waiting_q && op_hold == hold_q);
            if (\dut.waiting_q ) assert (op_q == (\dut.pushing_q ? PUSH : FOLLOW));
            if (\dut.waiting_q && \dut.pushing_q ) begin
                assert (\dut.left_q == owed_q + 7'd1 && owed_q != 7'd127 && !followed_q && gone_q != 0);
                assert (\dut.bad_q == bad_q >> (gone_q - 7'd1));
                if (owed_q != 0) assert (\dut.successor_q == turn_q);
            end else begin
                assert (\dut.left_q == owed_q && \dut.bad_q == bad_q >> gone_q);
                if (owed_q != 0) assert (\dut.sector_q == turn_q && \dut.pushing_q == goes);
                if (followed_q) assert (\dut.successor_q == next_q && owed_q > 1);
                if (\dut.waiting_q ) assert (owed_q > 1 && !followed_q);
            end
            if (lost_q != 0) assert (owed_q <= 1 && !followed_q);
            assert ({1'b0, gone_q} + {1'b0, owed_q} + {1'b0, lost_q} == {1'b0, count_q} && count_q <= 7'd64);
        end else assert (!answer_q && !retired);
        cover (done && $past(answer_q));
        cover (runs_q && owed_q == 2 && followed_q && turn_q != next_q);
        cover (done && bad_q[1] && gone_q == 3);
        cover (done && bad_q[0] && lost_q == 5);
        cover (done && owed_q == 0 && $past(start));
    end
endmodule

`default_nettype wire
