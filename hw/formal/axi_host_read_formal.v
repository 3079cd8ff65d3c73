// SPDX-License-Identifier: MIT
// axi_host_read_formal: the read half of the host's AXI4 port keeps the handshake rules (AMBA AXI, A3.2, A3.3, A5.3):
// every burst is answered with as many beats as it has, the last one marked, with its ID, in order within its ID, whatever
// overtakes it; a beat stays unchanged until it is taken; none comes without a request; the queue behind never overflows.
//
// One ID, whichever, and one burst of it, whichever (`watch` is free), are followed. Each place that a burst of that ID, or
// a beat of one, can be in has a mark beside it that moves with it: before the watched one, of it, or behind it. The
// cache is free: any data, any refusal, any delay, any line not there; but it has one line ready in a cycle.

`default_nettype none

module axi_host_read_formal #(
    parameter PAGE_BITS = 4,
    parameter WAITING   = 4
) (
    input  wire                 clk_i,
    input  wire                 rst_ni,
    input  wire [7:0]           arid,
    input  wire [7:0]           arlen,
    input  wire [39:0]          araddr,
    input  wire [2:0]           arsize,
    input  wire [1:0]           arburst,
    input  wire                 arvalid,
    input  wire                 rready,
    input  wire                 line_ready,
    input  wire                 line_miss,
    input  wire                 line_again,
    input  wire                 wait_ready,
    input  wire                 wait_refused,
    input  wire                 wait_busy,
    input  wire                 seek,
    input  wire [PAGE_BITS-1:0] seek_page,
    input  wire                 line_error,
    input  wire [511:0]         line_data,
    input  wire                 watch
);
    wire         arready, rvalid, rlast, line_valid, wait_valid, wait_first, wait_again, first, idle;
    wire [7:0]   rid;
    wire [1:0]   rresp;
    wire [511:0] rdata;
    wire [5:0]   line_index, wait_index;
    wire [PAGE_BITS-1:0] line_page, wait_page, first_page;

    axi_host_read #(
        .PAGE_BITS(PAGE_BITS),
        .WAITING(WAITING)
    ) dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .idle_o(idle),
        .s_axi_arid(arid),
        .s_axi_araddr(araddr),
        .s_axi_arlen(arlen),
        .s_axi_arsize(arsize),
        .s_axi_arburst(arburst),
        .s_axi_arvalid(arvalid),
        .s_axi_arready(arready),
        .s_axi_rid(rid),
        .s_axi_rdata(rdata),
        .s_axi_rresp(rresp),
        .s_axi_rlast(rlast),
        .s_axi_rvalid(rvalid),
        .s_axi_rready(rready),
        .line_valid_o(line_valid),
        .line_ready_i(line_ready),
        .line_miss_i(line_miss),
        .line_page_o(line_page),
        .line_index_o(line_index),
        .line_again_i(line_again),
        .seek_i(seek),
        .seek_page_i(seek_page),
        .wait_valid_o(wait_valid),
        .wait_first_o(wait_first),
        .wait_busy_i(wait_busy),
        .wait_ready_i(wait_ready),
        .wait_refused_i(wait_refused),
        .wait_page_o(wait_page),
        .wait_index_o(wait_index),
        .wait_again_o(wait_again),
        .first_o(first),
        .page_o(first_page),
        .line_data_i(line_data),
        .line_error_i(line_error)
    );

    localparam BITS = 69, LEFT = 16;  // of a burst in the module

    (* hierconn *) wire \dut.next_valid_q ;
    (* hierconn *) wire [BITS-1:0] \dut.next_q ;
    (* hierconn *) wire \dut.next_moves ;
    (* hierconn *) wire \dut.active_q ;
    (* hierconn *) wire [BITS-1:0] \dut.front_q ;
    (* hierconn *) wire [WAITING*BITS-1:0] \dut.waiting_q ;
    (* hierconn *) wire [WAITING-1:0] \dut.waits_q ;
    (* hierconn *) wire [WAITING-1:0] \dut.eldest_q ;
    (* hierconn *) wire \dut.asker_asks ;
    (* hierconn *) wire [WAITING-1:0] \dut.turn_q ;
    (* hierconn *) wire \dut.asks_q ;
    (* hierconn *) wire [BITS-1:0] \dut.asker_q ;
    (* hierconn *) wire [WAITING-1:0] \dut.sought_q ;
    (* hierconn *) wire \dut.front_last_q ;
    (* hierconn *) wire [WAITING-1:0] \dut.others_q ;
    (* hierconn *) wire \dut.leaves ;
    (* hierconn *) wire \dut.left_q ;
    (* hierconn *) wire [7:0] \dut.left_id_q ;
    (* hierconn *) wire [WAITING-1:0] \dut.heirs_q ;
    (* hierconn *) wire \dut.id_waits_q ;
    (* hierconn *) wire \dut.aside ;
    (* hierconn *) wire \dut.asked_q ;
    (* hierconn *) wire \dut.asked_last_q ;
    (* hierconn *) wire [7:0] \dut.asked_id_q ;
    (* hierconn *) wire \dut.check_q ;
    (* hierconn *) wire \dut.check_last_q ;
    (* hierconn *) wire [7:0] \dut.check_id_q ;
    (* hierconn *) wire \dut.flight_q ;
    (* hierconn *) wire \dut.flight_last_q ;
    (* hierconn *) wire [7:0] \dut.flight_id_q ;
    (* hierconn *) wire [2:0] \dut.ahead_q ;
    (* hierconn *) wire [2:0] \dut.u_answers.level ;
    (* hierconn *) wire [2:0] \dut.u_answers.head_q ;
    (* hierconn *) wire [4*523-1:0] \dut.u_answers.memory_seen ;

    (* anyconst *) reg [7:0] id;

    always @* assume (!(line_valid && line_ready && wait_valid && wait_ready));

    // ---- marks ----
    localparam [1:0] BEFORE = 2'd0, ITS = 2'd1, BEHIND = 2'd2, NOTHING = 2'd3;
    localparam FLIGHT = 4, CHECK = 5, ASKED = 6, SLOT = 7, FRONT = SLOT + WAITING, NEXT = FRONT + 1;  // places, in the order of answers; 0 to 3: queue

    wire [2:0] level  = \dut.u_answers.level ;
    wire       queued = level != 0;
    wire       taken  = rvalid && rready;
    wire       pushes = \dut.flight_q && (queued || !rready);
    wire       pops   = queued && rready;

    reg [1:0] mark_q [0:NEXT];
    reg [1:0] seen_q;      // the watched burst: BEFORE it came, ITS: it is owed, BEHIND it
    reg [8:0] its_q;       // beats owed of it
    reg       up_q, held_q, passed_q;
    reg [522:0] answer_q;

    wire [1:0] mark_new = seen_q != BEFORE ? BEHIND : watch ? ITS : BEFORE;
    wire [1:0] mark_now = queued ? mark_q[0] : mark_q[FLIGHT];
    integer    n;

    always @(posedge clk_i) begin
        for (n = 0; n < 4; n = n + 1)
            if (pushes && n == {1'b0, level} - {3'd0, pops}) mark_q[n] <= mark_q[FLIGHT];
            else if (pops && n < 3) mark_q[n] <= mark_q[n+1];
        mark_q[FLIGHT] <= mark_q[CHECK];
        mark_q[CHECK]  <= mark_q[ASKED];
        mark_q[ASKED]  <= mark_q[FRONT];
        for (n = 0; n < WAITING; n = n + 1) if (\dut.asker_asks && \dut.turn_q [n]) mark_q[ASKED] <= mark_q[SLOT+n];
        for (n = 0; n < WAITING; n = n + 1)
            if (\dut.leaves && \dut.turn_q <= (1 << n)) begin  // those behind the one that leaves move up
                if (n + 1 < WAITING && \dut.waits_q [n + 1 < WAITING ? n + 1 : n]) mark_q[SLOT+n] <= mark_q[SLOT+n+1];
                else mark_q[SLOT+n] <= mark_q[FRONT];
            end else if (!\dut.waits_q [n]) mark_q[SLOT+n] <= mark_q[FRONT];
        if (\dut.next_moves ) mark_q[FRONT] <= \dut.next_valid_q ? mark_q[NEXT] : mark_new;
        if (arvalid && arready) mark_q[NEXT] <= mark_new;
        if (!rst_ni) for (n = 0; n <= NEXT; n = n + 1) mark_q[n] <= NOTHING;
    end

    // ---- what is in each place ----
    reg [NEXT:0]  here;     // something of the ID
    reg [NEXT:0]  last;     // the last beat of its burst
    reg [NEXT:0]  its;
    reg [3:0]     its_beats;  // under way or in the queue
    reg [8:0]     its_left;   // not asked for
    reg [1:0]     place;
    reg [522:0]   entry;
    reg [3:0]     known;
    integer       q;

    always @* begin
        last = 0;
        for (q = 0; q < 4; q = q + 1) begin
            place    = \dut.u_answers.head_q [1:0] + q[1:0];
            entry    = \dut.u_answers.memory_seen [place*523 +: 523];
            here[q]  = q < level && entry[522:515] == id;
            last[q]  = entry[514];
            known[q] = q >= level || entry[513:512] != 2'b01;
        end
        here[FLIGHT] = \dut.flight_q && \dut.flight_id_q == id;
        last[FLIGHT] = \dut.flight_last_q ;
        here[CHECK]  = \dut.check_q && \dut.check_id_q == id;
        last[CHECK]  = \dut.check_last_q ;
        here[ASKED]  = \dut.asked_q && \dut.asked_id_q == id;
        last[ASKED]  = \dut.asked_last_q ;
        for (q = 0; q < WAITING; q = q + 1)
            here[SLOT+q] = \dut.waits_q [q] && \dut.waiting_q [q*BITS +: 8] == id;
        here[NEXT]   = \dut.next_valid_q && \dut.next_q [7:0] == id;
        here[FRONT]  = \dut.active_q && \dut.front_q [7:0] == id;
        its_beats    = 4'd0;
        its_left     = 9'd0;
        for (q = 0; q <= NEXT; q = q + 1) begin
            its[q] = here[q] && mark_q[q] == ITS;
            if (q < SLOT && its[q]) its_beats = its_beats + 4'd1;
        end
        for (q = 0; q < WAITING; q = q + 1)
            if (its[SLOT+q]) its_left = {1'b0, \dut.waiting_q [q*BITS + LEFT +: 8]} + 9'd1;
        if (its[FRONT]) its_left = {1'b0, \dut.front_q [LEFT +: 8]} + 9'd1;
        if (its[NEXT]) its_left = {1'b0, \dut.next_q [LEFT +: 8]} + 9'd1;
    end

    initial assume (!rst_ni);

    always @(posedge clk_i) begin
        up_q     <= rst_ni;
        held_q   <= rvalid && !rready;
        answer_q <= {rid, rlast, rresp, rdata};
        if (seen_q == ITS && taken && rid != id && its_beats == 0 && \dut.waits_q [0]) passed_q <= 1'b1;
        if (arvalid && arready && arid == id && watch && seen_q == BEFORE) begin
            seen_q <= ITS;
            its_q  <= {1'b0, arlen} + 9'd1;
        end else if (taken && rid == id && mark_now == ITS) begin
            its_q <= its_q - 9'd1;
            if (its_q == 1) seen_q <= BEHIND;
        end
        if (!rst_ni) {seen_q, its_q, held_q, passed_q} <= 0;
    end

    always @(posedge clk_i) if (rst_ni) begin
        if (up_q && held_q) assert (rvalid && {rid, rlast, rresp, rdata} == answer_q);
        if (rvalid) assert (rresp != 2'b01);
        // a beat of the ID is of a burst that was asked for; those of the watched burst come after those before it, and
        // before those behind it: as many as it has, and the last one is marked
        if (rvalid && rid == id) begin
            assert (mark_now != NOTHING);
            if (mark_now == BEFORE) assert (seen_q != BEHIND);
            if (mark_now == ITS) assert (seen_q == ITS && its_q != 0 && rlast == (its_q == 1));
            if (mark_now == BEHIND) assert (seen_q == BEHIND);
        end
        assert ((seen_q == ITS) == (its_q != 0) && its_q <= 256 && seen_q != NOTHING);
        assert (!idle || seen_q != ITS);
        // what the counters of the module stand for, and no overflow
        assert ({1'b0, \dut.ahead_q } == {1'b0, level} + {3'd0, \dut.flight_q } + {3'd0, \dut.check_q } + {3'd0, \dut.asked_q });
        assert (\dut.ahead_q <= 4);
        assert ((\dut.waits_q & (\dut.waits_q + 1'b1)) == 0);
        if (\dut.flight_q ) assert (level < 4);
        // at most one asks, which waits behind none of its ID
        assert (!\dut.asks_q || ((\dut.sought_q | \dut.others_q ) & ~\dut.eldest_q ) == 0);
        assert ((\dut.eldest_q & ~\dut.waits_q ) == 0 && (\dut.heirs_q & ~\dut.waits_q ) == 0 && (\dut.heirs_q == 0 || !\dut.left_q ));
        assert ((\dut.turn_q & (\dut.turn_q - 1'b1)) == 0 && (\dut.turn_q & ~(\dut.waits_q & \dut.eldest_q )) == 0);
        assert (&known);
        assert (!\dut.active_q || \dut.front_last_q == (\dut.front_q [LEFT +: 8] == 0));
        // what induction needs: where the watched burst is
        assert (its_q == {5'd0, its_beats} + its_left);
        if (seen_q == BEFORE) assert (its == 0);
        assert ((its[NEXT:SLOT] & (its[NEXT:SLOT] - 1'b1)) == 0);
        assert (!\dut.asks_q || \dut.turn_q != 0);
        assert (!\dut.left_q || !\dut.asks_q );
        cover (seen_q == BEHIND && idle);
        cover (seen_q == ITS && rvalid && rid == id && mark_now == BEFORE && rresp == 2'b11);
        cover (\dut.ahead_q == 4 && \dut.active_q && \dut.next_valid_q );
        cover (passed_q && seen_q == BEHIND);
        cover (&\dut.waits_q && \dut.active_q );
        cover (its[SLOT+1] && here[SLOT]);
    end

    genvar i, j;

    generate
        for (i = 0; i <= NEXT; i = i + 1) begin : gen_place
            always @(posedge clk_i) if (rst_ni && here[i]) begin
                assert (mark_q[i] != NOTHING);
                if (mark_q[i] == BEHIND) assert (seen_q != BEFORE);
                if (mark_q[i] == BEFORE) assert (seen_q != BEHIND);
                if (i < SLOT && its[i]) assert (last[i] == ((its >> (i + 1)) == 0));
            end
            if (i >= SLOT && i < FRONT) begin : gen_eldest
                wire oldest = (here[FRONT:SLOT] & ((1 << (i - SLOT)) - 1)) == 0;
                always @(posedge clk_i) if (rst_ni && here[i])  // once one has left, the next of its ID is told so
                    assert (oldest ? \dut.eldest_q [i-SLOT] || \dut.heirs_q [i-SLOT] || (\dut.left_q && \dut.left_id_q == id) : !\dut.eldest_q [i-SLOT]);
                always @(posedge clk_i) if (rst_ni && here[i] && here[FRONT]) assert (\dut.id_waits_q );
            end
            if (i >= SLOT && i < FRONT) begin : gen_asker
                always @(posedge clk_i) if (rst_ni && \dut.asks_q && \dut.turn_q [i-SLOT])
                    assert (\dut.asker_q == \dut.waiting_q [(i-SLOT)*BITS +: BITS]);
            end
            for (j = i + 1; j <= NEXT; j = j + 1) begin : gen_order
                always @(posedge clk_i) if (rst_ni && here[i] && here[j]) assert (mark_q[i] <= mark_q[j]);
                if (i >= SLOT && j < FRONT) begin : gen_heirs
                    always @(posedge clk_i) if (rst_ni && \dut.heirs_q [j-SLOT] && here[j] && here[i]) assert (\dut.heirs_q [i-SLOT]);
                    always @(posedge clk_i) if (rst_ni && \dut.heirs_q [i-SLOT] && \dut.heirs_q [j-SLOT]) assert (here[i] == here[j]);
                end
            end
        end
    endgenerate
endmodule

`default_nettype wire
