// SPDX-License-Identifier: MIT
// lz4_parser: chooses a match for each window, if there is one; lz4_joiner joins those that go on with each other.
//
// Handshake: a window a cycle at most, in order; matches leave in order, and nobody can refuse them. After those of the
//            last window one with `match_last_o` alone says so. `clear_i` starts over.
// Latency:   10 cycles from a window to its match, which leaves when the next one does not go on with it.
//
//     lengths | behind each resume | comparisons | choice | resume | chosen | bounds | 3 of the joiner
//
// Choice. How far the matches before reach into a window, `resume`, 0 to 8 bytes, is known a cycle before the next
// window must know it. So the choice is made for each of the nine cases beforehand; what must wait for the window before
// is one multiplexer. The longest match behind `resume` is taken, of 4 bytes at the least.

`default_nettype none

module lz4_parser #(
    parameter PORTS = 3
) (
    input  wire                clk_i,
    input  wire                rst_ni,
    input  wire                clear_i,

    input  wire                window_valid_i,
    input  wire [8:0]          window_number_i,
    input  wire [PORTS-1:0]    found_i,
    input  wire [PORTS*4-1:0]  start_i,          // as lz4_offset_check counts them
    input  wire [PORTS*5-1:0]  end_i,
    input  wire [PORTS*13-1:0] origin_i,

    output wire                match_valid_o,
    output wire                match_last_o,     // no match, but the end of the page
    output wire [11:0]         match_start_o,
    output wire [11:0]         match_end_o,
    output wire [11:0]         match_offset_o,
    output wire                match_open_o      // the byte at its end was not compared
);
    localparam [8:0] LAST     = 9'd510;  // no match starts in a window behind it
    localparam       RESUMES  = 9;
    localparam       FORM     = 4 + 5 + 13;  // start, end, origin

    genvar p, r;

    // ---- windows under way

    reg [5:1] valid_q;
    wire [8:0] number5;
    reg [8:0] number6_q;

    delay #(
        .WIDTH(9),
        .CYCLES(5)
    ) u_number (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .in_i(window_number_i),
        .out_o(number5)
    );

    always @(posedge clk_i) begin
        valid_q <= {valid_q[4:1], window_valid_i};
        number6_q <= number5;
        if (!rst_ni || clear_i) valid_q <= 5'd0;
    end

    wire [PORTS*FORM-1:0] forms, forms5;

    generate
        for (p = 0; p < PORTS; p = p + 1) begin : gen_form
            assign forms[p*FORM +: FORM] = {start_i[p*4 +: 4], end_i[p*5 +: 5], origin_i[p*13 +: 13]};
        end
    endgenerate

    delay #(
        .WIDTH(PORTS*FORM),
        .CYCLES(5)
    ) u_forms (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .in_i(forms),
        .out_o(forms5)
    );

    // ---- 1: length and reach of each match; 2: its length behind each resume

    reg              last1_q;
    reg  [PORTS-1:0] found1_q, found2_q;
    wire [PORTS*4-1:0] reach2;  // bytes of the next window
    wire [RESUMES*PORTS*8-1:0] lengths2;  // each in 8 bits

    always @(posedge clk_i) begin
        last1_q  <= window_number_i == LAST;
        found1_q <= found_i;
        found2_q <= found1_q;
    end

    generate
        for (p = 0; p < PORTS; p = p + 1) begin : gen_length
            wire [3:0] from = start_i[p*4 +: 4];
            wire [4:0] to   = end_i[p*5 +: 5];
            reg [3:0]  start1_q, reach1_q, reach2_q;
            reg [4:0]  end1_q, whole1_q;

            always @(posedge clk_i) begin
                start1_q <= from;
                end1_q   <= to;
                whole1_q <= to - {1'b0, from};
                reach1_q <= to > 5'd16 ? to[3:0] : 4'd0;
                reach2_q <= reach1_q;
            end

            assign reach2[p*4 +: 4] = reach2_q;

            reg [RESUMES-1:0] later1;  // it starts behind what is covered
            integer           at;

            always @* for (at = 0; at < RESUMES; at = at + 1)
                later1[at] = at == 0 || {1'b0, start1_q} > 5'd8 + at[4:0];

            for (r = 0; r < RESUMES; r = r + 1) begin : gen_resume
                localparam [4:0] AT = 5'd8 + r[4:0];
                wire       later = later1[r];
                wire       none  = (last1_q && r > 4) || !(later || end1_q > AT);
                reg [4:0]  length2_q;

                always @(posedge clk_i)
                    if (found1_q[p]) length2_q <= none ? 5'd0 : later ? whole1_q : end1_q - AT;
                    else             length2_q <= 5'd0;

                assign lengths2[(r*PORTS+p)*8 +: 8] = {3'd0, length2_q};
            end
        end
    endgenerate

    // ---- 3: the lengths of each resume compared; 4: the choice

    localparam CHOICE = 1 + 2 + 4;  // any, which, reach

    reg  [PORTS*4-1:0]  reach3_q;
    reg                 some3_q;
    wire [RESUMES*8-1:0] choices4;

    always @(posedge clk_i) begin
        some3_q <= found2_q != 0;
        reach3_q <= reach2;
    end

    // Is one of the lengths 4 or more? Which is longer than those before it, as long as those behind it?
    function [PORTS:0] compared;
        input [PORTS*8-1:0] lengths;
        reg   [PORTS-1:0]   best;
        reg                 any;
        integer             one, other;
        begin
            any  = 1'b0;
            best = {PORTS{1'b1}};
            for (one = 0; one < PORTS; one = one + 1) begin
                if (lengths[one*8+2 +: 3] != 3'd0) any = 1'b1;
                for (other = one + 1; other < PORTS; other = other + 1)
                    if (lengths[one*8 +: 5] < lengths[other*8 +: 5]) best[one] = 1'b0;
                    else best[other] = 1'b0;
            end
            compared = {any, best};
        end
    endfunction

    function [CHOICE-1:0] chosen;
        input [PORTS-1:0]   best;
        input [PORTS*4-1:0] reaches;
        reg   [1:0]         which;
        reg   [3:0]         reach;
        integer             one;
        begin
            which = 2'd0;
            reach = 4'd0;
            for (one = 0; one < PORTS; one = one + 1)
                if (best[one]) begin
                    which = which | one[1:0];
                    reach = reach | reaches[one*4 +: 4];
                end
            chosen = {1'b1, which, reach};
        end
    endfunction

    generate
        for (r = 0; r < RESUMES; r = r + 1) begin : gen_choice
            reg              any3_q;
            reg [PORTS-1:0]  best3_q;
            reg [CHOICE-1:0] choice4_q;

            always @(posedge clk_i) begin
                any3_q <= 1'b0;
                if (found2_q != 0) {any3_q, best3_q} <= compared(lengths2[r*PORTS*8 +: PORTS*8]);
                choice4_q <= {CHOICE{1'b0}};
                if (some3_q && any3_q) choice4_q <= chosen(best3_q, reach3_q);
            end

            assign choices4[r*8 +: 8] = {1'b0, choice4_q};
        end
    endgenerate

    // ---- 5: the choice of the resume that the window before has left

    reg [3:0] resume_q;
    reg       any5_q;
    reg [1:0] which5_q;

    wire [CHOICE-1:0] mine = resume_q[3] ? choices4[64 +: CHOICE] : choices4[{1'b0, resume_q[2:0], 3'd0} +: CHOICE];

    always @(posedge clk_i) begin
        any5_q   <= mine[6] && valid_q[4];
        which5_q <= mine[5:4];
        if (valid_q[4]) resume_q <= mine[3:0];
        if (!rst_ni || clear_i) begin
            resume_q <= 4'd0;
            any5_q   <= 1'b0;
        end
    end

    // ---- 6: the match chosen; 7: its bounds

    reg            any6_q, any7_q, open7_q, last6_q, last7_q;
    reg [FORM-1:0] form6_q;
    reg [11:0]     start7_q, end7_q, offset7_q;

    wire [3:0]  start6  = form6_q[18 +: 4];
    wire [4:0]  end6    = form6_q[13 +: 5];
    wire [12:0] offset6 = {1'b0, number6_q, 3'd0} - form6_q[12:0];

    always @(posedge clk_i) begin
        any6_q  <= any5_q;
        last6_q <= valid_q[5] && number5 == LAST;
        form6_q <= forms5[which5_q*FORM +: FORM];

        any7_q    <= any6_q;
        last7_q   <= last6_q;
        start7_q  <= {number6_q - {8'd0, !start6[3]}, start6[2:0]};
        end7_q    <= {number6_q + {7'd0, end6[4:3]} - 9'd1, end6[2:0]};
        offset7_q <= offset6[11:0];
        open7_q   <= end6 == 5'd24;
        if (!rst_ni || clear_i) begin
            any6_q  <= 1'b0;
            any7_q  <= 1'b0;
            last6_q <= 1'b0;
            last7_q <= 1'b0;
        end
    end

    lz4_joiner u_joiner (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(clear_i),
        .valid_i(any7_q),
        .last_i(last7_q),
        .start_i(start7_q),
        .end_i(end7_q),
        .offset_i(offset7_q),
        .open_i(open7_q),
        .match_valid_o(match_valid_o),
        .match_last_o(match_last_o),
        .match_start_o(match_start_o),
        .match_end_o(match_end_o),
        .match_offset_o(match_offset_o),
        .match_open_o(match_open_o)
    );

    wire unused = &{1'b0, offset6[12]};
endmodule

`default_nettype wire
