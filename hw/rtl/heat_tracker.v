// SPDX-License-Identifier: MIT
// heat_tracker: which pages the host reads often (docs/device/hot-pages.md).
//
// Per page a heat and the epoch in which it was last touched; the heat is halved for every epoch that has passed since,
// when the page is touched again. A page whose heat reaches the threshold is nominated: its number goes into a ring.
//
//      15     8 7      0
//     +--------+--------+
//     | epoch  |  heat  |   one entry for each page
//     +--------+--------+
//
// Handshake: `access_i` pulse with a page, at most every second cycle; `forget_i` pulse with a page makes it cold, at most
//            every third cycle. `pop_i` drops the oldest nomination. `nominated_o` pulses when one is added. A new
//            threshold or period is followed a cycle later.
// Latency:   two cycles from an access to its nomination; `busy_o` tells that something is under way. After reset a sweep
//            of PAGES cycles, as that of page_table, makes every page cold.
//
// An access reads its entry, cools it in the next cycle and warms it in the one after, in which it is written. So the next
// access may ask for the entry while it is being written: it takes over what is written, which no period but one that
// this access has ended has cooled since.

`default_nettype none

module heat_tracker #(
    parameter PAGES     = 4096,
    parameter PAGE_BITS = 12,
    parameter RING_BITS = 6
) (
    input  wire                 clk_i,
    input  wire                 rst_ni,
    output wire                 busy_o,
    output wire                 moves_o,      // the next edge changes something

    input  wire                 access_i,
    input  wire [PAGE_BITS-1:0] access_page_i,
    input  wire                 forget_i,
    input  wire [PAGE_BITS-1:0] forget_page_i,

    input  wire [7:0]           threshold_i,  // 0: nominate nothing
    input  wire [31:0]          period_i,     // accesses in an epoch; 0: it never ends

    input  wire                 pop_i,
    output wire                 nominated_o,
    output wire [31:0]          count_o,
    output wire [31:0]          page_o,       // the oldest; 0 when there is none
    output wire [31:0]          overflow_o    // nominations dropped because the ring was full
);
    reg [15:0]          heat_q [0:PAGES-1];
    reg [PAGE_BITS:0]   sweep_q;
    reg                 read_q;          // the entry of page_q is in entry_q
    reg [PAGE_BITS-1:0] page_q;
    reg [15:0]          entry_q;
    reg                 again_q;         // but it was just being written: its heat is in kept_q
    reg                 write_q;         // that of warm_page_q, cooled, is in cooled_q
    reg [PAGE_BITS-1:0] warm_page_q;
    reg [7:0]           cooled_q, stamp_q, kept_q;
    reg                 ended_q;         // its access was the last one of a period
    reg                 forget_q;        // forget_page_q waits for a free cycle
    reg [PAGE_BITS-1:0] forget_page_q;
    reg [7:0]           epoch_q;
    reg [4:0]           before_q;        // epoch_q[7:3] - 1
    reg [31:0]          since_q;         // accesses of this epoch
    reg                 periods_q, judges_q;  // there is a period, a threshold
    reg [31:0]          period_less_q;   // period_i - 1
    reg [7:0]           threshold_less_q;

    wire                sweeping = !sweep_q[PAGE_BITS];
    wire                forget   = forget_q && !write_q;
    wire                ends     = read_q && periods_q && since_q >= period_less_q;

    // ---- heat: halved for each epoch since, which are more than seven unless the epochs' upper bits say otherwise ----
    wire [2:0] passed = epoch_q[2:0] - entry_q[10:8];
    wire       lower  = entry_q[10:8] <= epoch_q[2:0];
    wire       recent = lower ? entry_q[15:11] == epoch_q[7:3] : entry_q[15:11] == before_q;
    wire [7:0] cooled = again_q ? kept_q : recent ? entry_q[7:0] >> passed : 8'd0;
    wire [7:0] warmed = cooled_q == 8'hFF ? 8'hFF : cooled_q + 8'd1;
    wire       crosses = write_q && judges_q && cooled_q == threshold_less_q;

    assign busy_o  = read_q || write_q || forget_q || access_i || forget_i;
    assign moves_o = busy_o || sweeping || pop_i;

    always @(posedge clk_i) begin
        if (sweeping) heat_q[sweep_q[PAGE_BITS-1:0]] <= 16'd0;
        else if (write_q) heat_q[warm_page_q] <= {stamp_q, warmed};
        else if (forget) heat_q[forget_page_q] <= 16'd0;
        if (access_i) begin
            entry_q <= forget_q && forget_page_q == access_page_i ? 16'd0 : heat_q[access_page_i];
            again_q <= write_q && warm_page_q == access_page_i && !(forget_q && forget_page_q == access_page_i);
            kept_q  <= ended_q ? {1'b0, warmed[7:1]} : warmed;
            page_q  <= access_page_i;
        end
        read_q           <= access_i;
        write_q          <= read_q;
        warm_page_q      <= page_q;
        cooled_q         <= cooled;
        stamp_q          <= epoch_q;
        ended_q          <= ends;
        periods_q        <= period_i != 32'd0;
        period_less_q    <= period_i - 32'd1;
        judges_q         <= threshold_i != 8'd0;
        threshold_less_q <= threshold_i - 8'd1;
        before_q         <= epoch_q[7:3] - 5'd1;
        if (read_q && periods_q) since_q <= ends ? 32'd0 : since_q + 32'd1;
        if (ends) epoch_q <= epoch_q + 8'd1;
        if (forget_i) begin
            forget_q      <= 1'b1;
            forget_page_q <= forget_page_i;
        end else if (forget) forget_q <= 1'b0;
        if (sweeping) sweep_q <= sweep_q + 1'b1;
        if (!rst_ni) begin
            sweep_q  <= 0;
            read_q   <= 1'b0;
            write_q  <= 1'b0;
            forget_q <= 1'b0;
            epoch_q  <= 8'd0;
            since_q  <= 32'd0;
        end
    end

    // ---- ring of nominations ----
    localparam DEPTH = 1 << RING_BITS;

    reg [PAGE_BITS-1:0] ring_q [0:DEPTH-1];
    reg [RING_BITS:0]   head_q, tail_q;  // one bit more than the index tells full from empty
    reg [31:0]          overflow_q;

    wire [RING_BITS:0] level = tail_q - head_q;
    wire               empty = level == 0;
    wire               full  = level[RING_BITS];

    assign nominated_o = crosses && !full;
    assign count_o     = {{(31 - RING_BITS){1'b0}}, level};
    assign page_o      = empty ? 32'd0 : {{(32 - PAGE_BITS){1'b0}}, ring_q[head_q[RING_BITS-1:0]]};
    assign overflow_o  = overflow_q;

    always @(posedge clk_i) begin
        if (nominated_o) begin
            ring_q[tail_q[RING_BITS-1:0]] <= warm_page_q;
            tail_q <= tail_q + 1'b1;
        end
        if (crosses && full) overflow_q <= overflow_q + 32'd1;
        if (pop_i && !empty) head_q <= head_q + 1'b1;
        if (!rst_ni) begin
            head_q     <= 0;
            tail_q     <= 0;
            overflow_q <= 32'd0;
        end
    end
endmodule

`default_nettype wire
