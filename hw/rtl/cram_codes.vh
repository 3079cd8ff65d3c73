// SPDX-License-Identifier: MIT
// Generated from hw/regs/codes.toml and cram.rdl by `make regs`; do not edit. To be included inside a module.

// PageState: How a page is stored (docs/device/pages.md).
localparam [2:0] STATE_FREE = 3'd0;  // never written or trimmed; reads return zeros
localparam [2:0] STATE_ZERO = 3'd1;  // all bytes zero; takes no sector
localparam [2:0] STATE_SAME = 3'd2;  // one 64-bit little-endian word repeated, not zero; takes no sector, the word is kept in the page table
localparam [2:0] STATE_LZ4 = 3'd3;  // a standard LZ4 block of length bytes in a chain of sectors
localparam [2:0] STATE_RAW = 3'd4;  // 4096 bytes in RAW_SECTORS sectors
localparam [2:0] STATE_POISON = 3'd5;  // content lost; reads and writes are answered SLVERR until the page is trimmed

// Operation: What the mailbox can ask the sequencer to do with a page.
localparam [3:0] OP_TRIM = 4'd0;  // free the page, whatever its state
localparam [3:0] OP_STATE = 4'd1;  // tell its table entry
localparam [3:0] OP_EXPORT = 4'd2;  // close it, then send its block
localparam [3:0] OP_FLUSH = 4'd3;  // close every dirty entry; the page does not matter
localparam [3:0] OP_INJECT = 4'd4;  // make it poison
localparam [3:0] OP_CLEAR = 4'd5;  // free it if it is poison
localparam [3:0] OP_FENCE = 4'd6;  // close it, then refuse host writes
localparam [3:0] OP_UNFENCE = 4'd7;  // take host writes again
localparam [3:0] OP_IMPORT = 4'd8;  // store an LZ4 block as it is

// Reason: Why the sequencer refused an operation.
localparam [1:0] REASON_INTERNAL = 2'd0;  // the page is poison, or the media failed or did not answer
localparam [1:0] REASON_INPUT = 2'd1;  // the page is fenced, or the block is not what it should be
localparam [1:0] REASON_EXHAUSTED = 2'd2;  // no room, or no new page is admitted

// PoisonSource: Why a page is on the poison list (CXL 3.1, 8.2.9.9.4.1, media error record, bits 2:0).
localparam [2:0] POISON_SOURCE_INTERNAL = 3'd2;  // the media, a CRC, a malformed block
localparam [2:0] POISON_SOURCE_INJECTED = 3'd3;  // the host

// EventLog: Event logs (CXL 3.1, 8.2.9.2.2). The device's events are in FAILURE; the others are empty.
localparam [7:0] EVENT_LOG_INFORMATIONAL = 8'd0;  // empty
localparam [7:0] EVENT_LOG_WARNING = 8'd1;  // empty
localparam [7:0] EVENT_LOG_FAILURE = 8'd2;  // the device's events
localparam [7:0] EVENT_LOG_FATAL = 8'd3;  // empty

// CommandEffect: What a command changes: a bit of its entry in the Command Effects Log (CXL 3.1, 8.2.9.5.2.1).
localparam [3:0] EFFECT_IMMEDIATE_DATA_CHANGE = 4'd2;  // data of the host
localparam [3:0] EFFECT_IMMEDIATE_POLICY_CHANGE = 4'd3;  // how the device behaves
localparam [3:0] EFFECT_IMMEDIATE_LOG_CHANGE = 4'd4;  // what a log holds
localparam [3:0] EFFECT_BACKGROUND_OPERATION = 4'd6;  // it goes on in the background

// Which operations there are: bit n tells of operation n
localparam [15:0] OPS = 16'b0000000111111111;

// Sets of page states: bit n tells of state n
localparam [7:0] KNOWN = 8'b00111111;
localparam [7:0] RESIDENT = 8'b00011110;
localparam [7:0] ON_MEDIA = 8'b00011000;
localparam [7:0] KEEPS_WORD = 8'b00000100;

// Entry of the page table: its width, lowest bit and width of each field
localparam TABLE_BITS = 81;
localparam TABLE_FENCED = 80;
localparam TABLE_FENCED_BITS = 1;
localparam TABLE_STATE = 77;
localparam TABLE_STATE_BITS = 3;
localparam TABLE_LENGTH = 64;
localparam TABLE_LENGTH_BITS = 13;
localparam TABLE_CRC = 32;
localparam TABLE_CRC_BITS = 32;
localparam TABLE_SECTOR = 0;
localparam TABLE_SECTOR_BITS = 32;
localparam TABLE_WORD = 0;
localparam TABLE_WORD_BITS = 64;
localparam TABLE_CAUSE = 0;
localparam TABLE_CAUSE_BITS = 8;

// EventCode
localparam [7:0] EVENT_CODE_NONE = 8'h00;
localparam [7:0] EVENT_CODE_EXHAUSTED = 8'h01;
localparam [7:0] EVENT_CODE_CRC_MISMATCH = 8'h02;
localparam [7:0] EVENT_CODE_MEDIA_ERROR = 8'h03;
localparam [7:0] EVENT_CODE_MALFORMED_BLOCK = 8'h04;
localparam [7:0] EVENT_CODE_NOT_ADMITTED = 8'h05;
localparam [7:0] EVENT_CODE_POISON_INJECTED = 8'h06;
localparam [7:0] EVENT_CODE_FENCED = 8'h07;
localparam [7:0] EVENT_CODE_IMPORT_REFUSED = 8'h08;
localparam [7:0] EVENT_CODE_MEDIA_TIMEOUT = 8'h09;
localparam [7:0] EVENT_CODE_UNCORRECTABLE = 8'h0B;
localparam [7:0] EVENT_CODE_METADATA_ERROR = 8'h0C;
localparam [7:0] EVENT_CODE_CACHE_LOST = 8'h0D;
localparam [7:0] EVENT_CODE_CACHE_REFETCHED = 8'h0E;
localparam [7:0] EVENT_CODE_SECTORS_LOST = 8'h0F;
localparam [7:0] EVENT_CODE_SECTOR_RETIRED = 8'h0A;
localparam [255:0] EVENT_CODE_LOSSES = 256'h385C;  // bit n tells of code n
localparam [255:0] EVENT_CODE_MEDIA_ERRORS = 256'h81C;  // bit n tells of code n

// Opcode
localparam [15:0] OPCODE_GET_EVENT_RECORDS = 16'h0100;
localparam [15:0] OPCODE_CLEAR_EVENT_RECORDS = 16'h0101;
localparam [15:0] OPCODE_GET_EVENT_INTERRUPT_POLICY = 16'h0102;
localparam [15:0] OPCODE_SET_EVENT_INTERRUPT_POLICY = 16'h0103;
localparam [15:0] OPCODE_GET_FW_INFO = 16'h0200;
localparam [15:0] OPCODE_GET_TIMESTAMP = 16'h0300;
localparam [15:0] OPCODE_SET_TIMESTAMP = 16'h0301;
localparam [15:0] OPCODE_GET_SUPPORTED_LOGS = 16'h0400;
localparam [15:0] OPCODE_GET_LOG = 16'h0401;
localparam [15:0] OPCODE_IDENTIFY = 16'h4000;
localparam [15:0] OPCODE_GET_PARTITION_INFO = 16'h4100;
localparam [15:0] OPCODE_GET_HEALTH_INFO = 16'h4200;
localparam [15:0] OPCODE_GET_ALERT_CONFIGURATION = 16'h4201;
localparam [15:0] OPCODE_SET_ALERT_CONFIGURATION = 16'h4202;
localparam [15:0] OPCODE_GET_POISON_LIST = 16'h4300;
localparam [15:0] OPCODE_INJECT_POISON = 16'h4301;
localparam [15:0] OPCODE_CLEAR_POISON = 16'h4302;
localparam [15:0] OPCODE_SANITIZE = 16'h4400;
localparam [15:0] OPCODE_MEDIA_OPERATIONS = 16'h4402;
localparam [15:0] OPCODE_GET_CAPACITY = 16'hC000;
localparam [15:0] OPCODE_GET_PAGE_STATE = 16'hC001;
localparam [15:0] OPCODE_EXPORT_BLOCK = 16'hC002;
localparam [15:0] OPCODE_FLUSH = 16'hC003;
localparam [15:0] OPCODE_IMPORT_BLOCK = 16'hC004;
localparam [15:0] OPCODE_GET_HOT_PAGES = 16'hC005;
localparam [15:0] OPCODE_SET_FENCE = 16'hC006;

// ReturnCode
localparam [15:0] RETURN_CODE_SUCCESS = 16'h0000;
localparam [15:0] RETURN_CODE_BACKGROUND_STARTED = 16'h0001;
localparam [15:0] RETURN_CODE_INVALID_INPUT = 16'h0002;
localparam [15:0] RETURN_CODE_UNSUPPORTED = 16'h0003;
localparam [15:0] RETURN_CODE_INTERNAL_ERROR = 16'h0004;
localparam [15:0] RETURN_CODE_BUSY = 16'h0006;
localparam [15:0] RETURN_CODE_INVALID_HANDLE = 16'h000E;
localparam [15:0] RETURN_CODE_INVALID_PHYSICAL_ADDRESS = 16'h000F;
localparam [15:0] RETURN_CODE_INVALID_PAYLOAD_LENGTH = 16'h0016;
localparam [15:0] RETURN_CODE_INVALID_LOG = 16'h0017;
localparam [15:0] RETURN_CODE_RESOURCES_EXHAUSTED = 16'h001D;
