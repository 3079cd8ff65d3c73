// SPDX-License-Identifier: MIT
// lz4_decompressor_formal: whatever bytes come in, the decompressor stays inside its input and its page, and goes on.
//
// The parser consumes no byte that has not come; the copier writes no line outside the page and reads none that is not
// written; 64 lines at most leave; in every `STUCK` cycles in which nobody outside is waited for, a byte is consumed, a
// byte of the page is decoded, or the block comes to its end. Input and page being finite, every block ends.
//
// The content of memory and of laid-out matches is any: bounds do not depend on it.

`default_nettype none

module lz4_decompressor_formal #(
    parameter WIDTH  = 8,
    parameter WINDOW = 32,  // of the parser, bytes
    parameter STUCK  = 0    // 0: bounds alone
) (
    input  wire         clk_i,
    input  wire         rst_ni,
    input  wire         clear_i,
    input  wire         block_valid,
    input  wire [511:0] block_data,
    input  wire [6:0]   block_bytes,
    input  wire         block_last,
    input  wire         page_ready
);
    wire         block_ready, page_valid, page_last, error;
    wire [511:0] page_data;

    lz4_decompressor #(
        .BYTES_PER_CYCLE(WIDTH)
    ) dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(clear_i),
        .block_valid_i(block_valid),
        .block_ready_o(block_ready),
        .block_data_i(block_data),
        .block_bytes_i(block_bytes),
        .block_last_i(block_last),
        .page_valid_o(page_valid),
        .page_ready_i(page_ready),
        .page_data_o(page_data),
        .page_last_o(page_last),
        .error_o(error)
    );

    (* hierconn *) wire        \dut.restart ;
    (* hierconn *) wire [6:0]  \dut.u_parser.have_q ;
    (* hierconn *) wire [6:0]  \dut.u_parser.beat_left_q ;
    (* hierconn *) wire        \dut.u_parser.beat_busy_q ;
    (* hierconn *) wire [5:0]  \dut.u_parser.step ;
    (* hierconn *) wire        \dut.u_parser.advance ;
    (* hierconn *) wire        \dut.u_parser.stopped_q ;
    (* hierconn *) wire        \dut.u_parser.error ;
    (* hierconn *) wire        \dut.u_parser.take ;
    (* hierconn *) wire        \dut.u_parser.received_q ;
    (* hierconn *) wire [6:0]  \dut.u_parser.taken_bytes ;
    (* hierconn *) wire [12:0] \dut.u_copier.position_q ;
    (* hierconn *) wire        \dut.u_copier.stopped_q ;
    (* hierconn *) wire        \dut.u_copier.step ;
    (* hierconn *) wire        \dut.u_copier.bad ;
    (* hierconn *) wire        \dut.u_copier.copies ;
    (* hierconn *) wire        \dut.u_copier.near ;
    (* hierconn *) wire        \dut.u_copier.complete ;
    (* hierconn *) wire [5:0]  \dut.u_copier.far_line ;
    (* hierconn *) wire [5:0]  \dut.u_copier.line_q ;
    (* hierconn *) wire [12:0] \dut.u_copier.end_position ;
    (* hierconn *) wire \dut.op_valid ;
    (* hierconn *) wire \dut.op_match ;
    (* hierconn *) wire \dut.op_continue ;
    (* hierconn *) wire \dut.op_short ;
    (* hierconn *) wire \dut.op_final ;
    (* hierconn *) wire \dut.op_error ;
    (* hierconn *) wire [4:0] \dut.op_literal_bytes ;
    (* hierconn *) wire [3:0] \dut.op_token_literals ;
    (* hierconn *) wire [8:0] \dut.op_match_bytes ;
    (* hierconn *) wire \dut.op_second ;
    (* hierconn *) wire \dut.op_second_short ;
    (* hierconn *) wire [3:0] \dut.op_second_literal_bytes ;
    (* hierconn *) wire [8:0] \dut.op_second_match_bytes ;
    (* hierconn *) wire \dut.u_parser.beat_last_q ;
    (* hierconn *) wire \dut.u_parser.ended_q ;
    (* hierconn *) wire [12:0] \dut.u_parser.run_q ;
    (* hierconn *) wire [1:0] \dut.u_parser.state_q ;
    (* hierconn *) wire [2:0] \dut.u_parser.slice_q ;
    (* hierconn *) wire [3:0] \dut.u_parser.token_literals_q ;
    (* hierconn *) wire [3:0] \dut.u_parser.token_match_q ;
    (* hierconn *) wire \dut.u_copier.resumed_q ;
    (* hierconn *) wire \dut.u_copier.second_q ;
    (* hierconn *) wire \dut.u_copier.fault_q ;
    (* hierconn *) wire \dut.u_copier.excused_q ;
    (* hierconn *) wire [8:0] \dut.u_copier.left_q ;
    (* hierconn *) wire \dut.u_copier.valid_q ;
    (* hierconn *) wire \dut.u_copier.completes_q ;
    (* hierconn *) wire \dut.u_copier.page_ends_q ;
    (* hierconn *) wire \dut.u_copier.final_q ;
    (* hierconn *) wire \dut.u_copier.bad_q ;

    localparam LITERALS = WIDTH == 16 ? 28 : WIDTH;

    initial assume (!rst_ni);
    always @* if (block_valid && block_last) assume (block_bytes >= 1 && block_bytes <= 64);

    // ---- model: bytes that came and were not consumed; lines that left; cycles without progress ----
    reg [7:0] inside_q;
    reg [6:0] lines_q;       // completed lines in memory
    reg [6:0] sent_q;
    reg [3:0] stuck_q;
    reg       held_q, up_q;
    reg [512:0] answer_q;
    reg       ended_q;       // this block came to its end
    reg       page_q, fault_q;

    wire ended    = error || (page_valid && page_last);
    wire progress = (\dut.u_parser.advance && !\dut.u_parser.error ) || \dut.u_copier.step || ended
                    || (block_ready && !block_valid) || (block_valid && block_ready) || (page_valid && !page_ready);

    always @(posedge clk_i) begin
        up_q     <= rst_ni && !clear_i;
        held_q   <= page_valid && !page_ready;
        answer_q <= {page_last, page_data};
        inside_q <= inside_q + (\dut.u_parser.take ? {1'b0, \dut.u_parser.taken_bytes } : 8'd0)
                    - (\dut.u_parser.advance ? {2'd0, \dut.u_parser.step } : 8'd0);
        if (\dut.u_copier.complete ) lines_q <= lines_q + 7'd1;
        if (page_valid && page_ready) sent_q <= sent_q + 7'd1;
        stuck_q <= progress ? 4'd0 : stuck_q + 4'd1;
        if (\dut.restart ) {inside_q, lines_q, sent_q, stuck_q} <= 0;
        if (page_valid && page_ready && page_last) page_q <= 1'b1;
        if (error) fault_q <= 1'b1;
        if (!rst_ni) {page_q, fault_q} <= 0;
    end

    always @(posedge clk_i) if (rst_ni) begin
        // input: never more consumed than there is (but to report that it ends too early)
        if (\dut.u_parser.advance && !\dut.u_parser.error ) assert (\dut.u_parser.step <= \dut.u_parser.have_q );
        assert (\dut.u_parser.have_q <= WINDOW || \dut.u_parser.stopped_q );
        // page
        assert (\dut.u_copier.position_q <= 13'd4096 || \dut.u_copier.stopped_q );
        if (\dut.u_copier.step && !\dut.u_copier.bad ) assert (\dut.u_copier.end_position <= 13'd4096);
        if (\dut.u_copier.step && !\dut.u_copier.bad && \dut.u_copier.copies && !\dut.u_copier.near )
            assert (\dut.u_copier.far_line < \dut.u_copier.position_q [11:6]);
        if (\dut.u_copier.complete ) assert (lines_q <= 7'd63 && lines_q[5:0] == \dut.u_copier.line_q );
        // output
        if (up_q && held_q) assert (page_valid && answer_q == {page_last, page_data});
        if (page_valid && page_last) assert (sent_q == 7'd63);
        if (page_valid) assert (sent_q <= 7'd63);
        // it goes on
        if (STUCK != 0) assert (stuck_q <= STUCK);
        cover (fault_q && !error);
        cover (WIDTH < 8 ? \dut.u_copier.position_q >= 4 : page_valid && !page_last);  // a line takes longer there
        cover (\dut.u_copier.step && \dut.u_copier.copies && !\dut.u_copier.bad );
        cover (error && \dut.u_parser.received_q );
    end

    // ---- what induction needs ----
    wire [6:0] lines_soon = lines_q + {6'd0, \dut.u_copier.valid_q  && \dut.u_copier.completes_q };

    always @(posedge clk_i) if (rst_ni) begin
        // parser: the input side
        if (\dut.u_parser.beat_busy_q ) assert (\dut.u_parser.beat_left_q  >= 7'd1 && \dut.u_parser.beat_left_q  <= 7'd64 && !\dut.u_parser.ended_q );
        if (\dut.u_parser.received_q ) assert (\dut.u_parser.ended_q  || (\dut.u_parser.beat_busy_q  && \dut.u_parser.beat_last_q ));
        else assert (!\dut.u_parser.ended_q  && !(\dut.u_parser.beat_busy_q  && \dut.u_parser.beat_last_q ));
        if (\dut.u_parser.stopped_q ) assert (\dut.u_copier.stopped_q  || (\dut.op_valid  && (\dut.op_final  || \dut.op_error )));
        if (\dut.op_valid  && (\dut.op_final  || \dut.op_error )) assert (\dut.u_parser.stopped_q );
        // operations
        if (\dut.op_valid  && !\dut.op_error ) begin
            assert (\dut.op_literal_bytes  <= LITERALS);
            assert (\dut.op_match  ? !\dut.op_final  : \dut.op_match_bytes  == 0);
            if (!\dut.op_match ) assert (!\dut.op_second  && !\dut.op_continue );
            if (\dut.op_continue ) assert (\dut.op_literal_bytes  == 0 && !\dut.op_short  && \dut.op_match_bytes  <= 9'd255);
            if (\dut.op_short ) assert (\dut.op_match_bytes  <= 9'd18 && \dut.op_token_literals  <= 4'd14);
            assert (\dut.op_match_bytes  <= 9'd274);
            if (\dut.op_second ) begin
                assert (WIDTH == 16 && \dut.op_second_literal_bytes  <= 4'd14 && \dut.op_second_match_bytes  <= 9'd274);
                if (\dut.op_second_short ) assert (\dut.op_second_match_bytes  <= 9'd18);
            end
        end
        // copier: address stage
        if (\dut.u_copier.resumed_q && !\dut.u_copier.stopped_q ) assert (\dut.op_valid  && \dut.op_match  && !\dut.op_error  && \dut.u_copier.left_q  != 0);
        if (\dut.u_copier.second_q && !\dut.u_copier.stopped_q ) assert (\dut.u_copier.resumed_q  && \dut.op_second );
        if (\dut.u_copier.resumed_q  && \dut.u_copier.excused_q  && !\dut.u_copier.stopped_q )
            assert (\dut.u_copier.position_q  + {4'd0, \dut.u_copier.left_q } <= 13'd4096);
        if (\dut.u_copier.fault_q ) assert (!\dut.u_copier.stopped_q  && \dut.op_valid  || !\dut.u_copier.resumed_q );
        if (!\dut.u_copier.stopped_q ) assert (lines_soon == \dut.u_copier.position_q  >> 6);
        if (\dut.u_copier.stopped_q ) assert ((\dut.u_copier.valid_q  && (\dut.u_copier.final_q  || \dut.u_copier.bad_q )) || ended);
        // copier: merge stage
        assert (lines_soon <= 7'd64);
        if (\dut.u_copier.valid_q  && \dut.u_copier.completes_q ) assert (\dut.u_copier.line_q  == lines_q[5:0] && lines_q <= 7'd63
                                                  && \dut.u_copier.page_ends_q  == (lines_q == 7'd63) && !\dut.u_copier.bad_q );
        if (\dut.u_copier.valid_q  && \dut.u_copier.final_q ) assert (lines_soon == 7'd64 && \dut.u_copier.stopped_q );
        if (\dut.u_copier.valid_q  && \dut.u_copier.bad_q ) assert (\dut.u_copier.stopped_q  && !\dut.u_copier.final_q );
        if (error) assert (\dut.u_copier.stopped_q  && !\dut.u_copier.valid_q  && !(page_valid && page_last));
        if (page_valid && page_last) assert (lines_q == 7'd64 && \dut.u_copier.stopped_q  && !\dut.u_copier.valid_q );
        if (lines_q == 7'd64) assert (sent_q == 7'd63 && (!page_valid || page_last));
        else assert (sent_q + {6'd0, page_valid} == lines_q && !(page_valid && page_last));
    end
endmodule

`default_nettype wire
