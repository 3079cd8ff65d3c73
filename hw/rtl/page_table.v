// SPDX-License-Identifier: MIT
// page_table: one entry for each perceived page.
// What an entry says: docs/device/pages.md; where its fields lie: TABLE_* of cram_codes.vh.
//
// Handshake: `read_i` loads `entry_o`, `write_i` stores `entry_i`; one of them a cycle, not before `ready_o`.
// Latency:   one cycle. After reset a sweep of PAGES cycles makes every page free.

`default_nettype none

module page_table #(
    parameter PAGES     = 4096,
    parameter PAGE_BITS = 12,
    parameter WIDTH     = 1     // of an entry: TABLE_BITS of cram_codes.vh
) (
    input  wire                 clk_i,
    input  wire                 rst_ni,
    output wire                 ready_o,

    input  wire [PAGE_BITS-1:0] page_i,
    input  wire                 read_i,
    input  wire                 write_i,
    input  wire [WIDTH-1:0]     entry_i,
    output wire [WIDTH-1:0]     entry_o
);
    reg [WIDTH-1:0]   table_q [0:PAGES-1];
    reg [WIDTH-1:0]   entry_q;
    reg [PAGE_BITS:0] sweep_q;

    wire                 sweeping = !sweep_q[PAGE_BITS];
    wire                 write    = sweeping || write_i;
    wire [PAGE_BITS-1:0] address  = sweeping ? sweep_q[PAGE_BITS-1:0] : page_i;

    assign ready_o = !sweeping;
    assign entry_o = entry_q;

    always @(posedge clk_i) begin
        if (write) table_q[address] <= sweeping ? {WIDTH{1'b0}} : entry_i;
        else if (read_i) entry_q <= table_q[address];
    end

    always @(posedge clk_i) begin
        if (sweeping) sweep_q <= sweep_q + 1'b1;
        if (!rst_ni) sweep_q <= 0;
    end
endmodule

`default_nettype wire
