// cram_registers: the device's registers, interrupts, event log, counters and mailbox (docs/registers.md).
//
// Host side: an AXI4-Lite slave. Address and data of a write may arrive in any order and with any gap; one write and
// one read are under way at a time. Unmapped offsets answer SLVERR, read zero and take no write. The two lowest bits
// of an address are ignored.
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
    `include "cram_registers.vh"

    localparam [15:0] INTERRUPTS = 16'h3003;  // the lines that exist

    // ---- Write channel: address and data are held until both are there ----------------------------------------------
    reg        aw_held_q, w_held_q, bvalid_q, bad_write_q;
    reg [15:0] write_address_q;
    reg [31:0] write_data_q;
    reg [3:0]  write_strobe_q;

    wire        write = aw_held_q && w_held_q && !bvalid_q;
    wire [31:0] write_mask = {{8{write_strobe_q[3]}}, {8{write_strobe_q[2]}},
                              {8{write_strobe_q[1]}}, {8{write_strobe_q[0]}}};
    wire [31:0] write_bits = write_data_q & write_mask;  // for write-1 registers

    assign s_axil_awready = !aw_held_q;
    assign s_axil_wready  = !w_held_q;
    assign s_axil_bvalid  = bvalid_q;
    assign s_axil_bresp   = {bad_write_q, 1'b0};  // SLVERR or OKAY

    always @(posedge clk_i) begin
        if (!rst_ni) begin
            aw_held_q <= 1'b0;
            w_held_q  <= 1'b0;
            bvalid_q  <= 1'b0;
        end else begin
            if (s_axil_awvalid && s_axil_awready) aw_held_q <= 1'b1;
            if (s_axil_wvalid && s_axil_wready) w_held_q <= 1'b1;
            if (s_axil_bvalid && s_axil_bready) bvalid_q <= 1'b0;
            if (write) begin
                aw_held_q <= 1'b0;
                w_held_q  <= 1'b0;
                bvalid_q  <= 1'b1;
            end
        end
        if (s_axil_awready) write_address_q <= {s_axil_awaddr[15:2], 2'b00};
        if (s_axil_wready) {write_strobe_q, write_data_q} <= {s_axil_wstrb, s_axil_wdata};
        if (write) bad_write_q <= !mapped(write_address_q);
    end

    // ---- Read channel: look up, one cycle for the payload memory, answer --------------------------------------------
    reg        ar_held_q, looked_up_q, rvalid_q, payload_q, bad_read_q;
    reg [15:0] read_address_q;
    reg [31:0] read_data_q, read_data_d;

    wire        read = ar_held_q && !looked_up_q && !rvalid_q;
    wire        read_payload = read && in_payload(read_address_q);
    wire [31:0] payload_data;

    assign s_axil_arready = !ar_held_q;
    assign s_axil_rvalid  = rvalid_q;
    assign s_axil_rdata   = read_data_q;
    assign s_axil_rresp   = {bad_read_q, 1'b0};

    always @(posedge clk_i) begin
        if (!rst_ni) begin
            ar_held_q   <= 1'b0;
            looked_up_q <= 1'b0;
            rvalid_q    <= 1'b0;
        end else begin
            if (s_axil_arvalid && s_axil_arready) ar_held_q <= 1'b1;
            if (s_axil_rvalid && s_axil_rready) rvalid_q <= 1'b0;
            looked_up_q <= read;
            if (looked_up_q) begin
                ar_held_q <= 1'b0;
                rvalid_q  <= 1'b1;
            end
        end
        if (s_axil_arready) read_address_q <= {s_axil_araddr[15:2], 2'b00};
        if (read) begin
            payload_q   <= in_payload(read_address_q);
            bad_read_q  <= !mapped(read_address_q);
            read_data_q <= read_data_d;
        end
        if (looked_up_q && payload_q) read_data_q <= payload_data;
    end

    // ---- Which addresses exist, and what a write means --------------------------------------------------------------------
    function in_payload;
        input [15:0] address;
        in_payload = address >= ADDRESS_MAILBOX_PAYLOAD && address - ADDRESS_MAILBOX_PAYLOAD < SIZE_MAILBOX_PAYLOAD;
    endfunction

    function mapped;
        input [15:0] address;
        case (address)
            ADDRESS_ID, ADDRESS_VERSION, ADDRESS_STATUS, ADDRESS_PERCEIVED_PAGES, ADDRESS_MEDIA_SECTORS,
            ADDRESS_SECTOR_BYTES, ADDRESS_CACHE_PAGES, ADDRESS_BYTES_PER_CYCLE, ADDRESS_FREE_SECTORS,
            ADDRESS_RESERVED_SECTORS, ADDRESS_RESIDENT_PAGES, ADDRESS_INTERRUPT_STATUS, ADDRESS_INTERRUPT_ENABLE,
            ADDRESS_LOW_WATERMARK, ADDRESS_RECOVERED_WATERMARK, ADDRESS_EVENT_COUNT, ADDRESS_EVENT_CODE,
            ADDRESS_EVENT_PAGE, ADDRESS_EVENT_POP, ADDRESS_EVENT_OVERFLOW, ADDRESS_CYCLES_LOW, ADDRESS_CYCLES_HIGH,
            ADDRESS_PAGES_CLOSED, ADDRESS_CLOSED_ZERO, ADDRESS_CLOSED_SAME, ADDRESS_CLOSED_LZ4, ADDRESS_CLOSED_RAW,
            ADDRESS_PAGES_FILLED, ADDRESS_PAGES_OPENED, ADDRESS_PAGES_TRIMMED, ADDRESS_PAGES_POISONED,
            ADDRESS_LINES_READ, ADDRESS_LINES_WRITTEN, ADDRESS_BLOCK_BYTES_LOW, ADDRESS_BLOCK_BYTES_HIGH,
            ADDRESS_MAILBOX_CAPABILITIES, ADDRESS_MAILBOX_CONTROL, ADDRESS_MAILBOX_COMMAND_LOW,
            ADDRESS_MAILBOX_COMMAND_HIGH, ADDRESS_MAILBOX_STATUS_LOW, ADDRESS_MAILBOX_STATUS_HIGH,
            ADDRESS_MAILBOX_BACKGROUND_LOW, ADDRESS_MAILBOX_BACKGROUND_HIGH:
                mapped = 1'b1;
            default: mapped = in_payload(address);
        endcase
    endfunction

    reg enable_write, low_write, recovered_write, status_write, pop_write, doorbell_write, command_low_write,
        command_high_write;

    always @(*) begin
        status_write       = 1'b0;
        enable_write       = 1'b0;
        low_write          = 1'b0;
        recovered_write    = 1'b0;
        pop_write          = 1'b0;
        doorbell_write     = 1'b0;
        command_low_write  = 1'b0;
        command_high_write = 1'b0;
        case (write_address_q)
            ADDRESS_INTERRUPT_STATUS:     status_write       = write;
            ADDRESS_INTERRUPT_ENABLE:     enable_write       = write;
            ADDRESS_LOW_WATERMARK:        low_write          = write;
            ADDRESS_RECOVERED_WATERMARK:  recovered_write    = write;
            ADDRESS_EVENT_POP:            pop_write          = write;
            ADDRESS_MAILBOX_CONTROL:      doorbell_write     = write;
            ADDRESS_MAILBOX_COMMAND_LOW:  command_low_write  = write;
            ADDRESS_MAILBOX_COMMAND_HIGH: command_high_write = write;
            default: ;
        endcase
    end

    // ---- Watermarks and interrupts ----------------------------------------------------------------------------------
    reg        low_q;
    reg [15:0] interrupt_status_q, interrupt_enable_q;
    reg [31:0] low_watermark_q, recovered_watermark_q;

    // Leaving needs both marks, so that marks in the wrong order do not make the state swing.
    wire enter_low = !low_q && free_sectors_i < low_watermark_q;
    wire leave_low = low_q && free_sectors_i >= recovered_watermark_q && free_sectors_i >= low_watermark_q;
    wire mailbox_done, event_logged;

    wire [15:0] raised = {2'b00, leave_low, enter_low, 10'd0, event_logged, mailbox_done};

    assign interrupt_o = interrupt_status_q & interrupt_enable_q;

    always @(posedge clk_i) begin
        if (!rst_ni) begin
            low_q                 <= 1'b0;
            interrupt_status_q    <= 16'd0;
            interrupt_enable_q    <= 16'd0;
            low_watermark_q       <= 32'd0;
            recovered_watermark_q <= 32'd0;
        end else begin
            low_q <= (low_q || enter_low) && !leave_low;
            interrupt_status_q <= interrupt_status_q & ~(status_write ? write_bits[15:0] : 16'd0) | raised;
            if (enable_write)
                interrupt_enable_q <= (interrupt_enable_q & ~write_mask[15:0] | write_bits[15:0]) & INTERRUPTS;
            if (low_write) low_watermark_q <= low_watermark_q & ~write_mask | write_bits;
            if (recovered_write) recovered_watermark_q <= recovered_watermark_q & ~write_mask | write_bits;
        end
    end

    // ---- Events -----------------------------------------------------------------------------------------------------
    wire [4:0]  event_count;
    wire [7:0]  event_code;
    wire [31:0] event_page, event_overflow;

    event_log #(.DEPTH(16)) events (
        .clk_i         (clk_i),
        .rst_ni        (rst_ni),
        .event_valid_i (event_valid_i),
        .event_code_i  (event_code_i),
        .event_page_i  (event_page_i),
        .logged_o      (event_logged),
        .pop_i         (pop_write && write_bits[EVENT_POP_POP]),
        .count_o       (event_count),
        .code_o        (event_code),
        .page_o        (event_page),
        .overflow_o    (event_overflow)
    );

    // ---- Counters ---------------------------------------------------------------------------------------------------
    reg [63:0] cycles_q, block_bytes_q;
    reg [31:0] cycles_high_q;
    reg [31:0] closed_zero_q, closed_same_q, closed_lz4_q, closed_raw_q;
    reg [31:0] pages_filled_q, pages_opened_q, pages_trimmed_q, pages_poisoned_q, lines_read_q, lines_written_q;

    always @(posedge clk_i) begin
        if (!rst_ni) begin
            cycles_q         <= 64'd0;
            cycles_high_q    <= 32'd0;
            block_bytes_q    <= 64'd0;
            closed_zero_q    <= 32'd0;
            closed_same_q    <= 32'd0;
            closed_lz4_q     <= 32'd0;
            closed_raw_q     <= 32'd0;
            pages_filled_q   <= 32'd0;
            pages_opened_q   <= 32'd0;
            pages_trimmed_q  <= 32'd0;
            pages_poisoned_q <= 32'd0;
            lines_read_q     <= 32'd0;
            lines_written_q  <= 32'd0;
        end else begin
            cycles_q <= cycles_q + 64'd1;
            if (read && read_address_q == ADDRESS_CYCLES_LOW) cycles_high_q <= cycles_q[63:32];
            if (closed_lz4_i) block_bytes_q <= block_bytes_q + {51'd0, block_bytes_i};
            closed_zero_q    <= closed_zero_q + {31'd0, closed_zero_i};
            closed_same_q    <= closed_same_q + {31'd0, closed_same_i};
            closed_lz4_q     <= closed_lz4_q + {31'd0, closed_lz4_i};
            closed_raw_q     <= closed_raw_q + {31'd0, closed_raw_i};
            pages_filled_q   <= pages_filled_q + {31'd0, page_filled_i};
            pages_opened_q   <= pages_opened_q + {31'd0, page_opened_i};
            pages_trimmed_q  <= pages_trimmed_q + {31'd0, page_trimmed_i};
            pages_poisoned_q <= pages_poisoned_q + {31'd0, page_poisoned_i};
            lines_read_q     <= lines_read_q + {31'd0, line_read_i};
            lines_written_q  <= lines_written_q + {31'd0, line_written_i};
        end
    end

    // ---- Mailbox ----------------------------------------------------------------------------------------------------
    wire        doorbell;
    wire [15:0] opcode, return_code;
    wire [20:0] length;

    mailbox #(.PERCEIVED_PAGES(PERCEIVED_PAGES)) commands (
        .clk_i                (clk_i),
        .rst_ni               (rst_ni),
        .doorbell_set_i       (doorbell_write && write_bits[MAILBOX_CONTROL_DOORBELL]),
        .command_low_write_i  (command_low_write),
        .command_high_write_i (command_high_write),
        .payload_write_i      (write && in_payload(write_address_q)),
        .payload_write_word_i (write_address_q[11:2]),
        .write_data_i         (write_data_q),
        .write_strobe_i       (write_strobe_q),
        .payload_read_i       (read_payload),
        .payload_read_word_i  (read_address_q[11:2]),
        .payload_read_data_o  (payload_data),
        .doorbell_o           (doorbell),
        .opcode_o             (opcode),
        .length_o             (length),
        .return_code_o        (return_code),
        .done_o               (mailbox_done),
        .command_valid_o      (command_valid_o),
        .command_ready_i      (command_ready_i),
        .command_op_o         (command_op_o),
        .command_page_o       (command_page_o),
        .reply_valid_i        (reply_valid_i),
        .reply_state_i        (reply_state_i),
        .reply_cached_i       (reply_cached_i),
        .reply_dirty_i        (reply_dirty_i),
        .reply_error_i        (reply_error_i),
        .reply_length_i       (reply_length_i),
        .reply_crc_i          (reply_crc_i),
        .reply_word_i         (reply_word_i),
        .reply_sector_i       (reply_sector_i),
        .block_valid_i        (block_valid_i),
        .block_data_i         (block_data_i)
    );

    // ---- What a read gives ---------------------------------------------------------------------------------------------
    always @(*) begin
        read_data_d = 32'd0;
        case (read_address_q)
            ADDRESS_ID:                   read_data_d = VALUE_ID;
            ADDRESS_VERSION:              read_data_d = VALUE_VERSION;
            ADDRESS_STATUS: begin
                read_data_d[STATUS_READY] = ready_i;
                read_data_d[STATUS_IDLE]  = idle_i && !doorbell;
                read_data_d[STATUS_LOW]   = low_q;
            end
            ADDRESS_PERCEIVED_PAGES:      read_data_d = PERCEIVED_PAGES;
            ADDRESS_MEDIA_SECTORS:        read_data_d = MEDIA_SECTORS;
            ADDRESS_SECTOR_BYTES:         read_data_d = SECTOR_BYTES;
            ADDRESS_CACHE_PAGES:          read_data_d = CACHE_PAGES;
            ADDRESS_BYTES_PER_CYCLE:      read_data_d = BYTES_PER_CYCLE;
            ADDRESS_FREE_SECTORS:         read_data_d = free_sectors_i;
            ADDRESS_RESERVED_SECTORS:     read_data_d = reserved_sectors_i;
            ADDRESS_RESIDENT_PAGES:       read_data_d = resident_pages_i;
            ADDRESS_INTERRUPT_STATUS:     read_data_d[15:0] = interrupt_status_q;
            ADDRESS_INTERRUPT_ENABLE:     read_data_d[15:0] = interrupt_enable_q;
            ADDRESS_LOW_WATERMARK:        read_data_d = low_watermark_q;
            ADDRESS_RECOVERED_WATERMARK:  read_data_d = recovered_watermark_q;
            ADDRESS_EVENT_COUNT:          read_data_d[4:0] = event_count;
            ADDRESS_EVENT_CODE:           read_data_d[7:0] = event_code;
            ADDRESS_EVENT_PAGE:           read_data_d = event_page;
            ADDRESS_EVENT_OVERFLOW:       read_data_d = event_overflow;
            ADDRESS_CYCLES_LOW:           read_data_d = cycles_q[31:0];
            ADDRESS_CYCLES_HIGH:          read_data_d = cycles_high_q;
            ADDRESS_PAGES_CLOSED:         read_data_d = closed_zero_q + closed_same_q + closed_lz4_q + closed_raw_q;
            ADDRESS_CLOSED_ZERO:          read_data_d = closed_zero_q;
            ADDRESS_CLOSED_SAME:          read_data_d = closed_same_q;
            ADDRESS_CLOSED_LZ4:           read_data_d = closed_lz4_q;
            ADDRESS_CLOSED_RAW:           read_data_d = closed_raw_q;
            ADDRESS_PAGES_FILLED:         read_data_d = pages_filled_q;
            ADDRESS_PAGES_OPENED:         read_data_d = pages_opened_q;
            ADDRESS_PAGES_TRIMMED:        read_data_d = pages_trimmed_q;
            ADDRESS_PAGES_POISONED:       read_data_d = pages_poisoned_q;
            ADDRESS_LINES_READ:           read_data_d = lines_read_q;
            ADDRESS_LINES_WRITTEN:        read_data_d = lines_written_q;
            ADDRESS_BLOCK_BYTES_LOW:      read_data_d = block_bytes_q[31:0];
            ADDRESS_BLOCK_BYTES_HIGH:     read_data_d = block_bytes_q[63:32];
            ADDRESS_MAILBOX_CAPABILITIES: read_data_d = VALUE_MAILBOX_CAPABILITIES;
            ADDRESS_MAILBOX_CONTROL:      read_data_d[MAILBOX_CONTROL_DOORBELL] = doorbell;
            ADDRESS_MAILBOX_COMMAND_LOW:  read_data_d = {length[15:0], opcode};
            ADDRESS_MAILBOX_COMMAND_HIGH: read_data_d[4:0] = length[20:16];
            ADDRESS_MAILBOX_STATUS_HIGH:  read_data_d[15:0] = return_code;
            default:                      read_data_d = 32'd0;
        endcase
    end

    // An event or a watermark that is just being passed still has to reach its interrupt.
    assign idle_o = !aw_held_q && !w_held_q && !bvalid_q && !ar_held_q && !rvalid_q && !doorbell && !event_valid_i &&
                    !enter_low && !leave_low;

    wire unused = &{1'b0, s_axil_awprot, s_axil_arprot, s_axil_awaddr[1:0], s_axil_araddr[1:0]};
endmodule
