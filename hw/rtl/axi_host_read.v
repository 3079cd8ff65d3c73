// SPDX-License-Identifier: MIT
// axi_host_read: AXI4 read channels of the host port, turned into line reads.
//
// Every beat is one line read and answers the whole line, of which the host takes its byte lanes. Beats outside the
// perceived pages are answered DECERR with zeros, refused lines SLVERR.
//
//     AR --> front --- hit ---------------------------> pipe --> answers --> R
//              |                                          ^
//              +-- miss, or its ID waits --> waiting -----+   (each asks in turn)
//
// A burst whose line misses steps aside with the rest of its lines, and the bursts behind it go on. Up to WAITING bursts
// wait. In turn they ask for their next line, and are answered as their lines come. A burst of an ID that waits waits
// behind it, and does not ask: so answers are in order within an ID, and out of order between IDs, beat by beat.
//
// Handshake: AXI4 slave (AR, R); lines are valid/ready on two ports, `line_*` of the front and `wait_*` of one that waits,
//            another one in each cycle, if there is one; at most one is ready in a cycle. `line_miss_i`: the front's
//            line is not there, and it steps aside. `wait_first_o`: of those whose line is not on its way (`wait_busy_i`) the
//            one that asks is the oldest. `seek_i`: one whose next line is in `seek_page_i` asks, if there is one. Data and
//            error come three cycles after the handshake. Who asks is chosen a cycle before. `first_o`: the line that is ready now is the first of its burst, in
//            page `page_o`. The next burst is taken as soon as all lines of the last one are asked for, or wait.
// Latency:   four cycles from AR to R for a line that is in the cache, then a line a cycle, whoever waits. An answer that
//            the host takes at once does not enter the queue.

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
    output wire [PAGE_BITS-1:0] line_page_o,
    output wire [5:0]           line_index_o,

    // ---- one that waits ----
    input  wire                 seek_i,
    input  wire [PAGE_BITS-1:0] seek_page_i,
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

    reg                    active_q;            // there is a front
    reg [BITS-1:0]         front_q;
    reg [39:0]             next_q;              // the address of its line after the next one
    reg [WAITING*BITS-1:0] waiting_q;           // the oldest in the lowest bits
    reg [WAITING-1:0]      waits_q;             // ones up to the youngest
    reg [WAITING-1:0]      again_q;             // of each: a line was refused
    reg [WAITING-1:0]      eldest_q;            // of each: no older one has its ID
    reg [WAITING-1:0]      turn_q;              // the one that asks, or none
    reg                    turn_first_q;        // of those whose line is not on its way it is the oldest
    reg [WAITING-1:0]      coming_d;
    reg [WAITING-1:0]      coming_q;            // of each: its line was on its way when it asked last

    reg                    asked_q, asked_outside_q, asked_last_q;     // the beat that was asked for in the last cycle
    reg                    check_q, check_outside_q, check_last_q;     // in the one before
    reg                    flight_q, flight_outside_q, flight_last_q;  // the beat whose data comes in this cycle
    reg [7:0]              asked_id_q, check_id_q, flight_id_q;
    reg [2:0]              ahead_q;                                     // beats asked for but not taken by the host

    // ---- who of those that wait asks in the next cycle: no other of its ID is older. One that is answered in this cycle
    //      has another line then, and is not chosen again at once. --------------------------------------------------------
    wire               asker_asks, leaves;
    wire [WAITING-1:0] may, sought;
    wire [WAITING-1:0] younger;  // than the one that asks; none if nobody does

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
            assign may[c]     = waits_q[c] && eldest_q[c];
            assign sought[c]  = may[c] && waiting_q[c*BITS + ADDRESS + 12 +: PAGE_BITS] == seek_page_i;
        end
    endgenerate

    wire [WAITING-1:0] lacking = may & ~coming_q;
    wire [WAITING-1:0] others  = may & ~turn_q;
    wire [WAITING-1:0] later   = others & younger;
    wire [WAITING-1:0] among   = seek_i && sought != 0 ? sought : later != 0 ? later : others != 0 ? others : may;
    wire [WAITING-1:0] chosen  = lowest(among);
    wire [WAITING-1:0] stays   = chosen & ~(asker_asks ? turn_q : {WAITING{1'b0}});
    wire [WAITING-1:0] turn_d  = leaves ? (stays & ~younger) | ((stays & younger) >> 1) : stays;
    reg  [BITS-1:0]    asker;
    integer            t;

    always @* begin
        asker = {BITS{1'b0}};
        for (t = 0; t < WAITING; t = t + 1) asker = asker | (waiting_q[t*BITS +: BITS] & {BITS{turn_q[t]}});
    end

    // The front's next address is worked out a line ahead: it asks in every cycle.
    wire        take = s_axi_arvalid && s_axi_arready;
    wire [39:0] front_next, asker_next;

    axi_burst_address u_front_address (
        .address_i(take ? s_axi_araddr : next_q),
        .length_i(take ? s_axi_arlen : front_q[LENGTH +: 8]),
        .size_i(take ? s_axi_arsize : front_q[SIZE +: 3]),
        .burst_i(take ? s_axi_arburst : front_q[BURST +: 2]),
        .next_o(front_next)
    );

    axi_burst_address u_asker_address (
        .address_i(asker[ADDRESS +: 40]),
        .length_i(asker[LENGTH +: 8]),
        .size_i(asker[SIZE +: 3]),
        .burst_i(asker[BURST +: 2]),
        .next_o(asker_next)
    );

    // ---- who asks for a line ---------------------------------------------------------------------------------------
    reg  [WAITING-1:0] kin, heirs;  // of each: it has the ID of the front, of the one that asks
    wire               id_waits = kin != 0;
    integer            w;

    always @*
        for (w = 0; w < WAITING; w = w + 1) begin
            kin[w]   = waits_q[w] && waiting_q[w*BITS + ID +: 8] == front_q[ID +: 8];
            heirs[w] = waits_q[w] && waiting_q[w*BITS + ID +: 8] == asker[ID +: 8] && younger[w];
        end

    wire [WAITING-1:0] eldest = eldest_q | lowest(heirs);  // once the one that asks has left

    wire front_outside  = |front_q[ADDRESS+PAGE_BITS+12 +: 28-PAGE_BITS];
    wire asker_outside  = |asker[ADDRESS+PAGE_BITS+12 +: 28-PAGE_BITS];
    wire room           = !ahead_q[2];
    wire front_may      = active_q && room && !id_waits;
    wire asks           = turn_q != 0;
    wire [WAITING-1:0] shift = turn_q | younger;
    wire front_asks     = front_may && !asker_asks && (front_outside || line_ready_i);
    wire ask            = asker_asks || front_asks;
    wire last           = (asker_asks ? asker[LEFT +: 8] : front_q[LEFT +: 8]) == 8'd0;
    wire misses         = front_may && !front_outside && line_miss_i && !line_ready_i;
    wire aside          = active_q && !waits_q[WAITING-1] && (id_waits || misses);
    wire taken          = s_axi_rvalid && s_axi_rready;
    wire queue_ready;

    assign asker_asks    = asks && room && (asker_outside || wait_ready_i);
    assign leaves        = asker_asks && last;
    assign idle_o        = !active_q && !waits_q[0] && ahead_q == 0 && !s_axi_arvalid;
    assign moves_o       = take || ask || aside || asked_q || check_q || flight_q || taken || turn_d != turn_q || coming_d != coming_q;
    assign s_axi_arready = !active_q;

    assign line_valid_o  = front_may && !front_outside && !(asks && asker_outside);
    assign line_page_o   = front_q[ADDRESS+12 +: PAGE_BITS];
    assign line_index_o  = front_q[ADDRESS+6 +: 6];
    assign wait_valid_o  = asks && room && !asker_outside;
    assign wait_page_o   = asker[ADDRESS+12 +: PAGE_BITS];
    assign wait_index_o  = asker[ADDRESS+6 +: 6];
    assign wait_again_o  = |(again_q & turn_q);
    assign wait_first_o  = turn_first_q;
    assign first_o       = asker_asks ? asker[LEFT +: 8] == asker[LENGTH +: 8]
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
        eldest_d  = eldest_q;
        coming_d  = wait_valid_o && wait_busy_i ? coming_q | turn_q : coming_q & ~turn_q;
        for (m = 0; m < WAITING; m = m + 1) begin
            if (asker_asks && turn_q[m]) begin
                waiting_d[m*BITS + LEFT +: 8]     = asker[LEFT +: 8] - 8'd1;
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
        turn_q    <= turn_d;
        turn_first_q <= (chosen & lowest(lacking)) != 0;
        if (take) begin
            active_q <= 1'b1;
            front_q  <= {s_axi_araddr, s_axi_arburst, s_axi_arsize, s_axi_arlen, s_axi_arlen, s_axi_arid};
        end else if (aside) begin
            active_q <= 1'b0;
        end else if (front_asks) begin
            active_q                <= !last;
            front_q[LEFT +: 8]      <= front_q[LEFT +: 8] - 8'd1;
            front_q[ADDRESS +: 40]  <= next_q;
        end
        if (take || front_asks) next_q <= front_next;
        if (!rst_ni) begin
            active_q <= 1'b0;
            waits_q  <= {WAITING{1'b0}};
            again_q  <= {WAITING{1'b0}};
            eldest_q <= {WAITING{1'b0}};
            turn_q   <= {WAITING{1'b0}};
            coming_q <= {WAITING{1'b0}};
        end
    end

    // ---- beats on their way ----------------------------------------------------------------------------------------
    always @(posedge clk_i) begin
        asked_q  <= ask;
        check_q  <= asked_q;
        flight_q <= check_q;
        {asked_outside_q, asked_last_q} <= {asker_asks ? asker_outside : front_outside, last};
        asked_id_q                      <= asker_asks ? asker[ID +: 8] : front_q[ID +: 8];
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
            assert ($stable({active_q, front_q, waiting_q, waits_q, again_q, eldest_q, turn_q, coming_q, asked_q, check_q, flight_q, ahead_q, queued}));
    end
`else
    wire unused = queue_ready;
`endif
endmodule

`default_nettype wire
