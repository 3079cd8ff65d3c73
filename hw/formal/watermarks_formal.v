// SPDX-License-Identifier: MIT
// watermarks_formal: the four states follow the judged sectors with hysteresis (docs/device/pressure.md), one cycle late;
// each entry, and leaving low, is signalled once. While nothing is judged the last judgement stands.
//
// While only a fall counts, more sectors change nothing.
//
// Free: the number of available sectors, when it is judged, when only a fall counts, and every write of a mark. Assumed:
// the first cycle after a reset is judged, whatever it is.

`default_nettype none

module watermarks_formal (
    input  wire        clk_i,
    input  wire        rst_ni,
    input  wire [31:0] available,
    input  wire        judge,
    input  wire        falls,
    input  wire [31:0] mask,
    input  wire [31:0] bits,
    input  wire [5:0]  write
);
    wire [31:0] low, recovered, high, medium_mark, critical, hysteresis;
    wire        is_high, is_medium, is_low, is_critical, settled;
    wire        raise_high, raise_medium, raise_low, raise_recovered, raise_critical;

    watermarks dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .available_i(available),
        .judge_i(judge),
        .falls_i(falls),
        .write_mask_i(mask),
        .write_bits_i(bits),
        .low_write_i(write[0]),
        .recovered_write_i(write[1]),
        .high_write_i(write[2]),
        .medium_write_i(write[3]),
        .critical_write_i(write[4]),
        .hysteresis_write_i(write[5]),
        .low_mark_o(low),
        .recovered_mark_o(recovered),
        .high_mark_o(high),
        .medium_mark_o(medium_mark),
        .critical_mark_o(critical),
        .hysteresis_o(hysteresis),
        .high_o(is_high),
        .medium_o(is_medium),
        .low_o(is_low),
        .critical_o(is_critical),
        .raise_high_o(raise_high),
        .raise_medium_o(raise_medium),
        .raise_low_o(raise_low),
        .raise_recovered_o(raise_recovered),
        .raise_critical_o(raise_critical),
        .settled_o(settled)
    );

    (* hierconn *) wire [31:0] \dut.seen_q ;
    (* hierconn *) wire \dut.mark_written_q ;

    reg         up_q;
    reg [31:0]  judged_q;     // the last judgement
    wire [31:0] free = !judge || (falls && available > judged_q) ? judged_q : available;
    reg [3:0]   was_q;        // low, high, medium, critical
    reg [31:0]  free_q, low_q, recovered_q, high_q, medium_q, critical_q, hysteresis_q;

    wire [3:0] is = {is_low, is_high, is_medium, is_critical};

    function [0:0] left;  // of a state: leaves at mark + hysteresis
        input [31:0] mark;
        left = {1'b0, free_q} >= {1'b0, mark} + {1'b0, hysteresis_q};
    endfunction

    initial assume (!rst_ni);
    always @* if (!up_q) assume (judge && !falls);

    always @(posedge clk_i) begin
        up_q   <= rst_ni;
        judged_q <= free;
        was_q  <= is;
        free_q <= free;
        {low_q, recovered_q, high_q} <= {low, recovered, high};
        {medium_q, critical_q, hysteresis_q} <= {medium_mark, critical, hysteresis};
    end

    always @(posedge clk_i) if (rst_ni && up_q) begin
        assert (is_high == (was_q[2] ? !left(high_q) : free_q < high_q));
        assert (is_medium == (was_q[1] ? !left(medium_q) : free_q < medium_q));
        assert (is_critical == (was_q[0] ? !left(critical_q) : free_q < critical_q));
        assert (is_low == (was_q[3] ? free_q < recovered_q || free_q < low_q : free_q < low_q));
        assert ({raise_low, raise_high, raise_medium, raise_critical} == (is & ~was_q));
        assert (raise_recovered == (was_q[3] && !is_low));
        cover (was_q[3] && is_low && free_q >= low_q);
        cover (raise_recovered && is_critical);
        cover (raise_critical && is_low && is_high && is_medium);
        assert (\dut.seen_q == judged_q);  // what induction needs
        cover (raise_low && !judge && available != judged_q);
        cover (raise_low && falls && judge && available > judged_q);
        cover (was_q[2] && is_high && free_q >= high_q && settled);
    end
endmodule

`default_nettype wire
