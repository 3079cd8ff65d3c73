// SPDX-License-Identifier: MIT
// media_write_port_formal: what the core and the media may rely on while either is reset and whatever the other does.
// Addresses and beats stay shown until they are taken or the media is reset; a burst has as many beats as its address says,
// after its address, the last one marked, with the core's data or without strobes. Each burst of the core is answered
// once, after its last beat if by the port, and by the media only under an ID with no debt of a time before. No burst
// begins while one from before a reset of the core is owed its answer. With a time limit the core is answered within the
// limit of the media's last progress. Beside an answer of the port it is told whether the media was shown the burst.
//
// Assumed: an address is held until it is taken, unless the core is reset, and comes after all beats of the burst before;
// the core waits for at most 128 responses. The media answers a burst after its beats; it may answer what nobody asked for.

`default_nettype none

module media_write_port_formal (
    input  wire         clk_i,
    input  wire         rst_ni,
    input  wire         forget,
    input  wire [2:0]   any_limit,
    input  wire [39:0]  awaddr,
    input  wire [7:0]   awlen,
    input  wire         awvalid,
    input  wire [511:0] wdata,
    input  wire         wuser,
    input  wire         wvalid,
    input  wire         m_awready,
    input  wire         m_wready,
    input  wire [7:0]   m_bid,
    input  wire [1:0]   m_bresp,
    input  wire         m_bvalid,
    input  wire         watch           // the burst that is accepted now is the watched one
);
    wire         bowed, settled;
    wire         busy, moves, timeout, awready, wready, blate, bvalid, m_awvalid, m_wvalid, m_wlast, m_wuser, m_bready;
    wire [1:0]   bresp;
    wire [7:0]   m_awid, m_awlen;
    wire [39:0]  m_awaddr;
    wire [511:0] m_wdata;
    wire [63:0]  m_wstrb;
    reg  [2:0]   limit_q;

    media_write_port #(
        .USER_BITS(1),
        .EPOCHS(2)
    ) dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .forget_i(forget),
        .limit_i({29'd0, limit_q}),
        .busy_o(busy),
        .moves_o(moves),
        .timeout_o(timeout),
        .s_axi_awaddr(awaddr),
        .s_axi_awlen(awlen),
        .s_axi_awvalid(awvalid),
        .s_axi_awready(awready),
        .s_axi_wdata(wdata),
        .s_axi_wuser(wuser),
        .s_axi_wvalid(wvalid),
        .s_axi_wready(wready),
        .s_axi_bresp(bresp),
        .s_axi_blate(blate),
        .s_axi_bowed(bowed),
        .settled_o(settled),
        .s_axi_bvalid(bvalid),
        .m_axi_awid(m_awid),
        .m_axi_awaddr(m_awaddr),
        .m_axi_awlen(m_awlen),
        .m_axi_awvalid(m_awvalid),
        .m_axi_awready(m_awready),
        .m_axi_wdata(m_wdata),
        .m_axi_wuser(m_wuser),
        .m_axi_wstrb(m_wstrb),
        .m_axi_wlast(m_wlast),
        .m_axi_wvalid(m_wvalid),
        .m_axi_wready(m_wready),
        .m_axi_bid(m_bid),
        .m_axi_bresp(m_bresp),
        .m_axi_bvalid(m_bvalid),
        .m_axi_bready(m_bready)
    );

    (* hierconn *) wire [15:0] \dut.u_epochs.count_q ;
    (* hierconn *) wire        \dut.u_epochs.id_q ;
    (* hierconn *) wire        \dut.u_epochs.left_q ;
    (* hierconn *) wire        \dut.u_address.held_q ;
    (* hierconn *) wire [55:0] \dut.u_address.data_q ;
    (* hierconn *) wire        \dut.u_data.held_q ;
    (* hierconn *) wire [514:0] \dut.u_data.data_q ;
    (* hierconn *) wire [8:0]  \dut.left_q ;
    (* hierconn *) wire [8:0]  \dut.core_left_q ;
    (* hierconn *) wire [7:0]  \dut.unanswered_q ;
    (* hierconn *) wire [7:0]  \dut.shown_q ;
    (* hierconn *) wire        \dut.orphan_q ;
    (* hierconn *) wire        \dut.late_q ;
    (* hierconn *) wire        \dut.drain_q ;
    (* hierconn *) wire [31:0] \dut.u_timer.waited_q ;

    wire left = \dut.u_epochs.left_q ;
    wire late = \dut.late_q ;
    wire id   = \dut.u_epochs.id_q ;

    reg          before_q, aw_shown_q, w_shown_q, aw_held_q;
    reg  [55:0]  m_aw_q;
    reg  [577:0] m_w_q;
    reg  [47:0]  aw_q;
    reg  [7:0]   unanswered_q;         // bursts that the core waits for
    reg  [8:0]   core_left_q;          // beats that the core has not given
    reg  [8:0]   due_q, next_due_q;    // beats of the burst the media is at, and of one whose address it has as well
    reg  [7:0]   new0_q, new1_q;       // responses that the media owes and somebody waits for, by ID
    reg  [7:0]   old0_q, old1_q;       // likewise, and nobody does
    reg          before_reset_q;       // some of these are of a time before the core's reset
    reg  [7:0]   due_id_q, next_id_q;  // of these bursts
    reg          watched_q, started_q; // the watched burst is unanswered; the media was shown it
    reg  [7:0]   ahead_q;              // responses before its own
    reg  [3:0]   silent_q;             // cycles that the core has waited without any progress

    wire accept = awvalid && awready;
    wire start  = accept && !blate;
    wire leave  = forget || timeout;
    wire of0    = m_bvalid && m_bid == 8'd0;
    wire of1    = m_bvalid && m_bid == 8'd1;
    wire m_aw   = m_awvalid && m_awready;
    wire m_w    = m_wvalid && m_wready;
    wire [8:0] m_beats = {1'b0, m_awlen} + 9'd1;
    wire [7:0] sum0 = old0_q + new0_q - {7'd0, of0 && old0_q + new0_q != 0} + {7'd0, start && !id};
    wire [7:0] sum1 = old1_q + new1_q - {7'd0, of1 && old1_q + new1_q != 0} + {7'd0, start && id};
    wire waits = !(core_left_q != 0 && !wvalid)
                 && ((unanswered_q != 0 && !bvalid && !(core_left_q != 0 && wready)) || (awvalid && !awready && !bvalid));
    wire moved = accept || m_aw || m_w || m_bvalid;

    // bursts that the media is not to answer yet
    wire [7:0] open0 = {7'd0, due_q != 0 && due_id_q == 0} + {7'd0, next_due_q != 0 && next_id_q == 0}
                       + {7'd0, aw_shown_q && m_aw_q[55:48] == 0};
    wire [7:0] open1 = {7'd0, due_q != 0 && due_id_q == 1} + {7'd0, next_due_q != 0 && next_id_q == 1}
                       + {7'd0, aw_shown_q && m_aw_q[55:48] == 1};

    initial assume (!rst_ni && forget);
    always @* begin
        if (aw_held_q && !forget) assume (awvalid && {awaddr, awlen} == aw_q);
        if (of0 && old0_q + new0_q != 0) assume (old0_q + new0_q > open0);
        if (of1 && old1_q + new1_q != 0) assume (old1_q + new1_q > open1);
        if (awvalid && !forget) assume (core_left_q == 0 && unanswered_q < 8'd128);
    end

    always @(posedge clk_i) begin
        limit_q    <= before_q ? limit_q : any_limit;
        before_q   <= 1'b1;
        aw_shown_q <= m_awvalid && !m_awready && rst_ni;
        w_shown_q  <= m_wvalid && !m_wready && rst_ni;
        m_aw_q     <= {m_awid, m_awaddr, m_awlen};
        m_w_q      <= {m_wlast, m_wuser, m_wstrb, m_wdata};
        aw_held_q  <= awvalid && !awready && !forget;
        aw_q       <= {awaddr, awlen};
        unanswered_q <= unanswered_q + {7'd0, accept} - {7'd0, bvalid};
        core_left_q  <= accept ? {1'b0, awlen} + 9'd1 : core_left_q - {8'd0, wvalid && wready};
        if (m_aw && (due_q == 0 || (due_q == 1 && m_w))) {due_q, due_id_q} <= {m_beats, m_awid};
        else if (m_w && due_q == 1) {due_q, due_id_q, next_due_q} <= {next_due_q, next_id_q, 9'd0};
        else due_q <= due_q - {8'd0, m_w};
        if (m_aw && !(due_q == 0 || (due_q == 1 && m_w))) {next_due_q, next_id_q} <= {m_beats, m_awid};
        if (leave) {old0_q, new0_q, old1_q, new1_q} <= {sum0, 8'd0, sum1, 8'd0};
        else begin
            old0_q <= old0_q - {7'd0, of0 && old0_q != 0};
            old1_q <= old1_q - {7'd0, of1 && old1_q != 0};
            new0_q <= new0_q + {7'd0, start && !id} - {7'd0, of0 && old0_q == 0 && new0_q != 0};
            new1_q <= new1_q + {7'd0, start && id} - {7'd0, of1 && old1_q == 0 && new1_q != 0};
        end
        before_reset_q <= (forget || before_reset_q) && (sum0 != 0 || sum1 != 0);
        silent_q <= waits && !moved && !forget ? silent_q + 1'b1 : 4'd0;
        if (!rst_ni) begin
            {old0_q, new0_q, old1_q, new1_q, silent_q, before_reset_q} <= 0;
            {due_q, next_due_q, aw_shown_q, w_shown_q} <= 0;
        end
        if (bvalid) {ahead_q, watched_q} <= {ahead_q - 8'd1, watched_q && ahead_q != 0};
        if (accept && watch && !watched_q)
            {watched_q, started_q, ahead_q} <= {1'b1, start, unanswered_q - {7'd0, bvalid}};
        if (forget) {unanswered_q, core_left_q, watched_q} <= 0;
    end

    initial before_q = 1'b0;
    always @(posedge clk_i) if (before_q) begin
        // to the media
        if (aw_shown_q && rst_ni) assert (m_awvalid && {m_awid, m_awaddr, m_awlen} == m_aw_q);
        if (w_shown_q && rst_ni) assert (m_wvalid && {m_wlast, m_wuser, m_wstrb, m_wdata} == m_w_q);
        if (!rst_ni) assert (!m_awvalid && !m_wvalid);
        if (m_awvalid && !aw_shown_q) assert (start && {m_awaddr, m_awlen} == {awaddr, awlen} && m_awid == {7'd0, id});
        if (start && rst_ni) assert (m_awvalid && !aw_shown_q);
        if (start) assert (!before_reset_q && (id ? old1_q == 0 : old0_q == 0));
        if (m_wvalid) assert (due_q != 0 && m_wlast == (due_q == 1));
        if (m_aw) assert (next_due_q == 0);
        if (m_wvalid) assert (m_wstrb == 64'd0 || m_wstrb == ~64'd0);
        if (m_wvalid && !w_shown_q && m_wstrb[0]) assert (wvalid && wready && {m_wuser, m_wdata} == {wuser, wdata});
        if (wvalid && wready && !blate && rst_ni) assert (m_wvalid && !w_shown_q && m_wstrb[0]);
        assert (m_bready);
        // to the core
        if (wready) assert (core_left_q != 0);
        if (bvalid && blate) assert (unanswered_q > {7'd0, core_left_q != 0} && bresp == 2'b10);
        if (bvalid && !blate && !forget) begin
            assert (unanswered_q != 0 && m_bvalid && m_bid[7:1] == 0 && bresp == m_bresp);
            assert (m_bid[0] ? old1_q == 0 && new1_q != 0 : old0_q == 0 && new0_q != 0);
        end
        if (bvalid && watched_q && ahead_q == 0) assert (bowed == (blate && started_q));
        if (settled) assert (old0_q + new0_q == 0 && old1_q + new1_q == 0);  // none is owed: none will be done
        if (timeout) assert (limit_q != 0 && !forget && !moved);
        if (timeout) assert (!(wready && !wvalid));  // the core is waited for, not the media
        if (limit_q != 0 && rst_ni) assert (silent_q <= {1'b0, limit_q} + 4'd1);
        // what induction needs
        assert (\dut.unanswered_q == unanswered_q && unanswered_q <= 8'd128);
        assert (\dut.shown_q <= unanswered_q);
        if (!late) assert (\dut.shown_q == unanswered_q);
        if (watched_q) assert (ahead_q < unanswered_q && started_q == (ahead_q < \dut.shown_q ));
        assert (\dut.core_left_q == core_left_q && core_left_q <= 9'd256);
        assert (\dut.u_epochs.count_q [7:0] == old0_q + new0_q && \dut.u_epochs.count_q [15:8] == old1_q + new1_q);
        assert (old0_q + new0_q <= 8'd128 && old1_q + new1_q <= 8'd128);
        if (left || late) assert (new0_q == 0 && new1_q == 0);
        else assert (id ? new1_q == unanswered_q && new0_q == 0 && old1_q == 0
                        : new0_q == unanswered_q && new1_q == 0 && old0_q == 0);
        if (!left) assert (id ? old1_q == 0 : old0_q == 0);
        if (left && !late) assert (unanswered_q == 0);
        if (unanswered_q == 0) assert (core_left_q == 0);
        if (before_reset_q) assert (\dut.drain_q );
        assert (\dut.u_address.held_q == aw_shown_q && \dut.u_data.held_q == w_shown_q);
        if (aw_shown_q) assert (\dut.u_address.data_q == m_aw_q);
        if (w_shown_q) assert (m_w_q == {\dut.u_data.data_q [0], \dut.u_data.data_q [2], {64{\dut.u_data.data_q [1]}},
                                         \dut.u_data.data_q [514:3]});
        // beats that the media expects: those not shown yet, and the one that is
        if (aw_shown_q) assert (\dut.left_q == {1'b0, m_aw_q[7:0]} + 9'd1 && next_due_q == 0 && due_q == {8'd0, w_shown_q});
        else if (w_shown_q && m_w_q[577]) assert (due_q == 1 && next_due_q == \dut.left_q );
        else assert (next_due_q == 0 && due_q == \dut.left_q + {8'd0, w_shown_q});
        if (w_shown_q) assert (m_w_q[577] == (due_q == 1));
        assert (open0 <= old0_q + new0_q && open1 <= old1_q + new1_q);
        if (due_q != 0) assert (due_id_q <= 1);
        if (next_due_q != 0) assert (next_id_q <= 1);
        if (aw_shown_q) assert (m_aw_q[55:48] <= 1);
        if (core_left_q != 0 && !late) assert (aw_shown_q ? m_aw_q[55:48] == {7'd0, id}
                                               : next_due_q != 0 ? next_id_q == {7'd0, id} : due_id_q == {7'd0, id});
        assert (\dut.left_q <= 9'd256);
        if (!\dut.orphan_q && !late) assert (\dut.left_q == core_left_q);
        if (late) assert (\dut.orphan_q || \dut.left_q == 0);
        if (\dut.orphan_q && !late) assert (core_left_q == 0 && unanswered_q == 0);
        if (late && !left) assert (silent_q == 0);
        if (limit_q != 0 && !late && silent_q != 0)
            assert (\dut.u_timer.waited_q >= {28'd0, silent_q} || (silent_q == 1 && !left && unanswered_q == 0));
        if (limit_q != 0) assert (\dut.u_timer.waited_q <= {29'd0, limit_q});
        cover (m_wvalid && m_wlast && m_wstrb == 0 && due_q == 1 && !forget);
        cover (bvalid && !blate && old0_q != 0 && id);
        cover (bvalid && blate && limit_q != 0 && core_left_q == 0);
        cover (start && old0_q != 0);
        cover (bvalid && watched_q && ahead_q == 0 && blate && !started_q);
        cover (awvalid && !awready && before_reset_q && !forget);
        cover (next_due_q != 0);
    end
endmodule

`default_nettype wire
