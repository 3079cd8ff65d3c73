// SPDX-License-Identifier: MIT
// device_counters: what the device has done since reset, and how long that is (docs/registers.md).
//
// Handshake: a pulse of one cycle on bit COUNT_x of `count_i` is one count in register x. `cycles_read_i` keeps the upper
//            half of the cycles as they are in that cycle, so that two reads of 32 bits give one number of 64. Bit LOAD_x of
//            `load_i` is counted in every cycle in which it is high; many are levels, so the register counts cycles.
// Latency:   one cycle from a pulse to its count; two from `load_i`.

`default_nettype none

module device_counters #(
    `include "cram_counters.vh"
) (
    input  wire                   clk_i,
    input  wire                   rst_ni,
    input  wire                   cycles_read_i,

    input  wire [COUNTERS-1:0]    count_i,        // without COUNT_MEDIA_TIMEOUTS,
    input  wire                   timeout_i,      // which comes late in the cycle
    input  wire [12:0]            block_bytes_i,  // with COUNT_CLOSED_LZ4

    output wire [63:0]            cycles_o,
    output reg  [31:0]            cycles_high_o,  // their upper half, at the last `cycles_read_i`
    output reg  [63:0]            block_bytes_o,
    output reg  [32*COUNTERS-1:0] counters_o,     // that of bit n of `count_i` from bit 32 n on

    input  wire [LOADS-1:0]       load_i,
    output wire                   loads_idle_o,   // nothing that was counted is still to be added
    output reg  [32*LOADS-1:0]    loads_o
);
    `include "cram_registers.vh"

    reg [63:0]      cycles_q;
    reg [LOADS-1:0] load_q;
    integer         n;

    assign cycles_o     = cycles_q;
    assign loads_idle_o = load_i == {LOADS{1'b0}} && load_q == {LOADS{1'b0}};

    always @(posedge clk_i) begin
        cycles_q <= cycles_q + 64'd1;
        if (cycles_read_i) cycles_high_o <= cycles_q[63:32];
        if (count_i[COUNT_CLOSED_LZ4]) block_bytes_o <= block_bytes_o + {51'd0, block_bytes_i};
        if (|count_i)
            for (n = 0; n < COUNTERS; n = n + 1)
                if (count_i[n]) counters_o[32 * n +: 32] <= counters_o[32 * n +: 32] + 32'd1;
        if (timeout_i)
            counters_o[32 * COUNT_MEDIA_TIMEOUTS +: 32] <= counters_o[32 * COUNT_MEDIA_TIMEOUTS +: 32] + 32'd1;
        load_q <= load_i;
        if (|load_q)
            for (n = 0; n < LOADS; n = n + 1)
                if (load_q[n]) loads_o[32 * n +: 32] <= loads_o[32 * n +: 32] + 32'd1;
        if (!rst_ni) begin
            load_q        <= {LOADS{1'b0}};
            loads_o       <= {32 * LOADS{1'b0}};
            cycles_q      <= 64'd0;
            cycles_high_o <= 32'd0;
            block_bytes_o <= 64'd0;
            counters_o    <= {32 * COUNTERS{1'b0}};
        end
    end
endmodule

`default_nettype wire
