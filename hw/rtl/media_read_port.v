// SPDX-License-Identifier: MIT
// media_read_port: the read half of media_port. To the core it is a media that always answers.
//
// Handshake: AXI4 read channels on both sides, INCR bursts of 64 bytes; the core (`s_axi_*`) has no IDs and counts its
//            beats. `s_axi_rlate` beside an error: the port answered, not the media. `forget_i` is high while the core is
//            in reset: it waits for nothing any more. `rst_ni` is the reset of the media.
//            `busy_o` is high while something is owed by a media that makes progress within `limit_i`; the clock is
//            needed while `moves_o` is high. `timeout_o` pulses when the media has not made progress for so long.
// Latency:   none on either channel. An answer of the port comes a cycle after `timeout_o`.
// Legal:     the core waits for at most 128 beats at a time.

`default_nettype none

module media_read_port #(
    parameter USER_BITS = 1,
    parameter EPOCHS    = 4
) (
    input  wire                 clk_i,
    input  wire                 rst_ni,
    input  wire                 forget_i,
    input  wire [31:0]          limit_i,
    output wire                 busy_o,
    output wire                 moves_o,
    output wire                 timeout_o,

    input  wire [39:0]          s_axi_araddr,
    input  wire [7:0]           s_axi_arlen,
    input  wire                 s_axi_arvalid,
    output wire                 s_axi_arready,
    output wire [511:0]         s_axi_rdata,
    output wire [USER_BITS-1:0] s_axi_ruser,
    output wire [1:0]           s_axi_rresp,
    output wire                 s_axi_rlate,
    output wire                 s_axi_rvalid,
    input  wire                 s_axi_rready,

    output wire [7:0]           m_axi_arid,
    output wire [39:0]          m_axi_araddr,
    output wire [7:0]           m_axi_arlen,
    output wire                 m_axi_arvalid,
    input  wire                 m_axi_arready,
    input  wire [7:0]           m_axi_rid,
    input  wire [511:0]         m_axi_rdata,
    input  wire [USER_BITS-1:0] m_axi_ruser,
    input  wire [1:0]           m_axi_rresp,
    input  wire                 m_axi_rvalid,
    output wire                 m_axi_rready
);
    localparam [1:0] SLVERR = 2'b10;

    reg [7:0] owed_q;  // beats that the core waits for
    reg       late_q;  // the port answers

    wire       up = !forget_i;
    wire       open, none, ours, expired, address_ready;
    wire [7:0] id;

    // ---- addresses: to the media, unless the port answers because the media takes none or every ID is owed ---------
    wire clear  = open && address_ready;
    wire accept = s_axi_arvalid && s_axi_arready;
    wire start  = accept && !late_q;

    assign s_axi_arready = up && clear != late_q;

    skid_buffer #(
        .WIDTH(8 + 40 + 8)
    ) u_address (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .in_valid_i(start),
        .in_ready_o(address_ready),
        .in_data_i({id, s_axi_araddr, s_axi_arlen}),
        .out_valid_o(m_axi_arvalid),
        .out_ready_i(m_axi_arready),
        .out_data_o({m_axi_arid, m_axi_araddr, m_axi_arlen})
    );

    // ---- answers: those that the core waits for; all others are taken and thrown away -----------------------------
    wire progress, give_up;
    wire given   = s_axi_rvalid && s_axi_rready;
    wire wanted  = m_axi_rvalid && ours;

    media_epochs #(
        .EPOCHS(EPOCHS),
        .COUNT_BITS(8)
    ) u_epochs (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .leave_i(forget_i || give_up),
        .open_o(open),
        .none_o(none),
        .id_o(id),
        .start_i(start),
        .start_count_i(s_axi_arlen + 8'd1),
        .answer_i(m_axi_rvalid && m_axi_rready),
        .answer_id_i(m_axi_rid),
        .ours_o(ours)
    );

    assign s_axi_rvalid = late_q ? owed_q != 8'd0 : wanted && rst_ni;
    assign s_axi_rresp  = late_q ? SLVERR : m_axi_rresp;
    assign s_axi_rlate  = late_q;
    assign s_axi_rdata  = m_axi_rdata;
    assign s_axi_ruser  = m_axi_ruser;
    assign m_axi_rready = !ours || late_q || s_axi_rready;

    // ---- time -----------------------------------------------------------------------------------------------------
    wire waiting = !none || !address_ready || (s_axi_arvalid && up);
    wire wants   = owed_q != 8'd0 || (s_axi_arvalid && !s_axi_arready);

    assign progress = accept || (m_axi_arvalid && m_axi_arready) || m_axi_rvalid || forget_i;
    assign give_up  = expired && !progress && wants && !late_q;

    media_timer u_timer (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .limit_i(limit_i),
        .waiting_i(waiting),
        .progress_i(progress),
        .expired_o(expired)
    );

    assign busy_o    = waiting && !expired;
    assign moves_o   = waiting || late_q || !open;
    assign timeout_o = give_up;

    always @(posedge clk_i) begin
        if (accept || given)
            owed_q <= owed_q + (accept ? s_axi_arlen + 8'd1 : 8'd0) - {7'd0, given};
        if (give_up) late_q <= 1'b1;
        else if (owed_q == 8'd0 && clear) late_q <= 1'b0;
        if (!rst_ni) late_q <= 1'b1;  // the media has forgotten what the core may wait for
        if (forget_i) begin
            owed_q <= 8'd0;
            late_q <= 1'b0;
        end
    end
endmodule

`default_nettype wire
