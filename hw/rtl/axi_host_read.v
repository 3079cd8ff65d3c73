// SPDX-License-Identifier: MIT
// axi_host_read: AXI4 read channels of the host port, turned into line reads.
//
// Every beat is one line read and answers the whole line, of which the host takes its byte lanes. Beats outside the
// perceived pages are answered DECERR with zeros, refused lines SLVERR.
//
//     AR (--> next) --> front --- hit ---------------------------> pipe --> answers --> R
//                         |                                          ^
//                         +-- miss, or its ID waits --> waiting -----+   (each asks in turn)
//
// A burst whose line misses steps aside with the rest of its lines, and the bursts behind it go on. Up to WAITING bursts
// wait. In turn they ask for their next line, and are answered as their lines come. A burst of an ID that waits waits
// behind it, and does not ask: so answers are in order within an ID, and out of order between IDs, beat by beat.
//
// Handshake: AXI4 slave (AR, R); lines are valid/ready on two ports, `line_*` of the front and `wait_*` of one that waits;
//            at most one is ready in a cycle. A line is on the port's `look` outputs in the cycle before. That of the front
//            counts with `line_look_o`, until the next one, or until `line_again_i` asks for it again. `line_miss_i`: the
//            front's line is not there, and it steps aside. `line_first_o`: nobody waits. Of those that wait one is looked
//            up in a cycle, asks in the next, and makes room for another one, if there is one. `wait_first_o`: of those
//            whose line is not on its way (`wait_busy_i`) the one that asks is the oldest. `seek_i`: one whose next line is
//            in `seek_page_i` asks, if there is one. Data and error come three cycles after the handshake. `first_o`: the
//            line that is ready now is the first of its burst, in page `page_o`. The next burst is taken as soon as all
//            lines of the one before the last are asked for, or wait.
// Latency:   four cycles from AR to R for a line that is in the cache, then a line a cycle; a line in two cycles of those
//            that wait. An answer that the host takes at once does not enter the queue.

`default_nettype none

module axi_host_read #(
    parameter PAGE_BITS = 12,
    parameter WAITING   = 8   // 2 or more
) (
    input  wire                 clk_i,
    input  wire                 rst_ni,
    output wire                 idle_o,
    output wire                 moves_o,       // the next edge changes something

    input  wire [7:0]           s_axi_arid,
    input  wire [39:0]          s_axi_araddr,
    input  wire [7:0]           s_axi_arlen,
    input  wire [2:0]           s_axi_arsize,
    input  wire [1:0]           s_axi_arburst,
    input  wire                 s_axi_arvalid,
    output wire                 s_axi_arready,
    output wire [7:0]           s_axi_rid,
    output wire [511:0]         s_axi_rdata,
    output wire [1:0]           s_axi_rresp,
    output wire                 s_axi_rlast,
    output wire                 s_axi_rvalid,
    input  wire                 s_axi_rready,

    // ---- the front ----
    output wire                 line_valid_o,
    input  wire                 line_ready_i,
    input  wire                 line_miss_i,
    output wire                 line_aside_o,    // the front steps aside in this cycle
    output wire                 line_first_o,
    output wire                 line_look_o,
    output wire [PAGE_BITS-1:0] line_look_page_o,
    output wire [5:0]           line_look_index_o,
    input  wire                 line_again_i,
    output wire [PAGE_BITS-1:0] line_page_o,
    output wire [5:0]           line_index_o,

    // ---- one that waits ----
    input  wire                 seek_i,
    input  wire [PAGE_BITS-1:0] seek_page_i,
    output wire [PAGE_BITS-1:0] wait_look_page_o,
    output wire [5:0]           wait_look_index_o,
    output wire                 wait_valid_o,
    output wire                 wait_first_o,    // no older one that waits lacks anything but time
    input  wire                 wait_busy_i,     // its line is on its way
    input  wire                 wait_ready_i,
    input  wire                 wait_refused_i,  // beside the handshake: it is answered with an error
    output wire [PAGE_BITS-1:0] wait_page_o,
    output wire [5:0]           wait_index_o,
    output wire                 wait_again_o,    // a line of this burst was refused before

    output wire                 first_o,
    output wire [PAGE_BITS-1:0] page_o,
    input  wire [511:0]         line_data_i,
    input  wire                 line_error_i
);
    localparam [1:0] OKAY = 2'b00, SLVERR = 2'b10, DECERR = 2'b11;

    // ---- a burst: what is left of it -----------------------------------------------------------------------------
    localparam ID      = 0,
               LENGTH  = 8,   // of the whole burst, as in AR
               LEFT    = 16,  // beats after the next one
               SIZE    = 24,
               BURST   = 27,
               ADDRESS = 29,
               BITS    = 69;

    reg                    next_valid_q;        // there is one behind the front, that could not follow at once
    reg [BITS-1:0]         next_q;
    reg                    active_q;            // there is a front
    reg [BITS-1:0]         front_q;
    reg                    front_outside_q, front_last_q;
    reg                    looked_q;            // its line was looked up
    reg [39:0]             later_q;             // the address of its line after the next one
    reg [WAITING*BITS-1:0] waiting_q;           // the oldest in the lowest bits
    reg [WAITING-1:0]      waits_q;             // ones up to the youngest
    reg [WAITING-1:0]      again_q;             // of each: a line was refused
    reg [WAITING-1:0]      eldest_q;            // of each that waits: no older one has its ID
    reg [WAITING-1:0]      coming_d;
    reg [WAITING-1:0]      coming_q;            // of each: its line was on its way when it asked last
    reg [WAITING-1:0]      turn_q;              // the one whose turn it is, or none
    reg                    asks_q;              // it asks; before that it is looked up
    reg [BITS-1:0]         asker_q;             // a copy of it
    reg                    asker_outside_q;
    reg                    turn_first_q;        // of those whose line is not on its way it is the oldest
    reg [WAITING-1:0]      others_q;            // one of them has its turn next: younger ones, if there are any
    reg [WAITING-1:0]      sought_q;            // or one of these, while one is sought
    reg                    settled_q;           // nothing of those that wait, and of turns, has changed since
    reg                    left_q;              // one that waited has left in the last cycle
    reg [7:0]              left_id_q;
    reg [WAITING-1:0]      heirs_q;             // those that have its ID, a cycle later
    reg                    id_waits_q;          // one that waits may have the ID of the front

    reg                    asked_q, asked_outside_q, asked_last_q;     // the beat that was asked for in the last cycle
    reg                    check_q, check_outside_q, check_last_q;     // in the one before
    reg                    flight_q, flight_outside_q, flight_last_q;  // the beat whose data comes in this cycle
    reg [7:0]              asked_id_q, check_id_q, flight_id_q;
    reg [2:0]              ahead_q;                                     // beats asked for but not taken by the host

    // ---- whose turn it is: no other of its ID is older ---------------------------------------------------------------
    wire               asker_asks, leaves;
    wire [WAITING-1:0] sought;
    wire [WAITING-1:0] younger;  // than the one whose turn it is; none if it is nobody's

    function [WAITING-1:0] lowest;
        input [WAITING-1:0] ones;
        integer             bit_number;
        begin
            lowest[0] = ones[0];
            for (bit_number = 1; bit_number < WAITING; bit_number = bit_number + 1)
                lowest[bit_number] = ones[bit_number] && (ones & ~({WAITING{1'b1}} << bit_number)) == 0;
        end
    endfunction

    genvar c;
    generate
        for (c = 0; c < WAITING; c = c + 1) begin : gen_may
            assign younger[c] = c != 0 && |(turn_q & ~({WAITING{1'b1}} << c));
            assign sought[c]  = eldest_q[c] && waiting_q[c*BITS + ADDRESS + 12 +: PAGE_BITS] == seek_page_i;
        end
    endgenerate

    // What is chosen from is known a cycle before: only one that asks may leave.
    wire               alone  = others_q == 0 && sought_q == 0;
    wire [WAITING-1:0] later  = eldest_q & younger & ~turn_q;
    wire [WAITING-1:0] others = eldest_q & ~turn_q;
    wire [WAITING-1:0] chosen = sought_q != 0 ? lowest(sought_q) : lowest(others_q);
    wire [WAITING-1:0] goes   = turn_q == 0 ? lowest(eldest_q) : asks_q && !alone ? chosen : turn_q;
    wire [WAITING-1:0] turn_d = leaves ? (goes & ~turn_q & ~younger) | ((goes & younger) >> 1) : goes;
    reg  [BITS-1:0]    asker;
    integer            t;

    always @* begin
        asker = {BITS{1'b0}};
        for (t = 0; t < WAITING; t = t + 1) asker = asker | (waiting_q[t*BITS +: BITS] & {BITS{turn_q[t]}});
    end

    wire asker_outside = |asker[ADDRESS+PAGE_BITS+12 +: 28-PAGE_BITS];

    assign wait_look_page_o  = asker[ADDRESS+12 +: PAGE_BITS];
    assign wait_look_index_o = asker[ADDRESS+6 +: 6];

    // One that is alone keeps its turn, and is looked up again in each cycle.
    wire asks_d = turn_q != 0 && (!asks_q || (!asker_asks && alone));

    always @(posedge clk_i) begin
        turn_q       <= turn_d;
        asks_q       <= asks_d;
        others_q     <= later != 0 ? later : others;
        turn_first_q <= (turn_q & lowest(eldest_q & ~coming_q)) != 0;
        sought_q     <= sought & {WAITING{seek_i && !asks_q}};
        if (!asks_q) {asker_outside_q, asker_q} <= {asker_outside, asker};
        if (!rst_ni) begin
            turn_q   <= {WAITING{1'b0}};
            asks_q   <= 1'b0;
            sought_q <= {WAITING{1'b0}};
        end
    end

    // The front's next address is worked out a line ahead: it asks in every cycle.
    wire            take = s_axi_arvalid && s_axi_arready;
    wire [BITS-1:0] follower = next_valid_q ? next_q : {s_axi_araddr, s_axi_arburst, s_axi_arsize, s_axi_arlen, s_axi_arlen, s_axi_arid};
    wire [39:0]     next_later, front_later, asker_next;

    axi_burst_address u_next_address (
        .address_i(follower[ADDRESS +: 40]),
        .length_i(follower[LENGTH +: 8]),
        .size_i(follower[SIZE +: 3]),
        .burst_i(follower[BURST +: 2]),
        .next_o(next_later)
    );

    axi_burst_address u_front_address (
        .address_i(later_q),
        .length_i(front_q[LENGTH +: 8]),
        .size_i(front_q[SIZE +: 3]),
        .burst_i(front_q[BURST +: 2]),
        .next_o(front_later)
    );

    axi_burst_address u_asker_address (
        .address_i(asker_q[ADDRESS +: 40]),
        .length_i(asker_q[LENGTH +: 8]),
        .size_i(asker_q[SIZE +: 3]),
        .burst_i(asker_q[BURST +: 2]),
        .next_o(asker_next)
    );

    // ---- who asks for a line ---------------------------------------------------------------------------------------
    // Whether one of the front's ID waits is found out a cycle ahead. It may have left just then.
    reg  [WAITING-1:0] kin, next_kin, heirs;  // of each: it has the ID of the front, of the next one, of the one that left
    integer            w;

    always @*
        for (w = 0; w < WAITING; w = w + 1) begin
            kin[w]      = waits_q[w] && waiting_q[w*BITS + ID +: 8] == front_q[ID +: 8];
            next_kin[w] = waits_q[w] && waiting_q[w*BITS + ID +: 8] == follower[ID +: 8];
            heirs[w]    = waits_q[w] && waiting_q[w*BITS + ID +: 8] == left_id_q && left_q;
        end

    wire [WAITING-1:0] eldest = eldest_q | lowest(heirs_q);
    wire next_is_kin = follower[ID +: 8] == front_q[ID +: 8];

    wire asker_last     = asker_q[LEFT +: 8] == 8'd0;
    wire room           = !ahead_q[2];
    wire front_may      = active_q && room && !id_waits_q;
    wire [WAITING-1:0] shift = turn_q | younger;
    wire front_asks     = front_may && !asker_asks && (front_outside_q || line_ready_i);
    wire ask            = asker_asks || front_asks;
    wire misses         = line_valid_o && line_miss_i && !line_ready_i;
    wire aside          = active_q && !waits_q[WAITING-1] && (id_waits_q || misses);
    wire ends           = !active_q || aside || (front_asks && front_last_q);
    wire next_moves     = (next_valid_q || take) && ends;
    wire comes          = wait_valid_o && wait_busy_i;
    wire stirs          = aside || asker_asks || (turn_q == 0 ? eldest_q != 0 : !asks_q || !alone || comes != |(coming_q & turn_q))
                          || left_q || heirs_q != 0 || seek_i;
    wire taken          = s_axi_rvalid && s_axi_rready;
    wire queue_ready;

    assign line_aside_o  = aside;
    assign asker_asks    = asks_q && room && (asker_outside_q || wait_ready_i);
    assign leaves        = asker_asks && asker_last;
    assign idle_o        = !next_valid_q && !active_q && !waits_q[0] && ahead_q == 0 && !s_axi_arvalid;
    assign moves_o       = take || next_moves || line_look_o || ask || aside || asked_q || check_q || flight_q || taken || stirs || !settled_q;
    assign s_axi_arready = !next_valid_q;

    // Looked up is what the front asks for in the next cycle, if it goes on; of one that steps aside before its last line
    // the next one's first line is looked up when it is the front.
    wire   look_front        = active_q && (!looked_q || line_again_i);
    wire   look_next         = !active_q || front_last_q;
    assign line_look_o       = look_front || front_asks || (next_moves && look_next);
    assign line_look_page_o  = look_front || !look_next ? front_q[ADDRESS+12 +: PAGE_BITS] : follower[ADDRESS+12 +: PAGE_BITS];  // a burst stays in its page
    assign line_look_index_o = look_front ? front_q[ADDRESS+6 +: 6] : look_next ? follower[ADDRESS+6 +: 6] : later_q[11:6];

    assign line_valid_o  = front_may && !front_outside_q && looked_q && !(asks_q && asker_outside_q);
    assign line_first_o  = !waits_q[0];
    assign line_page_o   = front_q[ADDRESS+12 +: PAGE_BITS];
    assign line_index_o  = front_q[ADDRESS+6 +: 6];
    assign wait_valid_o  = asks_q && room && !asker_outside_q;
    assign wait_page_o   = asker_q[ADDRESS+12 +: PAGE_BITS];
    assign wait_index_o  = asker_q[ADDRESS+6 +: 6];
    assign wait_again_o  = |(again_q & turn_q);
    assign wait_first_o  = turn_first_q;
    assign first_o       = asker_asks ? asker_q[LEFT +: 8] == asker_q[LENGTH +: 8]
                                       : front_q[LEFT +: 8] == front_q[LENGTH +: 8];
    assign page_o        = asker_asks ? wait_page_o : line_page_o;

    // ---- the front and those that wait -----------------------------------------------------------------------------
    reg  [WAITING*BITS-1:0] waiting_d;
    reg  [WAITING-1:0]      waits_d, again_d, eldest_d;
    integer                 m, n;

    always @* begin
        waiting_d = waiting_q;
        waits_d   = waits_q;
        again_d   = again_q;
        eldest_d  = eldest;
        coming_d  = !asks_q ? coming_q : comes ? coming_q | turn_q : coming_q & ~turn_q;
        for (m = 0; m < WAITING; m = m + 1) begin
            if (asker_asks && turn_q[m]) begin
                waiting_d[m*BITS + LEFT +: 8]     = asker_q[LEFT +: 8] - 8'd1;
                waiting_d[m*BITS + ADDRESS +: 40] = asker_next;
                again_d[m]                        = again_q[m] || wait_refused_i;
            end
            if (leaves && shift[m]) begin  // those behind it move up
                waiting_d[m*BITS +: BITS] = m == WAITING - 1 ? {BITS{1'b0}} : waiting_q[(m == WAITING - 1 ? m : m + 1)*BITS +: BITS];
                again_d[m]                = m == WAITING - 1 ? 1'b0 : again_q[m == WAITING - 1 ? m : m + 1];
                coming_d[m]               = m == WAITING - 1 ? 1'b0 : coming_q[m == WAITING - 1 ? m : m + 1];
                eldest_d[m]               = m == WAITING - 1 ? 1'b0 : eldest[m == WAITING - 1 ? m : m + 1];
            end
        end
        if (leaves) waits_d = waits_q >> 1;
        for (n = 0; n < WAITING; n = n + 1)  // outside of any `if`: else `n` would be a latch
            if (aside && !waits_d[n] && (n == 0 || waits_d[n == 0 ? 0 : n-1])) begin
                waiting_d[n*BITS +: BITS] = front_q;
                again_d[n]                = 1'b0;
                coming_d[n]               = 1'b0;
                eldest_d[n]               = (kin & ~(leaves ? turn_q : {WAITING{1'b0}})) == 0;
            end
        if (aside) waits_d = {waits_d[WAITING-2:0], 1'b1};
    end

    always @(posedge clk_i) begin
        waiting_q <= waiting_d;
        waits_q   <= waits_d;
        again_q   <= again_d;
        eldest_q  <= eldest_d;
        coming_q  <= coming_d;
        left_q     <= leaves;
        left_id_q  <= asker_q[ID +: 8];
        heirs_q    <= heirs;
        settled_q  <= !stirs;
        id_waits_q <= ends ? next_kin != 0 || (aside && next_is_kin) : kin != 0;
        next_q       <= follower;
        next_valid_q <= (next_valid_q || take) && !ends;
        if (ends) active_q <= next_valid_q || take;
        if (next_moves) begin
            front_q         <= follower;
            front_outside_q <= |follower[ADDRESS+PAGE_BITS+12 +: 28-PAGE_BITS];
            front_last_q    <= follower[LEFT +: 8] == 8'd0;
            later_q         <= next_later;
            looked_q        <= look_next && !look_front;
        end else if (front_asks) begin
            front_q[LEFT +: 8]     <= front_q[LEFT +: 8] - 8'd1;
            front_last_q           <= front_q[LEFT +: 8] == 8'd1;
            front_q[ADDRESS +: 40] <= later_q;
            later_q                <= front_later;
            looked_q               <= !look_front;
        end else if (look_front) begin
            looked_q <= 1'b1;
        end
        if (!rst_ni) begin
            next_valid_q <= 1'b0;
            active_q     <= 1'b0;
            waits_q      <= {WAITING{1'b0}};
            again_q      <= {WAITING{1'b0}};
            eldest_q     <= {WAITING{1'b0}};
            coming_q     <= {WAITING{1'b0}};
            left_q       <= 1'b0;
            heirs_q      <= {WAITING{1'b0}};
            settled_q    <= 1'b0;
        end
    end

    // ---- beats on their way ----------------------------------------------------------------------------------------
    always @(posedge clk_i) begin
        asked_q  <= ask;
        check_q  <= asked_q;
        flight_q <= check_q;
        {asked_outside_q, asked_last_q} <= asker_asks ? {asker_outside_q, asker_last} : {front_outside_q, front_last_q};
        asked_id_q                      <= asker_asks ? asker_q[ID +: 8] : front_q[ID +: 8];
        {check_outside_q, check_last_q, check_id_q}    <= {asked_outside_q, asked_last_q, asked_id_q};
        {flight_outside_q, flight_last_q, flight_id_q} <= {check_outside_q, check_last_q, check_id_q};
        if (ask != taken) ahead_q <= ask ? ahead_q + 1'b1 : ahead_q - 1'b1;
        if (!rst_ni) begin
            asked_q  <= 1'b0;
            check_q  <= 1'b0;
            flight_q <= 1'b0;
            ahead_q  <= 3'd0;
        end
    end

    wire [1:0] answer = flight_outside_q ? DECERR : line_error_i ? SLVERR : OKAY;

    localparam ANSWER_BITS = 8 + 1 + 2 + 512;

    wire                   queued;
    wire [ANSWER_BITS-1:0] answer_now = {flight_id_q, flight_last_q, answer, flight_outside_q ? 512'd0 : line_data_i};
    wire [ANSWER_BITS-1:0] answer_first;

    fifo #(
        .WIDTH(ANSWER_BITS),
        .DEPTH(4)
    ) u_answers (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(1'b0),
        .in_valid_i(flight_q && (queued || !s_axi_rready)),
        .in_ready_o(queue_ready),
        .in_data_i(answer_now),
        .out_valid_o(queued),
        .out_ready_i(s_axi_rready),
        .out_data_o(answer_first)
    );

    assign s_axi_rvalid = queued || flight_q;
    assign {s_axi_rid, s_axi_rlast, s_axi_rresp, s_axi_rdata} = queued ? answer_first : answer_now;

    // `ahead_q` keeps the queue from overflowing.
`ifdef FORMAL
    always @(posedge clk_i) if (rst_ni && flight_q) assert (queue_ready);

    // An edge that `moves_o` does not announce changes nothing that is looked at.
    reg rested_q;

    initial rested_q = 1'b0;
    always @(posedge clk_i) begin
        rested_q <= rst_ni && !moves_o;
        if (rested_q)
            assert ($stable({next_valid_q, active_q, front_q, looked_q, waiting_q, waits_q, again_q, eldest_q, turn_q, asks_q, others_q, turn_first_q, sought_q, left_q, heirs_q, coming_q, asked_q, check_q, flight_q, ahead_q, queued}));
    end
`else
    wire unused = queue_ready;
`endif
endmodule

`default_nettype wire
