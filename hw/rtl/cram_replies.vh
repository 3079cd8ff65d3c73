// SPDX-License-Identifier: MIT
// Generated from hw/regs/replies.toml and cram.rdl by `make regs`; do not edit. To be included inside a module that says
// what CAPACITY (64 bits) and POISON_RECORDS (24 bits) are.

// Where the reply to a command begins in REPLIES, and its length, bytes
localparam [8:0] REPLY_IDENTIFY = 9'd0;
localparam [8:0] REPLY_IDENTIFY_BYTES = 9'd67;
localparam [8:0] REPLY_GET_FW_INFO = 9'd67;
localparam [8:0] REPLY_GET_FW_INFO_BYTES = 9'd80;
localparam [8:0] REPLY_GET_SUPPORTED_LOGS = 9'd147;
localparam [8:0] REPLY_GET_SUPPORTED_LOGS_BYTES = 9'd28;
localparam [8:0] REPLY_GET_PARTITION_INFO = 9'd175;
localparam [8:0] REPLY_GET_PARTITION_INFO_BYTES = 9'd32;
localparam [8:0] REPLY_GET_LOG = 9'd207;
localparam [8:0] REPLY_GET_LOG_BYTES = 9'd104;

localparam [127:0] UUID_COMMAND_EFFECTS_LOG = 128'h173F3B62B196798F784B41BFB5C0A90D;  // 0da9c0b5-bf41-4b78-8f79-96b1623b3f17

// All of them, the first byte lowest
localparam REPLIES_BYTES = 311;
localparam [8*REPLIES_BYTES-1:0] REPLIES = {
    32'h8C006,  // GET_LOG: SET_FENCE
    32'h10C005,  // GET_LOG: GET_HOT_PAGES
    32'h4C004,  // GET_LOG: IMPORT_BLOCK
    32'hC003,  // GET_LOG: FLUSH
    32'hC002,  // GET_LOG: EXPORT_BLOCK
    32'hC001,  // GET_LOG: GET_PAGE_STATE
    32'hC000,  // GET_LOG: GET_CAPACITY
    32'h44402,  // GET_LOG: MEDIA_OPERATIONS
    32'h444400,  // GET_LOG: SANITIZE
    32'h44302,  // GET_LOG: CLEAR_POISON
    32'h44301,  // GET_LOG: INJECT_POISON
    32'h4300,  // GET_LOG: GET_POISON_LIST
    32'h84202,  // GET_LOG: SET_ALERT_CONFIGURATION
    32'h4201,  // GET_LOG: GET_ALERT_CONFIGURATION
    32'h4200,  // GET_LOG: GET_HEALTH_INFO
    32'h4100,  // GET_LOG: GET_PARTITION_INFO
    32'h4000,  // GET_LOG: IDENTIFY
    32'h401,  // GET_LOG: GET_LOG
    32'h400,  // GET_LOG: GET_SUPPORTED_LOGS
    32'h80301,  // GET_LOG: SET_TIMESTAMP
    32'h300,  // GET_LOG: GET_TIMESTAMP
    32'h200,  // GET_LOG: GET_FW_INFO
    32'h80103,  // GET_LOG: SET_EVENT_INTERRUPT_POLICY
    32'h102,  // GET_LOG: GET_EVENT_INTERRUPT_POLICY
    32'h100101,  // GET_LOG: CLEAR_EVENT_RECORDS
    32'h100,  // GET_LOG: GET_EVENT_RECORDS
    64'h0,  // GET_PARTITION_INFO: next_persistent_capacity
    64'h0,  // GET_PARTITION_INFO: next_volatile_capacity
    64'h0,  // GET_PARTITION_INFO: active_persistent_capacity
    CAPACITY,  // GET_PARTITION_INFO: active_volatile_capacity
    32'h68,  // GET_SUPPORTED_LOGS: command_effects_log_size
    128'h173F3B62B196798F784B41BFB5C0A90D,  // GET_SUPPORTED_LOGS: command_effects_log
    48'h0,  // GET_SUPPORTED_LOGS: reserved
    16'h1,  // GET_SUPPORTED_LOGS: log_count
    128'h0,  // GET_FW_INFO: slot_4_revision
    128'h0,  // GET_FW_INFO: slot_3_revision
    128'h0,  // GET_FW_INFO: slot_2_revision
    128'h302E302E31206D61726376,  // GET_FW_INFO: slot_1_revision
    104'h0,  // GET_FW_INFO: reserved
    8'h0,  // GET_FW_INFO: activation_capabilities
    8'h1,  // GET_FW_INFO: slot_info
    8'h1,  // GET_FW_INFO: slots_supported
    8'h0,  // IDENTIFY: qos_telemetry
    8'h0,  // IDENTIFY: poison_handling
    16'h0,  // IDENTIFY: inject_poison_limit
    POISON_RECORDS,  // IDENTIFY: poison_list_maximum
    32'h0,  // IDENTIFY: lsa_size
    16'h10,  // IDENTIFY: fatal_log_size
    16'h10,  // IDENTIFY: failure_log_size
    16'h10,  // IDENTIFY: warning_log_size
    16'h10,  // IDENTIFY: informational_log_size
    64'h0,  // IDENTIFY: partition_alignment
    64'h0,  // IDENTIFY: persistent_only_capacity
    CAPACITY,  // IDENTIFY: volatile_only_capacity
    CAPACITY,  // IDENTIFY: total_capacity
    128'h302E302E31206D61726376  // IDENTIFY: firmware_revision
};
