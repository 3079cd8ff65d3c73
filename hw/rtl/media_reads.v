// SPDX-License-Identifier: MIT
// media_reads: lets several readers of chains share the media's read channels.
//
// The media answers in the order of the addresses. A reader takes its beats as it can use them, and may be slower than the
// media: so each has a queue of ROOM beats, and no address goes out before there is room for all that it asks for. A slow
// reader keeps nobody else waiting. A beat of a reader that waits for it passes its queue.
//
// Handshake: AXI4 AR and R, without IDs, on both sides; INCR bursts. Readers' addresses go in turn.
// Latency:   none on either channel.
// Legal:     a burst has ROOM beats at most; ROOM is a power of two.

`default_nettype none

module media_reads #(
    parameter READERS   = 4,
    parameter ROOM      = 16,
    parameter BEAT_BITS = 512  // of a beat and what comes beside it
) (
    input  wire                         clk_i,
    input  wire                         rst_ni,
    output wire                         busy_o,   // a beat is on its way, or in a queue

    input  wire [READERS*48-1:0]        s_ar_i,   // address, length - 1
    input  wire [READERS-1:0]           s_ar_valid_i,
    output wire [READERS-1:0]           s_ar_ready_o,
    output wire [READERS*BEAT_BITS-1:0] s_r_o,
    output wire [READERS-1:0]           s_r_valid_o,
    input  wire [READERS-1:0]           s_r_ready_i,

    output wire [47:0]                  m_ar_o,
    output wire                         m_ar_valid_o,
    input  wire                         m_ar_ready_i,
    input  wire [BEAT_BITS-1:0]         m_r_i,
    input  wire                         m_r_valid_i,
    output wire                         m_r_ready_o
);
    localparam COUNT  = $clog2(ROOM) + 1;
    localparam [8:0] LIMIT = ROOM[8:0];
    localparam BURSTS = ROOM;  // of one reader; those of all fit into the queue of owners
    localparam OWNERS = 1 << $clog2(READERS * BURSTS);

    // ---- addresses, in turn -----------------------------------------------------------------------------------------
    wire [READERS-1:0] may;            // it asks, and there is room
    reg  [READERS-1:0] after_q;        // ones above the one that went last
    wire [READERS-1:0] later = may & after_q;
    wire [READERS-1:0] among = later != 0 ? later : may;
    wire [READERS-1:0] turn  = among & (~among + 1'b1);
    reg  [47:0]        ar;
    integer            a;

    always @* begin
        ar = 48'd0;
        for (a = 0; a < READERS; a = a + 1) ar = ar | (s_ar_i[a*48 +: 48] & {48{turn[a]}});
    end

    wire go = m_ar_valid_o && m_ar_ready_i;
    wire owners_ready;

    assign m_ar_o       = ar;
    assign m_ar_valid_o = |may && owners_ready;
    assign s_ar_ready_o = turn & {READERS{m_ar_ready_i && owners_ready}};

    always @(posedge clk_i) begin
        if (go) after_q <= ~((turn << 1) - 1'b1);
        if (!rst_ni) after_q <= {READERS{1'b0}};
    end

    // ---- whose beats come -------------------------------------------------------------------------------------------
    wire               owned;
    wire [READERS-1:0] owner;
    wire [7:0]         length;
    reg  [7:0]         come_q;  // beats of the burst that have come
    wire               beat = m_r_valid_i && owned;
    wire               last = come_q == length;

    fifo #(
        .WIDTH(READERS + 8),
        .DEPTH(OWNERS)
    ) u_owners (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(1'b0),
        .in_valid_i(go),
        .in_ready_o(owners_ready),
        .in_data_i({turn, ar[7:0]}),
        .out_valid_o(owned),
        .out_ready_i(beat && last),
        .out_data_o({owner, length})
    );

    assign m_r_ready_o = owned;

    always @(posedge clk_i) begin
        if (beat) come_q <= last ? 8'd0 : come_q + 8'd1;
        if (!rst_ni) come_q <= 8'd0;
    end

    // ---- queues -----------------------------------------------------------------------------------------------------
    wire [READERS-1:0] keeps;  // beats are owed to it, or kept for it

    genvar r;
    generate
        for (r = 0; r < READERS; r = r + 1) begin : gen_reader
            reg  [COUNT-1:0]     promised_q;  // beats asked for and not taken
            wire [7:0]           asks   = s_ar_i[r*48 +: 8] + 8'd1;
            wire [8:0]           filled = {{(9 - COUNT){1'b0}}, promised_q} + {1'b0, asks};
            wire                 goes   = go && turn[r];
            wire                 comes  = beat && owner[r];
            wire                 queued, unused_ready;
            wire [BEAT_BITS-1:0] first;
            wire                 leaves = s_r_valid_o[r] && s_r_ready_i[r];

            assign may[r]   = s_ar_valid_i[r] && filled <= LIMIT;
            assign keeps[r] = promised_q != 0;

            assign s_r_valid_o[r] = queued || comes;
            assign s_r_o[r*BEAT_BITS +: BEAT_BITS] = queued ? first : m_r_i;

            fifo #(
                .WIDTH(BEAT_BITS),
                .DEPTH(ROOM)
            ) u_beats (
                .clk_i(clk_i),
                .rst_ni(rst_ni),
                .clear_i(1'b0),
                .in_valid_i(comes && (queued || !s_r_ready_i[r])),
                .in_ready_o(unused_ready),
                .in_data_i(m_r_i),
                .out_valid_o(queued),
                .out_ready_i(s_r_ready_i[r]),
                .out_data_o(first)
            );

            always @(posedge clk_i) begin
                if (goes || leaves)
                    promised_q <= promised_q + (goes ? asks[COUNT-1:0] : {COUNT{1'b0}}) - {{(COUNT - 1){1'b0}}, leaves};
                if (!rst_ni) promised_q <= {COUNT{1'b0}};
            end

`ifdef FORMAL
            always @(posedge clk_i) if (rst_ni && comes) assert (unused_ready);
`else
            wire unused = unused_ready;
`endif
        end
    endgenerate

    assign busy_o = |keeps;
endmodule

`default_nettype wire
