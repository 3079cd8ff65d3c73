// device_counters: what the device has done since reset, and how long that is (docs/registers.md).
//
// Handshake: a pulse of one cycle is one count. `cycles_read_i` keeps the upper half of the cycles as they are in that
//            cycle, so that two reads of 32 bits give one number of 64.
// Latency:   one cycle from a pulse to its count.

`default_nettype none

module device_counters (
    input  wire        clk_i,
    input  wire        rst_ni,
    input  wire        cycles_read_i,

    input  wire        closed_zero_i,
    input  wire        closed_same_i,
    input  wire        closed_lz4_i,
    input  wire        closed_raw_i,
    input  wire [12:0] block_bytes_i,  // with closed_lz4_i
    input  wire        page_filled_i,
    input  wire        page_opened_i,
    input  wire        page_trimmed_i,
    input  wire        page_poisoned_i,
    input  wire        page_imported_i,
    input  wire        line_read_i,
    input  wire        line_written_i,
    input  wire        line_not_admitted_i,
    input  wire        line_fenced_i,

    output wire [31:0] cycles_o,       // the lower half
    output reg  [31:0] cycles_high_o,  // the upper one, at the last `cycles_read_i`
    output reg  [31:0] closed_zero_o,
    output reg  [31:0] closed_same_o,
    output reg  [31:0] closed_lz4_o,
    output reg  [31:0] closed_raw_o,
    output reg  [63:0] block_bytes_o,
    output reg  [31:0] pages_filled_o,
    output reg  [31:0] pages_opened_o,
    output reg  [31:0] pages_trimmed_o,
    output reg  [31:0] pages_poisoned_o,
    output reg  [31:0] pages_imported_o,
    output reg  [31:0] lines_read_o,
    output reg  [31:0] lines_written_o,
    output reg  [31:0] lines_not_admitted_o,
    output reg  [31:0] lines_fenced_o
);
    reg [63:0] cycles_q;

    assign cycles_o = cycles_q[31:0];

    always @(posedge clk_i) begin
        cycles_q <= cycles_q + 64'd1;
        if (cycles_read_i)       cycles_high_o        <= cycles_q[63:32];
        if (closed_zero_i)       closed_zero_o        <= closed_zero_o + 32'd1;
        if (closed_same_i)       closed_same_o        <= closed_same_o + 32'd1;
        if (closed_lz4_i)        closed_lz4_o         <= closed_lz4_o + 32'd1;
        if (closed_lz4_i)        block_bytes_o        <= block_bytes_o + {51'd0, block_bytes_i};
        if (closed_raw_i)        closed_raw_o         <= closed_raw_o + 32'd1;
        if (page_filled_i)       pages_filled_o       <= pages_filled_o + 32'd1;
        if (page_opened_i)       pages_opened_o       <= pages_opened_o + 32'd1;
        if (page_trimmed_i)      pages_trimmed_o      <= pages_trimmed_o + 32'd1;
        if (page_poisoned_i)     pages_poisoned_o     <= pages_poisoned_o + 32'd1;
        if (page_imported_i)     pages_imported_o     <= pages_imported_o + 32'd1;
        if (line_read_i)         lines_read_o         <= lines_read_o + 32'd1;
        if (line_written_i)      lines_written_o      <= lines_written_o + 32'd1;
        if (line_not_admitted_i) lines_not_admitted_o <= lines_not_admitted_o + 32'd1;
        if (line_fenced_i)       lines_fenced_o       <= lines_fenced_o + 32'd1;
        if (!rst_ni) begin
            cycles_q             <= 64'd0;
            cycles_high_o        <= 32'd0;
            closed_zero_o        <= 32'd0;
            closed_same_o        <= 32'd0;
            closed_lz4_o         <= 32'd0;
            closed_raw_o         <= 32'd0;
            block_bytes_o        <= 64'd0;
            pages_filled_o       <= 32'd0;
            pages_opened_o       <= 32'd0;
            pages_trimmed_o      <= 32'd0;
            pages_poisoned_o     <= 32'd0;
            pages_imported_o     <= 32'd0;
            lines_read_o         <= 32'd0;
            lines_written_o      <= 32'd0;
            lines_not_admitted_o <= 32'd0;
            lines_fenced_o       <= 32'd0;
        end
    end
endmodule

`default_nettype wire
