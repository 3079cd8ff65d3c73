// SPDX-License-Identifier: MIT
// page_closer_formal: an import takes no line of the page cache, and never ends with CACHE_LOST. A close ends with it only if
// it has taken a line that cannot be told. Either ends once. It names the sectors that it has taken, no more and no less:
// the first one, and each linked behind the one that was taken before it. Without an error they are as many as its length
// takes.
//
// Assumed: no start while one runs; an import has 1 to 64 beats, which come before its start, and are as many as its length
// takes; a result comes of an operation that was taken, whenever. Nothing of the media, nor of the cache.

`default_nettype none

module page_closer_formal #(
    parameter SECTOR_BYTES = 256,
    parameter SECTOR_BITS  = 3
) (
    input  wire                   clk_i,
    input  wire                   rst_ni,
    input  wire                   start,
    input  wire                   import_start,
    input  wire                   import_clear,
    input  wire                   import_take,
    input  wire [511:0]           import_data,
    input  wire [12:0]            import_length,
    input  wire [23:0]            page,
    input  wire                   stream_valid,
    input  wire [511:0]           stream_data,
    input  wire [30:0]            stream_check,
    input  wire                   stream_error,
    input  wire [SECTOR_BITS:0]   free,
    input  wire                   op_ready,
    input  wire                   result_valid,
    input  wire [SECTOR_BITS-1:0] result,
    input  wire                   awready,
    input  wire                   wready,
    input  wire [1:0]             bresp,
    input  wire                   bvalid,
    input  wire                   b_late,
    input  wire                   b_owed
);
    `include "cram_codes.vh"

    localparam [1:0] POP = 2'd0, LINK = 2'd2;
    localparam [3:0] IDLE = 4'd0, COMPRESS = 4'd3, TAKE = 4'd4, TAKE_WAIT = 4'd5, CHAIN = 4'd6, CHAIN_WAIT = 4'd7,
                     WRITE = 4'd8, FLUSH = 4'd9, DONE = 4'd10;
    localparam       BEATS = SECTOR_BYTES / 64, LIMIT = 4096 - SECTOR_BYTES;

    wire                   busy, done, owed, stream_start, stream_clear, stream_ready, op_valid;
    wire [7:0]             error;
    wire [63:0]            bad, word;
    wire [2:0]             state;
    wire [12:0]            length;
    wire [31:0]            crc;
    wire [SECTOR_BITS-1:0] first, sector, next;
    wire [6:0]             count;
    wire [1:0]             op;
    wire [39:0]            awaddr;
    wire [7:0]             awlen;
    wire [511:0]           wdata;
    wire [30:0]            wuser;
    wire                   awvalid, wlast, wvalid, bready;

    page_closer #(
        .SECTOR_BYTES(SECTOR_BYTES),
        .SECTOR_BITS(SECTOR_BITS)
    ) dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .start_i(start),
        .busy_o(busy),
        .done_o(done),
        .error_o(error),
        .bad_o(bad),
        .owed_o(owed),
        .state_o(state),
        .length_o(length),
        .word_o(word),
        .crc_o(crc),
        .first_o(first),
        .count_o(count),
        .page_i(page),
        .import_clear_i(import_clear),
        .import_take_i(import_take),
        .import_data_i(import_data),
        .import_i(import_start),
        .import_length_i(import_length),
        .stream_start_o(stream_start),
        .stream_clear_o(stream_clear),
        .stream_valid_i(stream_valid),
        .stream_ready_o(stream_ready),
        .stream_data_i(stream_data),
        .stream_check_i(stream_check),
        .plain_i(1'b0),
        .frame_i(0),
        .stream_index_i(6'd0),
        .stream_end_i(1'b0),
        .stream_error_i(stream_error),
        .free_i(free),
        .op_valid_o(op_valid),
        .op_ready_i(op_ready),
        .op_o(op),
        .sector_o(sector),
        .next_o(next),
        .result_valid_i(result_valid),
        .result_i(result),
        .m_axi_awaddr(awaddr),
        .m_axi_awlen(awlen),
        .m_axi_awvalid(awvalid),
        .m_axi_awready(awready),
        .m_axi_wdata(wdata),
        .m_axi_wuser(wuser),
        .m_axi_wlast(wlast),
        .m_axi_wvalid(wvalid),
        .m_axi_wready(wready),
        .m_axi_bresp(bresp),
        .m_axi_bvalid(bvalid),
        .m_axi_bready(bready),
        .b_late_i(b_late),
        .b_owed_i(b_owed)
    );

    (* hierconn *) wire [3:0]             \dut.phase_q ;
    (* hierconn *) wire [2:0]             \dut.state_q ;
    (* hierconn *) wire [6:0]             \dut.beats_q ;
    (* hierconn *) wire [6:0]             \dut.left_q ;
    (* hierconn *) wire [12:0]            \dut.length_q ;
    (* hierconn *) wire                   \dut.block_done_q ;
    (* hierconn *) wire                   \dut.u_compressor.fed_q ;
    (* hierconn *) wire [6:0]             \dut.count_q ;
    (* hierconn *) wire                   \dut.flawed_q ;
    (* hierconn *) wire                   \dut.short_q ;
    (* hierconn *) wire [SECTOR_BITS-1:0] \dut.first_q ;
    (* hierconn *) wire [SECTOR_BITS-1:0] \dut.sector_q ;
    (* hierconn *) wire [SECTOR_BITS-1:0] \dut.previous_q ;

    reg                   runs_q, import_q;         // a close or an import; which
    reg                   flawed_q;                 // it has taken a line that cannot be told
    reg                   answer_q, linked_q;       // a result is owed; the sector taken last is linked to the one before
    reg [1:0]             op_q;
    reg [6:0]             taken_q;                  // sectors
    reg [SECTOR_BITS-1:0] first_q, last_q, before_q;

    wire taken = op_valid && op_ready;
    wire line  = stream_valid && stream_ready;

    wire [3:0] phase = \dut.phase_q ;
    wire [6:0] left  = \dut.left_q ;
    wire       media = phase >= TAKE && phase <= DONE;

    function [11:0] beats_of(input [12:0] bytes);
        beats_of = {5'd0, bytes[12:6]} + {11'd0, |bytes[5:0]};
    endfunction

    initial assume (!rst_ni);
    always @* begin
        if (runs_q) assume (!start && !import_clear && !import_take);
        if (result_valid) assume (answer_q);
        if (start && import_start) begin
            assume (!import_clear && !import_take && \dut.beats_q >= 1 && \dut.beats_q <= 64);
            assume (import_length <= 13'd4096 && beats_of(import_length) == {5'd0, \dut.beats_q });
        end
    end

    always @(posedge clk_i) begin
        if (done) runs_q <= 1'b0;
        if (line && stream_error) flawed_q <= 1'b1;
        if (taken) {answer_q, op_q} <= {1'b1, op};
        else if (result_valid) answer_q <= 1'b0;
        if (taken && op == LINK) linked_q <= 1'b1;
        if (result_valid && op_q == POP) begin
            taken_q  <= taken_q + 7'd1;
            linked_q <= taken_q == 0;
            last_q   <= result;
            before_q <= last_q;
            if (taken_q == 0) first_q <= result;
        end
        if (start) {runs_q, import_q, flawed_q, taken_q} <= {1'b1, import_start, 1'b0, 7'd0};
        if (!rst_ni) {runs_q, answer_q} <= 2'b00;
    end

    wire [11:0] held  = {5'd0, taken_q} << $clog2(BEATS);          // beats that the sectors have room for
    wire [11:0] total = beats_of(\dut.length_q );

    always @(posedge clk_i) if (rst_ni) begin
        if (start && import_start) assert (!stream_start);
        if (runs_q && import_q) assert (!stream_start && !stream_ready);
        if (done) begin
            assert (runs_q && count == taken_q && (taken_q == 0 || first == first_q));
            assert (taken_q == 0 || linked_q);
            if (import_q) assert (error != EVENT_CODE_CACHE_LOST && state == STATE_LZ4);
            if (error == EVENT_CODE_CACHE_LOST) assert (flawed_q);
            if (error == 0) assert (!flawed_q);
            if (error == 0 && !ON_MEDIA[state]) assert (count == 0);
            if (error == 0 && ON_MEDIA[state]) assert (held >= total && held < total + BEATS);
        end
        if (op_valid) assert (runs_q && !answer_q && (op == POP || op == LINK));
        if (op_valid && op == POP) assert (taken_q == 0 || linked_q);
        if (op_valid && op == LINK) assert (!linked_q && sector == before_q && next == last_q);
        // what induction needs
        assert (runs_q == (phase != IDLE) && phase <= DONE);
        assert (answer_q == (phase == TAKE_WAIT || phase == CHAIN_WAIT));
        if (answer_q) assert (op_q == (phase == TAKE_WAIT ? POP : LINK));
        if (runs_q) begin
            assert (\dut.count_q == taken_q && \dut.flawed_q == flawed_q);
            if (taken_q != 0) assert (\dut.first_q == first_q && \dut.sector_q == last_q);
            if (taken_q != 0) assert (linked_q == (phase != CHAIN));
            if (phase < TAKE) assert (\dut.state_q == (phase == COMPRESS ? STATE_LZ4 : STATE_ZERO));
            if (phase < TAKE) assert (taken_q == 0 && !import_q && !\dut.short_q );
            if (phase == CHAIN) assert (\dut.previous_q == before_q && taken_q > 1);
            if (phase >= CHAIN && phase <= FLUSH) assert (taken_q != 0);
            if (import_q) assert (\dut.state_q == STATE_LZ4 && !flawed_q && !\dut.u_compressor.fed_q );
            if (media && !ON_MEDIA[\dut.state_q ]) assert (phase == DONE && taken_q == 0);
            if (\dut.short_q ) assert (phase == FLUSH || phase == DONE);
        end
        if (runs_q && !media) begin
            assert (\dut.length_q <= LIMIT + 64 && total == {5'd0, \dut.beats_q });
            if (!\dut.block_done_q ) assert (\dut.length_q [5:0] == 0);
            else assert (\dut.length_q != 0);
        end
        if (media && \dut.state_q == STATE_RAW) assert (\dut.length_q == 4096);
        if (media && \dut.state_q == STATE_LZ4) begin
            assert (\dut.length_q != 0 && \dut.length_q <= 4096 && (import_q || \dut.block_done_q ));
        end
        if (media && ON_MEDIA[\dut.state_q ] && !\dut.short_q ) begin
            if (phase == TAKE || phase == TAKE_WAIT) assert (left != 0 && left + held == total);
            if (phase >= CHAIN && phase <= WRITE) assert (left != 0 && left + held == total + BEATS);
            if (phase == FLUSH || phase == DONE) assert (held >= total && held < total + BEATS);
        end
        cover (done && import_q && error == 0 && (taken_q == 2 || BEATS > 4));  // 17 beats are too many for the solver
        cover (done && import_q && error == EVENT_CODE_EXHAUSTED);
        cover (done && import_q && error == EVENT_CODE_MEDIA_ERROR);
        cover (done && !import_q && error == EVENT_CODE_CACHE_LOST);
    end
endmodule

`default_nettype wire
