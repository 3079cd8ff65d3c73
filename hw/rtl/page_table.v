// SPDX-License-Identifier: MIT
// page_table: one entry for each perceived page.
// What an entry says: docs/device/pages.md; where its fields lie: TABLE_* of cram_codes.vh.
//
// Handshake: `read_i` asks for an entry, `valid_o` pulses when `entry_o` is there, and `error_o`: it cannot be told;
//            `write_i` stores `entry_i`; one of them a cycle, none between a read and its answer, none before `ready_o`.
//            `corrected_o` pulses for an entry that was corrected (ecc_ram).
// Latency:   two cycles. After reset a sweep of PAGES cycles makes every page free.

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
    output wire                 valid_o,
    output wire [WIDTH-1:0]     entry_o,
    output wire                 error_o,
    output wire                 corrected_o
);
    reg [PAGE_BITS:0] sweep_q;

    wire sweeping = !sweep_q[PAGE_BITS];

    assign ready_o = !sweeping;

    ecc_ram #(
        .DATA_BITS(WIDTH),
        .DEPTH(PAGES),
        .ADDRESS_BITS(PAGE_BITS)
    ) u_entries (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .address_i(sweeping ? sweep_q[PAGE_BITS-1:0] : page_i),
        .read_i(read_i && !sweeping),
        .write_i(write_i || sweeping),
        .data_i(sweeping ? {WIDTH{1'b0}} : entry_i),
        .valid_o(valid_o),
        .data_o(entry_o),
        .error_o(error_o),
        .corrected_o(corrected_o)
    );

    always @(posedge clk_i) begin
        if (sweeping) sweep_q <= sweep_q + 1'b1;
        if (!rst_ni) sweep_q <= 0;
    end
endmodule

`default_nettype wire
