// SPDX-License-Identifier: MIT
// watermarks: how full the media is, as four states with hysteresis (docs/device/pressure.md, "Watermarks").
//
// Judged are the sectors that are free and not promised, while `judge_i` is high; between that the last judgement stands.
// With `falls_i` they are only judged if they are fewer than those.
//
//     available         high, medium, critical: entered below the mark, left at the mark plus `hysteresis`
//     ---------         low:                    entered below its mark, left at `recovered` (or at its mark, if higher)
//
// Handshake: `*_write_i` write one mark in a cycle, with `write_bits_i` where `write_mask_i` is one. The pulses `raise_*_o`
//            come in the first cycle of a state, or after low.
// Latency:   one cycle from a judgement to the states.

`default_nettype none

module watermarks (
    input  wire        clk_i,
    input  wire        rst_ni,
    input  wire [31:0] available_i,
    input  wire        judge_i,
    input  wire        falls_i,

    input  wire [31:0] write_mask_i,
    input  wire [31:0] write_bits_i,
    input  wire        low_write_i,
    input  wire        recovered_write_i,
    input  wire        high_write_i,
    input  wire        medium_write_i,
    input  wire        critical_write_i,
    input  wire        hysteresis_write_i,
    output reg  [31:0] low_mark_o,
    output reg  [31:0] recovered_mark_o,
    output reg  [31:0] high_mark_o,
    output reg  [31:0] medium_mark_o,
    output reg  [31:0] critical_mark_o,
    output reg  [31:0] hysteresis_o,

    output reg         high_o,
    output reg         medium_o,
    output reg         low_o,
    output reg         critical_o,
    output reg         raise_high_o,
    output reg         raise_medium_o,
    output reg         raise_low_o,
    output reg         raise_recovered_o,
    output reg         raise_critical_o,
    output wire        settled_o  // no state is about to change
);
    // Leaving needs both marks, so that marks in the wrong order do not make the state swing.
    function reached;
        input [31:0] free;
        input [31:0] mark;
        input [31:0] margin;
        reached = {1'b0, free} >= {1'b0, mark} + {1'b0, margin};
    endfunction

    // The marks are looked at when the judged sectors or a mark have changed, which keeps simulation fast.
    reg [31:0] seen_q;
    reg        mark_written_q;

    wire mark_write = high_write_i || medium_write_i || low_write_i || recovered_write_i || critical_write_i
                      || hysteresis_write_i;
    wire        judge   = judge_i && !(falls_i && available_i >= seen_q);
    wire        look    = mark_written_q || (judge && available_i != seen_q);
    wire [31:0] sectors = judge ? available_i : seen_q;

    assign settled_o = !look && !raise_high_o && !raise_medium_o && !raise_low_o && !raise_recovered_o
                       && !raise_critical_o;

    always @(posedge clk_i) begin
        seen_q         <= sectors;
        mark_written_q <= mark_write || !rst_ni;
        raise_high_o      <= 1'b0;
        raise_medium_o    <= 1'b0;
        raise_low_o       <= 1'b0;
        raise_recovered_o <= 1'b0;
        raise_critical_o  <= 1'b0;
        if (look) begin
            high_o     <= high_o ? !reached(sectors, high_mark_o, hysteresis_o) : sectors < high_mark_o;
            medium_o   <= medium_o ? !reached(sectors, medium_mark_o, hysteresis_o) : sectors < medium_mark_o;
            low_o      <= low_o ? sectors < recovered_mark_o || sectors < low_mark_o : sectors < low_mark_o;
            critical_o <= critical_o ? !reached(sectors, critical_mark_o, hysteresis_o) : sectors < critical_mark_o;
            raise_high_o      <= !high_o && sectors < high_mark_o;
            raise_medium_o    <= !medium_o && sectors < medium_mark_o;
            raise_low_o       <= !low_o && sectors < low_mark_o;
            raise_recovered_o <= low_o && sectors >= recovered_mark_o && sectors >= low_mark_o;
            raise_critical_o  <= !critical_o && sectors < critical_mark_o;
        end
        if (high_write_i)       high_mark_o      <= high_mark_o & ~write_mask_i | write_bits_i;
        if (medium_write_i)     medium_mark_o    <= medium_mark_o & ~write_mask_i | write_bits_i;
        if (low_write_i)        low_mark_o       <= low_mark_o & ~write_mask_i | write_bits_i;
        if (recovered_write_i)  recovered_mark_o <= recovered_mark_o & ~write_mask_i | write_bits_i;
        if (critical_write_i)   critical_mark_o  <= critical_mark_o & ~write_mask_i | write_bits_i;
        if (hysteresis_write_i) hysteresis_o     <= hysteresis_o & ~write_mask_i | write_bits_i;
        if (!rst_ni) begin
            raise_high_o      <= 1'b0;
            raise_medium_o    <= 1'b0;
            raise_low_o       <= 1'b0;
            raise_recovered_o <= 1'b0;
            raise_critical_o  <= 1'b0;
            high_o           <= 1'b0;
            medium_o         <= 1'b0;
            low_o            <= 1'b0;
            critical_o       <= 1'b0;
            high_mark_o      <= 32'd0;
            medium_mark_o    <= 32'd0;
            low_mark_o       <= 32'd0;
            recovered_mark_o <= 32'd0;
            critical_mark_o  <= 32'd0;
            hysteresis_o     <= 32'd0;
        end
    end
endmodule

`default_nettype wire
