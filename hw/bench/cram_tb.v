// SPDX-License-Identifier: MIT
// cram_tb: cram_bench with a clock, for simulators; the top that the cocotb link drives.
//
// Handshake: that of cram_bench, whose ports are nets of this module under the same names without suffix.
// Latency:   half a cycle more. The clock has a period of 1 ns, its rising edges lie half a nanosecond off the full ones,
//            and what software waits for changes at the end of a cycle, so that all it does happens at full nanoseconds.
//            The clock stands still while there is nothing to do: idle time costs nothing.

`default_nettype none

module cram_tb #(
    parameter PERCEIVED_PAGES = 4096,
    parameter MEDIA_BYTES     = 4194304,
    parameter SECTOR_BYTES    = 256,
    parameter CACHE_PAGES     = 8,
    parameter BYTES_PER_CYCLE = 8,
    parameter FILL_ENGINES    = 4,
    parameter PROMOTED_PAGES  = 0,
    parameter GATE_CLOCKS     = 1,
    parameter MEDIA_LATENCY   = 40
);
    // Outputs are read by the simulator's user only.
    /* verilator lint_off UNUSEDSIGNAL */
    reg            clk, rst_n, media_rst_n;
    reg    [4:0]   fault;
    reg    [39:0]  fault_address;
    reg    [31:0]  fault_delay;
    wire           busy;
    reg    [15:0]  interrupt;
    wire   [63:0]  cycles;

    reg            write_request;
    reg            write_done;
    reg    [39:0]  write_address;
    reg    [6:0]   write_beats;
    reg  [32767:0] write_data;
    wire   [1:0]   write_response;

    reg            read_request;
    reg            read_done;
    reg    [39:0]  read_address;
    reg    [6:0]   read_beats;
    wire [32767:0] read_data;
    wire   [1:0]   read_response;

    reg            register_request;
    reg            register_done;
    reg            register_write;
    reg    [15:0]  register_address;
    reg    [10:0]  register_words;
    reg    [511:0] register_head_in;
    wire   [511:0] register_head_out;
    reg  [32767:0] register_in;
    wire [32767:0] register_out;
    wire   [1:0]   register_response;
    /* verilator lint_on UNUSEDSIGNAL */

    initial begin
        clk              = 1'b0;
        rst_n            = 1'b0;
        media_rst_n      = 1'b0;
        fault            = 5'd0;
        fault_address    = 40'd0;
        fault_delay      = 32'd0;
        write_request    = 1'b0;
        read_request     = 1'b0;
        register_request = 1'b0;
        write_address    = 40'd0;
        write_beats      = 7'd64;
        write_data       = 32768'd0;
        read_address     = 40'd0;
        read_beats       = 7'd64;
        register_write   = 1'b0;
        register_address = 16'd0;
        register_words   = 11'd1;
        register_head_in = 512'd0;
        register_in      = 32768'd0;
        #10 rst_n        = 1'b1;
        media_rst_n      = 1'b1;
    end

    always begin
        wait (busy || !rst_n || !media_rst_n);
        #0.5 clk = 1'b1;
        #0.5 clk = 1'b0;
    end

    wire [15:0] interrupt_now;
    wire        write_done_now, read_done_now, register_done_now;

    always @(negedge clk) begin
        interrupt     <= interrupt_now;
        write_done    <= write_done_now;
        read_done     <= read_done_now;
        register_done <= register_done_now;
    end

    cram_bench #(
        .PERCEIVED_PAGES(PERCEIVED_PAGES),
        .MEDIA_BYTES(MEDIA_BYTES),
        .SECTOR_BYTES(SECTOR_BYTES),
        .CACHE_PAGES(CACHE_PAGES),
        .BYTES_PER_CYCLE(BYTES_PER_CYCLE),
        .FILL_ENGINES(FILL_ENGINES),
        .PROMOTED_PAGES(PROMOTED_PAGES),
        .GATE_CLOCKS(GATE_CLOCKS),
        .MEDIA_LATENCY(MEDIA_LATENCY)
    ) u_bench (
        .clk_i(clk),
        .rst_ni(rst_n),
        .media_rst_ni(media_rst_n),
        .fault_i(fault),
        .fault_address_i(fault_address),
        .fault_delay_i(fault_delay),
        .busy_o(busy),
        .interrupt_o(interrupt_now),
        .cycles_o(cycles),
        .write_request_i(write_request),
        .write_done_o(write_done_now),
        .write_address_i(write_address),
        .write_beats_i(write_beats),
        .write_data_i(write_data),
        .write_response_o(write_response),
        .read_request_i(read_request),
        .read_done_o(read_done_now),
        .read_address_i(read_address),
        .read_beats_i(read_beats),
        .read_data_o(read_data),
        .read_response_o(read_response),
        .register_request_i(register_request),
        .register_done_o(register_done_now),
        .register_write_i(register_write),
        .register_address_i(register_address),
        .register_words_i(register_words),
        .register_head_i(register_head_in),
        .register_head_o(register_head_out),
        .register_data_i(register_in),
        .register_data_o(register_out),
        .register_response_o(register_response)
    );
endmodule

`default_nettype wire
