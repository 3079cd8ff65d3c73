// SPDX-License-Identifier: MIT
// page_frames: where each page lies in the promoted region, beside the page table, and who gets a frame of it.
//
// A device without a region (FRAMES 0) has none of it: no page is promoted, and none is wanted.
//
// Handshake: see page_table and promotion.
// Latency:   as page_table.

`default_nettype none

module page_frames #(
    parameter PAGES      = 4096,
    parameter PAGE_BITS  = 12,
    parameter FRAMES     = 0,
    parameter FRAME_BITS = 1
) (
    input  wire                  clk_i,
    input  wire                  rst_ni,
    output wire                  ready_o,

    // ---- of a page ----
    input  wire [PAGE_BITS-1:0]  page_i,
    input  wire                  read_i,
    input  wire                  write_i,
    input  wire                  promoted_i,
    input  wire                  changed_i,
    input  wire [FRAME_BITS-1:0] frame_i,
    output wire                  promoted_o,    // it lies in frame_o,
    output wire                  changed_o,     // and its chain is out of date
    output wire [FRAME_BITS-1:0] frame_o,
    output wire                  error_o,
    output wire                  corrected_o,

    // ---- of the region ----
    input  wire                  open_i,
    input  wire [PAGE_BITS-1:0]  open_page_i,
    input  wire                  filled_i,
    input  wire [PAGE_BITS-1:0]  filled_page_i,
    output wire                  moves_o,
    output wire                  want_o,
    output wire [PAGE_BITS-1:0]  want_page_o,
    output wire [FRAME_BITS-1:0] hand_o,
    output wire                  owned_o,
    output wire [PAGE_BITS-1:0]  owner_o,
    input  wire                  taken_i,
    input  wire                  drop_i,
    input  wire                  free_i         // of frame_o
);
    generate
        if (FRAMES == 0) begin : gen_none
            assign ready_o     = 1'b1;
            assign promoted_o  = 1'b0;
            assign changed_o   = 1'b0;
            assign frame_o     = {FRAME_BITS{1'b0}};
            assign error_o     = 1'b0;
            assign corrected_o = 1'b0;
            assign moves_o     = 1'b0;
            assign want_o      = 1'b0;
            assign want_page_o = {PAGE_BITS{1'b0}};
            assign hand_o      = {FRAME_BITS{1'b0}};
            assign owned_o     = 1'b0;
            assign owner_o     = {PAGE_BITS{1'b0}};

            wire unused = &{1'b0, clk_i, rst_ni, page_i, read_i, write_i, promoted_i, changed_i, frame_i, open_i, open_page_i,
                            filled_i, filled_page_i, taken_i, drop_i, free_i};
        end else begin : gen_region
            localparam TAG_BITS = PAGE_BITS < 6 ? PAGE_BITS : 6;

            wire                  unused_valid;
            wire [FRAME_BITS+1:0] told;

            page_table #(
                .PAGES(PAGES),
                .PAGE_BITS(PAGE_BITS),
                .WIDTH(FRAME_BITS + 2)
            ) u_table (
                .clk_i(clk_i),
                .rst_ni(rst_ni),
                .ready_o(ready_o),
                .page_i(page_i),
                .read_i(read_i),
                .write_i(write_i),
                .entry_i({promoted_i, changed_i, frame_i}),
                .valid_o(unused_valid),
                .entry_o(told),
                .error_o(error_o),
                .corrected_o(corrected_o)
            );

            assign {promoted_o, changed_o, frame_o} = error_o ? {(FRAME_BITS + 2){1'b0}} : told;

            promotion #(
                .FRAMES(FRAMES),
                .FRAME_BITS(FRAME_BITS),
                .PAGE_BITS(PAGE_BITS),
                .TAGS(1 << TAG_BITS),
                .TAG_BITS(TAG_BITS)
            ) u_promotion (
                .clk_i(clk_i),
                .rst_ni(rst_ni),
                .open_i(open_i),
                .open_page_i(open_page_i),
                .filled_i(filled_i),
                .filled_page_i(filled_page_i),
                .moves_o(moves_o),
                .want_o(want_o),
                .page_o(want_page_o),
                .frame_o(hand_o),
                .owned_o(owned_o),
                .owner_o(owner_o),
                .promoted_i(taken_i),
                .drop_i(drop_i),
                .free_i(free_i),
                .free_frame_i(frame_o)
            );
        end
    endgenerate

endmodule

`default_nettype wire
