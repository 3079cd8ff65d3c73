// SPDX-License-Identifier: MIT
// page_closer: puts a page into its stored form: zero, same, lz4 or raw.
//
// The page is streamed from the cache once into the compressor and past the scanner; the LZ4 block is collected in a
// buffer, because only its final length tells how many sectors it needs. A block that would need as many sectors as the
// raw page is given up and the page is streamed a second time, raw.
//
//     cache --> scan
//          \--> compressor --> block buffer --\
//           \------------------- raw ----------> media_writer --> AXI
//
// With `plain_i` the lines that the cache streams are written to the page's frame, each where it belongs, and nothing else
// changes: no sector is taken. The cache streams those that are dirty, or all.
//
// An imported block is put into the buffer while page_filler checks it (`import_take_i`), and stored as it is.
//
// Handshake: `start_i` pulse (the cache's stream must be at rest); `done_o` pulses at the end with the new table entry, or
//            with an event code as `error_o`. MEDIA_ERROR, MEDIA_TIMEOUT: the media took some sector not, or not in time;
//            `first_o`/`count_o` name the sectors to give back, `bad_o` those among them, by position, that are not to be
//            used again; with `owed_o` none of them, until the media owes no write. EXHAUSTED: fewer sectors are free than it needs; what was taken is to be given back likewise.
//            The clock is needed in reset, with `start_i` and while `busy_o` is high.
// Latency:   64 cycles of streaming, then what the compressor needs, then a beat a cycle to the media and its response.

`default_nettype none

module page_closer #(
    parameter SECTOR_BYTES = 256,
    parameter SECTOR_BITS  = 14
) (
    input  wire                   clk_i,
    input  wire                   rst_ni,

    input  wire                   start_i,
    output wire                   busy_o,
    output wire                   done_o,
    output wire [7:0]             error_o,
    output wire [63:0]            bad_o,           // stays to the next start, as does owed_o
    output wire                   owed_o,
    output wire [2:0]             state_o,
    output wire [12:0]            length_o,
    output wire [63:0]            word_o,
    output wire [31:0]            crc_o,
    output wire [SECTOR_BITS-1:0] first_o,
    output wire [6:0]             count_o,

    input  wire [23:0]            page_i,          // holds until done
    input  wire                   import_clear_i,  // a block to import is about to come
    input  wire                   import_take_i,
    input  wire [511:0]           import_data_i,
    input  wire                   import_i,        // with the start: store it
    input  wire [12:0]            import_length_i,
    input  wire                   plain_i,         // with the start: into the frame that begins with
    input  wire [SECTOR_BITS-1:0] frame_i,         // this sector

    // page_cache
    output wire                   stream_start_o,
    output wire                   stream_clear_o,
    input  wire                   stream_valid_i,
    output wire                   stream_ready_o,
    input  wire [511:0]           stream_data_i,
    input  wire [30:0]            stream_check_i,
    input  wire                   stream_error_i,
    input  wire [5:0]             stream_index_i,  // of the line
    input  wire                   stream_end_i,    // there is no other

    // sector_allocator: POP and LINK
    input  wire [SECTOR_BITS:0]   free_i,
    output wire                   op_valid_o,
    input  wire                   op_ready_i,
    output wire [1:0]             op_o,
    output wire [SECTOR_BITS-1:0] sector_o,
    output wire [SECTOR_BITS-1:0] next_o,
    input  wire                   result_valid_i,
    input  wire [SECTOR_BITS-1:0] result_i,

    output wire [39:0]            m_axi_awaddr,
    output wire [7:0]             m_axi_awlen,
    output wire                   m_axi_awvalid,
    input  wire                   m_axi_awready,
    output wire [511:0]           m_axi_wdata,
    output wire [30:0]            m_axi_wuser,
    output wire                   m_axi_wlast,
    output wire                   m_axi_wvalid,
    input  wire                   m_axi_wready,
    input  wire [1:0]             m_axi_bresp,
    input  wire                   m_axi_bvalid,
    output wire                   m_axi_bready,
    input  wire                   b_late_i,
    input  wire                   b_owed_i
);
    `include "cram_codes.vh"
    `include "ecc_lines.vh"

    localparam [1:0]  POP = 2'd0, LINK = 2'd2;
    localparam        LIMIT        = 4096 - SECTOR_BYTES;
    localparam [12:0] BLOCK_LIMIT  = LIMIT[12:0];
    localparam        BEATS        = SECTOR_BYTES / 64;
    localparam [6:0]  SECTOR_BEATS = BEATS[6:0];
    localparam        BEAT_BITS    = $clog2(BEATS);
    localparam [5:0]  WITHIN       = BEATS[5:0] - 6'd1;

    localparam [3:0] IDLE = 4'd0, SCAN = 4'd1, DECIDE = 4'd2, COMPRESS = 4'd3, TAKE = 4'd4, TAKE_WAIT = 4'd5,
                     CHAIN = 4'd6, CHAIN_WAIT = 4'd7, WRITE = 4'd8, FLUSH = 4'd9, DONE = 4'd10, PLACE = 4'd11, PUT = 4'd12;

    reg [3:0]             phase_q;
    reg [2:0]             state_q;
    reg [5:0]             line_q;      // lines streamed in this pass
    reg [12:0]            length_q;    // of the LZ4 block so far, then of the stored page
    reg [6:0]             beats_q;     // beats in the buffer
    reg [6:0]             left_q;      // beats of the stored page not yet given to the writer
    reg [6:0]             count_q;     // sectors taken
    reg [SECTOR_BITS-1:0] first_q, sector_q, previous_q, frame_q;
    reg                   block_done_q;
    reg                   flawed_q;    // a line of the cache cannot be told
    reg                   short_q;     // there were too few free sectors
    reg [31:0]            free_q;      // free sectors; nobody else takes any meanwhile

    // ---- first pass: scan and compress ----
    wire scanning = phase_q == SCAN;
    wire compressor_ready, block_valid, block_last;
    wire [511:0] block_data;
    wire [6:0]   block_bytes;
    wire zero, same;
    wire line_take = scanning && stream_valid_i && compressor_ready;
    wire give_up   = length_q > BLOCK_LIMIT;

    page_scan u_scan (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(start_i),
        .valid_i(line_take),
        .data_i(stream_data_i),
        .zero_o(zero),
        .same_o(same),
        .word_o(word_o),
        .crc_o(crc_o)
    );

    wire block_take = block_valid && !give_up && !block_done_q;

    lz4_compressor u_compressor (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(start_i || phase_q == TAKE || phase_q == DONE),
        .page_valid_i(scanning && stream_valid_i),
        .page_ready_o(compressor_ready),
        .page_data_i(stream_data_i),
        .block_valid_o(block_valid),
        .block_ready_i(block_take),
        .block_data_o(block_data),
        .block_bytes_o(block_bytes),
        .block_last_o(block_last)
    );

    // ---- block buffer: written by the compressor, read by the writer ----
    reg  [6:0]   fetch_q;   // next beat to fetch
    reg          fetched_q; // the RAM's output is a beat the writer has not taken
    wire         writer_ready;
    wire         storing_block = state_q == STATE_LZ4 && (phase_q == TAKE || phase_q == TAKE_WAIT || phase_q == CHAIN
                                 || phase_q == CHAIN_WAIT || phase_q == WRITE || phase_q == FLUSH);
    wire         fetch = storing_block && fetch_q != beats_q && (!fetched_q || writer_ready);
    wire [511:0] fetched_data;
    wire [30:0]  fetched_check, block_check;
    wire         unused_bit;
    wire         keep = (block_take || import_take_i) && !beats_q[6];
    wire [511:0] kept = import_take_i ? import_data_i : block_data;

    ecc_encode #(
        .DATA_BITS(512),
        .BOUND_BITS(LINE_BOUND_BITS),
        .CHECK_BITS(LINE_CHECK_BITS),
        .POLYNOMIAL(LINE_POLYNOMIAL)
    ) u_encode (
        .valid_i(keep),
        .data_i(kept),
        .bound_i({page_i, beats_q[5:0]}),
        .check_o(block_check)
    );

    ram #(
        .WIDTH(512 + 32),
        .DEPTH(64),
        .ADDRESS_BITS(6)
    ) u_block (
        .clk_i(clk_i),
        .write_i(keep),
        .write_address_i(beats_q[5:0]),
        .write_data_i({1'b0, block_check, kept}),
        .write_strobe_i({68{1'b1}}),
        .read_i(fetch),
        .read_address_i(fetch_q[5:0]),
        .read_data_o({unused_bit, fetched_check, fetched_data})
    );

    // ---- media ----
    wire        writer_idle, writer_late, sector_ready;
    wire [63:0] writer_bad;
    wire [6:0] burst = left_q < SECTOR_BEATS ? left_q : SECTOR_BEATS;
    wire       raw   = state_q == STATE_RAW;
    wire       place = phase_q == PLACE && stream_valid_i;
    wire [31:0] place_sector = {{(32 - SECTOR_BITS){1'b0}}, frame_q} + {26'd0, stream_index_i >> BEAT_BITS};
    wire        unused_sector = &{1'b0, place_sector};

    media_writer #(
        .SECTOR_BYTES(SECTOR_BYTES),
        .SECTOR_BITS(SECTOR_BITS)
    ) u_writer (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(start_i),
        .idle_o(writer_idle),
        .bad_o(writer_bad),
        .late_o(writer_late),
        .owed_o(owed_o),
        .sector_valid_i(phase_q == WRITE || place),
        .sector_ready_o(sector_ready),
        .sector_i(place ? place_sector[SECTOR_BITS-1:0] : sector_q),
        .offset_i(place ? stream_index_i & WITHIN : 6'd0),
        .beats_i(place ? 5'd1 : burst[4:0]),
        .data_valid_i(raw ? stream_valid_i : fetched_q),
        .data_ready_o(writer_ready),
        .data_i(raw ? stream_data_i : fetched_data),
        .m_axi_awaddr(m_axi_awaddr),
        .m_axi_awlen(m_axi_awlen),
        .m_axi_awvalid(m_axi_awvalid),
        .m_axi_awready(m_axi_awready),
        .m_axi_wdata(m_axi_wdata),
        .m_axi_wlast(m_axi_wlast),
        .m_axi_wvalid(m_axi_wvalid),
        .m_axi_wready(m_axi_wready),
        .m_axi_bresp(m_axi_bresp),
        .m_axi_bvalid(m_axi_bvalid),
        .m_axi_bready(m_axi_bready),
        .late_i(b_late_i),
        .owed_i(b_owed_i)
    );

    // Where the media has left out an answer, nobody knows to which sector it belonged: `owed_o` is of all of them.
    assign bad_o       = writer_bad;
    assign m_axi_wuser = raw ? stream_check_i : fetched_check;

    // ---- allocator ----
    wire [6:0] round = left_q + SECTOR_BEATS - 7'd1;
    wire [6:0] needs = round >> BEAT_BITS;
    wire       short = free_q < {25'd0, needs};  // after the first one only if a free sector was lost

    assign op_valid_o = (phase_q == TAKE && !short) || phase_q == CHAIN;
    assign op_o       = phase_q == TAKE ? POP : LINK;
    assign sector_o   = previous_q;
    assign next_o     = sector_q;

    // ---- cache stream: pass one from the start, pass two when the block was given up ----
    wire second_pass = phase_q == COMPRESS && give_up;

    assign stream_start_o = (start_i && !import_i) || second_pass;
    assign stream_clear_o = phase_q == DONE;
    assign stream_ready_o = scanning ? compressor_ready : raw && phase_q != PLACE && writer_ready;

    assign busy_o   = phase_q != IDLE || !compressor_ready;  // after a reset the compressor gets its tables ready
    assign done_o   = phase_q == DONE;
    assign state_o  = state_q;
    assign length_o = ON_MEDIA[state_q] ? length_q : 13'd0;
    assign first_o  = first_q;
    assign count_o  = count_q;
    assign error_o  = short_q ? EVENT_CODE_EXHAUSTED : flawed_q ? EVENT_CODE_CACHE_LOST : writer_late ? EVENT_CODE_MEDIA_TIMEOUT
                      : writer_bad != 64'd0 ? EVENT_CODE_MEDIA_ERROR : 8'd0;

    always @(posedge clk_i) begin
        free_q <= {{(31 - SECTOR_BITS){1'b0}}, free_i};
        if (block_take) begin
            length_q     <= length_q + {6'd0, block_bytes};
            beats_q      <= beats_q + 1'b1;
            block_done_q <= block_last;
        end
        if (import_clear_i) beats_q <= 7'd0;
        if (import_take_i) beats_q <= beats_q + 1'b1;
        if (fetch) fetch_q <= fetch_q + 1'b1;
        if (fetch) fetched_q <= 1'b1;
        else if (writer_ready) fetched_q <= 1'b0;

        if (stream_valid_i && stream_ready_o && stream_error_i) flawed_q <= 1'b1;

        case (phase_q)
            IDLE: if (start_i) begin
                phase_q      <= SCAN;
                state_q      <= STATE_ZERO;
                line_q       <= 6'd0;
                length_q     <= 13'd0;
                beats_q      <= 7'd0;
                count_q      <= 7'd0;
                fetch_q      <= 7'd0;
                fetched_q    <= 1'b0;
                block_done_q <= 1'b0;
                short_q      <= 1'b0;
                flawed_q     <= 1'b0;
                if (plain_i) begin
                    phase_q <= PLACE;
                    state_q <= STATE_RAW;
                    frame_q <= frame_i;
                end
                if (import_i) begin
                    phase_q  <= TAKE;
                    state_q  <= STATE_LZ4;
                    length_q <= import_length_i;
                    beats_q  <= beats_q;
                    left_q   <= beats_q;
                end
            end
            SCAN: if (line_take) begin
                line_q <= line_q + 1'b1;
                if (line_q == 6'd63) phase_q <= DECIDE;
                if (stream_error_i) phase_q <= DONE;
            end
            DECIDE: begin
                state_q <= zero ? STATE_ZERO : same ? STATE_SAME : STATE_LZ4;
                phase_q <= zero || same ? DONE : COMPRESS;
            end
            COMPRESS: if (give_up) begin
                state_q  <= STATE_RAW;
                length_q <= 13'd4096;
                left_q   <= 7'd64;
                phase_q  <= TAKE;
            end else if (block_done_q) begin
                left_q  <= beats_q;
                phase_q <= TAKE;
            end
            TAKE: if (short) begin
                short_q <= 1'b1;
                phase_q <= count_q == 0 ? DONE : FLUSH;
            end else if (op_ready_i) begin
                phase_q <= TAKE_WAIT;
            end
            TAKE_WAIT: if (result_valid_i) begin
                sector_q   <= result_i;
                previous_q <= sector_q;
                count_q    <= count_q + 1'b1;
                if (count_q == 0) first_q <= result_i;
                phase_q    <= count_q == 0 ? WRITE : CHAIN;
            end
            CHAIN: if (op_ready_i) phase_q <= CHAIN_WAIT;
            CHAIN_WAIT: if (result_valid_i) phase_q <= WRITE;
            WRITE: if (sector_ready) begin
                left_q  <= left_q - burst;
                phase_q <= left_q == burst ? FLUSH : TAKE;
            end
            PLACE: if (stream_valid_i) begin
                if (sector_ready) phase_q <= PUT;
            end else if (stream_end_i) begin
                phase_q <= FLUSH;
            end
            PUT: if (writer_ready) phase_q <= PLACE;
            FLUSH: if (writer_idle) phase_q <= DONE;
            default: phase_q <= IDLE;
        endcase
        if (!rst_ni) phase_q <= IDLE;
    end
endmodule

`default_nettype wire
