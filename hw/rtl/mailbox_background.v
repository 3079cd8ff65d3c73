// SPDX-License-Identifier: MIT
// mailbox_background: the background operation of the mailbox: Sanitize, which trims every page.
//
// Handshake: `start_i` pulse while `busy_o` is low. It asks the core to trim page by page (`command_*`, valid/ready, one
//            pulse of `reply_valid_i`). `done_o` pulses at the end. `low_o` and `high_o` are the registers of CXL 3.1,
//            8.2.8.4.7: opcode, percentage, return code.
// Latency:   the core's time a page.

`default_nettype none

module mailbox_background #(
    parameter PERCEIVED_PAGES = 4096
) (
    input  wire        clk_i,
    input  wire        rst_ni,
    input  wire        start_i,
    output wire        busy_o,
    output wire        done_o,
    output wire [31:0] low_o,
    output wire [31:0] high_o,

    output wire        command_valid_o,
    input  wire        command_ready_i,
    output wire [31:0] command_page_o,
    output wire        waiting_o,  // for the reply
    input  wire        reply_valid_i
);
    `include "cram_codes.vh"

    localparam        PAGE_BITS = $clog2(PERCEIVED_PAGES);
    localparam [1:0]  IDLE = 2'd0, COMMAND = 2'd1, REPLY = 2'd2;

    reg [1:0]           state_q;
    reg                 ever_q;  // an operation was started since reset
    reg [PAGE_BITS:0]   page_q;

    wire [PAGE_BITS+7:0] hundredfold = {7'd0, page_q} * 100;

    assign busy_o          = state_q != IDLE;
    assign done_o          = state_q == COMMAND && page_q[PAGE_BITS];
    assign command_valid_o = state_q == COMMAND && !page_q[PAGE_BITS];
    assign command_page_o  = {{(31 - PAGE_BITS){1'b0}}, page_q};
    assign waiting_o       = state_q == REPLY;
    assign low_o           = ever_q ? {9'd0, hundredfold[PAGE_BITS +: 7], OPCODE_SANITIZE} : 32'd0;
    assign high_o          = {16'd0, RETURN_CODE_SUCCESS};

    always @(posedge clk_i) begin
        case (state_q)
            IDLE: if (start_i) begin
                state_q <= COMMAND;
                ever_q  <= 1'b1;
                page_q  <= 0;
            end
            COMMAND:
                if (page_q[PAGE_BITS]) state_q <= IDLE;
                else if (command_ready_i) state_q <= REPLY;
            default: if (reply_valid_i) begin
                page_q  <= page_q + 1'b1;
                state_q <= COMMAND;
            end
        endcase
        if (!rst_ni) begin
            state_q <= IDLE;
            ever_q  <= 1'b0;
        end
    end

    wire unused = &{1'b0, hundredfold[PAGE_BITS-1:0], hundredfold[PAGE_BITS+7]};
endmodule

`default_nettype wire
