// SPDX-License-Identifier: MIT
// axi_host_read: AXI4 read channels of the host port, turned into line reads.
//
// Every beat is one line read and answers the whole line, of which the host takes its byte lanes. Beats outside the
// perceived pages are answered DECERR with zeros, refused lines SLVERR.
//
// Handshake: AXI4 slave (AR, R); lines are valid/ready, their data and error come two cycles after the handshake.
//            The next burst is taken as soon as all lines of the last one are asked for; answers are in order.
// Latency:   three cycles from AR to R for a line that is in the cache, then a line a cycle. An answer that the host takes at
//            once does not enter the queue.

`default_nettype none

module axi_host_read #(
    parameter PAGE_BITS = 12
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

    output wire                 line_valid_o,
    input  wire                 line_ready_i,
    output wire [PAGE_BITS-1:0] line_page_o,
    output wire [5:0]           line_index_o,
    output wire                 line_first_o,  // of its burst
    output wire                 line_again_o,  // a line of this burst was refused before
    input  wire [511:0]         line_data_i,
    input  wire                 line_error_i
);
    localparam [1:0] OKAY = 2'b00, SLVERR = 2'b10, DECERR = 2'b11;

    reg         active_q;
    reg  [7:0]  id_q, length_q, left_q;
    reg  [39:0] address_q;
    reg  [2:0]  size_q;
    reg  [1:0]  burst_q;

    reg         asked_q, asked_outside_q, asked_last_q;     // the beat that was asked for in the last cycle
    reg         flight_q, flight_outside_q, flight_last_q;  // the beat whose data comes in this cycle
    reg  [7:0]  asked_id_q, flight_id_q;
    reg         again_q;
    reg  [2:0]  ahead_q;                                     // beats asked for but not taken by the host

    wire [39:0] next_address;
    wire        outside = |address_q[39:PAGE_BITS+12];
    wire        room    = !ahead_q[2];
    wire        ask     = active_q && room && (outside || line_ready_i);
    wire        last    = left_q == 0;
    wire        taken   = s_axi_rvalid && s_axi_rready;
    wire        queue_ready;

    axi_burst_address u_address (
        .address_i(address_q),
        .length_i(length_q),
        .size_i(size_q),
        .burst_i(burst_q),
        .next_o(next_address)
    );

    assign idle_o        = !active_q && ahead_q == 0 && !s_axi_arvalid;
    assign moves_o       = (s_axi_arvalid && s_axi_arready) || ask || asked_q || flight_q || taken;
    assign s_axi_arready = !active_q;
    assign line_valid_o  = active_q && room && !outside;
    assign line_page_o   = address_q[PAGE_BITS+11:12];
    assign line_first_o  = left_q == length_q;
    assign line_again_o  = again_q;
    assign line_index_o  = address_q[11:6];

    always @(posedge clk_i) begin
        if (flight_q && line_error_i) again_q <= 1'b1;
        if (s_axi_arvalid && s_axi_arready) begin
            again_q   <= 1'b0;
            active_q  <= 1'b1;
            id_q      <= s_axi_arid;
            address_q <= s_axi_araddr;
            length_q  <= s_axi_arlen;
            left_q    <= s_axi_arlen;
            size_q    <= s_axi_arsize;
            burst_q   <= s_axi_arburst;
        end else if (ask) begin
            active_q  <= !last;
            left_q    <= left_q - 1'b1;
            address_q <= next_address;
        end
        asked_q  <= ask;
        flight_q <= asked_q;
        {asked_outside_q, asked_last_q, asked_id_q}    <= {outside, last, id_q};
        {flight_outside_q, flight_last_q, flight_id_q} <= {asked_outside_q, asked_last_q, asked_id_q};
        if (ask != taken) ahead_q <= ask ? ahead_q + 1'b1 : ahead_q - 1'b1;
        if (!rst_ni) begin
            active_q <= 1'b0;
            asked_q  <= 1'b0;
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
            assert ($stable({active_q, id_q, length_q, left_q, address_q, size_q, burst_q, asked_q, flight_q, ahead_q, queued}));
    end
`else
    wire unused = queue_ready;
`endif
endmodule

`default_nettype wire
