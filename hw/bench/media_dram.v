// SPDX-License-Identifier: MIT
// media_dram: the memory behind the device: an AXI4 slave with a fixed latency and one beat a cycle each way.
//
// A functional model, not for synthesis. INCR bursts of 64-byte beats, answered in order; up to eight bursts wait each
// way. Addresses beyond MEDIA_BYTES are answered DECERR. A beat is stored whole, or not at all if it has no strobe. A beat
// that comes with no address before it is the rest of a burst that was forgotten in a reset: it is dropped.
//
// Faults, for the bursts that begin at `fault_address_i`, or for all if that is all ones: bits of `fault_i` are
//     0 reads are answered SLVERR          1 writes are answered SLVERR, and change nothing
//     2 reads are not answered             3 writes are not answered
//     4 no request or beat is taken, of whatever address
// `fault_delay_i` cycles are added to the latency.
//
// Handshake: AXI4.
// Latency:   LATENCY cycles from AR to the first R beat, and from the last W beat to B.

`default_nettype none

module media_dram #(
    parameter MEDIA_BYTES = 4194304,
    parameter LATENCY     = 40
) (
    input  wire         clk_i,
    input  wire         rst_ni,
    output wire         idle_o,

    input  wire [4:0]   fault_i,
    input  wire [39:0]  fault_address_i,
    input  wire [31:0]  fault_delay_i,

    input  wire [7:0]   s_axi_awid,
    input  wire [39:0]  s_axi_awaddr,
    input  wire [7:0]   s_axi_awlen,
    input  wire         s_axi_awvalid,
    output wire         s_axi_awready,
    input  wire [511:0] s_axi_wdata,
    input  wire [30:0]  s_axi_wuser,
    input  wire [63:0]  s_axi_wstrb,
    input  wire         s_axi_wlast,
    input  wire         s_axi_wvalid,
    output wire         s_axi_wready,
    output wire [7:0]   s_axi_bid,
    output wire [1:0]   s_axi_bresp,
    output wire         s_axi_bvalid,
    input  wire         s_axi_bready,
    input  wire [7:0]   s_axi_arid,
    input  wire [39:0]  s_axi_araddr,
    input  wire [7:0]   s_axi_arlen,
    input  wire         s_axi_arvalid,
    output wire         s_axi_arready,
    output wire [7:0]   s_axi_rid,
    output wire [511:0] s_axi_rdata,
    output wire [30:0]  s_axi_ruser,
    output wire [1:0]   s_axi_rresp,
    output wire         s_axi_rlast,
    output wire         s_axi_rvalid,
    input  wire         s_axi_rready
);
    localparam        LINES     = MEDIA_BYTES / 64;
    localparam        LINE_BITS = $clog2(LINES);
    localparam [40:0] LIMIT     = MEDIA_BYTES;
    localparam [31:0] WAIT      = LATENCY;
    localparam [1:0]  OKAY = 2'b00, SLVERR = 2'b10, DECERR = 2'b11;
    localparam        BAD_READ = 0, BAD_WRITE = 1, MUTE_READ = 2, MUTE_WRITE = 3, DEAF = 4;

    reg [542:0] memory_q [0:LINES-1];  // a beat and its side-band
    reg [31:0]  now_q;  // wraps: only differences are used

    always @(posedge clk_i) now_q <= rst_ni ? now_q + 1'b1 : 32'd0;

    wire        faulty_read  = fault_i != 5'd0 && (s_axi_araddr == fault_address_i || fault_address_i == ~40'd0);
    wire        faulty_write = fault_i != 5'd0 && (s_axi_awaddr == fault_address_i || fault_address_i == ~40'd0);
    wire [31:0] due          = now_q + WAIT + fault_delay_i;

    // ---- reads: bursts wait in line with the time they are due --------------------------------------------------
    wire        burst_valid, burst_take;
    wire [31:0] burst_due;
    wire [7:0]  burst_id, burst_length;
    wire        burst_bad, reads_ready;
    wire [39:0] burst_address;

    fifo #(
        .WIDTH(1 + 32 + 8 + 8 + 40),
        .DEPTH(8)
    ) u_reads (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(1'b0),
        .in_valid_i(s_axi_arvalid && s_axi_arready && !(faulty_read && fault_i[MUTE_READ])),
        .in_ready_o(reads_ready),
        .in_data_i({faulty_read && fault_i[BAD_READ], due, s_axi_arid, s_axi_arlen, s_axi_araddr}),
        .out_valid_o(burst_valid),
        .out_ready_i(burst_take),
        .out_data_o({burst_bad, burst_due, burst_id, burst_length, burst_address})
    );

    assign s_axi_arready = reads_ready && !fault_i[DEAF];

    reg  [7:0]  read_beat_q;
    wire [31:0] overdue     = now_q - burst_due;
    wire [39:0] read_at     = burst_address + {26'd0, read_beat_q, 6'd0};

    assign s_axi_rvalid = burst_valid && !overdue[31];
    assign s_axi_rid    = burst_id;
    assign s_axi_rlast  = read_beat_q == burst_length;
    assign s_axi_rresp  = {1'b0, read_at} >= LIMIT ? DECERR : burst_bad ? SLVERR : OKAY;
    assign {s_axi_ruser, s_axi_rdata} = memory_q[read_at[LINE_BITS+5:6]];
    assign burst_take   = s_axi_rvalid && s_axi_rready && s_axi_rlast;

    always @(posedge clk_i) begin
        if (s_axi_rvalid && s_axi_rready) read_beat_q <= s_axi_rlast ? 8'd0 : read_beat_q + 1'b1;
        if (!rst_ni) read_beat_q <= 8'd0;
    end

    // ---- writes -------------------------------------------------------------------------------------------------
    wire        write_valid, write_last, write_bad, write_mute, writes_ready;
    wire [7:0]  write_id, write_length;
    wire [39:0] write_address;
    wire        answer_ready, answer_valid;
    wire [31:0] answer_due;
    reg  [7:0]  write_beat_q;
    reg         write_outside_q;

    wire        write_beat    = s_axi_wvalid && s_axi_wready && write_valid;
    wire [39:0] write_at      = write_address + {26'd0, write_beat_q, 6'd0};
    wire        write_outside = {1'b0, write_at} >= LIMIT;

    wire        new_bad       = faulty_write && fault_i[BAD_WRITE];
    wire        new_mute      = faulty_write && fault_i[MUTE_WRITE];

    assign write_last   = write_beat_q == write_length;
    assign s_axi_wready = (!write_valid || answer_ready) && !fault_i[DEAF];

    fifo #(
        .WIDTH(2 + 8 + 8 + 40),
        .DEPTH(8)
    ) u_writes (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(1'b0),
        .in_valid_i(s_axi_awvalid && s_axi_awready),
        .in_ready_o(writes_ready),
        .in_data_i({new_bad, new_mute, s_axi_awid, s_axi_awlen, s_axi_awaddr}),
        .out_valid_o(write_valid),
        .out_ready_i(write_beat && write_last),
        .out_data_o({write_bad, write_mute, write_id, write_length, write_address})
    );

    assign s_axi_awready = writes_ready && !fault_i[DEAF];

    fifo #(
        .WIDTH(32 + 8 + 2),
        .DEPTH(8)
    ) u_answers (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(1'b0),
        .in_valid_i(write_beat && write_last && !write_mute),
        .in_ready_o(answer_ready),
        .in_data_i({due, write_id, write_outside_q || write_outside ? DECERR : write_bad ? SLVERR : OKAY}),
        .out_valid_o(answer_valid),
        .out_ready_i(s_axi_bvalid && s_axi_bready),
        .out_data_o({answer_due, s_axi_bid, s_axi_bresp})
    );

    wire [31:0] answer_overdue = now_q - answer_due;

    assign s_axi_bvalid = answer_valid && !answer_overdue[31];
    assign idle_o       = !burst_valid && !write_valid && !answer_valid;

    always @(posedge clk_i) begin
        if (write_beat) begin
            if (!write_outside && !write_bad && s_axi_wstrb[0]) memory_q[write_at[LINE_BITS+5:6]] <= {s_axi_wuser, s_axi_wdata};
            write_beat_q    <= write_last ? 8'd0 : write_beat_q + 1'b1;
            write_outside_q <= !write_last && (write_outside_q || write_outside);
        end
        if (!rst_ni) begin
            write_beat_q    <= 8'd0;
            write_outside_q <= 1'b0;
        end
    end

    // Only the signs of the time differences matter; the length of a burst tells its last beat.
    wire unused = &{1'b0, s_axi_wlast, s_axi_wstrb[63:1], overdue[30:0], answer_overdue[30:0]};
endmodule

`default_nettype wire
