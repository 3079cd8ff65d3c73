// SPDX-License-Identifier: MIT
// lz4_decompressor_formal: whatever bytes come in, the decompressor stays inside its input and its page, and goes on.
//
// The parser drops no line that is not there and gives out nothing that has not come; the copier completes the lines of
// the page in turn, 256 at most, and uses nothing that the history had not when it was read; 64 beats at most leave; in
// every `STUCK` cycles in which nobody outside is waited for, the parser goes on, a step is merged, or the block comes to
// its end. Input and page being finite, every block ends.
//
// What the history holds and what the rotators put out is any: bounds do not depend on it.

`default_nettype none

module lz4_decompressor_formal #(
    parameter STUCK = 0  // 0: bounds alone
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

    lz4_decompressor dut (
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
    (* hierconn *) wire        \dut.go ;
    (* hierconn *) wire        \dut.op_valid ;
    (* hierconn *) wire        \dut.op_ready ;
    (* hierconn *) wire        \dut.u_window.take ;
    (* hierconn *) wire        \dut.u_window.move ;
    (* hierconn *) wire        \dut.u_window.ready_o ;
    (* hierconn *) wire        \dut.u_window.pop_i ;
    (* hierconn *) wire        \dut.u_window.received_q ;
    (* hierconn *) wire        \dut.u_window.ended_o ;
    (* hierconn *) wire        \dut.u_window.beat_busy_q ;
    (* hierconn *) wire [6:0]  \dut.u_window.beat_left_q ;
    (* hierconn *) wire [4:0]  \dut.u_window.first_bytes_q ;
    (* hierconn *) wire [4:0]  \dut.u_window.second_bytes_q ;
    (* hierconn *) wire        \dut.u_parser.points ;
    (* hierconn *) wire        \dut.u_parser.cut_q ;
    (* hierconn *) wire        \dut.u_parser.op_free ;
    (* hierconn *) wire        \dut.u_parser.stopped_q ;
    (* hierconn *) wire        \dut.u_parser.gives ;
    (* hierconn *) wire        \dut.u_parser.error ;
    (* hierconn *) wire        \dut.u_parser.ends ;
    (* hierconn *) wire [5:0]  \dut.u_parser.cut_next_q ;
    (* hierconn *) wire [5:0]  \dut.u_parser.cut_have_q ;
    (* hierconn *) wire        \dut.u_copier.at_valid_q ;
    (* hierconn *) wire        \dut.u_copier.valid_q ;
    (* hierconn *) wire        \dut.u_copier.bad ;
    (* hierconn *) wire [12:0] \dut.u_copier.position_q ;
    (* hierconn *) wire [12:0] \dut.u_copier.literal_end_q ;
    (* hierconn *) wire [11:0] \dut.u_copier.start_q ;
    (* hierconn *) wire [11:0] \dut.u_copier.source_q ;
    (* hierconn *) wire [1:0]  \dut.u_copier.from_line ;
    (* hierconn *) wire [1:0]  \dut.u_copier.from_next ;
    (* hierconn *) wire [4:0]  \dut.u_copier.at_bytes_q ;
    (* hierconn *) wire [4:0]  \dut.u_copier.at_literal_bytes_q ;
    (* hierconn *) wire        \dut.u_copier.merges_q ;
    (* hierconn *) wire        \dut.u_copier.completes_q ;
    (* hierconn *) wire        \dut.u_copier.bad_q ;
    (* hierconn *) wire        \dut.u_copier.stopped_q ;
    (* hierconn *) wire        \dut.u_copier.complete ;
    (* hierconn *) wire        \dut.u_window.first_valid_q ;
    (* hierconn *) wire        \dut.u_window.second_valid_q ;
    (* hierconn *) wire        \dut.u_window.beat_last_q ;
    (* hierconn *) wire [2:0]  \dut.u_parser.state_q ;
    (* hierconn *) wire [7:0]  \dut.u_parser.cut_token_q ;
    (* hierconn *) wire        \dut.u_parser.whole ;
    (* hierconn *) wire [2:0]  \dut.u_parser.cut_state_q ;
    (* hierconn *) wire        \dut.u_parser.cut_chunk_q ;
    (* hierconn *) wire [4:0]  \dut.u_parser.cut_literals_q ;
    (* hierconn *) wire        \dut.u_parser.busy_q ;
    (* hierconn *) wire        \dut.u_parser.waits_q ;
    (* hierconn *) wire [170:0] \dut.op ;
    (* hierconn *) wire [1367:0] \dut.u_queue.memory_seen ;
    (* hierconn *) wire [3:0]  \dut.u_queue.head_q ;
    (* hierconn *) wire [3:0]  \dut.u_queue.level ;
    (* hierconn *) wire        \dut.step_valid ;
    (* hierconn *) wire        \dut.step_final ;
    (* hierconn *) wire        \dut.step_error ;
    (* hierconn *) wire        \dut.u_copier.at_error_q ;
    (* hierconn *) wire        \dut.u_copier.error_q ;
    (* hierconn *) wire        \dut.step_copies ;
    (* hierconn *) wire [15:0] \dut.step_offset ;
    (* hierconn *) wire [4:0]  \dut.u_stepper.literals_q ;
    (* hierconn *) wire [4:0]  \dut.u_stepper.room_q ;
    (* hierconn *) wire [4:0]  \dut.u_stepper.period_q ;
    (* hierconn *) wire [8:0]  \dut.u_stepper.left_q ;
    (* hierconn *) wire        \dut.u_stepper.match_q ;
    (* hierconn *) wire        \dut.u_stepper.doubles_q ;
    (* hierconn *) wire        \dut.u_copier.at_copies_q ;
    (* hierconn *) wire        \dut.u_copier.at_final_q ;
    (* hierconn *) wire [11:0] \dut.u_copier.at_back_q ;
    (* hierconn *) wire [15:0] \dut.u_copier.at_offset_q ;
    (* hierconn *) wire        \dut.u_copier.copies_q ;
    (* hierconn *) wire        \dut.u_copier.final_q ;
    (* hierconn *) wire        \dut.u_copier.completes_line_q ;
    (* hierconn *) wire [12:0] \dut.u_copier.end_q ;
    (* hierconn *) wire [15:0] \dut.u_copier.offset_q ;
    (* hierconn *) wire        \dut.u_copier.ends_q ;
    (* hierconn *) wire        \dut.u_copier.last_line_q ;
    (* hierconn *) wire [7:0]  \dut.u_copier.number_q ;

    initial assume (!rst_ni);
    always @* if (block_valid && block_last) assume (block_bytes >= 1 && block_bytes <= 64);

    // ---- model: bytes that came and were not dropped; lines and beats of the page; cycles without progress ----
    reg [7:0]   inside_q;
    reg [8:0]   lines_q;       // completed lines of 16 bytes
    reg [8:0]   read_lines_q;  // of those, how many the history had when it was read for the step that is aligned
    reg [6:0]   sent_q;
    reg [4:0]   stuck_q;
    reg         held_q, up_q;
    reg [512:0] answer_q;
    reg         fault_q;

    wire ended    = error || (page_valid && page_last);
    wire progress = \dut.u_parser.points || (\dut.u_copier.merges_q && \dut.go ) || ended
                    || (block_ready && !block_valid) || (block_valid && block_ready) || (page_valid && !page_ready);

    wire [7:0] dropped = \dut.u_window.pop_i ? {3'd0, \dut.u_window.first_bytes_q } : 8'd0;

    always @(posedge clk_i) begin
        up_q     <= rst_ni && !clear_i;
        held_q   <= page_valid && !page_ready;
        answer_q <= {page_last, page_data};
        inside_q <= error ? inside_q : inside_q - dropped
                    + (\dut.u_window.take ? (block_last ? {1'b0, block_bytes} : 8'd64) : 8'd0);
        if (\dut.go ) read_lines_q <= lines_q;
        if (\dut.u_copier.complete ) lines_q <= lines_q + 9'd1;
        if (page_valid && page_ready) sent_q <= sent_q + 7'd1;
        stuck_q <= progress ? 5'd0 : stuck_q + 5'd1;
        if (error) fault_q <= 1'b1;
        if (\dut.restart ) {inside_q, lines_q, sent_q, stuck_q} <= 0;
        if (!rst_ni) fault_q <= 1'b0;
    end

    reg  [12:0] start_q;  // of the step that is aligned

    always @(posedge clk_i) if (\dut.go ) start_q <= \dut.u_copier.position_q ;

    wire uses_line = \dut.u_copier.from_line == 2'd3;
    wire uses_next = \dut.u_copier.from_next == 2'd3 && \dut.u_copier.source_q [11:4] != \dut.u_copier.start_q [11:4];
    wire aligns    = \dut.u_copier.valid_q && \dut.u_copier.copies_q && !\dut.u_copier.bad && !\dut.u_copier.stopped_q
                     && !(\dut.u_copier.merges_q && \dut.u_copier.bad_q );

    always @(posedge clk_i) if (rst_ni) begin
        // input
        if (!error) assert (inside_q == {2'd0, \dut.u_window.first_bytes_q } + {2'd0, \dut.u_window.second_bytes_q }
                                        + (\dut.u_window.beat_busy_q ? {1'b0, \dut.u_window.beat_left_q } : 8'd0));
        if (\dut.u_window.pop_i ) assert (\dut.u_window.ready_o );
        if (!error && \dut.u_window.ready_o && !\dut.u_window.ended_o )
            assert (\dut.u_window.first_bytes_q == 5'd16 && \dut.u_window.second_bytes_q == 5'd16);
        if (\dut.u_parser.cut_q && \dut.u_parser.gives && !\dut.u_parser.error && !\dut.u_parser.ends )
            assert (\dut.u_parser.cut_next_q <= \dut.u_parser.cut_have_q );
        // page
        if (\dut.u_copier.complete ) assert (lines_q <= 9'd255 && lines_q[7:0] == \dut.u_copier.number_q );
        if (aligns && uses_line) assert ({1'b0, \dut.u_copier.source_q [11:4]} < read_lines_q);
        if (aligns && uses_next) assert ({1'b0, \dut.u_copier.source_q [11:4]} + 9'd1 < read_lines_q);
        // output
        if (up_q && held_q) assert (page_valid && answer_q == {page_last, page_data});
        if (page_valid && page_last) assert (sent_q == 7'd63);
        if (page_valid) assert (sent_q <= 7'd63);
        assert (lines_q <= 9'd256);
        // it goes on
        if (STUCK != 0) assert (stuck_q <= STUCK);
        cover (fault_q && !error);
        cover (page_valid && !page_last);
        cover (aligns);
        cover (error && \dut.u_window.received_q );
    end

    // ---- what induction needs ----

    // An operation, in the order of the queue's bits: at most 16 literals, 15 beside a match, none where one goes on.
    function sound;
        input [170:0] op;
        reg   [4:0]   literals;
        reg           match, final_op;
        begin
            literals = op[38:34];
            match    = op[29];
            final_op = op[1];
            sound    = literals <= 5'd16 && (match ? literals <= 5'd15 && !final_op : op[10:2] == 9'd0) && (!op[28] || literals == 5'd0);
        end
    endfunction

    reg     all_sound, queue_ends;
    integer i;

    always @* begin
        all_sound  = 1'b1;
        queue_ends = 1'b0;
        for (i = 0; i < 8; i = i + 1)
            if (((i + 8 - \dut.u_queue.head_q [2:0]) & 7) < \dut.u_queue.level ) begin
                if (!sound(\dut.u_queue.memory_seen [i*171 +: 171])) all_sound = 1'b0;
                if (\dut.u_queue.memory_seen [i*171 +: 2] != 2'd0) queue_ends = 1'b1;
            end
    end

    // A step ahead that is final or faulty: what follows it does not count.
    wire merge_ends  = \dut.u_copier.stopped_q || (\dut.u_copier.merges_q && (\dut.u_copier.bad_q || \dut.u_copier.ends_q ));
    wire align_ends  = merge_ends || (\dut.u_copier.valid_q && (\dut.u_copier.bad || \dut.u_copier.final_q ));
    wire merge_line  = \dut.u_copier.merges_q && \dut.u_copier.completes_q ;
    wire align_line  = \dut.u_copier.valid_q && \dut.u_copier.completes_line_q ;
    wire [8:0] lines_soon = lines_q + {8'd0, merge_line};

    always @(posedge clk_i) if (rst_ni) begin
        // window
        assert (\dut.u_window.first_bytes_q <= 5'd16 && \dut.u_window.second_bytes_q <= 5'd16);
        if (!\dut.u_window.first_valid_q ) assert (\dut.u_window.first_bytes_q == 5'd0);
        if (!\dut.u_window.second_valid_q ) assert (\dut.u_window.second_bytes_q == 5'd0);
        if (!error) begin
            if (\dut.u_window.beat_busy_q ) begin
                assert (\dut.u_window.beat_left_q >= 7'd1 && \dut.u_window.beat_left_q <= 7'd64 && !\dut.u_window.ended_o );
                if (!\dut.u_window.beat_last_q ) assert (\dut.u_window.beat_left_q [3:0] == 4'd0);
            end
            if (\dut.u_window.first_valid_q && !\dut.u_window.ended_o ) assert (\dut.u_window.first_bytes_q == 5'd16);
            if (\dut.u_window.second_valid_q && !\dut.u_window.ended_o ) assert (\dut.u_window.second_bytes_q == 5'd16);
            assert (\dut.u_window.received_q == (\dut.u_window.ended_o || (\dut.u_window.beat_busy_q && \dut.u_window.beat_last_q )));
        end
        // operations
        if (\dut.u_parser.cut_q ) assert (\dut.u_parser.cut_literals_q <= 5'd15
            || (\dut.u_parser.cut_state_q == 3'd3 && \dut.u_parser.cut_chunk_q && \dut.u_parser.cut_literals_q == 5'd16)
            || \dut.u_parser.cut_state_q == 3'd1 || \dut.u_parser.cut_state_q == 3'd4);
        if (\dut.u_parser.busy_q ) assert (sound(\dut.op ));
        if (\dut.u_parser.waits_q ) assert (\dut.u_parser.busy_q && \dut.op [29]);
        assert (\dut.u_parser.state_q <= 3'd4);
        if (\dut.u_parser.cut_q ) assert (\dut.u_parser.cut_state_q <= 3'd4);
        if (\dut.u_parser.stopped_q ) assert (!\dut.u_parser.waits_q );
        if (\dut.u_parser.waits_q ) assert ((\dut.u_parser.cut_q ? \dut.u_parser.cut_state_q : \dut.u_parser.state_q ) == 3'd4);
        if (\dut.u_parser.cut_q && \dut.u_parser.whole && \dut.u_parser.cut_token_q [3:0] == 4'd15)
            assert (\dut.u_parser.state_q == 3'd4);
        assert (all_sound && \dut.u_queue.level <= 4'd8);
        if (\dut.u_parser.stopped_q ) assert (queue_ends || (\dut.u_parser.busy_q && \dut.op [1:0] != 2'd0)
            || (\dut.step_valid && (\dut.step_final || \dut.step_error ))
            || (\dut.u_copier.at_valid_q && (\dut.u_copier.at_final_q || \dut.u_copier.at_error_q ))
            || (\dut.u_copier.valid_q && (\dut.u_copier.final_q || \dut.u_copier.error_q ))
            || (\dut.u_copier.merges_q && (\dut.u_copier.ends_q || \dut.u_copier.bad_q )) || \dut.u_copier.stopped_q );
        if (\dut.u_copier.stopped_q ) assert (ended);
        // steps
        assert (\dut.u_stepper.period_q >= 5'd1 && \dut.u_stepper.period_q <= 5'd16);
        if (\dut.u_stepper.doubles_q ) assert (\dut.step_offset >= 16'd3 && \dut.step_offset <= 16'd15);
        if (\dut.step_valid ) begin
            assert (\dut.u_stepper.literals_q <= 5'd16 && \dut.u_stepper.room_q <= 5'd16);
            if (\dut.u_stepper.match_q ) assert (\dut.u_stepper.literals_q + \dut.u_stepper.room_q <= 6'd16 && !\dut.step_final );
            else assert (\dut.u_stepper.left_q == 9'd0 && !\dut.step_copies );
            if (\dut.u_stepper.room_q == 5'd0) assert (\dut.u_stepper.literals_q != 5'd0);  // the next one has room
            if (\dut.step_copies ) assert (\dut.u_stepper.literals_q == 5'd0 || \dut.step_offset >= 16'd16);
        end
        // copier
        if (\dut.u_copier.at_valid_q ) begin
            assert (\dut.u_copier.at_bytes_q <= 5'd16 && \dut.u_copier.at_literal_bytes_q <= \dut.u_copier.at_bytes_q );
            assert (\dut.u_copier.at_back_q == {7'd0, \dut.u_copier.at_literal_bytes_q } - \dut.u_copier.at_offset_q [11:0]);
            if (\dut.u_copier.at_copies_q ) assert (\dut.u_copier.at_literal_bytes_q == 5'd0 || \dut.u_copier.at_offset_q >= 16'd16);
            if (\dut.u_copier.at_final_q ) assert (\dut.u_copier.at_bytes_q == \dut.u_copier.at_literal_bytes_q );
        end
        if (\dut.u_copier.valid_q ) begin
            assert (\dut.u_copier.start_q == start_q[11:0] && \dut.u_copier.position_q == \dut.u_copier.end_q );
            assert (\dut.u_copier.source_q == \dut.u_copier.literal_end_q [11:0] - \dut.u_copier.offset_q [11:0]);
            assert (\dut.u_copier.literal_end_q - start_q <= 13'd16 && \dut.u_copier.end_q - start_q <= 13'd16
                    && \dut.u_copier.literal_end_q - start_q <= \dut.u_copier.end_q - start_q);
            assert (\dut.u_copier.completes_line_q == (\dut.u_copier.end_q [4] != start_q[4]));
            if (\dut.u_copier.copies_q ) assert (\dut.u_copier.literal_end_q == start_q || \dut.u_copier.offset_q >= 16'd16);
            if (\dut.u_copier.final_q ) assert (\dut.u_copier.end_q == \dut.u_copier.literal_end_q );
            if (!merge_ends) assert (start_q <= 13'd4096 && start_q[12:4] == lines_soon);
            assert (lines_q - read_lines_q <= 9'd1);
        end
        if (!align_ends) assert (\dut.u_copier.position_q <= 13'd4096
                                 && \dut.u_copier.position_q [12:4] == lines_soon + {8'd0, align_line});
        if (\dut.u_copier.merges_q && !\dut.u_copier.stopped_q ) begin
            if (!\dut.u_copier.bad_q ) begin
                assert (lines_soon <= 9'd256);
                if (\dut.u_copier.completes_q ) assert (\dut.u_copier.number_q == lines_q[7:0]
                                                        && \dut.u_copier.last_line_q == (lines_q == 9'd255));
                if (\dut.u_copier.ends_q ) assert (lines_soon == 9'd256);
            end
        end
        // output
        if (error) assert (\dut.u_copier.stopped_q && !page_valid);
        if (page_valid && page_last) assert (lines_q == 9'd256 && \dut.u_copier.stopped_q );
        if (lines_q == 9'd256) assert (sent_q == 7'd63 && (!page_valid || page_last));
        else assert (sent_q + {6'd0, page_valid} == lines_q[8:2] && !(page_valid && page_last));
    end
endmodule

`default_nettype wire
