// SPDX-License-Identifier: MIT
// lz4_emitter: writes LZ4 sequences as bytes, in fragments of 1 to 16.
//
// Handshake: sequences by valid/ready. Fragments leave a cycle after the other, and nobody can refuse them; `hold_i` asks
//            for no more: 12 may still come. `clear_i` starts over.
// Latency:   9 cycles from a sequence to its first fragment; a sequence with up to 12 literals and short lengths takes a
//            cycle, 16 literals more one more, each further length byte one.
//
//     sequence (LZ4 block format):   token | length bytes | literals | offset (2) | length bytes
//     phase:                         HEAD    HEAD, MORE_L   HEAD, BODY       ...    ..., MORE_M
//     fragment:                      | head (0..2) | literals (0..16) | tail (0..3) |, each part may be missing
//
//     lengths | phase | 5 of a page copy | literals behind the head | tail

`default_nettype none

module lz4_emitter (
    input  wire         clk_i,
    input  wire         rst_ni,
    input  wire         clear_i,
    input  wire         hold_i,

    input  wire         word_valid_i,
    input  wire [8:0]   word_number_i,
    input  wire [63:0]  word_data_i,

    input  wire         sequence_valid_i,
    output wire         sequence_ready_o,
    input  wire         sequence_last_i,
    input  wire [11:0]  literal_start_i,
    input  wire [12:0]  literal_length_i,
    input  wire [11:0]  match_length_i,
    input  wire [11:0]  match_offset_i,

    output reg          fragment_valid_o,
    output reg  [127:0] fragment_data_o,   // zero beyond its bytes
    output reg  [4:0]   fragment_bytes_o,  // 1 .. 16
    output reg          fragment_last_o
);
    localparam [1:0] HEAD   = 2'd0;
    localparam [1:0] MORE_L = 2'd1;  // further length bytes of the literals
    localparam [1:0] BODY   = 2'd2;  // literals
    localparam [1:0] MORE_M = 2'd3;  // further length bytes of the match

    function [7:0] length_byte;
        input [12:0] rest;
        length_byte = rest >= 13'd255 ? 8'd255 : rest[7:0];
    endfunction

    // ---- lengths

    reg         valid_q, last_q, long_run_q, long_match_q;
    reg         run_more_q, match_more_q;         // more than one length byte
    reg         short_q;                          // literals and tail fit behind the token
    reg         body_more_q, body_ends_q;         // of the literals behind the first 14: as more_q and ends_q
    reg  [7:0]  token_q;
    reg  [11:0] start_q, offset_q;
    reg  [12:0] run_q, run_rest_q, match_rest_q;  // literals; lengths beyond the 15 of the token
    wire        done;

    assign sequence_ready_o = !valid_q || done;

    wire       long_run   = literal_length_i >= 13'd15;
    wire       long_match = match_length_i >= 12'd19;
    wire [3:0] match_code = match_length_i[3:0] - 4'd4;

    always @(posedge clk_i) begin
        if (sequence_ready_o) begin
            valid_q      <= sequence_valid_i;
            last_q       <= sequence_last_i;
            long_run_q   <= long_run;
            long_match_q <= long_match;
            token_q      <= {long_run ? 4'd15 : literal_length_i[3:0],
                             sequence_last_i ? 4'd0 : long_match ? 4'd15 : match_code};
            start_q      <= literal_start_i;
            offset_q     <= match_offset_i;
            run_q        <= literal_length_i;
            run_rest_q   <= literal_length_i - 13'd15;
            match_rest_q <= {1'b0, match_length_i} - 13'd19;
            run_more_q   <= literal_length_i >= 13'd270;
            match_more_q <= match_length_i >= 12'd274;
            short_q      <= sequence_last_i ? !long_run : literal_length_i <= 13'd12;
            body_more_q  <= literal_length_i > 13'd30;
            body_ends_q  <= literal_length_i <= (sequence_last_i ? 13'd30 : 13'd27);
        end
        if (!rst_ni || clear_i) valid_q <= 1'b0;
    end

    // ---- phases

    reg [1:0]  phase_q;
    reg [12:0] unsent_q;   // literals, in BODY
    reg        more_q;     // more than 16 of them
    reg        ends_q;     // they and the tail fit into a fragment
    reg [11:0] from_q;     // the next of them
    reg [12:0] rest_q;     // length not written yet, in MORE_L and MORE_M

    reg [1:0]  phase, heads, tails;
    reg [12:0] unsent, rest;
    reg [15:0] head;
    reg [4:0]  literals;
    reg        ends;       // the literals and the tail, if there is one, are in this fragment

    wire       rest_more = rest_q >= 13'd255;
    reg        more, fits;

    always @* begin
        head     = 16'd0;
        heads    = 2'd0;
        literals = 5'd0;
        ends     = 1'b0;
        phase    = BODY;
        unsent   = run_q;
        more     = 1'b1;
        fits     = 1'b0;
        rest     = rest_q - 13'd255;
        case (phase_q)
            HEAD: begin
                head   = {long_run_q ? length_byte(run_rest_q) : 8'd0, token_q};
                heads  = long_run_q ? 2'd2 : 2'd1;
                rest   = run_rest_q - 13'd255;
                if (run_more_q) phase = MORE_L;
                else begin
                    literals = long_run_q ? 5'd14 : {1'b0, run_q[3:0]};
                    unsent   = long_run_q ? run_q - 13'd14 : 13'd0;
                    more     = body_more_q;
                    fits     = body_ends_q;
                    ends     = short_q;
                end
            end
            BODY: begin
                literals = more_q ? 5'd16 : unsent_q[4:0];
                unsent   = more_q ? unsent_q - 13'd16 : 13'd0;
                more     = unsent_q > 13'd32;
                fits     = unsent_q <= (last_q ? 13'd32 : 13'd29);
                ends     = ends_q;
            end
            default: begin
                head   = {8'd0, length_byte(rest_q)};
                heads  = 2'd1;
                if (rest_more) phase = phase_q;
                else if (phase_q == MORE_M) phase = HEAD;
            end
        endcase
        tails = !ends || last_q ? 2'd0 : long_match_q ? 2'd3 : 2'd2;
        if (ends) begin
            phase = HEAD;
            if (!last_q && long_match_q) begin
                rest = match_rest_q - 13'd255;
                if (match_more_q) phase = MORE_M;
            end
        end
    end

    wire step = valid_q && !hold_i;

    assign done = step && phase == HEAD;

    always @(posedge clk_i) begin
        if (step) begin
            phase_q  <= phase;
            unsent_q <= unsent;
            more_q   <= more;
            ends_q   <= fits;
            rest_q   <= rest;
            from_q   <= (phase_q == BODY ? from_q : start_q) + {7'd0, literals};
        end
        if (!rst_ni || clear_i) phase_q <= HEAD;
    end

    // ---- fragments on their way through the copy of the page

    localparam FORM = 1 + 2 + 16 + 5 + 2 + 24;

    reg             valid1_q;
    reg  [11:0]     from1_q;
    reg  [FORM-1:0] form1_q;
    reg  [7:2]      valids_q;
    wire [FORM-1:0] form5;
    wire [127:0]    literals6;

    always @(posedge clk_i) begin
        valid1_q <= step;
        from1_q  <= phase_q == BODY ? from_q : start_q;
        form1_q  <= {last_q && ends, heads, head, literals, tails,
                     long_match_q ? length_byte(match_rest_q) : 8'd0, 4'd0, offset_q};
        valids_q <= {valids_q[6:2], valid1_q};
        if (!rst_ni || clear_i) begin
            valid1_q <= 1'b0;
            valids_q <= 6'd0;
        end
    end

    lz4_page_copy #(
        .BYTES(16)
    ) u_copy (
        .clk_i(clk_i),
        .write_i(word_valid_i),
        .write_word_i(word_number_i),
        .write_data_i(word_data_i),
        .address_i(from1_q),
        .bytes_o(literals6)
    );
    delay #(
        .WIDTH(FORM),
        .CYCLES(4)
    ) u_form (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .in_i(form1_q),
        .out_o(form5)
    );

    wire        last5;
    wire [1:0]  heads5, tails5;
    wire [15:0] head5;
    wire [4:0]  count5;
    wire [23:0] tail5;

    assign {last5, heads5, head5, count5, tails5, tail5} = form5;

    // ---- 6: which byte comes from where; 7: literals behind the head; 8: tail

    wire [4:0] tail_at5 = {3'd0, heads5} + count5;

    reg          last6_q, last7_q;
    reg  [1:0]   heads6_q, tails6_q, tails7_q;
    reg  [4:0]   at6_q, at7_q;        // of the tail
    reg  [15:0]  head6_q, literal6_q; // head6_q: zero beyond its bytes; literal6_q: bytes that are literals
    reg  [23:0]  tail6_q, tail7_q;
    reg  [127:0] body7_q;
    reg  [15:0]  first7_q;            // the byte where the tail starts

    // The literals behind the head: behind one byte, or two.
    wire [127:0] behind1 = heads6_q[0] ? {literals6[119:0], 8'd0} : literals6;
    wire [127:0] behind  = heads6_q[1] ? {literals6[111:0], 16'd0} : behind1;
    wire [127:0] literal, first;

    byte_mask #(
        .BYTES(16)
    ) u_literal (
        .bits_i(literal6_q),
        .mask_o(literal)
    );
    byte_mask #(
        .BYTES(16)
    ) u_first (
        .bits_i(first7_q),
        .mask_o(first)
    );

    always @(posedge clk_i) begin
        if (valids_q[5]) begin
            last6_q    <= last5;
            heads6_q   <= heads5;
            head6_q    <= head5;
            tails6_q   <= tails5;
            tail6_q    <= tails5 == 2'd0 ? 24'd0 : tail5;
            at6_q      <= tail_at5;
            literal6_q <= (16'hFFFF << heads5) & ~(16'hFFFF << tail_at5);
        end
        if (valids_q[6]) begin
            last7_q  <= last6_q;
            tails7_q <= tails6_q;
            tail7_q  <= tail6_q;
            at7_q    <= at6_q;
            body7_q  <= (behind & literal) | {112'd0, head6_q};
            first7_q <= 16'd1 << at6_q;
        end
        if (valids_q[7]) begin
            fragment_data_o  <= body7_q | ({16{tail7_q[7:0]}} & first)
                                | ({16{tail7_q[15:8]}} & {first[119:0], 8'd0})
                                | ({16{tail7_q[23:16]}} & {first[111:0], 16'd0});
            fragment_bytes_o <= at7_q + {3'd0, tails7_q};
            fragment_last_o  <= last7_q;
        end
        fragment_valid_o <= valids_q[7];
        if (!rst_ni || clear_i) fragment_valid_o <= 1'b0;
    end
endmodule

`default_nettype wire
