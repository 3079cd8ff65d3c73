// SPDX-License-Identifier: MIT
// recency: which of some entries was used least recently.
//
// Bit [i][j] of a matrix tells that entry i was used after entry j. A use sets the row of its entry and clears its column,
// so several uses in a cycle, and the oldest of any set, are flat logic: no comparison waits for another one. Only the
// half above the diagonal is kept, the other one is its complement.
//
// Handshake: `touch_i` has a word for each of USERS, the number of an entry with one bit set, or none; of entries that are
//            used in the same cycle those of later users count as used later. `among_i` has a word for each of QUESTIONS:
//            `oldest_o` shows that entry of the set which was used least recently, none of an empty set. After a reset
//            entry 0 was used last, then entry 1, and so on.
// Latency:   a use counts from the next cycle on; an answer comes in the same cycle.

`default_nettype none

module recency #(
    parameter ENTRIES   = 8,
    parameter USERS     = 3,
    parameter QUESTIONS = 2
) (
    input  wire                         clk_i,
    input  wire                         rst_ni,
    input  wire [USERS*ENTRIES-1:0]     touch_i,
    input  wire [QUESTIONS*ENTRIES-1:0] among_i,
    output wire [QUESTIONS*ENTRIES-1:0] oldest_o
);
    wire [ENTRIES-1:0] after [0:ENTRIES-1];  // [i][j]: i after j

    genvar i, j, u, q;
    generate
        for (i = 0; i < ENTRIES; i = i + 1) begin : gen_row
            assign after[i][i] = 1'b0;
            for (j = i + 1; j < ENTRIES; j = j + 1) begin : gen_pair
                reg              after_q;
                wire [USERS:0]   now;

                assign now[0] = after_q;
                for (u = 0; u < USERS; u = u + 1) begin : gen_user
                    assign now[u+1] = touch_i[u*ENTRIES+i] || (now[u] && !touch_i[u*ENTRIES+j]);
                end
                always @(posedge clk_i) after_q <= now[USERS] || !rst_ni;
                assign after[i][j] = after_q;
                assign after[j][i] = !after_q;
            end
        end
        for (q = 0; q < QUESTIONS; q = q + 1) begin : gen_question
            for (i = 0; i < ENTRIES; i = i + 1) begin : gen_entry
                wire [ENTRIES-1:0] earlier;  // members of the set that were used before i
                for (j = 0; j < ENTRIES; j = j + 1) begin : gen_other
                    assign earlier[j] = among_i[q*ENTRIES+j] && after[i][j];
                end
                assign oldest_o[q*ENTRIES+i] = among_i[q*ENTRIES+i] && earlier == 0;
            end
        end
    endgenerate
endmodule

`default_nettype wire
