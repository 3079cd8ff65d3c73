// SPDX-License-Identifier: MIT
// chain_reader_formal: AXI4 on the read side of the media port. The sectors of a page are asked for in chain order,
// each once, for as many beats as the page has in it, stable until taken, and none once the media was late; no more
// data is taken than was asked for; what is shown are the beats that the media gives, corrected, in order, the last one
// marked with its bytes, none after a drop, a bad response, a beat that cannot be told or a link that cannot. Every
// beat that may be shown is checked with its page and its index. `bad_o` names the sectors with a beat whose response
// was bad and not late, or that cannot be told; `late_o`, `flawed_o` and `unlinked_o` tell what has happened.
//
// The check is any (free_ecc_check): each beat may be whole, corrected or not to be told.
//
// Assumed: a page has 1 to 4096 bytes, starts while none is being read and keeps its number; a result comes only of an
// operation that the allocator took; the media gives beats of bursts it took only.

`default_nettype none

module chain_reader_formal #(
    parameter SECTOR_BYTES = 256,
    parameter BITS         = 14
) (
    input  wire            clk_i,
    input  wire            rst_ni,
    input  wire            start,
    input  wire            drop,
    input  wire            data_ready,
    input  wire            op_ready,
    input  wire            result_valid,
    input  wire            arready,
    input  wire            rvalid,
    input  wire            late_in,
    input  wire [BITS-1:0] first,
    input  wire [BITS-1:0] result,
    input  wire [12:0]     bytes,
    input  wire [511:0]    rdata,
    input  wire            result_error,
    input  wire [23:0]     page,
    input  wire [30:0]     ruser,
    input  wire [1:0]      rresp
);
    localparam [6:0] SECTOR_BEATS = SECTOR_BYTES / 64;

    wire [63:0]     bad;
    wire            busy, late, error, flawed, unlinked, corrected, data_valid, data_last, op_valid, arvalid, rready;
    wire [511:0]    data;
    wire [6:0]      data_bytes;
    wire [BITS-1:0] sector;
    wire [39:0]     araddr;
    wire [7:0]      arlen;

    chain_reader #(
        .SECTOR_BYTES(SECTOR_BYTES),
        .SECTOR_BITS(BITS)
    ) dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .start_i(start),
        .first_i(first),
        .plain_i(1'b0),
        .line_i(6'd0),
        .bytes_i(bytes),
        .page_i(page),
        .drop_i(drop),
        .busy_o(busy),
        .error_o(error),
        .late_o(late),
        .flawed_o(flawed),
        .unlinked_o(unlinked),
        .corrected_o(corrected),
        .bad_o(bad),
        .late_i(late_in),
        .data_valid_o(data_valid),
        .data_ready_i(data_ready),
        .data_o(data),
        .data_bytes_o(data_bytes),
        .data_last_o(data_last),
        .op_valid_o(op_valid),
        .op_ready_i(op_ready),
        .sector_o(sector),
        .result_valid_i(result_valid),
        .result_i(result),
        .result_error_i(result_error),
        .m_axi_araddr(araddr),
        .m_axi_arlen(arlen),
        .m_axi_arvalid(arvalid),
        .m_axi_arready(arready),
        .m_axi_rdata(rdata),
        .m_axi_ruser(ruser),
        .m_axi_rresp(rresp),
        .m_axi_rvalid(rvalid),
        .m_axi_rready(rready)
    );

    (* hierconn *) wire [6:0]      \dut.ask_q ;
    (* hierconn *) wire [6:0]      \dut.total_q ;
    (* hierconn *) wire [6:0]      \dut.last_bytes_q ;
    (* hierconn *) wire [BITS-1:0] \dut.sector_q ;
    (* hierconn *) wire            \dut.address_valid_q ;
    (* hierconn *) wire            \dut.follow_q ;
    (* hierconn *) wire            \dut.waiting_q ;
    (* hierconn *) wire            \dut.drop_q ;
    (* hierconn *) wire            \dut.error_q ;

    (* hierconn *) wire         \dut.u_check.valid_i ;
    (* hierconn *) wire [511:0] \dut.u_check.data_i ;
    (* hierconn *) wire [29:0]  \dut.u_check.bound_i ;
    (* hierconn *) wire [30:0]  \dut.u_check.check_i ;
    (* hierconn *) wire [30:0]  \dut.u_check.syndrome_o ;
    (* hierconn *) wire [511:0] \dut.u_check.mask ;
    (* hierconn *) wire [30:0]  \dut.syndrome_q ;
    (* hierconn *) wire [511:0] \dut.held_data_q ;
    (* hierconn *) wire [5:0]   \dut.held_position_q ;
    (* hierconn *) wire         \dut.held_last_q ;
    (* hierconn *) wire         \dut.held_q ;
    (* hierconn *) wire         \dut.shown_q ;
    (* hierconn *) wire         \dut.shown_last_q ;
    (* hierconn *) wire         \dut.flips_q ;
    (* hierconn *) wire [32:0]  \dut.found_q ;
    (* hierconn *) wire [63:0]  \dut.shown_place_q ;

    reg            before_q, held_q, answer_q;   // answer_q: the allocator owes a result
    reg [47:0]     ar_q;
    reg [12:0]     bytes_q;
    reg [6:0]      beats_q;                      // of the page
    reg [6:0]      unasked_q, missing_q;         // beats: not asked for, not come
    reg [BITS-1:0] turn_q;                       // the sector whose turn it is
    reg            known_q;                      // it is known: its predecessor was followed
    reg            hidden_q;                     // a drop or a bad beat before
    reg [6:0]      come_q;                       // beats
    (* anyconst *) reg [5:0] watched;            // a sector's position, whichever
    reg            watched_bad_q, late_q, flawed_q, unlinked_q, bad_q;
    reg            beat_q, last_q;               // a beat was taken
    reg [511:0]    beat_data_q;
    reg [30:0]     syndrome_q;                   // 0: it is whole; odd: corrected; even: not to be told
    reg [5:0]      place_q;                      // of its sector
    reg            old_q, old_last_q;            // the one before it waits to be shown
    reg [511:0]    old_data_q;
    reg [30:0]     old_syndrome_q;
    reg [5:0]      old_place_q;
    reg [23:0]     page_q;

    (* hierconn *) wire [6:0] \dut.come_q ;

    wire       ask    = arvalid && arready;
    wire       beat   = rvalid && rready;
    wire [6:0] share  = unasked_q < SECTOR_BEATS ? unasked_q : SECTOR_BEATS;
    wire [5:0] place  = come_q / SECTOR_BEATS;
    wire [6:0] beats  = (bytes + 13'd63) >> 6;
    wire       unlink = answer_q && result_valid && result_error;
    wire       stop   = late_q && unasked_q != 0 && !(answer_q && !result_valid);
    wire       keep   = beat && !hidden_q && !rresp[1];
    wire       mends  = old_q && old_syndrome_q[0];
    wire       flaw   = old_q && old_syndrome_q != 0 && !old_syndrome_q[0];
    wire       leaves = old_q && (hidden_q || data_ready);
    wire       moves  = beat_q && (!old_q || leaves);

    initial assume (!rst_ni);
    always @* begin
        if (result_valid) assume (answer_q);
        if (busy) assume (!start && page == page_q);
        if (start) assume (bytes != 0 && bytes <= 13'd4096);
        if (rvalid) assume (missing_q > unasked_q);
    end

    always @(posedge clk_i) begin
        before_q <= rst_ni;
        held_q   <= arvalid && !arready;
        ar_q     <= {araddr, arlen};
        if (op_valid && op_ready) answer_q <= 1'b1;
        else if (result_valid) answer_q <= 1'b0;
        if (ask) {unasked_q, known_q} <= {unasked_q - share, 1'b0};
        if (result_valid) {turn_q, known_q} <= {result, 1'b1};
        missing_q <= missing_q - {6'd0, beat} - (unlink || stop ? unasked_q : 7'd0);
        if (unlink || stop) {unasked_q, beats_q} <= {7'd0, beats_q - unasked_q};
        if (unlink) unlinked_q <= 1'b1;
        if (drop || (beat && rresp[1]) || unlink || flaw) hidden_q <= 1'b1;
        if (flaw && !hidden_q) flawed_q <= 1'b1;
        if (flaw && !hidden_q && old_place_q == watched) watched_bad_q <= 1'b1;
        if (leaves) old_q <= 1'b0;
        if (moves) begin
            {beat_q, old_q, old_last_q, old_data_q} <= {2'b01, last_q, beat_data_q};
            {old_syndrome_q, old_place_q} <= {syndrome_q, place_q};
        end
        if (keep) begin
            {beat_q, last_q, beat_data_q} <= {1'b1, missing_q == 1, rdata};
            {syndrome_q, place_q} <= {\dut.u_check.syndrome_o , place};
        end
        if (beat) begin
            come_q <= come_q + 7'd1;
            if (rresp[1]) bad_q <= 1'b1;
            if (rresp[1] && late_in) late_q <= 1'b1;
            if (rresp[1] && !late_in && place == watched) watched_bad_q <= 1'b1;
        end
        if (start) {come_q, late_q, flawed_q, unlinked_q, watched_bad_q, bad_q, beat_q, old_q} <= 0;
        if (start) page_q <= page;
        if (start) begin
            {turn_q, known_q, hidden_q} <= {first, 2'b10};
            {bytes_q, unasked_q, missing_q, beats_q} <= {bytes, beats, beats, beats};
        end
        if (!rst_ni) {come_q, late_q, flawed_q, unlinked_q, watched_bad_q, bad_q, beat_q, old_q} <= 0;
        if (!rst_ni) {answer_q, held_q, missing_q, unasked_q, known_q} <= 0;
    end

    always @(posedge clk_i) if (rst_ni) begin
        if (before_q && held_q && !late) assert (arvalid && {araddr, arlen} == ar_q);
        if (arvalid) assert (unasked_q != 0 && known_q && araddr == turn_q * SECTOR_BYTES && arlen == {1'b0, share} - 8'd1);
        if (op_valid) assert (unasked_q != 0 && !known_q && sector == turn_q);
        assert (busy == (missing_q != 0 || beat_q || old_q));
        if (rready) assert (missing_q != 0);
        if (missing_q != 0 && (!beat_q || moves)) assert (rready);                        // nothing else is waited for
        if (keep) assert (!beat_q || moves);                                              // no beat is lost
        if (keep) assert (\dut.u_check.valid_i && \dut.u_check.data_i == rdata && \dut.u_check.check_i == ruser);
        if (keep) assert (\dut.u_check.bound_i == {page_q, come_q[5:0]});
        assert (data_valid == (old_q && !hidden_q && !flaw));
        if (data_valid) assert (data == (old_data_q ^ (mends ? \dut.u_check.mask : 512'd0)) && data_last == old_last_q);
        if (data_valid) assert (data_bytes == (data_last && bytes_q[5:0] != 0 ? {1'b0, bytes_q[5:0]} : 7'd64));
        assert (corrected == (leaves && mends));
        assert (error == (bad_q || flawed_q || unlinked_q) && late == late_q && bad[watched] == watched_bad_q);
        assert (flawed == flawed_q && unlinked == unlinked_q);
        // what induction needs
        if (busy) assert (come_q == beats_q - missing_q && missing_q <= beats_q && beats_q <= 7'd64);
        if (watched_bad_q && busy) assert ({6'd0, come_q} > {7'd0, watched} * {6'd0, SECTOR_BEATS});
        if (late) assert (!arvalid && !op_valid);
        assert (\dut.ask_q == unasked_q || !busy || unlinked_q || (late_q && unasked_q == 0));
        if (unlinked_q && busy) assert (unasked_q == 0 && hidden_q);
        assert (\dut.come_q == come_q && \dut.total_q - come_q == missing_q && unasked_q <= missing_q && missing_q <= 7'd64);
        assert (\dut.address_valid_q == (known_q && unasked_q != 0));
        assert (\dut.follow_q == (!known_q && unasked_q != 0) && \dut.waiting_q == answer_q);
        assert (\dut.held_q == beat_q && \dut.shown_q == old_q);
        if (beat_q) assert (\dut.held_data_q == beat_data_q && \dut.syndrome_q == syndrome_q);
        if (beat_q) assert (\dut.held_position_q == place_q && \dut.held_last_q == last_q);
        if (beat_q) assert ({6'd0, come_q} > {7'd0, place_q} * {6'd0, SECTOR_BEATS});
        if (old_q) assert ({6'd0, come_q} > {7'd0, old_place_q} * {6'd0, SECTOR_BEATS});
        if (old_q) assert (\dut.shown_last_q == old_last_q && \dut.shown_place_q == 64'd1 << old_place_q);
        if (old_q) assert (data == (old_data_q ^ (mends ? \dut.u_check.mask : 512'd0)));
        if (old_q) assert (\dut.flips_q == (old_syndrome_q != 0) && \dut.found_q == {32'd0, old_syndrome_q[0]});
        if (answer_q) assert (!known_q && unasked_q != 0);
        if (unasked_q != 0) assert (\dut.sector_q == turn_q);
        if (busy) begin
            assert ((\dut.drop_q || \dut.error_q ) == hidden_q);
            assert (\dut.last_bytes_q == (bytes_q[5:0] == 0 ? 7'd64 : {1'b0, bytes_q[5:0]}));
        end
        cover (data_last && data_valid && data_ready && data_bytes == 7 && bytes_q > SECTOR_BYTES + 64);
        cover (beat && missing_q == 1 && hidden_q && !error);
        cover (error && !busy && !flawed && !unlinked);
        cover (busy && missing_q == 1 && late && bad == 64'd2);
        cover (!busy && flawed && bad == 64'd2);
        cover (!busy && unlinked && !flawed && come_q == SECTOR_BEATS);
        cover (corrected && data_valid && data_last && come_q > SECTOR_BEATS);
    end
endmodule

`default_nettype wire
