// SPDX-License-Identifier: MIT
// media_read_port_formal: what the core and the media may rely on while either is reset and whatever the other does. An
// address stays shown until it is taken or the media is reset. The core gets as many beats as it asks for, and of the
// media's beats only those under an ID with no debt of a time before. With a time limit it is answered within the limit of
// the media's last progress.
//
// Assumed: the core waits for at most 128 beats. Nothing of the media: it may answer what nobody asked for. The core may
// withdraw an address that is not taken, or ask for another one.

`default_nettype none

module media_read_port_formal (
    input  wire         clk_i,
    input  wire         rst_ni,
    input  wire         forget,
    input  wire [2:0]   any_limit,
    input  wire [39:0]  araddr,
    input  wire [7:0]   arlen,
    input  wire         arvalid,
    input  wire         rready,
    input  wire         m_arready,
    input  wire [7:0]   m_rid,
    input  wire [511:0] m_rdata,
    input  wire         m_ruser,
    input  wire [1:0]   m_rresp,
    input  wire         m_rvalid
);
    wire         busy, moves, timeout, arready, ruser, rlate, rvalid, m_arvalid, m_rready;
    wire [511:0] rdata;
    wire [1:0]   rresp;
    wire [7:0]   m_arid, m_arlen;
    wire [39:0]  m_araddr;
    reg  [2:0]   limit_q;

    media_read_port #(
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
        .s_axi_araddr(araddr),
        .s_axi_arlen(arlen),
        .s_axi_arvalid(arvalid),
        .s_axi_arready(arready),
        .s_axi_rdata(rdata),
        .s_axi_ruser(ruser),
        .s_axi_rresp(rresp),
        .s_axi_rlate(rlate),
        .s_axi_rvalid(rvalid),
        .s_axi_rready(rready),
        .m_axi_arid(m_arid),
        .m_axi_araddr(m_araddr),
        .m_axi_arlen(m_arlen),
        .m_axi_arvalid(m_arvalid),
        .m_axi_arready(m_arready),
        .m_axi_rid(m_rid),
        .m_axi_rdata(m_rdata),
        .m_axi_ruser(m_ruser),
        .m_axi_rresp(m_rresp),
        .m_axi_rvalid(m_rvalid),
        .m_axi_rready(m_rready)
    );

    (* hierconn *) wire [15:0] \dut.u_epochs.count_q ;
    (* hierconn *) wire        \dut.u_epochs.id_q ;
    (* hierconn *) wire        \dut.u_epochs.left_q ;
    (* hierconn *) wire [7:0]  \dut.owed_q ;
    (* hierconn *) wire        \dut.late_q ;
    (* hierconn *) wire        \dut.u_address.held_q ;
    (* hierconn *) wire [55:0] \dut.u_address.data_q ;
    (* hierconn *) wire [31:0] \dut.u_timer.waited_q ;

    wire left = \dut.u_epochs.left_q ;
    wire late = \dut.late_q ;
    wire id   = \dut.u_epochs.id_q ;

    reg         before_q, held_q;
    reg  [55:0] shown_q;
    reg  [8:0]  owed_q;               // beats that the core waits for
    reg  [8:0]  new0_q, new1_q;       // beats that the media owes and somebody waits for, by ID
    reg  [8:0]  old0_q, old1_q;       // likewise, and nobody does
    reg  [3:0]  silent_q;             // cycles that the core has waited without any progress

    wire accept = arvalid && arready;
    wire start  = accept && !rlate;
    wire given  = rvalid && rready;
    wire leave  = forget || timeout;
    wire answer = m_rvalid && m_rready;
    wire of0    = answer && m_rid == 8'd0;
    wire of1    = answer && m_rid == 8'd1;
    wire [8:0] beats = {1'b0, arlen} + 9'd1;
    wire [8:0] sum0  = old0_q + new0_q - {8'd0, of0 && old0_q + new0_q != 0} + (start && !id ? beats : 9'd0);
    wire [8:0] sum1  = old1_q + new1_q - {8'd0, of1 && old1_q + new1_q != 0} + (start && id ? beats : 9'd0);
    wire waits = (owed_q != 0 && !rvalid) || (arvalid && !arready && !rvalid);
    wire moved = accept || (m_arvalid && m_arready) || m_rvalid;

    initial assume (!rst_ni && forget);
    always @* begin
        if (arvalid) assume (owed_q + beats <= 9'd128);
    end

    always @(posedge clk_i) begin
        limit_q   <= before_q ? limit_q : any_limit;
        before_q  <= 1'b1;
        held_q    <= m_arvalid && !m_arready && rst_ni;
        shown_q   <= {m_arid, m_araddr, m_arlen};
        owed_q    <= owed_q + (accept ? beats : 9'd0) - {8'd0, given};
        if (leave) {old0_q, new0_q, old1_q, new1_q} <= {sum0, 9'd0, sum1, 9'd0};
        else begin
            // beats of before come first, as the media keeps the order under an ID
            old0_q <= old0_q - {8'd0, of0 && old0_q != 0};
            old1_q <= old1_q - {8'd0, of1 && old1_q != 0};
            new0_q <= new0_q + (start && !id ? beats : 9'd0) - {8'd0, of0 && old0_q == 0 && new0_q != 0};
            new1_q <= new1_q + (start && id ? beats : 9'd0) - {8'd0, of1 && old1_q == 0 && new1_q != 0};
        end
        silent_q <= waits && !moved && !forget ? silent_q + 1'b1 : 4'd0;
        if (!rst_ni) {old0_q, new0_q, old1_q, new1_q, silent_q, held_q} <= 0;
        if (forget) owed_q <= 9'd0;
    end

    initial before_q = 1'b0;
    always @(posedge clk_i) if (before_q) begin
        if (held_q && rst_ni) assert (m_arvalid && {m_arid, m_araddr, m_arlen} == shown_q);
        if (!rst_ni) assert (!m_arvalid);
        if (start && rst_ni) assert (m_arvalid && {m_araddr, m_arlen} == {araddr, arlen} && m_arid == {7'd0, id});
        if (start) assert (id ? old1_q == 0 : old0_q == 0);
        if (m_arvalid && !held_q) assert (start);
        if (rvalid) assert (owed_q != 0 || forget);
        if (rvalid && rlate) assert (rresp == 2'b10);
        if (rvalid && !rlate && !forget) begin
            assert (m_rvalid && m_rid[7:1] == 0 && m_rready == rready && rdata == m_rdata && rresp == m_rresp);
            assert (m_rid[0] ? old1_q == 0 && new1_q != 0 : old0_q == 0 && new0_q != 0);
        end
        if (m_rvalid && !m_rready && rst_ni) assert (rvalid && !rready);
        if (timeout) assert (limit_q != 0 && !forget && !moved);
        if (limit_q != 0 && rst_ni) assert (silent_q <= {1'b0, limit_q} + 4'd1);
        // what induction needs
        assert (\dut.owed_q == owed_q && owed_q <= 9'd128);
        assert (\dut.u_epochs.count_q [7:0] == old0_q + new0_q && \dut.u_epochs.count_q [15:8] == old1_q + new1_q);
        assert (old0_q + new0_q <= 9'd128 && old1_q + new1_q <= 9'd128);
        if (left || late) assert (new0_q == 0 && new1_q == 0);
        else assert (id ? new1_q == owed_q && new0_q == 0 && old1_q == 0 : new0_q == owed_q && new1_q == 0 && old0_q == 0);
        if (!left) assert (id ? old1_q == 0 : old0_q == 0);
        if (left && !late) assert (owed_q == 0);
        assert (\dut.u_address.held_q == held_q);
        if (held_q) assert (\dut.u_address.data_q == shown_q);
        if (late && !left) assert (silent_q == 0);
        if (limit_q != 0 && !late && silent_q != 0)
            assert (\dut.u_timer.waited_q >= {28'd0, silent_q} || (silent_q == 1 && !left && !held_q && owed_q == 0));
        if (limit_q != 0) assert (\dut.u_timer.waited_q <= {29'd0, limit_q});
        cover (rvalid && !rlate && old0_q == 2 && new1_q == 1);
        cover (rvalid && rlate && old0_q != 0 && old1_q != 0 && limit_q != 0);
        cover (m_rvalid && m_rready && !rvalid && m_rid == 0 && old0_q == 1 && new1_q != 0);
        cover (start && old0_q != 0 && id);
    end
endmodule

`default_nettype wire
