// SPDX-License-Identifier: MIT
// Generated from hw/regs/cram.rdl by `make regs`; do not edit. To be included in cram_registers, which has `write`,
// `write_address` and `in_payload`.

// Which addresses exist
function mapped;
    input [15:0] address;
    case (address)
        ADDRESS_ID,
        ADDRESS_VERSION,
        ADDRESS_STATUS,
        ADDRESS_PERCEIVED_PAGES,
        ADDRESS_MEDIA_SECTORS,
        ADDRESS_SECTOR_BYTES,
        ADDRESS_CACHE_PAGES,
        ADDRESS_BYTES_PER_CYCLE,
        ADDRESS_FREE_SECTORS,
        ADDRESS_RESERVED_SECTORS,
        ADDRESS_RESIDENT_PAGES,
        ADDRESS_INTERRUPT_STATUS,
        ADDRESS_INTERRUPT_ENABLE,
        ADDRESS_LOW_WATERMARK,
        ADDRESS_RECOVERED_WATERMARK,
        ADDRESS_EVENT_COUNT,
        ADDRESS_EVENT_CODE,
        ADDRESS_EVENT_PAGE,
        ADDRESS_EVENT_POP,
        ADDRESS_EVENT_OVERFLOW,
        ADDRESS_ACHIEVED_RATIO,
        ADDRESS_HIGH_WATERMARK,
        ADDRESS_MEDIUM_WATERMARK,
        ADDRESS_CRITICAL_WATERMARK,
        ADDRESS_WATERMARK_HYSTERESIS,
        ADDRESS_MEDIA_TIME_LIMIT,
        ADDRESS_EVENT_SECTOR,
        ADDRESS_CYCLES_LOW,
        ADDRESS_CYCLES_HIGH,
        ADDRESS_PAGES_CLOSED,
        ADDRESS_CLOSED_ZERO,
        ADDRESS_CLOSED_SAME,
        ADDRESS_CLOSED_LZ4,
        ADDRESS_CLOSED_RAW,
        ADDRESS_PAGES_FILLED,
        ADDRESS_PAGES_OPENED,
        ADDRESS_PAGES_TRIMMED,
        ADDRESS_PAGES_POISONED,
        ADDRESS_LINES_READ,
        ADDRESS_LINES_WRITTEN,
        ADDRESS_BLOCK_BYTES_LOW,
        ADDRESS_BLOCK_BYTES_HIGH,
        ADDRESS_LINES_NOT_ADMITTED,
        ADDRESS_LINES_FENCED,
        ADDRESS_PAGES_IMPORTED,
        ADDRESS_MEDIA_TIMEOUTS,
        ADDRESS_SECTORS_RETIRED,
        ADDRESS_LINES_REFUSED,
        ADDRESS_BITS_CORRECTED,
        ADDRESS_HEAT_THRESHOLD,
        ADDRESS_HEAT_PERIOD,
        ADDRESS_HOT_COUNT,
        ADDRESS_HOT_PAGE,
        ADDRESS_HOT_POP,
        ADDRESS_HOT_OVERFLOW,
        ADDRESS_READS_AT_HAND,
        ADDRESS_READS_ASIDE,
        ADDRESS_OPENED_FREE,
        ADDRESS_OPENED_ZERO,
        ADDRESS_OPENED_SAME,
        ADDRESS_OPENED_LZ4,
        ADDRESS_OPENED_RAW,
        ADDRESS_STALLS_WRITE,
        ADDRESS_STALLS_ENTRY,
        ADDRESS_STALLS_FILLER,
        ADDRESS_STALLS_ROOM,
        ADDRESS_CLOSING,
        ADDRESS_FILLING_1,
        ADDRESS_FILLING_2,
        ADDRESS_FILLING_3,
        ADDRESS_FILLING_4,
        ADDRESS_MEDIA_READ_BEATS,
        ADDRESS_MEDIA_WRITE_BEATS,
        ADDRESS_MEDIA_STALLS,
        ADDRESS_READS_WITHIN_8,
        ADDRESS_READS_WITHIN_16,
        ADDRESS_READS_WITHIN_32,
        ADDRESS_READS_WITHIN_64,
        ADDRESS_READS_WITHIN_128,
        ADDRESS_READS_WITHIN_256,
        ADDRESS_READS_WITHIN_512,
        ADDRESS_READS_WITHIN_1024,
        ADDRESS_READS_WITHIN_2048,
        ADDRESS_READS_LATER,
        ADDRESS_CXL_ARRAY,
        ADDRESS_CXL_ARRAY_COUNT,
        ADDRESS_CXL_STATUS,
        ADDRESS_CXL_STATUS_OFFSET,
        ADDRESS_CXL_STATUS_LENGTH,
        ADDRESS_CXL_MAILBOX,
        ADDRESS_CXL_MAILBOX_OFFSET,
        ADDRESS_CXL_MAILBOX_LENGTH,
        ADDRESS_CXL_MEMORY,
        ADDRESS_CXL_MEMORY_OFFSET,
        ADDRESS_CXL_MEMORY_LENGTH,
        ADDRESS_EVENT_STATUS,
        ADDRESS_MEMORY_DEVICE_STATUS,
        ADDRESS_MAILBOX_CAPABILITIES,
        ADDRESS_MAILBOX_CONTROL,
        ADDRESS_MAILBOX_COMMAND_LOW,
        ADDRESS_MAILBOX_COMMAND_HIGH,
        ADDRESS_MAILBOX_STATUS_LOW,
        ADDRESS_MAILBOX_STATUS_HIGH,
        ADDRESS_MAILBOX_BACKGROUND_LOW,
        ADDRESS_MAILBOX_BACKGROUND_HIGH:
            mapped = 1'b1;
        default: mapped = in_payload(address);
    endcase
endfunction

// Which register a write is for
reg interrupt_status_write;
reg interrupt_enable_write;
reg low_watermark_write;
reg recovered_watermark_write;
reg event_pop_write;
reg high_watermark_write;
reg medium_watermark_write;
reg critical_watermark_write;
reg watermark_hysteresis_write;
reg media_time_limit_write;
reg heat_threshold_write;
reg heat_period_write;
reg hot_pop_write;
reg mailbox_control_write;
reg mailbox_command_low_write;
reg mailbox_command_high_write;

always @* begin
    interrupt_status_write = 1'b0;
    interrupt_enable_write = 1'b0;
    low_watermark_write = 1'b0;
    recovered_watermark_write = 1'b0;
    event_pop_write = 1'b0;
    high_watermark_write = 1'b0;
    medium_watermark_write = 1'b0;
    critical_watermark_write = 1'b0;
    watermark_hysteresis_write = 1'b0;
    media_time_limit_write = 1'b0;
    heat_threshold_write = 1'b0;
    heat_period_write = 1'b0;
    hot_pop_write = 1'b0;
    mailbox_control_write = 1'b0;
    mailbox_command_low_write = 1'b0;
    mailbox_command_high_write = 1'b0;
    if (write) case (write_address)
        ADDRESS_INTERRUPT_STATUS: interrupt_status_write = 1'b1;
        ADDRESS_INTERRUPT_ENABLE: interrupt_enable_write = 1'b1;
        ADDRESS_LOW_WATERMARK: low_watermark_write = 1'b1;
        ADDRESS_RECOVERED_WATERMARK: recovered_watermark_write = 1'b1;
        ADDRESS_EVENT_POP: event_pop_write = 1'b1;
        ADDRESS_HIGH_WATERMARK: high_watermark_write = 1'b1;
        ADDRESS_MEDIUM_WATERMARK: medium_watermark_write = 1'b1;
        ADDRESS_CRITICAL_WATERMARK: critical_watermark_write = 1'b1;
        ADDRESS_WATERMARK_HYSTERESIS: watermark_hysteresis_write = 1'b1;
        ADDRESS_MEDIA_TIME_LIMIT: media_time_limit_write = 1'b1;
        ADDRESS_HEAT_THRESHOLD: heat_threshold_write = 1'b1;
        ADDRESS_HEAT_PERIOD: heat_period_write = 1'b1;
        ADDRESS_HOT_POP: hot_pop_write = 1'b1;
        ADDRESS_MAILBOX_CONTROL: mailbox_control_write = 1'b1;
        ADDRESS_MAILBOX_COMMAND_LOW: mailbox_command_low_write = 1'b1;
        ADDRESS_MAILBOX_COMMAND_HIGH: mailbox_command_high_write = 1'b1;
        default: ;
    endcase
end
