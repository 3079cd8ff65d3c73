// SPDX-License-Identifier: MIT
// promotion: which pages lie in the promoted region, and which should (docs/device/promotion.md).
//
// The region has FRAMES frames of a page each. A page that is missed again while its tag is still in a small table is
// hot; when it has been filled it is a candidate, for the frame at the hand. The hand goes round, so the page that leaves
// is the one that has been there for longest.
//
// Handshake: `open_i` pulse: a page that is on the media, and not promoted, is filled; `filled_i` pulse: its fill has ended well. `want_o` is high until `promoted_i` (the candidate has the frame now, and the
//            hand goes on) or `drop_i` (it is none any more). `owned_o`: page `owner_o` has the frame at the hand, and
//            must leave first. `free_i` pulse: the page of `free_frame_i` has left the region.
// Latency:   a candidate the cycle after its fill; the owner two cycles after the hand has moved.

`default_nettype none

module promotion #(
    parameter FRAMES     = 16,
    parameter FRAME_BITS = 4,
    parameter PAGE_BITS  = 12,
    parameter TAGS       = 64,
    parameter TAG_BITS   = 6
) (
    input  wire                  clk_i,
    input  wire                  rst_ni,

    input  wire                  open_i,
    input  wire [PAGE_BITS-1:0]  open_page_i,
    input  wire                  filled_i,
    input  wire [PAGE_BITS-1:0]  filled_page_i,

    output wire                  moves_o,      // the next edge changes something by itself
    output wire                  want_o,
    output wire [PAGE_BITS-1:0]  page_o,
    output wire [FRAME_BITS-1:0] frame_o,
    output wire                  owned_o,
    output wire [PAGE_BITS-1:0]  owner_o,
    input  wire                  promoted_i,
    input  wire                  drop_i,

    input  wire                  free_i,
    input  wire [FRAME_BITS-1:0] free_frame_i
);
    localparam                  LAST_FRAME = FRAMES - 1;
    localparam [FRAME_BITS-1:0] LAST       = LAST_FRAME[FRAME_BITS-1:0];

    // ---- tags of the pages that were missed last, by the lowest bits of their number ----
    reg [TAGS-1:0]        tagged_q;
    reg                   asked_q;        // the tag of hot_page_q comes
    wire [23:0]           tag, owner;
    wire [TAG_BITS-1:0]   place = open_page_i[TAG_BITS-1:0];

    // ---- the page that was missed last ----
    reg                   hot_q;
    reg [PAGE_BITS-1:0]   hot_page_q;
    reg                   known_q;        // there was a tag at its place

    reg                   candidate_q;
    reg [FRAME_BITS-1:0]  hand_q;
    reg [FRAMES-1:0]      owned_q;
    reg                   moved_q;        // the hand has moved in the last cycle: the owner comes

    wire [23:0]           hot_page = {{(24 - PAGE_BITS){1'b0}}, hot_page_q};
    wire                  unused   = &{1'b0, owner};

    ram #(
        .WIDTH(24),
        .DEPTH(TAGS),
        .ADDRESS_BITS(TAG_BITS)
    ) u_tags (
        .clk_i(clk_i),
        .write_i(asked_q),
        .write_address_i(hot_page_q[TAG_BITS-1:0]),
        .write_data_i(hot_page),
        .write_strobe_i(3'b111),
        .read_i(open_i),
        .read_address_i(place),
        .read_data_o(tag)
    );

    ram #(
        .WIDTH(24),
        .DEPTH(FRAMES),
        .ADDRESS_BITS(FRAME_BITS)
    ) u_owners (
        .clk_i(clk_i),
        .write_i(promoted_i),
        .write_address_i(hand_q),
        .write_data_i(hot_page),
        .write_strobe_i(3'b111),
        .read_i(moved_q),
        .read_address_i(hand_q),
        .read_data_o(owner)
    );

    assign owner_o = owner[PAGE_BITS-1:0];
    assign moves_o = asked_q || moved_q;
    assign want_o  = candidate_q && !moved_q;
    assign page_o  = hot_page_q;
    assign frame_o = hand_q;
    assign owned_o = owned_q[hand_q];

    always @(posedge clk_i) begin
        asked_q <= open_i && !candidate_q;
        moved_q <= promoted_i;
        if (open_i && !candidate_q) begin
            hot_q       <= 1'b0;
            hot_page_q  <= open_page_i;
            known_q     <= tagged_q[place];
        end
        if (asked_q) begin
            hot_q                                <= known_q && tag == hot_page;
            tagged_q[hot_page_q[TAG_BITS-1:0]] <= 1'b1;
        end
        if (filled_i && hot_q && filled_page_i == hot_page_q) candidate_q <= 1'b1;
        if (promoted_i || drop_i) {candidate_q, hot_q} <= 2'b00;
        if (free_i) owned_q[free_frame_i] <= 1'b0;
        if (promoted_i) begin
            owned_q[hand_q] <= 1'b1;
            hand_q          <= hand_q == LAST ? {FRAME_BITS{1'b0}} : hand_q + 1'b1;
        end
        if (!rst_ni) begin
            tagged_q    <= {TAGS{1'b0}};
            owned_q     <= {FRAMES{1'b0}};
            hand_q      <= {FRAME_BITS{1'b0}};
            {asked_q, hot_q, candidate_q, moved_q} <= 4'b0000;
        end
    end
endmodule

`default_nettype wire
