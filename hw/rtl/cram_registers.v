// SPDX-License-Identifier: MIT
// cram_registers: the device's registers, interrupts, event log, counters and mailbox (docs/registers.md).
//
// Handshake: towards the host an AXI4-Lite slave: address and data of a write may arrive in any order and with any gap;
//            one write and one read are under way at a time. Unmapped offsets answer SLVERR, read zero and take no
//            write. The two lowest bits of an address are ignored. Towards the core levels, pulses and a command port.
// Latency:   that of register_bus; a read of ACHIEVED_RATIO waits for ratio_meter. An interrupt rises one cycle after
//            its pulse.
//
// Core side:
//   levels    ready_i, idle_i, free_sectors_i, reserved_sectors_i, resident_pages_i: sampled every cycle;
//             available_sectors_i while judge_i is high.
//   pulses    one cycle each, one count each; event_valid_i logs one event a cycle.
//   command   the mailbox asks the core's sequencer, valid/ready: an OP_* of cram_codes.vh on one page.
//             One command is outstanding; the core answers it by one pulse of reply_valid_i. TRIM and FLUSH answer
//             reply_error_i only; STATE answers all reply fields; EXPORT first sends the block as beats (block_valid_i,
//             ascending from byte 0, always taken, none for a page that is not lz4), then replies with reply_length_i.
//             `block_start_i` comes before the first beat, also of a block that is sent in place of the one before;
//             IMPORT takes the block on import_*, valid/ready, as far as it wants it, and replies with reply_reason_i.

`default_nettype none

module cram_registers #(
    parameter PERCEIVED_PAGES = 4096,
    parameter MEDIA_SECTORS   = 16384,
    parameter SECTOR_BYTES    = 256,
    parameter CACHE_PAGES     = 8,
    parameter BYTES_PER_CYCLE = 8,
    parameter GATE_CLOCKS     = 1,
    parameter NS_PER_CYCLE    = 1,
    `include "cram_counters.vh"
) (
    input  wire                clk_i,
    input  wire                rst_ni,

    // AXI4-Lite
    input  wire                s_axil_awvalid,
    output wire                s_axil_awready,
    input  wire [15:0]         s_axil_awaddr,
    input  wire [2:0]          s_axil_awprot,
    input  wire                s_axil_wvalid,
    output wire                s_axil_wready,
    input  wire [31:0]         s_axil_wdata,
    input  wire [3:0]          s_axil_wstrb,
    output wire                s_axil_bvalid,
    input  wire                s_axil_bready,
    output wire [1:0]          s_axil_bresp,
    input  wire                s_axil_arvalid,
    output wire                s_axil_arready,
    input  wire [15:0]         s_axil_araddr,
    input  wire [2:0]          s_axil_arprot,
    output wire                s_axil_rvalid,
    input  wire                s_axil_rready,
    output wire [31:0]         s_axil_rdata,
    output wire [1:0]          s_axil_rresp,

    output wire [15:0]         interrupt_o,
    output wire                critical_o,  // no new page is admitted
    output wire                idle_o,  // no access and no mailbox command under way here

    // Levels
    input  wire                ready_i,
    input  wire                idle_i,
    input  wire [31:0]         free_sectors_i,
    input  wire [31:0]         available_sectors_i,  // free and not promised: the watermarks judge it
    input  wire                judge_i,              // while this is high,
    input  wire                falls_i,              // and with this only if they are fewer than before
    input  wire [31:0]         reserved_sectors_i,
    input  wire [31:0]         resident_pages_i,

    // Events
    input  wire                event_valid_i,
    input  wire [7:0]          event_code_i,
    input  wire [31:0]         event_page_i,
    input  wire [31:0]         event_sector_i,  // 0: of no sector

    // Counter pulses
    input  wire [LOADS-1:0]    load_i,   // bit LOAD_x: one count in register x
    input  wire [COUNTERS-1:0] count_i,  // bit COUNT_x: one count in register x, but for COUNT_MEDIA_TIMEOUTS
    input  wire                timeout_i,
    input  wire [12:0]         block_bytes_i,  // with COUNT_CLOSED_LZ4

    // Media port
    output reg  [31:0]         media_time_limit_o,

    // Hot pages
    output reg  [7:0]          heat_threshold_o,
    output reg  [31:0]         heat_period_o,
    output wire                hot_pop_o,
    input  wire                hot_nominated_i,
    input  wire [31:0]         hot_count_i,
    input  wire [31:0]         hot_page_i,
    input  wire [31:0]         hot_overflow_i,

    // Mailbox to the core's sequencer
    output wire                command_valid_o,
    input  wire                command_ready_i,
    output wire [3:0]          command_op_o,
    output wire [31:0]         command_page_o,
    input  wire                reply_valid_i,
    input  wire [2:0]          reply_state_i,
    input  wire                reply_cached_i,
    input  wire                reply_dirty_i,
    input  wire                reply_error_i,
    input  wire                reply_fenced_i,
    input  wire [1:0]          reply_reason_i,
    input  wire [12:0]         reply_length_i,
    input  wire [31:0]         reply_crc_i,
    input  wire [63:0]         reply_word_i,
    input  wire [31:0]         reply_sector_i,
    input  wire [7:0]          reply_cause_i,
    input  wire                block_start_i,
    input  wire                block_valid_i,
    input  wire [511:0]        block_data_i,
    output wire [31:0]         import_crc_o,
    output wire [12:0]         import_length_o,
    output wire                import_valid_o,
    input  wire                import_ready_i,
    output wire [511:0]        import_data_o,
    output wire [6:0]          import_bytes_o,
    output wire                import_last_o
);
    `include "cram_registers.vh"

    localparam [31:0] SECTOR_COUNT = MEDIA_SECTORS;
    localparam [15:0] INTERRUPTS = MASK_INTERRUPT_ENABLE[15:0];  // the lines that exist

    // ---- Clock: all but the counters rests while nobody asks and nothing is under way ---------------------------------
    wire clk;

    clock_gate #(
        .GATE(GATE_CLOCKS)
    ) u_gate (
        .clk_i(clk_i),
        .enable_i(!rst_ni || s_axil_awvalid || s_axil_wvalid || s_axil_arvalid || !idle_o),
        .clk_o(clk)
    );

    // ---- Bus --------------------------------------------------------------------------------------------------------
    wire        write, read, bus_idle;
    wire [15:0] write_address, read_address;
    wire [31:0] write_data, payload_data, ratio;
    wire [3:0]  write_strobe;
    wire [31:0] write_mask = {{8{write_strobe[3]}}, {8{write_strobe[2]}}, {8{write_strobe[1]}}, {8{write_strobe[0]}}};
    wire [31:0] write_bits = write_data & write_mask;  // for write-1 registers
    wire        read_payload = read && in_payload(read_address);
    wire        read_ratio   = read && read_address == ADDRESS_ACHIEVED_RATIO;
    wire        ratio_busy, mailbox_ratio;
    reg         ratio_q;      // the late data is the ratio
    reg  [31:0] read_data;
    reg         bad_write, bad_read;

    // Looked at in the cycle of the access alone, which keeps simulation fast.
    always @* begin
        bad_write = 1'b0;
        bad_read  = 1'b0;
        if (write) bad_write = !mapped(write_address);
        if (read) bad_read = !mapped(read_address);
    end

    register_bus u_bus (
        .clk_i(clk),
        .rst_ni(rst_ni),
        .idle_o(bus_idle),
        .s_axil_awvalid(s_axil_awvalid),
        .s_axil_awready(s_axil_awready),
        .s_axil_awaddr(s_axil_awaddr),
        .s_axil_wvalid(s_axil_wvalid),
        .s_axil_wready(s_axil_wready),
        .s_axil_wdata(s_axil_wdata),
        .s_axil_wstrb(s_axil_wstrb),
        .s_axil_bvalid(s_axil_bvalid),
        .s_axil_bready(s_axil_bready),
        .s_axil_bresp(s_axil_bresp),
        .s_axil_arvalid(s_axil_arvalid),
        .s_axil_arready(s_axil_arready),
        .s_axil_araddr(s_axil_araddr),
        .s_axil_rvalid(s_axil_rvalid),
        .s_axil_rready(s_axil_rready),
        .s_axil_rdata(s_axil_rdata),
        .s_axil_rresp(s_axil_rresp),
        .write_o(write),
        .write_address_o(write_address),
        .write_data_o(write_data),
        .write_strobe_o(write_strobe),
        .write_bad_i(bad_write),
        .read_o(read),
        .read_address_o(read_address),
        .read_data_i(read_data),
        .read_bad_i(bad_read),
        .read_late_i(read_payload || read_ratio),
        .late_wait_i(ratio_busy),
        .late_data_i(ratio_q ? ratio : payload_data)
    );

    // ---- Achieved ratio: computed when it is read ---------------------------------------------------------------------
    ratio_meter #(
        .SECTOR_BYTES(SECTOR_BYTES)
    ) u_meter (
        .clk_i(clk),
        .rst_ni(rst_ni),
        .start_i(read_ratio || mailbox_ratio),  // who waits for an earlier start gets this one's result
        .resident_i(resident_pages_i),
        .used_i(SECTOR_COUNT - free_sectors_i),
        .busy_o(ratio_busy),
        .ratio_o(ratio)
    );

    always @(posedge clk) if (read) ratio_q <= read_ratio;

    // ---- Which addresses exist, and which register a write is for -------------------------------------------------------
    function in_payload;
        input [15:0] address;
        in_payload = address >= ADDRESS_MAILBOX_PAYLOAD && address - ADDRESS_MAILBOX_PAYLOAD < SIZE_MAILBOX_PAYLOAD;
    endfunction

    `include "cram_decode.vh"

    // ---- Watermarks -------------------------------------------------------------------------------------------------
    wire [31:0] low_mark, recovered_mark, high_mark, medium_mark, critical_mark, hysteresis;
    wire        in_high, in_medium, in_low, in_critical;
    wire        raise_high, raise_medium, raise_low, raise_recovered, raise_critical, watermarks_settled;

    watermarks u_marks (
        .clk_i(clk),
        .rst_ni(rst_ni),
        .available_i(available_sectors_i),
        .judge_i(judge_i),
        .falls_i(falls_i),
        .write_mask_i(write_mask),
        .write_bits_i(write_bits),
        .low_write_i(low_watermark_write),
        .recovered_write_i(recovered_watermark_write),
        .high_write_i(high_watermark_write),
        .medium_write_i(medium_watermark_write),
        .critical_write_i(critical_watermark_write),
        .hysteresis_write_i(watermark_hysteresis_write),
        .low_mark_o(low_mark),
        .recovered_mark_o(recovered_mark),
        .high_mark_o(high_mark),
        .medium_mark_o(medium_mark),
        .critical_mark_o(critical_mark),
        .hysteresis_o(hysteresis),
        .high_o(in_high),
        .medium_o(in_medium),
        .low_o(in_low),
        .critical_o(in_critical),
        .raise_high_o(raise_high),
        .raise_medium_o(raise_medium),
        .raise_low_o(raise_low),
        .raise_recovered_o(raise_recovered),
        .raise_critical_o(raise_critical),
        .settled_o(watermarks_settled)
    );

    assign critical_o = in_critical;

    // ---- Interrupts -------------------------------------------------------------------------------------------------
    reg [15:0] interrupt_status_q, interrupt_enable_q;
    wire       mailbox_done, event_logged, policy_write, policy_event;

    reg [15:0] raised;

    always @* begin
        raised = 16'd0;
        raised[INTERRUPT_STATUS_MAILBOX]   = mailbox_done;
        raised[INTERRUPT_STATUS_EVENT]     = event_logged;
        raised[INTERRUPT_STATUS_HOT]       = hot_nominated_i;
        raised[INTERRUPT_STATUS_HIGH]      = raise_high;
        raised[INTERRUPT_STATUS_MEDIUM]    = raise_medium;
        raised[INTERRUPT_STATUS_LOW]       = raise_low;
        raised[INTERRUPT_STATUS_RECOVERED] = raise_recovered;
        raised[INTERRUPT_STATUS_CRITICAL]  = raise_critical;
    end

    assign interrupt_o = interrupt_status_q & interrupt_enable_q;

    always @(posedge clk) begin
        interrupt_status_q <= interrupt_status_q & ~(interrupt_status_write ? write_bits[15:0] : 16'd0) | raised;
        if (interrupt_enable_write)
            interrupt_enable_q <= (interrupt_enable_q & ~write_mask[15:0] | write_bits[15:0]) & INTERRUPTS;
        if (policy_write) interrupt_enable_q[INTERRUPT_ENABLE_EVENT] <= policy_event;
        if (!rst_ni) begin
            interrupt_status_q <= 16'd0;
            interrupt_enable_q <= 16'd0;
        end
    end

    // ---- Media port -------------------------------------------------------------------------------------------------
    always @(posedge clk) begin
        if (media_time_limit_write) media_time_limit_o <= media_time_limit_o & ~write_mask | write_bits;
        if (!rst_ni) media_time_limit_o <= RESET_MEDIA_TIME_LIMIT;
    end

    // ---- Hot pages --------------------------------------------------------------------------------------------------
    wire mailbox_hot_pop;

    assign hot_pop_o = (hot_pop_write && write_bits[HOT_POP_POP]) || mailbox_hot_pop;

    always @(posedge clk) begin
        if (heat_threshold_write) heat_threshold_o <= heat_threshold_o & ~write_mask[7:0] | write_bits[7:0];
        if (heat_period_write) heat_period_o <= heat_period_o & ~write_mask | write_bits;
        if (!rst_ni) begin
            heat_threshold_o <= 8'd0;
            heat_period_o    <= 32'd0;
        end
    end

    // ---- Events -----------------------------------------------------------------------------------------------------
    wire [4:0]  event_count;
    wire [7:0]  event_code;
    wire [31:0] event_page, event_sector, event_overflow, event_lost, index_page;
    wire [15:0] event_handle;
    wire [3:0]  event_index;
    wire [7:0]  index_code;
    wire        mailbox_pop, event_cleared;

    event_log #(
        .DEPTH(16)
    ) u_events (
        .clk_i(clk),
        .rst_ni(rst_ni),
        .event_valid_i(event_valid_i),
        .event_code_i(event_code_i),
        .event_page_i(event_page_i),
        .event_sector_i(event_sector_i),
        .logged_o(event_logged),
        .pop_i((event_pop_write && write_bits[EVENT_POP_POP]) || mailbox_pop),
        .count_o(event_count),
        .code_o(event_code),
        .page_o(event_page),
        .sector_o(event_sector),
        .overflow_o(event_overflow),
        .handle_o(event_handle),
        .cleared_i(event_cleared),
        .lost_o(event_lost),
        .index_i(event_index),
        .index_code_o(index_code),
        .index_page_o(index_page)
    );

    // ---- Counters ---------------------------------------------------------------------------------------------------
    wire [63:0]            block_bytes;
    wire [63:0]            cycles;
    wire [31:0]            cycles_high;
    wire [32*COUNTERS-1:0] counters;
    wire [32*LOADS-1:0]    loads;
    wire                   loads_idle;

    device_counters u_counters (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .cycles_read_i(read && read_address == ADDRESS_CYCLES_LOW),
        .count_i(count_i),
        .timeout_i(timeout_i),
        .block_bytes_i(block_bytes_i),
        .cycles_o(cycles),
        .cycles_high_o(cycles_high),
        .block_bytes_o(block_bytes),
        .counters_o(counters),
        .load_i(load_i),
        .loads_idle_o(loads_idle),
        .loads_o(loads)
    );

    // ---- Mailbox ----------------------------------------------------------------------------------------------------
    wire        doorbell, background;
    wire [31:0] background_low, background_high;
    wire [15:0] opcode, return_code;
    wire [20:0] length;

    mailbox #(
        .PERCEIVED_PAGES(PERCEIVED_PAGES),
        .MEDIA_SECTORS(MEDIA_SECTORS),
        .SECTOR_BYTES(SECTOR_BYTES),
        .NS_PER_CYCLE(NS_PER_CYCLE)
    ) u_commands (
        .clk_i(clk),
        .rst_ni(rst_ni),
        .doorbell_set_i(mailbox_control_write && write_bits[MAILBOX_CONTROL_DOORBELL]),
        .command_low_write_i(mailbox_command_low_write),
        .command_high_write_i(mailbox_command_high_write),
        .payload_write_i(write && in_payload(write_address)),
        .payload_write_word_i(write_address[11:2]),
        .write_data_i(write_data),
        .write_strobe_i(write_strobe),
        .payload_read_i(read_payload),
        .payload_read_word_i(read_address[11:2]),
        .payload_read_data_o(payload_data),
        .doorbell_o(doorbell),
        .opcode_o(opcode),
        .length_o(length),
        .return_code_o(return_code),
        .done_o(mailbox_done),
        .background_o(background),
        .background_low_o(background_low),
        .background_high_o(background_high),
        .low_i(in_low),
        .critical_i(in_critical),
        .corrected_i(counters[32 * COUNT_BITS_CORRECTED +: 32]),
        .retired_i(counters[32 * COUNT_SECTORS_RETIRED +: 32]),
        .cycles_i(cycles),
        .free_sectors_i(free_sectors_i),
        .reserved_sectors_i(reserved_sectors_i),
        .resident_pages_i(resident_pages_i),
        .ratio_start_o(mailbox_ratio),
        .ratio_busy_i(ratio_busy),
        .ratio_i(ratio),
        .event_count_i(event_count),
        .event_handle_i(event_handle),
        .event_lost_i(event_lost),
        .event_index_o(event_index),
        .event_code_i(index_code),
        .event_page_i(index_page),
        .event_pop_o(mailbox_pop),
        .event_cleared_o(event_cleared),
        .event_enable_i(interrupt_enable_q[INTERRUPT_ENABLE_EVENT]),
        .event_enable_write_o(policy_write),
        .event_enable_o(policy_event),
        .hot_count_i(hot_count_i[7:0]),
        .hot_page_i(hot_page_i),
        .hot_overflow_i(hot_overflow_i),
        .hot_pop_o(mailbox_hot_pop),
        .command_valid_o(command_valid_o),
        .command_ready_i(command_ready_i),
        .command_op_o(command_op_o),
        .command_page_o(command_page_o),
        .reply_valid_i(reply_valid_i),
        .reply_state_i(reply_state_i),
        .reply_cached_i(reply_cached_i),
        .reply_dirty_i(reply_dirty_i),
        .reply_error_i(reply_error_i),
        .reply_fenced_i(reply_fenced_i),
        .reply_reason_i(reply_reason_i),
        .reply_length_i(reply_length_i),
        .reply_crc_i(reply_crc_i),
        .reply_word_i(reply_word_i),
        .reply_sector_i(reply_sector_i),
        .reply_cause_i(reply_cause_i),
        .block_start_i(block_start_i),
        .block_valid_i(block_valid_i),
        .block_data_i(block_data_i),
        .import_crc_o(import_crc_o),
        .import_length_o(import_length_o),
        .import_valid_o(import_valid_o),
        .import_ready_i(import_ready_i),
        .import_data_o(import_data_o),
        .import_bytes_o(import_bytes_o),
        .import_last_o(import_last_o)
    );

    // ---- What a read gives ---------------------------------------------------------------------------------------------
    always @* begin
        read_data = 32'd0;
        if (read) case (read_address)
            `include "cram_read_data.vh"
            ADDRESS_STATUS: begin
                read_data[STATUS_READY]    = ready_i;
                read_data[STATUS_IDLE]     = idle_i && !doorbell && !background;
                read_data[STATUS_LOW]      = in_low;
                read_data[STATUS_HIGH]     = in_high;
                read_data[STATUS_MEDIUM]   = in_medium;
                read_data[STATUS_CRITICAL] = in_critical;
            end
            ADDRESS_FREE_SECTORS:         read_data = free_sectors_i;
            ADDRESS_RESERVED_SECTORS:     read_data = reserved_sectors_i;
            ADDRESS_RESIDENT_PAGES:       read_data = resident_pages_i;
            ADDRESS_INTERRUPT_STATUS:     read_data[15:0] = interrupt_status_q;
            ADDRESS_INTERRUPT_ENABLE:     read_data[15:0] = interrupt_enable_q;
            ADDRESS_LOW_WATERMARK:        read_data = low_mark;
            ADDRESS_RECOVERED_WATERMARK:  read_data = recovered_mark;
            ADDRESS_ACHIEVED_RATIO:       read_data = 32'd0;  // comes late
            ADDRESS_HIGH_WATERMARK:       read_data = high_mark;
            ADDRESS_MEDIUM_WATERMARK:     read_data = medium_mark;
            ADDRESS_CRITICAL_WATERMARK:   read_data = critical_mark;
            ADDRESS_WATERMARK_HYSTERESIS: read_data = hysteresis;
            ADDRESS_MEDIA_TIME_LIMIT:     read_data = media_time_limit_o;
            ADDRESS_EVENT_COUNT:          read_data[4:0] = event_count;
            ADDRESS_EVENT_CODE:           read_data[7:0] = event_code;
            ADDRESS_EVENT_PAGE:           read_data = event_page;
            ADDRESS_EVENT_SECTOR:         read_data = event_sector;
            ADDRESS_EVENT_OVERFLOW:       read_data = event_overflow;
            ADDRESS_CYCLES_LOW:           read_data = cycles[31:0];
            ADDRESS_CYCLES_HIGH:          read_data = cycles_high;
            ADDRESS_BLOCK_BYTES_LOW:      read_data = block_bytes[31:0];
            ADDRESS_BLOCK_BYTES_HIGH:     read_data = block_bytes[63:32];
            ADDRESS_HEAT_THRESHOLD:       read_data[7:0] = heat_threshold_o;
            ADDRESS_HEAT_PERIOD:          read_data = heat_period_o;
            ADDRESS_HOT_COUNT:            read_data = hot_count_i;
            ADDRESS_HOT_PAGE:             read_data = hot_page_i;
            ADDRESS_HOT_OVERFLOW:         read_data = hot_overflow_i;
            ADDRESS_EVENT_STATUS:         read_data[EVENT_STATUS_FAILURE] = event_count != 5'd0;
            ADDRESS_MEMORY_DEVICE_STATUS: begin
                read_data[MEMORY_DEVICE_STATUS_MEDIA]   = ready_i;
                read_data[MEMORY_DEVICE_STATUS_MAILBOX] = ready_i;
            end
            ADDRESS_MAILBOX_CONTROL:      read_data[MAILBOX_CONTROL_DOORBELL] = doorbell;
            ADDRESS_MAILBOX_COMMAND_LOW:  read_data = {length[15:0], opcode};
            ADDRESS_MAILBOX_COMMAND_HIGH: read_data[4:0] = length[20:16];
            ADDRESS_MAILBOX_STATUS_LOW:   read_data[MAILBOX_STATUS_LOW_BACKGROUND] = background;
            ADDRESS_MAILBOX_BACKGROUND_LOW:  read_data = background_low;
            ADDRESS_MAILBOX_BACKGROUND_HIGH: read_data = background_high;
            ADDRESS_MAILBOX_STATUS_HIGH:  read_data[15:0] = return_code;
            default:                      read_data = 32'd0;
        endcase
    end

    // An event or a watermark that is just being passed still has to reach its interrupt.
    assign idle_o = bus_idle && !doorbell && !background && !event_valid_i && !hot_nominated_i
                    && watermarks_settled && loads_idle;

    wire unused = &{1'b0, s_axil_awprot, s_axil_arprot};
endmodule

`default_nettype wire
