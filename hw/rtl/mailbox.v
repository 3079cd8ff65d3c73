// SPDX-License-Identifier: MIT
// mailbox: CXL mailbox registers, the 4096-byte payload, and who runs the commands of docs/device.md.
//
//     cram_registers --> registers, payload <--> mailbox_commands <-- mailbox_replies, mailbox_constants
//                                                     |   |   mailbox_background
//                                                     |   |       |
//                                mailbox_settings <---+   +-------+--> page_sequencer: commands before the background
//
// Handshake: towards cram_registers, which decodes, one write and one payload read a cycle. While the doorbell is set,
//            writes of the command and of the payload are ignored; reads are not. `payload_read_data_o` follows
//            `payload_read_i` by one cycle and is valid for that cycle. `done_o` pulses when a command, or the background
//            operation, has completed; doorbell, return code and length change with it.
//            Towards the core: command valid/ready, one outstanding; it answers with one pulse of `reply_valid_i`, one
//            cycle after the handshake or later. EXPORT sends its block as beats before that, ascending, always taken.
// Latency:   that of mailbox_commands and one cycle. A piece of a reply is written two cycles after it is asked for.
//
// Payload memory: 64 rows of one beat, so that a beat of the block is one write; a reply is written by pieces of 16
// bytes (four a row) or by bytes, inputs are read by 8 bytes. Bytes behind a reply are unknown: a byte is
// written into the rest of its row, too, and the next ones go over it.

`default_nettype none

module mailbox #(
    parameter PERCEIVED_PAGES = 4096,
    parameter MEDIA_SECTORS   = 16384,
    parameter SECTOR_BYTES    = 256,
    parameter NS_PER_CYCLE    = 1
) (
    input  wire         clk_i,
    input  wire         rst_ni,

    // Register side
    input  wire         doorbell_set_i,
    input  wire         command_low_write_i,
    input  wire         command_high_write_i,
    input  wire         payload_write_i,
    input  wire [9:0]   payload_write_word_i,
    input  wire [31:0]  write_data_i,
    input  wire [3:0]   write_strobe_i,
    input  wire         payload_read_i,
    input  wire [9:0]   payload_read_word_i,
    output wire [31:0]  payload_read_data_o,
    output wire         doorbell_o,
    output wire [15:0]  opcode_o,
    output wire [20:0]  length_o,
    output wire [15:0]  return_code_o,
    output wire         done_o,
    output wire         background_o,
    output wire [31:0]  background_low_o,
    output wire [31:0]  background_high_o,

    // What commands report
    input  wire         low_i,
    input  wire         critical_i,
    input  wire [31:0]  corrected_i,  // lines
    input  wire [31:0]  retired_i,    // sectors
    input  wire [63:0]  cycles_i,     // since reset
    input  wire [31:0]  free_sectors_i,
    input  wire [31:0]  reserved_sectors_i,
    input  wire [31:0]  resident_pages_i,
    output wire         ratio_start_o,
    input  wire         ratio_busy_i,
    input  wire [31:0]  ratio_i,
    input  wire [4:0]   event_count_i,
    input  wire [15:0]  event_handle_i,
    input  wire [31:0]  event_lost_i,
    output wire [3:0]   event_index_o,
    input  wire [7:0]   event_code_i,
    input  wire [31:0]  event_page_i,
    output wire         event_pop_o,
    output wire         event_cleared_o,
    input  wire         event_enable_i,  // of the interrupt EVENT
    output wire         event_enable_write_o,
    output wire         event_enable_o,
    input  wire [7:0]   hot_count_i,
    input  wire [31:0]  hot_page_i,
    input  wire [31:0]  hot_overflow_i,
    output wire         hot_pop_o,

    // Sequencer of the core
    output wire         command_valid_o,
    input  wire         command_ready_i,
    output wire [3:0]   command_op_o,
    output wire [31:0]  command_page_o,
    input  wire         reply_valid_i,
    input  wire [2:0]   reply_state_i,
    input  wire         reply_cached_i,
    input  wire         reply_dirty_i,
    input  wire         reply_error_i,
    input  wire         reply_fenced_i,
    input  wire [1:0]   reply_reason_i,
    input  wire [12:0]  reply_length_i,
    input  wire [31:0]  reply_crc_i,
    input  wire [63:0]  reply_word_i,
    input  wire [31:0]  reply_sector_i,
    input  wire [7:0]   reply_cause_i,
    input  wire         block_start_i,  // the next beat is a block's first
    input  wire         block_valid_i,
    input  wire [511:0] block_data_i,

    // A block to import, while its command waits for the reply
    output wire [31:0]  import_crc_o,
    output wire [12:0]  import_length_o,
    output wire         import_valid_o,
    input  wire         import_ready_i,
    output wire [511:0] import_data_o,
    output wire [6:0]   import_bytes_o,
    output wire         import_last_o
);
    `include "cram_codes.vh"

    // ---- Registers --------------------------------------------------------------------------------------------------
    reg        doorbell_q;
    reg [15:0] opcode_q;
    reg [20:0] length_q;
    reg [15:0] return_code_q;

    wire        done, background_done;
    wire [15:0] result;
    wire [20:0] result_length;

    assign doorbell_o    = doorbell_q;
    assign opcode_o      = opcode_q;
    assign length_o      = length_q;
    assign return_code_o = return_code_q;
    assign done_o        = done || background_done;

    always @(posedge clk_i) begin
        if (doorbell_set_i) doorbell_q <= 1'b1;
        if (!doorbell_q) begin
            if (command_low_write_i && write_strobe_i[0]) opcode_q[7:0] <= write_data_i[7:0];
            if (command_low_write_i && write_strobe_i[1]) opcode_q[15:8] <= write_data_i[15:8];
            if (command_low_write_i && write_strobe_i[2]) length_q[7:0] <= write_data_i[23:16];
            if (command_low_write_i && write_strobe_i[3]) length_q[15:8] <= write_data_i[31:24];
            if (command_high_write_i && write_strobe_i[0]) length_q[20:16] <= write_data_i[4:0];
        end
        if (done) begin
            doorbell_q    <= 1'b0;
            length_q      <= result_length;
            return_code_q <= result;
        end
        if (!rst_ni) begin
            doorbell_q    <= 1'b0;
            opcode_q      <= 16'd0;
            length_q      <= 21'd0;
            return_code_q <= 16'd0;
        end
    end

    // ---- Commands ---------------------------------------------------------------------------------------------------
    wire         machine_read, more, failure_log, alert_enable, background_start;
    wire         take, setting_bad, constant, log_right;
    wire [8:0]   constant_first, constant_bytes, step_constant;
    wire [7:0]   constant_byte;
    wire [31:0]  policy;
    wire [63:0]  timestamp;
    wire [8:0]   machine_word;
    wire [511:0] read_row;
    reg  [63:0]  word_q;         // the 8 bytes of it that were read last
    wire [7:0]   step_index, records;
    wire [4:0]   events;
    wire [15:0]  alert_threshold;
    wire [31:0]  page, kept_sector;
    wire         step_valid, step_byte;  // a piece of the reply, or a byte of a constant one
    wire         front_valid, back_valid, back_waiting;
    wire [3:0]   front_op;
    wire [31:0]  back_page;
    reg          replying_q;     // a command of mailbox_commands waits for its reply

    mailbox_commands #(
        .PERCEIVED_PAGES(PERCEIVED_PAGES),
        .SECTOR_BYTES(SECTOR_BYTES)
    ) u_commands (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .start_i(doorbell_q),
        .opcode_i(opcode_q),
        .length_i(length_q),
        .done_o(done),
        .return_code_o(result),
        .length_o(result_length),
        .read_o(machine_read),
        .read_word_o(machine_word),
        .read_wait_i(payload_read_i),  // the host's read goes first
        .word_i(word_q),
        .take_o(take),
        .setting_bad_i(setting_bad),
        .constant_i(constant),
        .first_i(constant_first),
        .bytes_i(constant_bytes),
        .log_right_i(log_right),
        .byte_valid_o(step_byte),
        .byte_index_o(step_constant),
        .piece_valid_o(step_valid),
        .piece_o(step_index),
        .records_o(records),
        .more_o(more),
        .events_o(events),
        .failure_log_o(failure_log),
        .page_o(page),
        .sector_o(kept_sector),
        .command_valid_o(front_valid),
        .command_ready_i(command_ready_i && !back_waiting),
        .command_op_o(front_op),
        .reply_valid_i(reply_valid_i && !back_waiting),
        .reply_state_i(reply_state_i),
        .reply_error_i(reply_error_i),
        .reply_reason_i(reply_reason_i),
        .import_crc_o(import_crc_o),
        .reply_length_i(reply_length_i),
        .reply_sector_i(reply_sector_i),
        .event_count_i(event_count_i),
        .event_handle_i(event_handle_i),
        .event_overflow_i(event_lost_i != 32'd0),
        .event_pop_o(event_pop_o),
        .event_cleared_o(event_cleared_o),
        .hot_count_i(hot_count_i),
        .ratio_start_o(ratio_start_o),
        .ratio_busy_i(ratio_busy_i),
        .background_start_o(background_start),
        .background_busy_i(background_o)
    );

    mailbox_settings #(
        .NS_PER_CYCLE(NS_PER_CYCLE)
    ) u_settings (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .take_i(take),
        .opcode_i(opcode_q),
        .word_index_i(machine_word[0]),
        .word_i(word_q),
        .bad_o(setting_bad),
        .alert_enable_o(alert_enable),
        .alert_threshold_o(alert_threshold),
        .event_enable_i(event_enable_i),
        .policy_write_o(event_enable_write_o),
        .policy_failure_o(event_enable_o),
        .policy_o(policy),
        .cycles_i(cycles_i),
        .timestamp_o(timestamp)
    );

    // What a reply is made of, in the cycle after the core's answer; a cycle later it is written.
    reg         piece_valid, byte_valid, writing_q, reply_cached_q, reply_dirty_q, reply_fenced_q;
    reg  [7:0]  piece_index, reply_cause_q;
    reg  [8:0]  constant_index;
    reg  [31:0] page_q, reply_crc_q;
    reg  [2:0]  reply_state_q;
    reg  [12:0] reply_length_q;
    reg  [63:0] reply_word_q;

    always @(posedge clk_i) begin
        {piece_valid, byte_valid, piece_index, constant_index} <= {step_valid, step_byte, step_index, step_constant};
        if (step_valid) begin
            {page_q, writing_q}                              <= {page, !replying_q};
            {reply_cached_q, reply_dirty_q, reply_fenced_q}  <= {reply_cached_i, reply_dirty_i, reply_fenced_i};
            {reply_state_q, reply_length_q, reply_cause_q}   <= {reply_state_i, reply_length_i, reply_cause_i};
            {reply_crc_q, reply_word_q}                      <= {reply_crc_i, reply_word_i};
        end
        if (!rst_ni) {piece_valid, byte_valid} <= 2'b00;
    end

    mailbox_constants #(
        .PERCEIVED_PAGES(PERCEIVED_PAGES)
    ) u_constants (
        .opcode_i(opcode_q),
        .constant_o(constant),
        .first_o(constant_first),
        .bytes_o(constant_bytes),
        .valid_i(byte_valid),
        .index_i(constant_index),
        .byte_o(constant_byte),
        .word_index_i(machine_word[0]),
        .word_i(word_q),
        .log_right_o(log_right)
    );

    // Each record of a hot page that is written leaves the ring.
    assign hot_pop_o = piece_valid && opcode_q == OPCODE_GET_HOT_PAGES && piece_index != 8'd0;

    mailbox_background #(
        .PERCEIVED_PAGES(PERCEIVED_PAGES)
    ) u_background (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .start_i(background_start),
        .busy_o(background_o),
        .done_o(background_done),
        .low_o(background_low_o),
        .high_o(background_high_o),
        .command_valid_o(back_valid),
        .command_ready_i(command_ready_i && !front_valid && !replying_q),
        .command_page_o(back_page),
        .waiting_o(back_waiting),
        .reply_valid_i(reply_valid_i)
    );

    assign command_valid_o = (front_valid || (back_valid && !replying_q)) && !back_waiting;
    assign command_op_o    = front_valid ? front_op : OP_TRIM;
    assign command_page_o  = front_valid ? page : back_page;

    always @(posedge clk_i) begin
        if (front_valid && command_ready_i && !back_waiting) replying_q <= 1'b1;
        else if (reply_valid_i) replying_q <= 1'b0;
        if (!rst_ni) replying_q <= 1'b0;
    end

    // ---- Replies ----------------------------------------------------------------------------------------------------
    wire [127:0] piece;

    mailbox_replies #(
        .MEDIA_SECTORS(MEDIA_SECTORS),
        .SECTOR_BYTES(SECTOR_BYTES)
    ) u_replies (
        .valid_i(piece_valid),
        .opcode_i(opcode_q),
        .index_i(piece_index),
        .piece_o(piece),
        .page_i(page_q),
        .state_i(reply_state_q),
        .cached_i(reply_cached_q),
        .dirty_i(reply_dirty_q),
        .fenced_i(reply_fenced_q),
        .length_i(reply_length_q),
        .crc_i(reply_crc_q),
        .word_i(reply_word_q),
        .cause_i(reply_cause_q),
        .writing_i(writing_q),
        .kept_sector_i(kept_sector),
        .records_i(records),
        .more_i(more),
        .events_i(events),
        .failure_log_i(failure_log),
        .event_handle_i(event_handle_i),
        .event_code_i(event_code_i),
        .event_page_i(event_page_i),
        .event_index_o(event_index_o),
        .event_lost_i(event_lost_i),
        .hot_page_i(hot_page_i),
        .hot_overflow_i(hot_overflow_i),
        .low_i(low_i),
        .critical_i(critical_i),
        .alert_enable_i(alert_enable),
        .alert_threshold_i(alert_threshold),
        .corrected_i(corrected_i),
        .retired_i(retired_i),
        .policy_i(policy),
        .timestamp_i(timestamp),
        .free_i(free_sectors_i),
        .reserved_i(reserved_sectors_i),
        .resident_i(resident_pages_i),
        .ratio_i(ratio_i)
    );

    // ---- Import: rows 1 and on of the payload -------------------------------------------------------------------------
    // The memory shows a row until the host reads the payload in between; then the row is read again.
    reg  [6:0]  feed_q;          // the row
    reg         feed_valid_q;    // the memory shows it
    wire        importing   = replying_q && front_op == OP_IMPORT;
    wire [6:0]  rows        = length_q[12:6] + {6'd0, |length_q[5:0]};  // with row 0
    wire        feed_take   = feed_valid_q && import_ready_i;
    wire        feed_read   = importing && !feed_valid_q && feed_q != rows && !payload_read_i;
    wire        unused      = &{1'b0, length_q[20:13]};

    assign import_valid_o  = feed_valid_q;
    assign import_data_o   = read_row;
    assign import_last_o   = feed_q + 7'd1 == rows;
    assign import_bytes_o  = import_last_o && |length_q[5:0] ? {1'b0, length_q[5:0]} : 7'd64;
    assign import_length_o = length_q[12:0] - 13'd64;

    always @(posedge clk_i) begin
        if (!importing) feed_q <= 7'd1;
        else if (feed_take) feed_q <= feed_q + 7'd1;
        feed_valid_q <= importing && (feed_read || (feed_valid_q && !feed_take && !payload_read_i));
    end

    // ---- Payload ----------------------------------------------------------------------------------------------------
    reg [5:0] row_q;  // of the next beat of a block

    reg         made_q, made_byte_q;
    reg [7:0]   made_index_q, made_constant_q;
    reg [127:0] made_piece_q;

    always @(posedge clk_i) begin
        {made_q, made_byte_q, made_index_q} <= {piece_valid, byte_valid, piece_index};
        if (byte_valid) made_constant_q <= constant_byte;
        if (piece_valid) made_piece_q <= piece;
        if (!rst_ni) {made_q, made_byte_q} <= 2'b00;
    end

    wire write_host  = payload_write_i && !doorbell_q;
    wire write_block = block_valid_i && replying_q && front_op == OP_EXPORT;

    wire [5:0]   write_row        = write_host ? payload_write_word_i[9:4] : write_block ? row_q
                                    : made_byte_q ? {4'd0, made_index_q[7:6]} : made_index_q[7:2];
    wire [511:0] write_row_data   = write_host ? {16{write_data_i}} : write_block ? block_data_i
                                    : made_byte_q ? {64{made_constant_q}} : {4{made_piece_q}};
    wire [63:0]  write_row_strobe = write_host ? {60'd0, write_strobe_i} << {payload_write_word_i[3:0], 2'b00}
                                    : write_block ? {64{1'b1}}
                                    : made_byte_q ? {64{1'b1}} << made_index_q[5:0]
                                    : {48'd0, 16'hFFFF} << {made_index_q[1:0], 4'd0};
    reg  [3:0]   host_word_q;

    ram #(
        .WIDTH(512),
        .DEPTH(64),
        .ADDRESS_BITS(6)
    ) u_payload (
        .clk_i(clk_i),
        .write_i(write_host || write_block || made_q || made_byte_q),
        .write_address_i(write_row),
        .write_data_i(write_row_data),
        .write_strobe_i(write_row_strobe),
        .read_i(payload_read_i || machine_read || feed_read),
        .read_address_i(payload_read_i ? payload_read_word_i[9:4] : importing ? feed_q[5:0] : machine_word[8:3]),
        .read_data_o(read_row)
    );

    always @(posedge clk_i) begin
        if (payload_read_i) host_word_q <= payload_read_word_i[3:0];
        if (!doorbell_q || block_start_i) row_q <= 6'd0;
        else if (write_block) row_q <= row_q + 6'd1;
    end

    assign payload_read_data_o = read_row[{host_word_q, 5'd0} +: 32];

    reg word_comes_q;

    always @(posedge clk_i) begin
        word_comes_q <= machine_read && !payload_read_i;
        if (word_comes_q) word_q <= read_row[{machine_word[2:0], 6'd0} +: 64];
    end
endmodule

`default_nettype wire
