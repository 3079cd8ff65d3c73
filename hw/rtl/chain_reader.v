// SPDX-License-Identifier: MIT
// chain_reader: reads a stored page from the media, following its chain of sectors; AXI4 master side.
//
// With `plain_i` the page lies in sectors one behind the other, and any part of it from line `line_i` on can be read: the
// first sector is that of the line, and nothing is followed.
//
// Handshake: `start_i` pulse with the first sector and the number of bytes; the bytes come on `data_*` as 64-byte beats,
//            the last one with `data_last_o` and its number of bytes. `busy_o` is high from the start until the last
//            beat of the media has come. After `drop_i` the remaining beats are taken and thrown away,
//            and so are the beat that the media answered with an error and all after it.
//            `error_o` stays up from the first bad response to the next start. `bad_o` tells which sectors of the chain,
//            by position, the media could not read; `late_o` that beats were not read but answered by the port, because the
//            media did not answer in time (`late_i`, beside the beat): that says nothing against their sectors, and nothing more is
//            asked for. The last address may be withdrawn then.
//            The side-band `m_axi_ruser` is the check of a beat, its page and its index (docs/device/integrity.md): a
//            flipped bit is corrected; a beat that cannot be told is a bad one.
// Latency:   the first address two cycles after the start, a beat two cycles after it was taken; the next sector is asked
//            for while one is being read.

`default_nettype none

module chain_reader #(
    parameter SECTOR_BYTES = 256,
    parameter SECTOR_BITS  = 14
) (
    input  wire                   clk_i,
    input  wire                   rst_ni,

    input  wire                   start_i,
    input  wire [SECTOR_BITS-1:0] first_i,
    input  wire                   plain_i,
    input  wire [5:0]             line_i,   // 0 without plain_i
    input  wire [12:0]            bytes_i,  // 1 to 4096
    input  wire [23:0]            page_i,   // what the beats are bound to, with their index; holds while busy
    input  wire                   drop_i,
    output wire                   busy_o,
    output wire                   error_o,
    output wire                   late_o,
    output wire                   flawed_o,     // a beat had more flipped bits than can be corrected
    output wire                   unlinked_o,   // a link of the chain cannot be told
    output wire                   corrected_o,  // pulse: a beat was corrected
    output wire [63:0]            bad_o,

    output wire                   data_valid_o,
    input  wire                   data_ready_i,
    output wire [511:0]           data_o,
    output wire [6:0]             data_bytes_o,
    output wire                   data_last_o,

    // sector_allocator: FOLLOW only
    output wire                   op_valid_o,
    input  wire                   op_ready_i,
    output wire [SECTOR_BITS-1:0] sector_o,
    input  wire                   result_valid_i,
    input  wire [SECTOR_BITS-1:0] result_i,
    input  wire                   result_error_i,

    output wire [39:0]            m_axi_araddr,
    output wire [7:0]             m_axi_arlen,
    output wire                   m_axi_arvalid,
    input  wire                   m_axi_arready,
    input  wire [511:0]           m_axi_rdata,
    input  wire [30:0]            m_axi_ruser,
    input  wire [1:0]             m_axi_rresp,
    input  wire                   m_axi_rvalid,
    output wire                   m_axi_rready,
    input  wire                   late_i
);
    `include "ecc_lines.vh"

    localparam OFFSET_BITS = $clog2(SECTOR_BYTES);
    localparam       BEATS        = SECTOR_BYTES / 64;
    localparam [5:0] WITHIN       = BEATS[5:0] - 6'd1;
    localparam [6:0] SECTOR_BEATS = BEATS[6:0];
    localparam       BEAT_BITS    = $clog2(BEATS);

    reg                   address_valid_q;  // the address of sector_q waits for the media
    reg                   follow_q;         // the successor of sector_q must be looked up
    reg                   waiting_q;        // the allocator is at it
    reg [SECTOR_BITS-1:0] sector_q;
    reg [6:0]             ask_q;            // beats not asked for yet
    reg [6:0]             total_q;          // beats that come
    reg [6:0]             last_bytes_q;
    reg                   drop_q, error_q, late_q, flawed_q, unlinked_q;
    reg [6:0]             come_q;           // beats received
    reg                   plain_q;
    reg [5:0]             index_q;          // of the beat that comes next
    reg [5:0]             within_q;         // of the first beat that is asked for next, in its sector
    reg [63:0]            bad_q;

    wire       unlink = waiting_q && result_valid_i && result_error_i;
    // A media that is late is asked for nothing more: each time limit that passes is one more that the host waits for, and
    // costs media_port an ID.
    wire       stop   = late_q && (address_valid_q || follow_q) && !(waiting_q && !result_valid_i);
    wire [6:0] beats  = bytes_i[12:6] + {6'd0, |bytes_i[5:0]};
    wire [6:0] there  = SECTOR_BEATS - {1'b0, within_q};  // beats to the end of the sector
    wire       fits   = ask_q <= there;
    wire [6:0] burst  = fits ? ask_q : there;
    wire       take   = m_axi_arvalid && m_axi_arready;
    wire       beat   = m_axi_rvalid && m_axi_rready;
    wire       more   = come_q != total_q;
    wire [6:0] next   = come_q + 7'd1;
    wire [5:0] position = index_q >> BEAT_BITS;

    // ---- the beat that was taken last, with its syndrome ----
    reg                       held_q, held_last_q;
    reg [511:0]               held_data_q;
    reg [LINE_CHECK_BITS-1:0] syndrome_q;
    reg [5:0]                 held_position_q;

    wire [LINE_CHECK_BITS-1:0] syndrome;
    wire [511:0]               flip;
    wire [32:0]                found;

    // ---- the one before it, corrected, with what was found ----
    reg         shown_q, shown_last_q;
    reg [511:0] shown_data_q;
    reg         flips_q;        // its syndrome is not zero,
    reg [32:0]  found_q;        // and is that of one flip, in some part of it
    reg [63:0]  shown_place_q;  // its sector, by position

    wire        corrected = |found_q;
    wire        flawed    = flips_q && !corrected;
    wire        hide      = drop_q || error_q;  // it is never shown, as a flawed one is not
    wire        leaves    = shown_q && (hide || data_ready_i);
    wire        moves     = held_q && (!shown_q || leaves);
    wire        unused = m_axi_rresp[0];  // SLVERR or DECERR is all the same

    assign busy_o        = more || held_q || shown_q;
    assign error_o       = error_q;
    assign late_o        = late_q;
    assign flawed_o      = flawed_q;
    assign unlinked_o    = unlinked_q;
    assign corrected_o   = leaves && corrected;
    assign bad_o         = bad_q;

    assign m_axi_araddr  = {{(40 - OFFSET_BITS - SECTOR_BITS){1'b0}}, sector_q, {OFFSET_BITS{1'b0}}} | {28'd0, within_q, 6'd0};
    assign m_axi_arlen   = {1'b0, burst} - 8'd1;
    assign m_axi_arvalid = address_valid_q && !late_q;

    assign op_valid_o    = follow_q && !waiting_q && !late_q;
    assign sector_o      = sector_q;

    // a beat that the media could not read, and what follows it, is never shown
    wire bad = hide || (m_axi_rvalid && m_axi_rresp[1]);

    assign m_axi_rready  = more && (bad || !held_q || !shown_q || data_ready_i);
    assign data_valid_o  = shown_q && !hide && !flawed;
    assign data_o        = shown_data_q;
    assign data_last_o   = shown_last_q;
    assign data_bytes_o  = data_last_o ? last_bytes_q : 7'd64;

    ecc_check #(
        .DATA_BITS(512),
        .BOUND_BITS(LINE_BOUND_BITS),
        .CHECK_BITS(LINE_CHECK_BITS),
        .POLYNOMIAL(LINE_POLYNOMIAL)
    ) u_check (
        .valid_i(beat && !bad),
        .data_i(m_axi_rdata),
        .bound_i({page_i, index_q}),
        .check_i(m_axi_ruser),
        .syndrome_o(syndrome),
        .syndrome_i(syndrome_q),
        .flip_o(flip),
        .found_o(found)
    );

    always @(posedge clk_i) begin
        if (leaves) shown_q <= 1'b0;
        if (moves) begin
            shown_q       <= 1'b1;
            shown_last_q  <= held_last_q;
            shown_data_q  <= held_data_q ^ flip;
            flips_q       <= syndrome_q != {LINE_CHECK_BITS{1'b0}};
            found_q       <= found;
            shown_place_q <= 64'd1 << held_position_q;
            held_q        <= 1'b0;
        end
        if (beat && !bad) begin
            held_q          <= 1'b1;
            held_last_q     <= next == total_q;
            held_data_q     <= m_axi_rdata;
            syndrome_q      <= syndrome;
            held_position_q <= position;
        end
        if (!rst_ni || start_i) {held_q, shown_q} <= 2'b00;
    end

    always @(posedge clk_i) begin
        if (start_i) begin
            sector_q        <= first_i;
            address_valid_q <= 1'b1;
            follow_q        <= 1'b0;
            waiting_q       <= 1'b0;
            ask_q           <= beats;
            total_q         <= beats;
            last_bytes_q    <= bytes_i[5:0] == 0 ? 7'd64 : {1'b0, bytes_i[5:0]};
            drop_q          <= 1'b0;
            error_q         <= 1'b0;
            late_q          <= 1'b0;
            flawed_q        <= 1'b0;
            unlinked_q      <= 1'b0;
            come_q          <= 7'd0;
            bad_q           <= 64'd0;
            plain_q         <= plain_i;
            index_q         <= line_i;
            within_q        <= line_i & WITHIN;
        end else begin
            if (take) begin
                address_valid_q <= plain_q && !fits;
                ask_q           <= fits ? 7'd0 : ask_q - there;
                follow_q        <= !plain_q && !fits;
                within_q        <= 6'd0;
                if (plain_q) sector_q <= sector_q + 1'b1;
            end
            if (op_valid_o && op_ready_i) waiting_q <= 1'b1;
            if (waiting_q && result_valid_i) begin
                waiting_q       <= 1'b0;
                follow_q        <= 1'b0;
                sector_q        <= result_i;
                address_valid_q <= !result_error_i;
            end
            if (unlink) {error_q, unlinked_q} <= 2'b11;
            if (shown_q && flawed && !hide) begin
                {error_q, flawed_q} <= 2'b11;
                bad_q               <= bad_q | shown_place_q;
            end
            if (stop) {address_valid_q, follow_q} <= 2'b00;
            if (unlink || stop) total_q <= total_q - ask_q;  // what is not asked for does not come
            if (beat) come_q <= next;
            if (beat) index_q <= index_q + 1'b1;
            if (more && m_axi_rvalid && m_axi_rresp[1]) begin  // it is taken at once
                error_q <= 1'b1;
                if (late_i) late_q <= 1'b1;
                else bad_q[position] <= 1'b1;
            end
            if (drop_i) drop_q <= 1'b1;
        end
        if (!rst_ni) begin
            address_valid_q <= 1'b0;
            follow_q        <= 1'b0;
            waiting_q       <= 1'b0;
            total_q         <= 7'd0;
            come_q          <= 7'd0;
            drop_q          <= 1'b0;
            error_q         <= 1'b0;
            late_q          <= 1'b0;
            flawed_q        <= 1'b0;
            unlinked_q      <= 1'b0;
            bad_q           <= 64'd0;
        end
    end
endmodule

`default_nettype wire
