// SPDX-License-Identifier: MIT
// page_filler: brings a stored page back, line by line: into the page cache, or only to check it while its LZ4 block is
// exported.
//
// Handshake: `start_i` pulse with the page and its table entry (of a resident state); lines come on `line_*` in ascending
//            order, valid/ready; with `export_i` (lz4 only) the beats of the block are shown on `block_*` instead.
//            With `plain_i` the page is read from its frame, from line `line_i` on, that line alone or all to the end; its CRC
//            does not count, as each line has a check of its own.
//            With `import_i` the block comes on `import_*` instead of from the media and is checked only.
//            `done_o` is high at the end, until `taken_i`, with `error_o`: 0, or the event code of what was found wrong.
//            MEDIA_TIMEOUT: the media did not answer in time; nothing is known to be wrong. `bad_o` tells which sectors of
//            the chain, by position, the media could not read; it and `page_o` stay to the next start.
//            The clock is needed in reset, with `start_i` and while `busy_o` is high.
// Latency:   zero and same: a line a cycle. lz4 and raw: as fast as media and decompressor; a line appears as soon as
//            its 64 bytes are decoded. The CRC can only be checked after the last line.

`default_nettype none

module page_filler #(
    parameter SECTOR_BYTES = 256,
    parameter SECTOR_BITS  = 14
) (
    input  wire                   clk_i,
    input  wire                   rst_ni,

    input  wire                   start_i,
    input  wire                   export_i,
    input  wire                   import_i,
    input  wire [2:0]             state_i,
    input  wire [12:0]            length_i,
    input  wire [63:0]            word_i,
    input  wire [31:0]            crc_i,
    input  wire [23:0]            page_i,
    input  wire [SECTOR_BITS-1:0] first_i,      // with plain_i: the sector of the line
    input  wire                   plain_i,
    input  wire [5:0]             line_i,       // 0 without it
    input  wire                   alone_i,
    output wire                   busy_o,
    output wire                   done_o,
    input  wire                   taken_i,
    output wire [23:0]            page_o,
    output wire                   stored_o,     // it is read from the media,
    output wire                   plain_o,      // from its frame
    output wire [7:0]             error_o,
    output wire [63:0]            bad_o,

    output wire                   line_valid_o,
    input  wire                   line_ready_i,
    output wire [5:0]             line_o,
    output wire [511:0]           line_data_o,

    output wire                   block_valid_o,
    output wire [511:0]           block_data_o,

    input  wire                   import_valid_i,
    output wire                   import_ready_o,
    input  wire [511:0]           import_data_i,
    input  wire [6:0]             import_bytes_i,
    input  wire                   import_last_i,

    // sector_allocator: FOLLOW only
    output wire                   op_valid_o,
    input  wire                   op_ready_i,
    output wire [SECTOR_BITS-1:0] sector_o,
    input  wire                   result_valid_i,
    input  wire [SECTOR_BITS-1:0] result_i,
    input  wire                   result_error_i,
    output wire                   corrected_o,  // pulse: a beat of the media was corrected

    output wire [39:0]            m_axi_araddr,
    output wire [7:0]             m_axi_arlen,
    output wire                   m_axi_arvalid,
    input  wire                   m_axi_arready,
    input  wire [511:0]           m_axi_rdata,
    input  wire [30:0]            m_axi_ruser,
    input  wire [1:0]             m_axi_rresp,
    input  wire                   m_axi_rvalid,
    output wire                   m_axi_rready,
    input  wire                   r_late_i
);
    `include "cram_codes.vh"

    localparam [1:0] IDLE = 2'd0, LINES = 2'd1, DRAIN = 2'd2, CHECK = 2'd3;

    reg [1:0]  phase_q;
    reg        lz4_q, raw_q, plain_q, alone_q, export_q, import_q;
    reg [5:0]  line_q;
    reg [63:0] word_q;
    reg [31:0] crc_q;
    reg [23:0] page_q;
    reg        malformed_q;

    wire stored_start = start_i && !import_i && ON_MEDIA[state_i];

    // ---- media ----
    wire         chain_busy, chain_error, chain_flawed, chain_unlinked, chain_late, chain_valid, chain_ready, chain_last, chain_drop;
    wire [63:0]  chain_bad;
    wire [511:0] chain_data;
    wire [6:0]   chain_bytes;

    chain_reader #(
        .SECTOR_BYTES(SECTOR_BYTES),
        .SECTOR_BITS(SECTOR_BITS)
    ) u_chain (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .start_i(stored_start),
        .first_i(first_i),
        .plain_i(plain_i),
        .line_i(line_i),
        .bytes_i(!plain_i ? length_i : alone_i ? 13'd64 : 13'd4096 - {1'b0, line_i, 6'd0}),
        .page_i(page_q),
        .drop_i(chain_drop),
        .busy_o(chain_busy),
        .error_o(chain_error),
        .late_o(chain_late),
        .flawed_o(chain_flawed),
        .unlinked_o(chain_unlinked),
        .corrected_o(corrected_o),
        .bad_o(chain_bad),
        .data_valid_o(chain_valid),
        .data_ready_i(chain_ready),
        .data_o(chain_data),
        .data_bytes_o(chain_bytes),
        .data_last_o(chain_last),
        .op_valid_o(op_valid_o),
        .op_ready_i(op_ready_i),
        .sector_o(sector_o),
        .result_valid_i(result_valid_i),
        .result_i(result_i),
        .result_error_i(result_error_i),
        .m_axi_araddr(m_axi_araddr),
        .m_axi_arlen(m_axi_arlen),
        .m_axi_arvalid(m_axi_arvalid),
        .m_axi_arready(m_axi_arready),
        .m_axi_rdata(m_axi_rdata),
        .m_axi_ruser(m_axi_ruser),
        .m_axi_rresp(m_axi_rresp),
        .m_axi_rvalid(m_axi_rvalid),
        .m_axi_rready(m_axi_rready),
        .late_i(r_late_i)
    );

    // ---- decompressor ----
    wire         shown = export_q || import_q;       // no line leaves
    wire         room  = phase_q == LINES && (shown || line_ready_i);
    wire         decoder_ready, decoder_valid, decoder_last, decoder_error;
    wire [511:0] decoder_data;

    lz4_decompressor u_decompressor (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(start_i || phase_q == CHECK),
        .block_valid_i(import_q ? import_valid_i : chain_valid && lz4_q),
        .block_ready_o(decoder_ready),
        .block_data_i(import_q ? import_data_i : chain_data),
        .block_bytes_i(import_q ? import_bytes_i : chain_bytes),
        .block_last_i(import_q ? import_last_i : chain_last),
        .page_valid_o(decoder_valid),
        .page_ready_i(room),
        .page_data_o(decoder_data),
        .page_last_o(decoder_last),
        .error_o(decoder_error)
    );

    assign chain_ready    = lz4_q ? decoder_ready && !import_q : raw_q && (room || phase_q != LINES);
    assign import_ready_o = import_q && phase_q == LINES && decoder_ready;
    assign chain_drop     = phase_q == DRAIN;

    // ---- lines ----
    wire line_valid = phase_q == LINES && (lz4_q ? decoder_valid : raw_q ? chain_valid : 1'b1);
    wire line_take  = line_valid && room;
    wire last_line  = line_take && (lz4_q ? decoder_last : alone_q || line_q == 6'd63);

    assign line_valid_o  = line_valid && !shown;
    assign line_o        = line_q;
    assign line_data_o   = lz4_q ? decoder_data : raw_q ? chain_data : {8{word_q}};
    assign block_valid_o = export_q && chain_valid && chain_ready;
    assign block_data_o  = chain_data;

    wire [31:0] crc;
    wire        unused_zero, unused_same;
    wire [63:0] unused_word;

    page_scan u_scan (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .clear_i(start_i),
        .valid_i(line_take),
        .data_i(line_data_o),
        .zero_o(unused_zero),
        .same_o(unused_same),
        .word_o(unused_word),
        .crc_o(crc)
    );

    // ---- verdict: an AXI error explains everything that follows from it ----
    wire stored = lz4_q || raw_q;

    assign busy_o   = phase_q != IDLE;
    assign done_o   = phase_q == CHECK;
    assign page_o   = page_q;
    assign stored_o = stored;
    assign plain_o  = plain_q;
    wire sick   = chain_error && !import_q;

    // Where the media has left out an answer, those that came may be taken for others: nothing is known to be wrong.
    assign bad_o   = chain_late || plain_q ? 64'd0 : chain_bad;
    assign error_o = !stored ? 8'd0
                     : !sick ? (malformed_q ? EVENT_CODE_MALFORMED_BLOCK : crc != crc_q && !plain_q ? EVENT_CODE_CRC_MISMATCH : 8'd0)
                     : chain_late ? EVENT_CODE_MEDIA_TIMEOUT : chain_unlinked ? EVENT_CODE_METADATA_ERROR
                     : chain_flawed ? EVENT_CODE_UNCORRECTABLE : EVENT_CODE_MEDIA_ERROR;

    always @(posedge clk_i) begin
        case (phase_q)
            IDLE: if (start_i) begin
                phase_q     <= LINES;
                lz4_q       <= import_i || (state_i == STATE_LZ4 && !plain_i);
                raw_q       <= !import_i && (state_i == STATE_RAW || plain_i);
                plain_q     <= plain_i;
                alone_q     <= alone_i;
                import_q    <= import_i;
                export_q    <= export_i;
                word_q      <= word_i;
                crc_q       <= crc_i;
                page_q      <= page_i;
                line_q      <= line_i;
                malformed_q <= 1'b0;
            end
            LINES: begin
                if (line_take) line_q <= line_q + 1'b1;
                if (lz4_q && decoder_error) malformed_q <= 1'b1;
                if (last_line || (lz4_q && decoder_error) || (stored && chain_error && !import_q)) phase_q <= DRAIN;
            end
            DRAIN: if (!chain_busy) phase_q <= CHECK;
            default: if (taken_i) phase_q <= IDLE;
        endcase
        if (!rst_ni) phase_q <= IDLE;
    end
endmodule

`default_nettype wire
