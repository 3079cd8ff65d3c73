// SPDX-License-Identifier: MIT
// chain_release: gives every sector of a page's chain back to the allocator, in chain order.
//
// Handshake: `start_i` pulse with `first_i` and `count_i` (0 is legal: done at once); `done_o` pulses at the end.
// Latency:   four cycles a sector.

`default_nettype none

module chain_release #(
    parameter SECTOR_BITS = 14
) (
    input  wire                   clk_i,
    input  wire                   rst_ni,

    input  wire                   start_i,
    input  wire [SECTOR_BITS-1:0] first_i,
    input  wire [6:0]             count_i,
    output wire                   done_o,

    // sector_allocator
    output wire                   op_valid_o,
    input  wire                   op_ready_i,
    output wire [1:0]             op_o,
    output wire [SECTOR_BITS-1:0] sector_o,
    input  wire                   result_valid_i,
    input  wire [SECTOR_BITS-1:0] result_i
);
    localparam [1:0] PUSH = 2'd1, FOLLOW = 2'd3;

    reg                   active_q;
    reg                   pushing_q;   // second half: the successor is known, the sector may go
    reg                   waiting_q;   // an operation is under way
    reg [6:0]             left_q;
    reg [SECTOR_BITS-1:0] sector_q, successor_q;

    assign done_o     = active_q && left_q == 0;
    assign op_valid_o = active_q && left_q != 0 && !waiting_q;
    assign op_o       = pushing_q ? PUSH : FOLLOW;
    assign sector_o   = sector_q;

    always @(posedge clk_i) begin
        if (start_i) begin
            active_q  <= 1'b1;
            pushing_q <= 1'b0;
            waiting_q <= 1'b0;
            left_q    <= count_i;
            sector_q  <= first_i;
        end else if (done_o) begin
            active_q <= 1'b0;
        end else if (op_valid_o && op_ready_i) begin
            waiting_q <= 1'b1;
        end else if (waiting_q && result_valid_i) begin
            waiting_q <= 1'b0;
            pushing_q <= !pushing_q;
            if (pushing_q) begin
                left_q   <= left_q - 1'b1;
                sector_q <= successor_q;
            end else begin
                successor_q <= result_i;
            end
        end
        if (!rst_ni) active_q <= 1'b0;
    end
endmodule

`default_nettype wire
