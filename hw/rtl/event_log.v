// SPDX-License-Identifier: MIT
// event_log: the last events, oldest first (docs/device/events.md, "Events").
//
// Handshake: an event is taken in the cycle of `event_valid_i`; a full log drops the new one and counts it. `pop_i`
//            drops the oldest and makes room in the same cycle; on an empty log it does nothing. The event of number
//            `index_i`, 0 being the oldest, is shown for the mailbox.
// Latency:   one cycle from `event_valid_i` to the outputs. `logged_o` is high in the cycle in which an event is taken.

`default_nettype none

module event_log #(
    parameter DEPTH = 16  // power of two, 2 .. 16
) (
    input  wire        clk_i,
    input  wire        rst_ni,

    input  wire        event_valid_i,
    input  wire [7:0]  event_code_i,
    input  wire [31:0] event_page_i,
    input  wire [31:0] event_sector_i,
    output wire        logged_o,

    input  wire        pop_i,
    output wire [4:0]  count_o,
    output wire [7:0]  code_o,     // 0 when empty
    output wire [31:0] page_o,     // 0 when empty
    output wire [31:0] sector_o,   // 0 when empty
    output wire [31:0] overflow_o,

    output wire [15:0] handle_o,   // of the oldest: 8000h and a count; those after it follow
    input  wire        cleared_i,  // the host knows what was lost
    output wire [31:0] lost_o,     // dropped events that it does not know
    input  wire [3:0]  index_i,
    output wire [7:0]  index_code_o,
    output wire [31:0] index_page_o
);
    localparam [4:0]  FULL = DEPTH;
    localparam [31:0] WRAP = DEPTH - 1;
    localparam [3:0]  LAST = WRAP[3:0];

    reg [71:0] events_q [0:DEPTH-1];
    reg [3:0]  first_q;
    reg [4:0]  count_q;
    reg [31:0] overflow_q, known_q;
    reg [14:0] popped_q;

    wire       empty = count_q == 5'd0;
    wire       pop   = pop_i && !empty;
    wire       push  = event_valid_i && (count_q != FULL || pop);
    wire [3:0] next  = (first_q + count_q[3:0]) & LAST;
    wire [3:0] index = (first_q + index_i) & LAST;

    assign logged_o   = push;
    assign count_o    = count_q;
    assign overflow_o = overflow_q;
    assign handle_o   = {1'b1, popped_q};
    assign lost_o     = overflow_q - known_q;
    assign {index_code_o, index_page_o} = events_q[index][71:32];
    assign {code_o, page_o, sector_o} = empty ? 72'd0 : events_q[first_q];

    always @(posedge clk_i) begin
        if (!rst_ni) begin
            first_q    <= 4'd0;
            count_q    <= 5'd0;
            overflow_q <= 32'd0;
            known_q    <= 32'd0;
            popped_q   <= 15'd0;
        end else begin
            if (push) events_q[next] <= {event_code_i, event_page_i, event_sector_i};
            if (pop) popped_q <= popped_q + 15'd1;
            if (cleared_i) known_q <= overflow_q;
            if (pop) first_q <= (first_q + 4'd1) & LAST;
            count_q <= count_q + {4'd0, push} - {4'd0, pop};
            if (event_valid_i && !push) overflow_q <= overflow_q + 32'd1;
        end
    end

`ifdef FORMAL
    wire [71:0] index_seen = events_q[index];  // for hw/formal/event_log_formal.v
`endif
endmodule

`default_nettype wire
