// SPDX-License-Identifier: MIT
// media_write_port: the write half of media_port. To the core it is a media that always answers.
//
// A burst that the core has begun and forgotten, or that the port has answered in the media's stead, is finished by the
// port: its remaining beats have no strobe. A beat is shown only after its address was taken. After a reset of the core no
// burst starts before those from before it are answered: they could land on a sector that is given out anew.
//
// Handshake: AXI4 write channels on both sides, INCR bursts of 64 bytes; the core (`s_axi_*`) has no IDs, gives the beats
//            of a burst before the next address, and takes a response at once. `s_axi_blate` beside an error: the port
//            answered, not the media, and `s_axi_bowed` beside that: the media was shown the burst, and may still do it.
//            `settled_o` is high while no burst is owed an answer by the media: it will do none any more. `forget_i` is high while the core is in reset: it waits for nothing any more.
//            `rst_ni` is the reset of the media.
//            `busy_o` is high while something is owed to or by a media that makes progress within `limit_i`; the clock
//            is needed while `moves_o` is high. `timeout_o` pulses when the media has not made progress for so long.
// Latency:   none on any channel. An answer of the port comes a cycle after `timeout_o`.
// Legal:     the core waits for at most 128 responses at a time.

`default_nettype none

module media_write_port #(
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
    output wire                 settled_o,

    input  wire [39:0]          s_axi_awaddr,
    input  wire [7:0]           s_axi_awlen,
    input  wire                 s_axi_awvalid,
    output wire                 s_axi_awready,
    input  wire [511:0]         s_axi_wdata,
    input  wire [USER_BITS-1:0] s_axi_wuser,
    input  wire                 s_axi_wvalid,
    output wire                 s_axi_wready,
    output wire [1:0]           s_axi_bresp,
    output wire                 s_axi_blate,
    output wire                 s_axi_bowed,
    output wire                 s_axi_bvalid,

    output wire [7:0]           m_axi_awid,
    output wire [39:0]          m_axi_awaddr,
    output wire [7:0]           m_axi_awlen,
    output wire                 m_axi_awvalid,
    input  wire                 m_axi_awready,
    output wire [511:0]         m_axi_wdata,
    output wire [USER_BITS-1:0] m_axi_wuser,
    output wire [63:0]          m_axi_wstrb,
    output wire                 m_axi_wlast,
    output wire                 m_axi_wvalid,
    input  wire                 m_axi_wready,
    input  wire [7:0]           m_axi_bid,
    input  wire [1:0]           m_axi_bresp,
    input  wire                 m_axi_bvalid,
    output wire                 m_axi_bready
);
    localparam [1:0] SLVERR = 2'b10;

    reg [8:0] left_q;        // beats that the media has not been given of the last burst
    reg       orphan_q;      // the port finishes that burst
    reg [8:0] core_left_q;   // beats that the core has not given of its last burst
    reg [7:0] unanswered_q;  // bursts for whose response the core waits
    reg [7:0] shown_q;       // of these, bursts that the media was shown; they are answered first
    reg       late_q;        // the port answers
    reg       drain_q;       // writes from before the core's reset are unanswered

    wire       up = !forget_i;
    wire       open, none, ours, expired, address_ready, data_ready;
    wire [7:0] id;

    // ---- addresses: to the media, unless the port answers because the media takes none or every ID is owed ---------
    wire clear  = open && !drain_q && address_ready && left_q == 9'd0;
    wire well   = clear && data_ready;  // the media takes what it is given
    wire accept = s_axi_awvalid && s_axi_awready;
    wire start  = accept && !late_q;

    assign s_axi_awready = up && (late_q ? core_left_q == 9'd0 && !well : clear);

    skid_buffer #(
        .WIDTH(8 + 40 + 8)
    ) u_address (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .in_valid_i(start),
        .in_ready_o(address_ready),
        .in_data_i({id, s_axi_awaddr, s_axi_awlen}),
        .out_valid_o(m_axi_awvalid),
        .out_ready_i(m_axi_awready),
        .out_data_o({m_axi_awid, m_axi_awaddr, m_axi_awlen})
    );

    // ---- beats: the core's, or without strobe the port's -----------------------------------------------------------
    wire beats_due = left_q != 9'd0 && address_ready;
    wire show      = beats_due && (orphan_q || (s_axi_wvalid && up && !late_q));
    wire sent      = show && data_ready;
    wire core_beat = s_axi_wvalid && s_axi_wready;
    wire strobe;

    assign s_axi_wready = up && (late_q ? core_left_q != 9'd0 : beats_due && !orphan_q && data_ready);

    skid_buffer #(
        .WIDTH(512 + USER_BITS + 2)
    ) u_data (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .in_valid_i(show),
        .in_ready_o(data_ready),
        .in_data_i({s_axi_wdata, s_axi_wuser, !orphan_q, left_q == 9'd1}),
        .out_valid_o(m_axi_wvalid),
        .out_ready_i(m_axi_wready),
        .out_data_o({m_axi_wdata, m_axi_wuser, strobe, m_axi_wlast})
    );

    assign m_axi_wstrb = {64{strobe}};

    // ---- responses: those that the core waits for; all others are taken and thrown away ------------------------------
    wire progress, give_up;

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
        .start_count_i(8'd1),
        .answer_i(m_axi_bvalid),
        .answer_id_i(m_axi_bid),
        .ours_o(ours)
    );

    // The last burst of the core is answered after its last beat.
    assign s_axi_bvalid = late_q ? unanswered_q > {7'd0, core_left_q != 9'd0} : m_axi_bvalid && ours && rst_ni;
    assign s_axi_bresp  = late_q ? SLVERR : m_axi_bresp;
    assign s_axi_blate  = late_q;
    assign s_axi_bowed  = late_q && shown_q != 8'd0;
    assign m_axi_bready = 1'b1;

    // ---- time: the media is not to blame while a beat of the core is waited for ---------------------------------------
    wire core_slow = beats_due && !orphan_q && data_ready && !s_axi_wvalid;
    wire taken     = (m_axi_awvalid && m_axi_awready) || (m_axi_wvalid && m_axi_wready);
    wire waiting   = !none || !address_ready || !data_ready || left_q != 9'd0 || (s_axi_awvalid && up);
    wire wants     = unanswered_q != 8'd0 || (s_axi_awvalid && !s_axi_awready);

    assign progress = taken || m_axi_bvalid || core_slow || accept || forget_i;
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
    assign moves_o   = waiting || late_q || !open || drain_q;
    assign timeout_o = give_up;
    assign settled_o = none;

    always @(posedge clk_i) begin
        if (start) left_q <= {1'b0, s_axi_awlen} + 9'd1;
        else if (sent) left_q <= left_q - 1'b1;
        if (accept) core_left_q <= {1'b0, s_axi_awlen} + 9'd1;
        else if (core_beat) core_left_q <= core_left_q - 1'b1;
        if (accept != s_axi_bvalid) unanswered_q <= accept ? unanswered_q + 1'b1 : unanswered_q - 1'b1;
        if (start != (s_axi_bvalid && shown_q != 8'd0)) shown_q <= start ? shown_q + 1'b1 : shown_q - 1'b1;
        orphan_q <= forget_i || give_up || (orphan_q && left_q != 9'd0);
        if (none) drain_q <= 1'b0;
        if (give_up) late_q <= 1'b1;
        else if (unanswered_q == 8'd0 && well) late_q <= 1'b0;
        if (!rst_ni) begin
            left_q   <= 9'd0;
            orphan_q <= 1'b0;
            late_q   <= 1'b1;  // the media has forgotten what the core may wait for
        end
        if (forget_i) begin
            core_left_q  <= 9'd0;
            unanswered_q <= 8'd0;
            shown_q      <= 8'd0;
            late_q       <= 1'b0;
            drain_q      <= 1'b1;
        end
    end
endmodule

`default_nettype wire
