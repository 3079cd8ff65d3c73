// SPDX-License-Identifier: MIT
// mailbox_settings: what the host sets by mailbox commands: the alert, the event interrupt policy, the time.
//
// Handshake: `take_i` with the command and a word of its input, `word_index_i` counting from 0: the setting takes effect
//            with its last word, unless `bad_o`, which is combinational. `policy_write_o` pulses with `policy_failure_o`,
//            the bit of the failure log: it is the enable of the interrupt EVENT, which cram_registers holds.
// Latency:   one cycle.
//
// The time is what the host has set and the clock cycles since, NS_PER_CYCLE nanoseconds each.

`default_nettype none

module mailbox_settings #(
    parameter NS_PER_CYCLE = 1
) (
    input  wire        clk_i,
    input  wire        rst_ni,

    input  wire        take_i,
    input  wire [15:0] opcode_i,
    input  wire        word_index_i,
    input  wire [63:0] word_i,
    output reg         bad_o,

    output reg         alert_enable_o,
    output reg  [15:0] alert_threshold_o,

    input  wire        event_enable_i,
    output wire        policy_write_o,
    output wire        policy_failure_o,
    output wire [31:0] policy_o,

    input  wire [63:0] cycles_i,
    output wire [63:0] timestamp_o
);
    `include "cram_registers.vh"
    `include "cram_codes.vh"

    localparam [63:0] NANOSECONDS = NS_PER_CYCLE;
    localparam [6:0]  LINE        = {INTERRUPT_ENABLE_EVENT[3:0], 3'd0};  // of the interrupt, in bits 7:1

    reg        alert_valid_q, alert_enable_q;
    reg        informational_q, warning_q, fatal_q;  // empty logs: nothing ever raises their interrupt
    reg        time_set_q;
    reg [63:0] offset_q;

    reg         good_q, is_alert_q, is_policy_q, is_timestamp_q;
    reg  [63:0] timestamp_q;

    wire [63:0] elapsed = cycles_i * NANOSECONDS;

    assign policy_write_o   = take_i && is_policy_q && good_q;
    assign policy_failure_o = word_i[16];
    assign policy_o         = {LINE, fatal_q, LINE, event_enable_i, LINE, warning_q, LINE, informational_q};
    assign timestamp_o      = timestamp_q;

    always @* begin
        bad_o = 1'b0;
        case (opcode_i)
            OPCODE_SET_ALERT_CONFIGURATION:    bad_o = !word_index_i && (|word_i[7:4] || |word_i[2:0]);
            OPCODE_SET_EVENT_INTERRUPT_POLICY: bad_o = |word_i[3:1] || |word_i[11:9] || |word_i[19:17] || |word_i[27:25];
            default: ;
        endcase
    end

    always @(posedge clk_i) begin
        good_q         <= !bad_o;
        is_alert_q     <= opcode_i == OPCODE_SET_ALERT_CONFIGURATION;
        is_policy_q    <= opcode_i == OPCODE_SET_EVENT_INTERRUPT_POLICY;
        is_timestamp_q <= opcode_i == OPCODE_SET_TIMESTAMP;
        timestamp_q    <= time_set_q ? elapsed + offset_q : 64'd0;
        if (take_i && good_q) begin
            if (is_alert_q && !word_index_i) {alert_valid_q, alert_enable_q} <= {word_i[3], word_i[11]};
            if (is_alert_q && word_index_i && alert_valid_q)
                {alert_enable_o, alert_threshold_o} <= {alert_enable_q, word_i[15:0]};
            if (is_policy_q) {fatal_q, warning_q, informational_q} <= {word_i[24], word_i[8], word_i[0]};
            if (is_timestamp_q) {time_set_q, offset_q} <= {1'b1, word_i - elapsed};
        end
        if (!rst_ni) begin
            alert_enable_o    <= 1'b0;
            alert_threshold_o <= 16'd0;
            informational_q   <= 1'b0;
            warning_q         <= 1'b0;
            fatal_q           <= 1'b0;
            time_set_q        <= 1'b0;
        end
    end
endmodule

`default_nettype wire
