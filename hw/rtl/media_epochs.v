// SPDX-License-Identifier: MIT
// media_epochs: tells answers that are waited for from answers of a time before. Requests carry an AXI ID, their epoch;
// under each ID is counted what the media still owes. Who no longer waits leaves the epoch: later requests have an ID
// under which nothing is owed, and what comes under the old one is counted and no more.
//
// Handshake: `start_i` asks for `start_count_i` answers under `id_o`, while `open_o` is high; `answer_i` takes one, of
//            `answer_id_i`; `ours_o` is high if an answer of that ID is waited for. `leave_i`: nothing is waited for any
//            more. `none_o`: the media owes nothing under any ID.
//            With every ID owed answers `open_o` stays low until one has them all. Answers that nobody asked for change
//            nothing.
// Latency:   `open_o` is low from the cycle after `leave_i`, for one cycle if an ID is free.
// Legal:     EPOCHS from 2 to 256; fewer than 2^COUNT_BITS answers are owed under an ID.

`default_nettype none

module media_epochs #(
    parameter EPOCHS     = 4,
    parameter COUNT_BITS = 8
) (
    input  wire                  clk_i,
    input  wire                  rst_ni,
    input  wire                  leave_i,
    output wire                  open_o,
    output wire                  none_o,
    output wire [7:0]            id_o,

    input  wire                  start_i,
    input  wire [COUNT_BITS-1:0] start_count_i,
    input  wire                  answer_i,
    input  wire [7:0]            answer_id_i,
    output wire                  ours_o
);
    localparam ID_BITS = $clog2(EPOCHS);

    reg [EPOCHS*COUNT_BITS-1:0] count_q;
    reg [ID_BITS-1:0]           id_q;
    reg                         left_q;  // requests need another ID

    reg [EPOCHS-1:0]            owed;
    reg [EPOCHS-1:0]            starts, answers;
    reg [ID_BITS-1:0]           free;
    reg                         known;   // the answer's ID is one of ours, and owed
    integer                     i, j;    // each written in one block

    always @* begin
        free  = {ID_BITS{1'b0}};
        known = 1'b0;
        for (i = EPOCHS - 1; i >= 0; i = i - 1) begin
            owed[i]    = count_q[i*COUNT_BITS +: COUNT_BITS] != 0;
            starts[i]  = start_i && id_q == i[ID_BITS-1:0];
            answers[i] = answer_id_i == i[7:0] && owed[i];
            if (!owed[i]) free = i[ID_BITS-1:0];
            if (answers[i]) known = 1'b1;
        end
    end

    assign id_o   = {{(8 - ID_BITS){1'b0}}, id_q};
    assign open_o = !left_q;
    assign none_o = owed == {EPOCHS{1'b0}};
    assign ours_o = !left_q && known && answer_id_i == id_o;

    always @(posedge clk_i) begin
        for (j = 0; j < EPOCHS; j = j + 1) begin
            if (starts[j] || (answer_i && answers[j]))
                count_q[j*COUNT_BITS +: COUNT_BITS] <= count_q[j*COUNT_BITS +: COUNT_BITS]
                    + (starts[j] ? start_count_i : {COUNT_BITS{1'b0}}) - {{(COUNT_BITS - 1){1'b0}}, answer_i && answers[j]};
        end
        if (leave_i) begin
            left_q <= 1'b1;
        end else if (left_q && owed != {EPOCHS{1'b1}}) begin
            left_q <= 1'b0;
            id_q   <= free;
        end
        if (!rst_ni) begin
            count_q <= {(EPOCHS * COUNT_BITS){1'b0}};
            id_q    <= {ID_BITS{1'b0}};
            left_q  <= 1'b1;
        end
    end
endmodule

`default_nettype wire
