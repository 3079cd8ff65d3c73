// SPDX-License-Identifier: MIT
// page_cache: the decompressed pages the host works on.
//
// Each of the CACHE_PAGES entries holds a page number, 64 lines, and per line a valid and a dirty bit. `zero_q` tells
// that lines which are not valid read as zeros (the page was free when it was opened). The rules are those of
// docs/device/cache.md; what needs more than the entry itself (opening, reserving, filling, closing) is done by
// the page_sequencer. A host access that cannot be served raises `request_*` and simply waits: it is looked up anew
// every cycle, so nothing about it is stored here.
//
// Handshake: host ports are valid/ready; read data comes in the cycle after the handshake and is not held.
//            `request_*` is level; the sequencer changes the entry and the access goes through by itself, or
//            `refuse_write_i`/`refuse_read_i` answers it with an error.
//            `stream_start_i` reads the 64 lines of entry `entry_i` out on `stream_*`.
// Latency:   a hit takes one cycle a line. The RAM has one read port: host reads and the stream take turns while both want
//            it. Fills go before host writes.

`default_nettype none

module page_cache #(
    parameter PAGE_BITS   = 12,
    parameter CACHE_PAGES = 8,
    parameter ENTRY_BITS  = 3
) (
    input  wire                  clk_i,
    input  wire                  rst_ni,
    output wire                  moves_o,           // the next edge changes something

    // ---- host writes ----
    input  wire                  write_valid_i,
    output wire                  write_ready_o,
    output wire                  write_error_o,
    input  wire [PAGE_BITS-1:0]  write_page_i,
    input  wire [5:0]            write_line_i,
    input  wire [511:0]          write_data_i,
    input  wire [63:0]           write_strobe_i,

    // ---- host reads ----
    input  wire                  read_valid_i,
    output wire                  read_ready_o,
    input  wire [PAGE_BITS-1:0]  read_page_i,
    input  wire [5:0]            read_line_i,
    output wire [511:0]          read_data_o,
    output wire                  read_error_o,

    // ---- what a waiting access needs ----
    output wire                  request_valid_o,
    output wire                  request_write_o,   // must become dirty
    output wire                  request_fill_o,    // the line must be there
    output wire [PAGE_BITS-1:0]  request_page_o,
    output wire [5:0]            request_line_o,
    input  wire                  refuse_write_i,
    input  wire                  refuse_read_i,
    output wire                  waits_write_o,     // the port waits for a line of lookup_page_i
    output wire                  waits_read_o,

    // ---- lookups for the sequencer ----
    input  wire [PAGE_BITS-1:0]  lookup_page_i,
    output wire                  lookup_hit_o,
    output wire [ENTRY_BITS-1:0] lookup_entry_o,
    output wire [ENTRY_BITS-1:0] victim_entry_o,
    output wire                  victim_dirty_o,
    output wire                  dirty_valid_o,     // some entry is dirty
    output wire [ENTRY_BITS-1:0] dirty_entry_o,     // the least recently used of them
    output wire                  complete_valid_o,  // some entry has 64 dirty lines
    output wire [ENTRY_BITS-1:0] complete_entry_o,

    // ---- the entry the sequencer works on ----
    input  wire [ENTRY_BITS-1:0] entry_i,
    output wire [PAGE_BITS-1:0]  entry_page_o,
    output wire                  entry_dirty_o,
    output wire                  entry_missing_o,   // some line is neither valid nor zero
    input  wire [5:0]            entry_line_i,
    output wire                  entry_line_missing_o,
    input  wire                  take_i,            // give the entry to page take_page_i
    input  wire [PAGE_BITS-1:0]  take_page_i,
    input  wire                  take_zero_i,
    input  wire                  drop_i,
    input  wire                  make_dirty_i,
    input  wire                  make_clean_i,
    input  wire                  closing_i,         // level: writes to the entry wait
    input  wire                  stuck_i,           // level: complete entries are not closed: writes do not wait for that

    // ---- lines of the stored page; lines the host has written are kept ----
    input  wire                  fill_valid_i,
    input  wire [5:0]            fill_line_i,
    input  wire [511:0]          fill_data_i,

    // ---- the page read out for closing ----
    input  wire                  stream_start_i,
    input  wire                  stream_clear_i,
    output wire                  stream_valid_o,
    input  wire                  stream_ready_i,
    output wire [511:0]          stream_data_o
);
    localparam RANK_BITS = CACHE_PAGES * ENTRY_BITS;

    reg [CACHE_PAGES-1:0] used_q, dirty_q, zero_q;
    reg [PAGE_BITS-1:0]   page_q        [0:CACHE_PAGES-1];
    reg [63:0]            valid_lines_q [0:CACHE_PAGES-1];
    reg [63:0]            dirty_lines_q [0:CACHE_PAGES-1];
    reg [RANK_BITS-1:0]   rank_q;  // per entry: 0 most recently used, CACHE_PAGES-1 least

    // ---- host lookups -------------------------------------------------------------------------------------------
    wire [CACHE_PAGES-1:0] write_match, read_match, lookup_match, complete;
    reg  [ENTRY_BITS-1:0]  write_entry, read_entry, lookup_entry, complete_entry;
    integer i;
    genvar e;

    generate
        for (e = 0; e < CACHE_PAGES; e = e + 1) begin : gen_match
            assign write_match[e]  = used_q[e] && page_q[e] == write_page_i;
            assign read_match[e]   = used_q[e] && page_q[e] == read_page_i;
            assign lookup_match[e] = used_q[e] && page_q[e] == lookup_page_i;
            assign complete[e]     = used_q[e] && &dirty_lines_q[e];
        end
    endgenerate

    always @* begin
        write_entry    = 0;
        read_entry     = 0;
        lookup_entry   = 0;
        complete_entry = 0;
        for (i = CACHE_PAGES - 1; i >= 0; i = i - 1) begin
            if (write_match[i])  write_entry    = i[ENTRY_BITS-1:0];
            if (read_match[i])   read_entry     = i[ENTRY_BITS-1:0];
            if (lookup_match[i]) lookup_entry   = i[ENTRY_BITS-1:0];
            if (complete[i])     complete_entry = i[ENTRY_BITS-1:0];
        end
    end

    wire write_hit   = |write_match;
    wire write_full  = &write_strobe_i;
    wire write_there = write_full || valid_lines_q[write_entry][write_line_i] || zero_q[write_entry];
    wire write_held  = (complete[write_entry] && !stuck_i) || (closing_i && write_entry == entry_i);
    wire write_fire  = write_valid_i && write_hit && dirty_q[write_entry] && !write_held && write_there
                       && !fill_valid_i;

    wire read_hit    = |read_match;
    wire read_valid  = valid_lines_q[read_entry][read_line_i];
    wire read_known  = read_valid || zero_q[read_entry];
    wire read_passes = read_hit && !read_known && fill_valid_i && read_entry == entry_i && read_line_i == fill_line_i;
    wire read_there  = (read_hit && read_known) || read_passes;
    wire stream_wants;
    reg  stream_turn_q;  // the last line read was the host's
    wire stream_goes = stream_wants && (stream_turn_q || !(read_valid_i && read_there));
    wire read_fire   = read_valid_i && read_there && !stream_goes;

    assign write_ready_o = write_fire || refuse_write_i;
    assign write_error_o = refuse_write_i;
    assign read_ready_o  = read_fire || refuse_read_i;

    // ---- requests to the sequencer, the two ports in turn -------------------------------------------------------
    wire write_wants = write_valid_i && (!write_hit || (!write_held && (!dirty_q[write_entry] || !write_there)));
    wire read_wants  = read_valid_i && !read_there;
    reg  turn_q;  // 1: the write port was served last

    assign waits_write_o   = write_wants && write_page_i == lookup_page_i;
    assign waits_read_o    = read_wants && read_page_i == lookup_page_i;
    assign request_valid_o = write_wants || read_wants;
    assign request_write_o = write_wants && !(read_wants && turn_q);
    assign request_fill_o  = request_write_o ? !write_full : 1'b1;
    assign request_page_o  = request_write_o ? write_page_i : read_page_i;
    assign request_line_o  = request_write_o ? write_line_i : read_line_i;

    always @(posedge clk_i) begin
        if (write_fire || refuse_write_i) turn_q <= 1'b1;
        else if (read_fire || refuse_read_i) turn_q <= 1'b0;
        if (!rst_ni) turn_q <= 1'b0;
    end

    // ---- victims ------------------------------------------------------------------------------------------------
    reg                  unused_valid, clean_valid, dirty_valid;
    reg [ENTRY_BITS-1:0] unused_entry, clean_entry, dirty_entry, clean_rank, dirty_rank, rank;
    integer v;

    always @* begin
        unused_valid = 1'b0;
        clean_valid  = 1'b0;
        dirty_valid  = 1'b0;
        unused_entry = 0;
        clean_entry  = 0;
        dirty_entry  = 0;
        clean_rank   = 0;
        dirty_rank   = 0;
        for (v = CACHE_PAGES - 1; v >= 0; v = v - 1) begin
            rank = rank_q[v*ENTRY_BITS +: ENTRY_BITS];
            if (!used_q[v]) begin
                unused_valid = 1'b1;
                unused_entry = v[ENTRY_BITS-1:0];
            end else if (!dirty_q[v] && (!clean_valid || rank > clean_rank)) begin
                clean_valid = 1'b1;
                clean_entry = v[ENTRY_BITS-1:0];
                clean_rank  = rank;
            end else if (dirty_q[v] && (!dirty_valid || rank > dirty_rank)) begin
                dirty_valid = 1'b1;
                dirty_entry = v[ENTRY_BITS-1:0];
                dirty_rank  = rank;
            end
        end
    end

    assign lookup_hit_o     = |lookup_match;
    assign lookup_entry_o   = lookup_entry;
    assign victim_entry_o   = unused_valid ? unused_entry : clean_valid ? clean_entry : dirty_entry;
    assign victim_dirty_o   = !unused_valid && !clean_valid;
    assign dirty_valid_o    = dirty_valid;
    assign dirty_entry_o    = dirty_entry;
    assign complete_valid_o = |complete;
    assign complete_entry_o = complete_entry;

    assign entry_page_o         = page_q[entry_i];
    assign entry_dirty_o        = dirty_q[entry_i];
    assign entry_missing_o      = !zero_q[entry_i] && !(&valid_lines_q[entry_i]);
    assign entry_line_missing_o = !zero_q[entry_i] && !valid_lines_q[entry_i][entry_line_i];

    // ---- recency ------------------------------------------------------------------------------------------------
    function [RANK_BITS-1:0] touched;
        input [RANK_BITS-1:0]  ranks;
        input [ENTRY_BITS-1:0] entry;
        reg   [ENTRY_BITS-1:0] old;
        integer n;
        begin
            old     = ranks[entry*ENTRY_BITS +: ENTRY_BITS];
            touched = ranks;
            if (old != 0) begin
                for (n = 0; n < CACHE_PAGES; n = n + 1)
                    if (ranks[n*ENTRY_BITS +: ENTRY_BITS] < old)
                        touched[n*ENTRY_BITS +: ENTRY_BITS] = ranks[n*ENTRY_BITS +: ENTRY_BITS] + 1'b1;
                touched[entry*ENTRY_BITS +: ENTRY_BITS] = 0;
            end
        end
    endfunction

    reg [RANK_BITS-1:0] rank_d;
    integer r;

    always @* begin
        rank_d = rank_q;
        if (read_fire) rank_d = touched(rank_d, read_entry);
        if (write_fire) rank_d = touched(rank_d, write_entry);
        if (take_i || make_dirty_i) rank_d = touched(rank_d, entry_i);
    end

    always @(posedge clk_i) begin
        rank_q <= rank_d;
        if (!rst_ni)
            for (r = 0; r < CACHE_PAGES; r = r + 1) rank_q[r*ENTRY_BITS +: ENTRY_BITS] <= r[ENTRY_BITS-1:0];
    end

    // ---- entry state --------------------------------------------------------------------------------------------
    wire fill_fire = fill_valid_i && !valid_lines_q[entry_i][fill_line_i];

    always @(posedge clk_i) begin
        if (write_fire) begin
            valid_lines_q[write_entry][write_line_i] <= 1'b1;
            dirty_lines_q[write_entry][write_line_i] <= 1'b1;
        end
        if (fill_fire) valid_lines_q[entry_i][fill_line_i] <= 1'b1;
        if (make_dirty_i) dirty_q[entry_i] <= 1'b1;
        if (make_clean_i) begin
            dirty_q[entry_i]       <= 1'b0;
            dirty_lines_q[entry_i] <= 64'd0;
        end
        if (take_i) begin
            used_q[entry_i]        <= 1'b1;
            dirty_q[entry_i]       <= 1'b0;
            zero_q[entry_i]        <= take_zero_i;
            page_q[entry_i]        <= take_page_i;
            valid_lines_q[entry_i] <= 64'd0;
            dirty_lines_q[entry_i] <= 64'd0;
        end
        if (drop_i) begin
            used_q[entry_i]  <= 1'b0;
            dirty_q[entry_i] <= 1'b0;
        end
        if (!rst_ni) begin
            used_q  <= 0;
            dirty_q <= 0;
        end
    end

    // ---- lines --------------------------------------------------------------------------------------------------
    // A partial write to a line that reads as zeros makes the whole line real: the other bytes are written as zeros.
    wire         extend = write_fire && !write_full && !valid_lines_q[write_entry][write_line_i];
    wire [511:0] strobe_bits;
    genvar g;
    generate
        for (g = 0; g < 64; g = g + 1) begin : gen_strobe
            assign strobe_bits[g*8 +: 8] = {8{write_strobe_i[g]}};
        end
    endgenerate

    wire                  stream_read;
    reg  [6:0]            stream_line_q;  // bit 6: all lines asked for
    wire [ENTRY_BITS+5:0] read_address = read_fire ? {read_entry, read_line_i} : {entry_i, stream_line_q[5:0]};
    wire [511:0]          ram_data;

    ram #(
        .WIDTH(512),
        .DEPTH(CACHE_PAGES * 64),
        .ADDRESS_BITS(ENTRY_BITS + 6)
    ) u_lines (
        .clk_i(clk_i),
        .write_i(write_fire || fill_fire),
        .write_address_i(fill_fire ? {entry_i, fill_line_i} : {write_entry, write_line_i}),
        .write_data_i(fill_fire ? fill_data_i : extend ? write_data_i & strobe_bits : write_data_i),
        .write_strobe_i(fill_fire || extend ? {64{1'b1}} : write_strobe_i),
        .read_i(read_fire || stream_read),
        .read_address_i(read_address),
        .read_data_o(ram_data)
    );

    // A line that is just being filled passes by the RAM.
    reg         read_zero_q, read_error_q, passed_q;
    reg [511:0] passed_data_q;

    assign read_data_o  = read_zero_q || read_error_q ? 512'd0 : passed_q ? passed_data_q : ram_data;
    assign read_error_o = read_error_q;

    always @(posedge clk_i) begin
        passed_q     <= read_passes;
        if (read_passes) passed_data_q <= fill_data_i;
        read_zero_q  <= !read_valid && !read_passes;
        read_error_q <= refuse_read_i;
    end

    // ---- stream: a line a cycle through the RAM, into a queue that always has room for what is under way ----------
    reg       stream_flight_q, stream_zero_q;
    reg [2:0] stream_ahead_q;  // lines read but not taken
    wire      stream_pop = stream_valid_o && stream_ready_i;
    wire      stream_room;

    assign stream_wants = !stream_line_q[6] && !stream_ahead_q[2] && !stream_clear_i;
    assign stream_read  = stream_goes;

    always @(posedge clk_i) begin
        if (read_fire) stream_turn_q <= 1'b1;
        else if (stream_read) stream_turn_q <= 1'b0;
        if (!rst_ni) stream_turn_q <= 1'b0;
    end

    always @(posedge clk_i) begin
        stream_flight_q <= stream_read;
        stream_zero_q   <= !valid_lines_q[entry_i][stream_line_q[5:0]];
        if (stream_read) stream_line_q <= stream_line_q + 1'b1;
        if (stream_read != stream_pop)
            stream_ahead_q <= stream_read ? stream_ahead_q + 1'b1 : stream_ahead_q - 1'b1;
        if (stream_start_i) stream_line_q <= 7'd0;
        if (!rst_ni || stream_clear_i) begin
            stream_line_q   <= 7'd64;
            stream_flight_q <= 1'b0;
            stream_ahead_q  <= 3'd0;
        end
    end

    fifo #(
        .WIDTH(512),
        .DEPTH(4)
    ) u_stream (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(stream_clear_i),
        .in_valid_i(stream_flight_q),
        .in_ready_o(stream_room),
        .in_data_i(stream_zero_q ? 512'd0 : ram_data),
        .out_valid_o(stream_valid_o),
        .out_ready_i(stream_ready_i),
        .out_data_o(stream_data_o)
    );

    // `stream_ahead_q` keeps the queue from overflowing.
`ifdef FORMAL
    always @(posedge clk_i) if (rst_ni && stream_flight_q) assert (stream_room);
`else
    wire unused = stream_room;
`endif

    // ---- rest -----------------------------------------------------------------------------------------------------
    assign moves_o = write_ready_o || read_ready_o || take_i || drop_i || make_dirty_i || make_clean_i || fill_valid_i
                     || stream_start_i || stream_clear_i || stream_read || stream_flight_q || stream_pop;
endmodule

`default_nettype wire
