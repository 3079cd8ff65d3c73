// mailbox: CXL mailbox registers, the 4096-byte payload, and the commands of docs/device.md, Mailbox commands.
//
// Register side (cram_registers decodes): one write and one payload read a cycle. While the doorbell is set, writes of
//   the command and of the payload are ignored; reads are not. `payload_read_data_o` follows `payload_read_i` by one
//   cycle and is valid for that cycle. `done_o` pulses when a command has completed; doorbell, return code and length
//   change with it.
//
// Core side: command valid/ready, one outstanding; the core answers with one pulse of `reply_valid_i`, one cycle after the
//   handshake or later. EXPORT sends its block as beats before that, ascending, always taken.
//
// Payload memory, 64 rows of one beat, so that a beat of the block is one write:
//
//         byte 63 ........................................ 0
//   row 0 | Identify:         capacity (u64) | firmware (16 bytes)
//   row 0 | Get Page State:   sector | word | crc | length | flags | state
//   row 0 | Media Operations: start of range 0 (u64) | count | 0 | subclass | class
//         | then 16 bytes a range: start DPA (u64), length (u64); the machine reads 8 bytes at a time
//   Bytes behind a reply are unknown.
//
// Latency: Identify 3 cycles from the doorbell; trim 4 cycles a range to check it, then the core's time a page.
module mailbox #(
    parameter PERCEIVED_PAGES = 4096
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

    // Sequencer of the core
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

    localparam [1:0] OP_TRIM   = 2'd0;
    localparam [1:0] OP_STATE  = 2'd1;
    localparam [1:0] OP_EXPORT = 2'd2;
    localparam [1:0] OP_FLUSH  = 2'd3;

    localparam [2:0] STATE_SAME = 3'd2;
    localparam [2:0] STATE_LZ4  = 3'd3;
    localparam [2:0] STATE_RAW  = 3'd4;

    localparam [20:0] PAYLOAD_BYTES    = {5'd0, SIZE_MAILBOX_PAYLOAD};
    localparam [20:0] IDENTIFY_BYTES   = 21'd24;
    localparam [20:0] PAGE_STATE_BYTES = 21'd20;
    localparam [20:0] HEADER_BYTES     = 21'd8;
    localparam [31:0] MAXIMUM_RANGES   = 32'd255;  // (4096 - 8) / 16
    localparam [31:0] PAGE_COUNT       = PERCEIVED_PAGES;
    localparam [51:0] PAGES            = {20'd0, PAGE_COUNT};
    localparam [63:0] CAPACITY         = {48'd0, PAGE_COUNT[31:16]};  // units of 256 MiB
    localparam [127:0] FIRMWARE        = {40'd0, "0.0.1 marcv"};  // first letter in byte 0

    // ---- Command machine --------------------------------------------------------------------------------------------
    localparam [2:0] IDLE    = 3'd0;
    localparam [2:0] DECODE  = 3'd1;
    localparam [2:0] READ    = 3'd2;  // ask the payload for 8 bytes
    localparam [2:0] TAKE    = 3'd3;  // use them
    localparam [2:0] RANGE   = 3'd4;  // judge a range, or start on it
    localparam [2:0] COMMAND = 3'd5;
    localparam [2:0] REPLY   = 3'd6;
    localparam [2:0] DONE    = 3'd7;

    reg [2:0]  state_q;
    reg        doorbell_q;
    reg [15:0] opcode_q;
    reg [20:0] length_q;
    reg [15:0] return_code_q;

    reg [15:0] result_q;         // return code and length of the reply, shown when done
    reg [20:0] result_length_q;
    reg [1:0]  op_q;
    reg [8:0]  word_q;           // index of the 8 bytes to read: 0 header, 1 + 2n start and 2 + 2n length of range n
    reg [7:0]  ranges_left_q;    // behind the present one
    reg [7:0]  ranges_q;         // all, minus 1
    reg        trimming_q;       // second pass: the ranges are legal
    reg [63:0] start_q;
    reg [63:0] bytes_q;
    reg [31:0] page_q;
    reg [31:0] pages_left_q;     // behind the present one
    reg [5:0]  row_q;            // of the next beat of a block

    wire [63:0] word;            // the 8 bytes that were read

    wire [31:0] header_count   = word[63:32];
    wire [7:0]  header_count_8 = header_count[7:0];  // enough for the legal ones

    wire range_shape_legal = start_q[11:0] == 12'd0 && bytes_q[11:0] == 12'd0 && bytes_q != 64'd0;
    wire range_inside      = start_q[63:12] < PAGES && bytes_q[63:12] <= PAGES - start_q[63:12];

    assign doorbell_o      = doorbell_q;
    assign opcode_o        = opcode_q;
    assign length_o        = length_q;
    assign return_code_o   = return_code_q;
    assign done_o          = state_q == DONE;
    assign command_valid_o = state_q == COMMAND;
    assign command_op_o    = op_q;
    assign command_page_o  = page_q;

    always @(posedge clk_i) begin
        if (!rst_ni) begin
            state_q       <= IDLE;
            doorbell_q    <= 1'b0;
            opcode_q      <= 16'd0;
            length_q      <= 21'd0;
            return_code_q <= 16'd0;
        end else begin
            if (doorbell_set_i) doorbell_q <= 1'b1;
            if (!doorbell_q) begin
                if (command_low_write_i && write_strobe_i[0]) opcode_q[7:0] <= write_data_i[7:0];
                if (command_low_write_i && write_strobe_i[1]) opcode_q[15:8] <= write_data_i[15:8];
                if (command_low_write_i && write_strobe_i[2]) length_q[7:0] <= write_data_i[23:16];
                if (command_low_write_i && write_strobe_i[3]) length_q[15:8] <= write_data_i[31:24];
                if (command_high_write_i && write_strobe_i[0]) length_q[20:16] <= write_data_i[4:0];
            end

            case (state_q)
                IDLE: if (doorbell_q) state_q <= DECODE;

                DECODE: begin
                    result_q        <= RETURN_CODE_SUCCESS;
                    result_length_q <= 21'd0;
                    word_q          <= 9'd0;
                    trimming_q      <= 1'b0;
                    row_q           <= 6'd0;
                    page_q          <= 32'd0;
                    pages_left_q    <= 32'd0;
                    ranges_left_q   <= 8'd0;
                    op_q            <= OP_FLUSH;
                    state_q         <= DONE;
                    if (length_q > PAYLOAD_BYTES) result_q <= RETURN_CODE_INVALID_PAYLOAD_LENGTH;
                    else case (opcode_q)
                        OPCODE_IDENTIFY:
                            if (length_q == 21'd0) result_length_q <= IDENTIFY_BYTES;
                            else result_q <= RETURN_CODE_INVALID_PAYLOAD_LENGTH;
                        OPCODE_FLUSH:
                            if (length_q == 21'd0) state_q <= COMMAND;
                            else result_q <= RETURN_CODE_INVALID_PAYLOAD_LENGTH;
                        OPCODE_GET_PAGE_STATE, OPCODE_EXPORT_BLOCK: begin
                            op_q <= opcode_q == OPCODE_EXPORT_BLOCK ? OP_EXPORT : OP_STATE;
                            if (length_q == 21'd8) state_q <= READ;
                            else result_q <= RETURN_CODE_INVALID_PAYLOAD_LENGTH;
                        end
                        OPCODE_MEDIA_OPERATIONS: begin
                            op_q <= OP_TRIM;
                            if (length_q >= HEADER_BYTES) state_q <= READ;
                            else result_q <= RETURN_CODE_INVALID_PAYLOAD_LENGTH;
                        end
                        default: result_q <= RETURN_CODE_UNSUPPORTED;
                    endcase
                end

                READ: if (!payload_read_i) state_q <= TAKE;

                TAKE: begin
                    word_q <= word_q + 9'd1;
                    if (op_q != OP_TRIM) begin  // a DPA
                        page_q  <= word[43:12];
                        state_q <= DONE;
                        if (word[11:0] != 12'd0) result_q <= RETURN_CODE_INVALID_INPUT;
                        else if (word[63:12] >= PAGES) result_q <= RETURN_CODE_INVALID_PHYSICAL_ADDRESS;
                        else state_q <= COMMAND;
                    end else if (word_q == 9'd0) begin  // the header
                        ranges_q      <= header_count_8 - 8'd1;
                        ranges_left_q <= header_count_8 - 8'd1;
                        state_q       <= DONE;
                        if (word[15:0] != 16'h0101) result_q <= RETURN_CODE_UNSUPPORTED;
                        else if (header_count > MAXIMUM_RANGES ||
                                 length_q != HEADER_BYTES + {9'd0, header_count_8, 4'd0})
                            result_q <= RETURN_CODE_INVALID_PAYLOAD_LENGTH;
                        else if (header_count != 32'd0) state_q <= READ;
                    end else if (word_q[0]) begin  // start of a range
                        start_q <= word;
                        state_q <= READ;
                    end else begin  // its length
                        bytes_q <= word;
                        state_q <= RANGE;
                    end
                end

                RANGE: begin
                    ranges_left_q <= ranges_left_q - 8'd1;
                    state_q       <= READ;
                    if (trimming_q) begin
                        page_q       <= start_q[43:12];
                        pages_left_q <= bytes_q[43:12] - 32'd1;
                        state_q      <= COMMAND;
                    end else if (!range_shape_legal) begin
                        result_q <= RETURN_CODE_INVALID_INPUT;
                        state_q  <= DONE;
                    end else if (!range_inside) begin
                        result_q <= RETURN_CODE_INVALID_PHYSICAL_ADDRESS;
                        state_q  <= DONE;
                    end else if (ranges_left_q == 8'd0) begin  // all are legal: once more, to trim
                        trimming_q    <= 1'b1;
                        word_q        <= 9'd1;
                        ranges_left_q <= ranges_q;
                    end
                end

                COMMAND: if (command_ready_i) state_q <= REPLY;

                REPLY: begin
                    if (block_valid_i) row_q <= row_q + 6'd1;
                    if (reply_valid_i) begin
                        page_q       <= page_q + 32'd1;
                        pages_left_q <= pages_left_q - 32'd1;
                        state_q      <= DONE;
                        if (reply_error_i) result_q <= RETURN_CODE_INTERNAL_ERROR;
                        else if (op_q == OP_STATE) result_length_q <= PAGE_STATE_BYTES;
                        else if (op_q == OP_EXPORT) result_length_q <= {8'd0, reply_length_i};
                        else if (pages_left_q != 32'd0) state_q <= COMMAND;
                        else if (op_q == OP_TRIM && ranges_left_q != 8'hFF) state_q <= READ;  // FF: that was the last
                    end
                end

                default: begin  // DONE
                    doorbell_q    <= 1'b0;
                    length_q      <= result_length_q;
                    return_code_q <= result_q;
                    state_q       <= IDLE;
                end
            endcase
        end
    end

    // ---- Payload ----------------------------------------------------------------------------------------------------
    wire         has_block = reply_state_i == STATE_LZ4 || reply_state_i == STATE_RAW;
    wire [159:0] page_state = {
        has_block ? reply_sector_i : 32'd0,
        reply_state_i == STATE_SAME ? reply_word_i : 64'd0,
        has_block ? reply_crc_i : 32'd0,
        3'd0, has_block ? reply_length_i : 13'd0,
        6'd0, reply_dirty_i, reply_cached_i,
        5'd0, reply_state_i
    };

    wire write_identity = state_q == DECODE && opcode_q == OPCODE_IDENTIFY && length_q == 21'd0;
    wire write_state    = state_q == REPLY && op_q == OP_STATE && reply_valid_i && !reply_error_i;
    wire write_block    = state_q == REPLY && op_q == OP_EXPORT && block_valid_i;
    wire write_host     = payload_write_i && !doorbell_q;

    wire [5:0]   write_row  = write_host ? payload_write_word_i[9:4] : write_block ? row_q : 6'd0;
    wire [511:0] write_row_data = write_host ? {16{write_data_i}} :
                                  write_block ? block_data_i :
                                  write_state ? {352'd0, page_state} :
                                  {320'd0, CAPACITY, FIRMWARE};
    wire [63:0]  write_row_strobe = write_host ? {60'd0, write_strobe_i} << {payload_write_word_i[3:0], 2'b00}
                                               : {64{1'b1}};

    wire         machine_read = state_q == READ;  // the host's read goes first
    wire [511:0] read_row;
    reg  [3:0]   host_word_q;

    ram #(.WIDTH(512), .DEPTH(64), .ADDRESS_BITS(6)) payload (
        .clk_i           (clk_i),
        .write_i         (write_host || write_identity || write_state || write_block),
        .write_address_i (write_row),
        .write_data_i    (write_row_data),
        .write_strobe_i  (write_row_strobe),
        .read_i          (payload_read_i || machine_read),
        .read_address_i  (payload_read_i ? payload_read_word_i[9:4] : word_q[8:3]),
        .read_data_o     (read_row)
    );

    always @(posedge clk_i) if (payload_read_i) host_word_q <= payload_read_word_i[3:0];

    assign payload_read_data_o = read_row[{host_word_q, 5'd0} +: 32];
    assign word                = read_row[{word_q[2:0], 6'd0} +: 64];
endmodule
