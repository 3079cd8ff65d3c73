// SPDX-License-Identifier: MIT
// media_writer_formal: AXI4 on the write side of the media port. Each sector gives one burst: its address and its number of
// beats, once, stable until taken; then that many beats, the last one marked, stable until taken; no burst crosses 4 KiB.
// `idle_o` is high with no burst under way. `bad_o` names the sectors since the last clear whose response was bad and not
// late, `late_o` and `owed_o` tell whether a bad one was late, and owed as well.
//
// Assumed: a sector has 1 to SECTOR_BYTES / 64 beats; data is held until it is taken; the media answers a burst after its
// address and all its data; a clear comes with no burst under way, and after it come 64 sectors at most.

`default_nettype none

module media_writer_formal #(
    parameter SECTOR_BYTES = 256,
    parameter SECTOR_BITS  = 14
) (
    input  wire                   clk_i,
    input  wire                   rst_ni,
    input  wire                   clear,
    input  wire                   sector_valid,
    input  wire                   data_valid,
    input  wire                   awready,
    input  wire                   wready,
    input  wire                   bvalid,
    input  wire                   late_in,
    input  wire                   owed_in,
    input  wire [SECTOR_BITS-1:0] sector,
    input  wire [4:0]             beats,
    input  wire [511:0]           data,
    input  wire [1:0]             bresp
);
    localparam [4:0] SECTOR_BEATS = SECTOR_BYTES / 64;

    wire [63:0]  bad;
    wire         owed;
    wire         idle, late, sector_ready, data_ready, awvalid, wlast, wvalid, bready;
    wire [39:0]  awaddr;
    wire [7:0]   awlen;
    wire [511:0] wdata;

    media_writer #(
        .SECTOR_BYTES(SECTOR_BYTES),
        .SECTOR_BITS(SECTOR_BITS)
    ) dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(clear),
        .idle_o(idle),
        .bad_o(bad),
        .late_o(late),
        .late_i(late_in),
        .owed_o(owed),
        .owed_i(owed_in),
        .sector_valid_i(sector_valid),
        .sector_ready_o(sector_ready),
        .sector_i(sector),
        .offset_i(6'd0),
        .beats_i(beats),
        .data_valid_i(data_valid),
        .data_ready_o(data_ready),
        .data_i(data),
        .m_axi_awaddr(awaddr),
        .m_axi_awlen(awlen),
        .m_axi_awvalid(awvalid),
        .m_axi_awready(awready),
        .m_axi_wdata(wdata),
        .m_axi_wlast(wlast),
        .m_axi_wvalid(wvalid),
        .m_axi_wready(wready),
        .m_axi_bresp(bresp),
        .m_axi_bvalid(bvalid),
        .m_axi_bready(bready)
    );

    (* hierconn *) wire [4:0] \dut.left_q ;
    (* hierconn *) wire [7:0] \dut.outstanding_q ;

    reg                   before_q, aw_held_q, w_held_q, late_q, owed_q;
    reg [47:0]            aw_q;
    reg [512:0]           w_q;
    reg                   address_owed_q;         // of the sector under way
    reg [4:0]             beats_q, data_owed_q;
    reg [SECTOR_BITS-1:0] sector_q;
    reg [7:0]             bursts_q;               // without a response
    reg [6:0]             begun_q, answered_q;    // sectors since the clear
    (* anyconst *) reg [5:0] watched;             // one of them, whichever
    reg                   watched_bad_q;

    (* hierconn *) wire [5:0] \dut.position_q ;

    wire take = sector_valid && sector_ready;
    wire open = address_owed_q || data_owed_q != 0;

    initial assume (!rst_ni);
    always @* begin
        if (sector_valid) assume (beats != 0 && beats <= SECTOR_BEATS);
        if (w_held_q) assume (data_valid && data == w_q[511:0]);
        if (bvalid) assume (bursts_q > {7'd0, open});
        if (clear) assume (bursts_q == 0 && !sector_valid);
        if (begun_q == 7'd64) assume (!sector_valid);
    end

    always @(posedge clk_i) begin
        before_q  <= rst_ni;
        aw_held_q <= awvalid && !awready;
        w_held_q  <= wvalid && !wready;
        aw_q      <= {awaddr, awlen};
        w_q       <= {wlast, wdata};
        if (awvalid && awready) address_owed_q <= 1'b0;
        if (wvalid && wready) data_owed_q <= data_owed_q - 5'd1;
        if (take) {address_owed_q, data_owed_q, beats_q, sector_q} <= {1'b1, beats, beats, sector};
        bursts_q <= bursts_q + {7'd0, take} - {7'd0, bvalid && bready};
        if (take) begun_q <= begun_q + 7'd1;
        if (bvalid && bready) begin
            answered_q <= answered_q + 7'd1;
            if (bresp[1] && late_in) late_q <= 1'b1;
            if (bresp[1] && late_in && owed_in) owed_q <= 1'b1;
            if (bresp[1] && !late_in && answered_q == watched) watched_bad_q <= 1'b1;
        end
        if (clear) {begun_q, answered_q, late_q, owed_q, watched_bad_q} <= 0;
        if (!rst_ni) begin
            {address_owed_q, data_owed_q, bursts_q} <= 0;
            {aw_held_q, w_held_q} <= 0;
            {begun_q, answered_q, late_q, owed_q, watched_bad_q} <= 0;
        end
    end

    always @(posedge clk_i) if (rst_ni) begin
        if (before_q && aw_held_q) assert (awvalid && {awaddr, awlen} == aw_q);
        if (before_q && w_held_q) assert (wvalid && {wlast, wdata} == w_q);
        assert (awvalid == address_owed_q);
        if (awvalid) assert (awaddr == sector_q * SECTOR_BYTES && awlen == {3'd0, beats_q} - 8'd1);
        if (awvalid) assert (awaddr[11:0] + ({4'd0, awlen} + 12'd1) * 64 - 12'd1 >= awaddr[11:0]);  // within 4 KiB
        assert (wvalid == (data_owed_q != 0 && data_valid));
        if (wvalid) assert (wdata == data && wlast == (data_owed_q == 1) && data_ready == wready);
        if (data_ready) assert (data_owed_q != 0);
        if (sector_ready) assert (!open);
        assert (idle == (bursts_q == 0));
        assert (late == late_q && owed == owed_q && bad[watched] == watched_bad_q);
        // what induction needs
        assert (\dut.left_q == data_owed_q && \dut.outstanding_q == bursts_q);
        assert (\dut.position_q == answered_q[5:0] && bursts_q == {1'b0, begun_q - answered_q} && answered_q <= begun_q && begun_q <= 7'd64);
        if (answered_q <= watched) assert (!watched_bad_q);
        assert (bursts_q <= 8'd64 && bursts_q >= {7'd0, open});
        if (open) assert (beats_q != 0 && beats_q <= SECTOR_BEATS && data_owed_q <= beats_q);
        cover (bursts_q == 3 && data_owed_q == SECTOR_BEATS && address_owed_q);
        cover (bad == 64'd2 && idle && late && !owed);
        cover (wvalid && wlast && address_owed_q && beats_q == SECTOR_BEATS);
    end
endmodule

`default_nettype wire
