// SPDX-License-Identifier: MIT
// host_port: the host's side of the buses: moves whole pages and register blocks as AXI4 and AXI4-Lite transfers.
//
// Software is slow and the bus is not: software names a transfer of up to a page, this module does the handshakes. Three
// independent channels: write, read, registers.
//
// Handshake: per channel a toggle. A transfer starts when `*_request_i` differs from `*_done_o`; when it is over,
//            `*_done_o` takes the value of `*_request_i`. Everything a channel is told must hold still meanwhile; what it
//            answers holds until its next transfer. A reset ends a transfer with SLVERR.
// Latency:   one cycle before the address, two after the last response: `*_done_o` moves one cycle after the answer, so
//            that who waits for it in zero time finds the answer settled.
//
// The inputs are read at clock edges only: a simulator then has nothing to work out when one of them changes.

`default_nettype none

module host_port (
    input  wire           clk_i,
    input  wire           rst_ni,
    output wire           busy_o,

    // ---- write: beats of 64 bytes from byte 0 of the data ----
    input  wire           write_request_i,
    output reg            write_done_o,
    input  wire [39:0]    write_address_i,
    input  wire [6:0]     write_beats_i,
    input  wire [32767:0] write_data_i,
    output reg  [1:0]     write_response_o,

    // ---- read ----
    input  wire           read_request_i,
    output reg            read_done_o,
    input  wire [39:0]    read_address_i,
    input  wire [6:0]     read_beats_i,
    output reg  [32767:0] read_data_o,
    output reg  [1:0]     read_response_o,  // the worst of the beats

    // ---- registers: consecutive 32-bit words from word 0 of the data ----
    input  wire           register_request_i,
    output reg            register_done_o,
    input  wire           register_write_i,
    input  wire [15:0]    register_address_i,
    input  wire [10:0]    register_words_i,
    input  wire [511:0]   register_head_i,  // the data of a transfer of up to 16 words: moving 4 KiB for one costs
    output reg  [511:0]   register_head_o,  // a simulator's user more than the transfer
    input  wire [32767:0] register_data_i,  // the data of a longer one
    output reg  [32767:0] register_data_o,
    output reg  [1:0]     register_response_o,

    output wire [7:0]     m_axi_awid,
    output wire [39:0]    m_axi_awaddr,
    output wire [7:0]     m_axi_awlen,
    output wire [2:0]     m_axi_awsize,
    output wire [1:0]     m_axi_awburst,
    output wire           m_axi_awvalid,
    input  wire           m_axi_awready,
    output wire [511:0]   m_axi_wdata,
    output wire [63:0]    m_axi_wstrb,
    output wire           m_axi_wlast,
    output wire           m_axi_wvalid,
    input  wire           m_axi_wready,
    input  wire [1:0]     m_axi_bresp,
    input  wire           m_axi_bvalid,
    output wire           m_axi_bready,
    output wire [7:0]     m_axi_arid,
    output wire [39:0]    m_axi_araddr,
    output wire [7:0]     m_axi_arlen,
    output wire [2:0]     m_axi_arsize,
    output wire [1:0]     m_axi_arburst,
    output wire           m_axi_arvalid,
    input  wire           m_axi_arready,
    input  wire [511:0]   m_axi_rdata,
    input  wire [1:0]     m_axi_rresp,
    input  wire           m_axi_rlast,
    input  wire           m_axi_rvalid,
    output wire           m_axi_rready,

    output wire           m_axil_awvalid,
    input  wire           m_axil_awready,
    output wire [15:0]    m_axil_awaddr,
    output wire           m_axil_wvalid,
    input  wire           m_axil_wready,
    output wire [31:0]    m_axil_wdata,
    input  wire           m_axil_bvalid,
    output wire           m_axil_bready,
    input  wire [1:0]     m_axil_bresp,
    output wire           m_axil_arvalid,
    input  wire           m_axil_arready,
    output wire [15:0]    m_axil_araddr,
    input  wire           m_axil_rvalid,
    output wire           m_axil_rready,
    input  wire [31:0]    m_axil_rdata,
    input  wire [1:0]     m_axil_rresp
);
    localparam [2:0] SIZE_64 = 3'd6;
    localparam [1:0] INCR = 2'b01, SLVERR = 2'b10;

    assign busy_o = write_request_i != write_done_o || read_request_i != read_done_o
                    || register_request_i != register_done_o;

    // ---- write --------------------------------------------------------------------------------------------------
    reg         write_active_q, write_address_q;  // the address is still to be taken
    reg         write_over_q;
    reg [39:0]  write_to_q;
    reg [6:0]   write_beats_q, write_beat_q;
    reg [511:0] write_line_q;                      // the data of the beat

    wire [6:0] write_next = write_beat_q + 7'd1;
    wire       write_last = write_next == write_beats_q;

    assign m_axi_awid    = 8'd0;
    assign m_axi_awaddr  = write_to_q;
    assign m_axi_awlen   = {1'b0, write_beats_q} - 8'd1;
    assign m_axi_awsize  = SIZE_64;
    assign m_axi_awburst = INCR;
    assign m_axi_awvalid = write_address_q;
    assign m_axi_wdata   = write_line_q;
    assign m_axi_wstrb   = {64{1'b1}};
    assign m_axi_wlast   = write_last;
    assign m_axi_wvalid  = write_active_q && write_beat_q != write_beats_q;
    assign m_axi_bready  = write_active_q;

    always @(posedge clk_i) begin
        if (!write_active_q && !write_over_q && write_request_i != write_done_o) begin
            write_active_q  <= 1'b1;
            write_address_q <= 1'b1;
            write_to_q      <= write_address_i;
            write_beats_q   <= write_beats_i;
            write_beat_q    <= 7'd0;
            write_line_q    <= write_data_i[511:0];
        end
        if (m_axi_awvalid && m_axi_awready) write_address_q <= 1'b0;
        if (m_axi_wvalid && m_axi_wready) begin
            write_beat_q <= write_next;
            write_line_q <= write_data_i[{write_next[5:0], 9'd0} +: 512];
        end
        if (m_axi_bvalid && m_axi_bready) begin
            write_active_q   <= 1'b0;
            write_over_q     <= 1'b1;
            write_response_o <= m_axi_bresp;
        end
        if (write_over_q) begin
            write_over_q <= 1'b0;
            write_done_o <= write_request_i;
        end
        if (!rst_ni) begin
            write_active_q   <= 1'b0;
            write_over_q     <= 1'b0;
            write_address_q  <= 1'b0;
            write_done_o     <= write_request_i;
            write_response_o <= SLVERR;
        end
    end

    // ---- read ---------------------------------------------------------------------------------------------------
    reg         read_active_q, read_address_q, read_over_q;
    reg [39:0]  read_from_q;
    reg [6:0]   read_beats_q;
    reg [5:0]   read_beat_q;

    assign m_axi_arid    = 8'd0;
    assign m_axi_araddr  = read_from_q;
    assign m_axi_arlen   = {1'b0, read_beats_q} - 8'd1;
    assign m_axi_arsize  = SIZE_64;
    assign m_axi_arburst = INCR;
    assign m_axi_arvalid = read_address_q;
    assign m_axi_rready  = read_active_q;

    // Software reads whole pages: what no transfer has written must not be unknown.
    initial begin
        read_data_o     = 32768'd0;
        register_data_o = 32768'd0;
        register_head_o = 512'd0;
    end

    always @(posedge clk_i) begin
        if (!read_active_q && !read_over_q && read_request_i != read_done_o) begin
            read_active_q   <= 1'b1;
            read_address_q  <= 1'b1;
            read_from_q     <= read_address_i;
            read_beats_q    <= read_beats_i;
            read_beat_q     <= 6'd0;
            read_response_o <= 2'b00;
        end
        if (m_axi_arvalid && m_axi_arready) read_address_q <= 1'b0;
        if (m_axi_rvalid && m_axi_rready) begin
            read_data_o[{read_beat_q, 9'd0} +: 512] <= m_axi_rdata;
            read_beat_q <= read_beat_q + 1'b1;
            if (m_axi_rresp > read_response_o) read_response_o <= m_axi_rresp;
            if (m_axi_rlast) begin
                read_active_q <= 1'b0;
                read_over_q   <= 1'b1;
            end
        end
        if (read_over_q) begin
            read_over_q <= 1'b0;
            read_done_o <= read_request_i;
        end
        if (!rst_ni) begin
            read_active_q   <= 1'b0;
            read_over_q     <= 1'b0;
            read_address_q  <= 1'b0;
            read_done_o     <= read_request_i;
            read_response_o <= SLVERR;
        end
    end

    // ---- registers, one word at a time --------------------------------------------------------------------------
    reg        register_active_q, register_address_q, register_data_q;  // active; address, data still to be taken
    reg        register_over_q;
    reg        register_write_q;
    reg [15:0] register_base_q;
    reg [10:0] register_words_q, register_word_q;
    reg [31:0] register_value_q;                                         // the data of the word

    wire       word_done      = (m_axil_bvalid && m_axil_bready) || (m_axil_rvalid && m_axil_rready);
    wire [1:0] word_response  = register_write_q ? m_axil_bresp : m_axil_rresp;
    wire       short_transfer = register_words_q <= 11'd16;
    wire [10:0] next_word     = register_word_q + 11'd1;
    wire       last_word      = next_word == register_words_q;

    assign m_axil_awaddr  = register_base_q + {3'd0, register_word_q, 2'd0};
    assign m_axil_araddr  = m_axil_awaddr;
    assign m_axil_awvalid = register_address_q && register_write_q;
    assign m_axil_arvalid = register_address_q && !register_write_q;
    assign m_axil_wvalid  = register_data_q;
    assign m_axil_wdata   = register_value_q;
    assign m_axil_bready  = register_active_q;
    assign m_axil_rready  = register_active_q;

    always @(posedge clk_i) begin
        if (!register_active_q && !register_over_q && register_request_i != register_done_o) begin
            register_active_q   <= 1'b1;
            register_address_q  <= 1'b1;
            register_data_q     <= register_write_i;
            register_write_q    <= register_write_i;
            register_base_q     <= register_address_i;
            register_words_q    <= register_words_i;
            register_word_q     <= 11'd0;
            register_value_q    <= register_words_i <= 11'd16 ? register_head_i[31:0] : register_data_i[31:0];
            register_response_o <= 2'b00;
        end
        if ((m_axil_awvalid && m_axil_awready) || (m_axil_arvalid && m_axil_arready)) register_address_q <= 1'b0;
        if (m_axil_wvalid && m_axil_wready) register_data_q <= 1'b0;
        if (word_done) begin
            if (!register_write_q && short_transfer)
                register_head_o[{register_word_q[3:0], 5'd0} +: 32] <= m_axil_rdata;
            if (!register_write_q && !short_transfer)
                register_data_o[{register_word_q[9:0], 5'd0} +: 32] <= m_axil_rdata;
            if (word_response > register_response_o) register_response_o <= word_response;
            register_word_q    <= next_word;
            register_value_q   <= short_transfer ? register_head_i[{next_word[3:0], 5'd0} +: 32]
                                  : register_data_i[{next_word[9:0], 5'd0} +: 32];
            register_address_q <= !last_word;
            register_data_q    <= !last_word && register_write_q;
            if (last_word) begin
                register_active_q <= 1'b0;
                register_over_q   <= 1'b1;
            end
        end
        if (register_over_q) begin
            register_over_q <= 1'b0;
            register_done_o <= register_request_i;
        end
        if (!rst_ni) begin
            register_active_q   <= 1'b0;
            register_over_q     <= 1'b0;
            register_address_q  <= 1'b0;
            register_data_q     <= 1'b0;
            register_done_o     <= register_request_i;
            register_response_o <= SLVERR;
        end
    end
endmodule

`default_nettype wire
