// SPDX-License-Identifier: MIT
// chain_release: gives the sectors of a page's chain back to the allocator, in chain order, but for those that are bad.
//
// With `hold_i` the allocator is told not to give the sectors out yet: the media may still write them.
//
// A bad sector is retired: nobody gives it back, so it is never used again until the next reset. So it is with what comes
// behind a link that cannot be told: `lost_valid_o` pulses with the number of those sectors.
//
// Handshake: `start_i` pulse with `first_i`, `count_i` (0 is legal: done at once) and `bad_i` (bit n: the sector at
//            position n of the chain is bad) and `hold_i`; `done_o` pulses at the end. `retired_o` pulses for each bad sector, in the
//            cycle in which `sector_o` is its number.
// Latency:   five cycles a sector, four a bad one, three less for the last.

`default_nettype none

module chain_release #(
    parameter SECTOR_BITS = 14
) (
    input  wire                   clk_i,
    input  wire                   rst_ni,

    input  wire                   start_i,
    input  wire [SECTOR_BITS-1:0] first_i,
    input  wire [6:0]             count_i,
    input  wire [63:0]            bad_i,
    input  wire                   hold_i,
    output wire                   done_o,
    output wire                   retired_o,
    output wire                   lost_valid_o,
    output wire [6:0]             lost_o,

    // sector_allocator
    output wire                   op_valid_o,
    input  wire                   op_ready_i,
    output wire [1:0]             op_o,
    output wire                   hold_o,
    output wire [SECTOR_BITS-1:0] sector_o,
    input  wire                   result_valid_i,
    input  wire [SECTOR_BITS-1:0] result_i,
    input  wire                   result_error_i
);
    localparam [1:0] PUSH = 2'd1, FOLLOW = 2'd3;

    reg                   active_q;
    reg                   pushing_q;   // second half: the successor is known, the sector may go
    reg                   waiting_q;   // an operation is under way
    reg                   hold_q;
    reg [6:0]             left_q;
    reg [63:0]            bad_q;       // bit 0: that of sector_q
    reg [SECTOR_BITS-1:0] sector_q, successor_q;

    assign done_o     = active_q && left_q == 0;
    wire   pass       = pushing_q && !waiting_q && bad_q[0];  // bad: nothing is pushed

    assign op_valid_o = active_q && left_q != 0 && !waiting_q && !pass;
    assign retired_o  = active_q && left_q != 0 && pass;
    assign lost_valid_o = waiting_q && !pushing_q && result_valid_i && result_error_i;
    assign lost_o     = left_q - 1'b1;
    assign op_o       = pushing_q ? PUSH : FOLLOW;
    assign sector_o   = sector_q;
    assign hold_o     = hold_q;

    always @(posedge clk_i) begin
        if (start_i) begin
            active_q  <= 1'b1;
            pushing_q <= count_i == 1;  // the last sector has no successor
            waiting_q <= 1'b0;
            left_q    <= count_i;
            sector_q  <= first_i;
            bad_q     <= bad_i;
            hold_q    <= hold_i;
        end else if (done_o) begin
            active_q <= 1'b0;
        end else if (op_valid_o && op_ready_i) begin
            waiting_q <= 1'b1;
        end else if (retired_o || (waiting_q && result_valid_i)) begin
            waiting_q <= 1'b0;
            pushing_q <= !pushing_q || left_q == 2;
            if (pushing_q) begin
                left_q   <= left_q - 1'b1;
                sector_q <= successor_q;
                bad_q    <= bad_q >> 1;
            end else begin
                successor_q <= result_i;
                if (result_error_i) left_q <= 7'd1;
            end
        end
        if (!rst_ni) active_q <= 1'b0;
    end
endmodule

`default_nettype wire
