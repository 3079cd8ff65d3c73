// cram_registers: the device's registers, interrupts, event log, counters and mailbox (docs/registers.md).
//
// Host side: an AXI4-Lite slave. Address and data of a write may arrive in any order and with any gap; one write and one
// read are under way at a time. Unmapped offsets answer SLVERR, read zero and take no write.
//
// Core side:
//   levels    ready_i, idle_i, free_sectors_i, reserved_sectors_i, resident_pages_i: sampled every cycle.
//   pulses    one cycle each, one count each; event_valid_i logs one event a cycle.
//   command   the mailbox asks the core's sequencer, valid/ready: op 0 TRIM, 1 STATE, 2 EXPORT, 3 FLUSH on one page.
//             One command is outstanding; the core answers it by one pulse of reply_valid_i. TRIM and FLUSH answer
//             reply_error_i only; STATE answers all reply fields; EXPORT first sends the block as beats (block_valid_i,
//             ascending from byte 0, always taken, none for a page that is not lz4), then replies with reply_length_i.
module cram_registers #(
    parameter PERCEIVED_PAGES = 4096,
    parameter MEDIA_SECTORS   = 16384,
    parameter SECTOR_BYTES    = 256,
    parameter CACHE_PAGES     = 8,
    parameter BYTES_PER_CYCLE = 8
) (
    input  wire         clk_i,
    input  wire         rst_ni,

    // AXI4-Lite
    input  wire         s_axil_awvalid,
    output wire         s_axil_awready,
    input  wire [15:0]  s_axil_awaddr,
    input  wire [2:0]   s_axil_awprot,
    input  wire         s_axil_wvalid,
    output wire         s_axil_wready,
    input  wire [31:0]  s_axil_wdata,
    input  wire [3:0]   s_axil_wstrb,
    output wire         s_axil_bvalid,
    input  wire         s_axil_bready,
    output wire [1:0]   s_axil_bresp,
    input  wire         s_axil_arvalid,
    output wire         s_axil_arready,
    input  wire [15:0]  s_axil_araddr,
    input  wire [2:0]   s_axil_arprot,
    output wire         s_axil_rvalid,
    input  wire         s_axil_rready,
    output wire [31:0]  s_axil_rdata,
    output wire [1:0]   s_axil_rresp,

    output wire [15:0]  interrupt_o,
    output wire         idle_o,              // no access and no mailbox command under way here

    // Levels
    input  wire         ready_i,
    input  wire         idle_i,
    input  wire [31:0]  free_sectors_i,
    input  wire [31:0]  reserved_sectors_i,
    input  wire [31:0]  resident_pages_i,

    // Events
    input  wire         event_valid_i,
    input  wire [7:0]   event_code_i,
    input  wire [31:0]  event_page_i,

    // Counter pulses
    input  wire         closed_zero_i,
    input  wire         closed_same_i,
    input  wire         closed_lz4_i,
    input  wire         closed_raw_i,
    input  wire [12:0]  block_bytes_i,       // with closed_lz4_i
    input  wire         page_filled_i,
    input  wire         page_opened_i,
    input  wire         page_trimmed_i,
    input  wire         page_poisoned_i,
    input  wire         line_read_i,
    input  wire         line_written_i,

    // Mailbox to the core's sequencer
    output wire         command_valid_o,
    input  wire         command_ready_i,
    output wire [1:0]   command_op_o,
    output wire [31:0]  command_page_o,
    input  wire         reply_valid_i,
    input  wire [2:0]   reply_state_i,
    input  wire         reply_cached_i,
    input  wire         reply_dirty_i,
    input  wire         reply_error_i,
    input  wire [12:0]  reply_length_i,
    input  wire [31:0]  reply_crc_i,
    input  wire [63:0]  reply_word_i,
    input  wire [31:0]  reply_sector_i,
    input  wire         block_valid_i,
    input  wire [511:0] block_data_i
);
endmodule
