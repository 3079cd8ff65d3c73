// SPDX-License-Identifier: MIT
// media_reads_formal: readers that share the media's read channels. Every beat goes to the reader whose burst it is of, once,
// in the order of its bursts, unchanged; none comes without a burst; no address goes out without room for all its beats, so
// a beat of the media is never kept waiting, however slow its reader or another one is.
//
// One burst of one reader, whichever (`watch` is free), is followed, and one beat of it: `ahead_q` beats come from the media
// before it, `before_q` beats are given to its reader before it.
//
// Assumed: a burst has ROOM beats at most; the media gives only beats it owes. An address may be withdrawn.

`default_nettype none

module media_reads_formal #(
    parameter ROOM = 4
) (
    input  wire        clk_i,
    input  wire        rst_ni,
    input  wire [95:0] s_ar,
    input  wire [1:0]  s_ar_valid,
    input  wire [1:0]  s_r_ready,
    input  wire        m_ar_ready,
    input  wire [3:0]  m_r,
    input  wire        m_r_valid,
    input  wire        watch
);
    localparam BEAT = 4, OWNERS = 2 * ROOM, BITS = $clog2(ROOM);

    wire [1:0]  s_ar_ready, s_r_valid;
    wire [7:0]  s_r;
    wire [47:0] m_ar;
    wire        m_ar_valid, m_r_ready, busy;

    media_reads #(
        .READERS(2),
        .ROOM(ROOM),
        .BEAT_BITS(BEAT)
    ) dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .busy_o(busy),
        .s_ar_i(s_ar),
        .s_ar_valid_i(s_ar_valid),
        .s_ar_ready_o(s_ar_ready),
        .s_r_o(s_r),
        .s_r_valid_o(s_r_valid),
        .s_r_ready_i(s_r_ready),
        .m_ar_o(m_ar),
        .m_ar_valid_o(m_ar_valid),
        .m_ar_ready_i(m_ar_ready),
        .m_r_i(m_r),
        .m_r_valid_i(m_r_valid),
        .m_r_ready_o(m_r_ready)
    );

    (* hierconn *) wire [7:0]             \dut.come_q ;
    (* hierconn *) wire [BITS+1:0]        \dut.u_owners.level ;
    (* hierconn *) wire [BITS+1:0]        \dut.u_owners.head_q ;
    (* hierconn *) wire [OWNERS*10-1:0]   \dut.u_owners.memory_seen ;
    (* hierconn *) wire [BITS:0]          \dut.gen_reader[0].promised_q ;
    (* hierconn *) wire [BITS:0]          \dut.gen_reader[0].u_beats.level ;
    (* hierconn *) wire [BITS:0]          \dut.gen_reader[0].u_beats.head_q ;
    (* hierconn *) wire [ROOM*BEAT-1:0]   \dut.gen_reader[0].u_beats.memory_seen ;
    (* hierconn *) wire [BITS:0]          \dut.gen_reader[1].promised_q ;
    (* hierconn *) wire [BITS:0]          \dut.gen_reader[1].u_beats.level ;
    (* hierconn *) wire [BITS:0]          \dut.gen_reader[1].u_beats.head_q ;
    (* hierconn *) wire [ROOM*BEAT-1:0]   \dut.gen_reader[1].u_beats.memory_seen ;

    (* anyconst *) reg       who;
    (* anyconst *) reg [7:0] which;  // beat of the burst

    reg [8:0] owed_q;       // beats that the media owes
    reg [8:0] due0_q, due1_q;  // beats that a reader has asked for and not been given
    reg       sent_q, came_q, given_q;  // the watched burst is sent, its beat has come, its beat is given
    reg [8:0] ahead_q, before_q, place_q;  // place_q: of its burst in the queue of owners
    reg [3:0] item_q;

    wire       go     = m_ar_valid && m_ar_ready;
    wire [8:0] asks   = {1'b0, m_ar[7:0]} + 9'd1;
    wire       beat   = m_r_valid && m_r_ready;
    wire [1:0] leaves = s_r_valid & s_r_ready;
    wire [8:0] due    = who ? due1_q : due0_q;
    wire       starts = go && watch && !sent_q && s_ar_ready[who] && which <= m_ar[7:0];
    wire [8:0] owners = {{(7 - BITS){1'b0}}, \dut.u_owners.level };
    wire [9:0] first  = \dut.u_owners.memory_seen [\dut.u_owners.head_q [BITS:0]*10 +: 10];
    wire       ends   = beat && \dut.come_q == first[7:0];

    initial assume (!rst_ni);
    always @* begin
        if (s_ar_valid[0]) assume (s_ar[7:0] < ROOM);
        if (s_ar_valid[1]) assume (s_ar[55:48] < ROOM);
        if (owed_q == 0) assume (!m_r_valid);
    end

    always @(posedge clk_i) begin
        owed_q <= owed_q + (go ? asks : 9'd0) - {8'd0, beat};
        due0_q <= due0_q + (go && s_ar_ready[0] ? asks : 9'd0) - {8'd0, leaves[0]};
        due1_q <= due1_q + (go && s_ar_ready[1] ? asks : 9'd0) - {8'd0, leaves[1]};
        if (starts) begin
            sent_q   <= 1'b1;
            ahead_q  <= owed_q - {8'd0, beat} + {1'b0, which};
            before_q <= due - {8'd0, leaves[who]} + {1'b0, which};
            place_q  <= owners - {8'd0, ends};
        end else if (sent_q) begin
            if (beat && !came_q) begin
                if (ahead_q == 0) {came_q, item_q} <= {1'b1, m_r};
                else ahead_q <= ahead_q - 9'd1;
            end
            if (ends && place_q != 0) place_q <= place_q - 9'd1;
            if (leaves[who] && !given_q) begin
                if (before_q == 0) given_q <= 1'b1;
                else before_q <= before_q - 9'd1;
            end
        end
        if (!rst_ni) {owed_q, due0_q, due1_q, sent_q, came_q, given_q} <= 0;
    end

    // ---- what is in the queue of owners ----
    reg [8:0]      all, of0, of1, earlier, earlier_who;  // beats of its bursts: of all, of a reader's, of those before the watched
    reg            fine;
    reg [BITS:0]   at;
    reg [9:0]      burst;
    integer        b;

    always @* begin
        {all, of0, of1, earlier, earlier_who} = 45'd0;
        fine = 1'b1;
        for (b = 0; b < OWNERS; b = b + 1) begin
            at    = \dut.u_owners.head_q [BITS:0] + b[BITS:0];
            burst = \dut.u_owners.memory_seen [at*10 +: 10];
            if (b < owners) begin
                all = all + {1'b0, burst[7:0]} + 9'd1;
                if (burst[8]) of0 = of0 + {1'b0, burst[7:0]} + 9'd1;
                if (burst[9]) of1 = of1 + {1'b0, burst[7:0]} + 9'd1;
                if (b < place_q) earlier = earlier + {1'b0, burst[7:0]} + 9'd1;
                if (b < place_q && burst[8 + who]) earlier_who = earlier_who + {1'b0, burst[7:0]} + 9'd1;
                if (burst[8] == burst[9] || burst[7:0] >= ROOM) fine = 1'b0;
                if (sent_q && !came_q && b == place_q && !(burst[8 + who] && which <= burst[7:0])) fine = 1'b0;
            end
        end
    end

    wire [8:0]           come   = {1'b0, \dut.come_q };
    wire [8:0]           level0 = {{(8 - BITS){1'b0}}, \dut.gen_reader[0].u_beats.level };
    wire [8:0]           level1 = {{(8 - BITS){1'b0}}, \dut.gen_reader[1].u_beats.level };
    wire [8:0]           level  = who ? level1 : level0;
    wire [8:0]           came   = owners != 0 && first[8 + who] ? come : 9'd0;
    wire [BITS:0]        head   = who ? \dut.gen_reader[1].u_beats.head_q : \dut.gen_reader[0].u_beats.head_q ;
    wire [ROOM*BEAT-1:0] queue  = who ? \dut.gen_reader[1].u_beats.memory_seen : \dut.gen_reader[0].u_beats.memory_seen ;
    wire [BITS-1:0]      slot   = head[BITS-1:0] + before_q[BITS-1:0];

    always @(posedge clk_i) if (rst_ni) begin
        // addresses
        assert ((s_ar_ready & ~s_ar_valid) == 0 && s_ar_ready != 2'b11 && (s_ar_ready != 0) == go);
        if (s_ar_ready[0]) assert (m_ar == s_ar[47:0] && due0_q + asks <= ROOM);
        if (s_ar_ready[1]) assert (m_ar == s_ar[95:48] && due1_q + asks <= ROOM);
        // beats
        if (m_r_valid) assert (m_r_ready);
        if (s_r_valid[0]) assert (due0_q != 0);
        if (s_r_valid[1]) assert (due1_q != 0);
        if (sent_q && !given_q && before_q == 0) begin
            if (came_q) assert (s_r_valid[who] && s_r[who*BEAT +: BEAT] == item_q);
            else assert (s_r_valid[who] == (beat && ahead_q == 0));
            if (!came_q && s_r_valid[who]) assert (s_r[who*BEAT +: BEAT] == m_r);
        end
        if (given_q) assert (came_q);
        assert (busy == (due0_q != 0 || due1_q != 0));
        // what induction needs
        assert (fine && owners <= OWNERS && owners <= owed_q);
        assert (owners == 0 ? come == 0 : come <= {1'b0, first[7:0]});
        assert (all == owed_q + come);
        assert (due0_q == {{(8 - BITS){1'b0}}, \dut.gen_reader[0].promised_q } && due0_q <= ROOM);
        assert (due1_q == {{(8 - BITS){1'b0}}, \dut.gen_reader[1].promised_q } && due1_q <= ROOM);
        assert (due0_q == level0 + of0 - (owners != 0 && first[8] ? come : 9'd0));
        assert (due1_q == level1 + of1 - (owners != 0 && first[9] ? come : 9'd0));
        assert (!came_q || sent_q);
        if (sent_q && !came_q) begin
            assert (!given_q && place_q < owners);
            assert (ahead_q + come == earlier + {1'b0, which} && before_q + came == level + earlier_who + {1'b0, which});
            assert (ahead_q < owed_q && before_q < due && level <= before_q);
        end
        if (came_q && !given_q) assert (before_q < level && queue[slot*BEAT +: BEAT] == item_q);
        cover (given_q && owed_q == 0 && due0_q == 0 && due1_q == 0);
        cover (came_q && !given_q && leaves[!who]);
        cover (sent_q && !came_q && beat && s_r_valid[who] && before_q == 0);
        cover (due0_q == ROOM && due1_q == ROOM);
    end
endmodule

`default_nettype wire
