// SPDX-License-Identifier: MIT
// register_bus: an AXI4-Lite slave that turns its five channels into single writes and reads of registers.
//
// Handshake: address and data of a write may arrive in any order and with any gap. `write_o` is high for one cycle with
//            address (multiple of 4), data and strobes; `write_bad_i` in that cycle answers SLVERR instead of OKAY.
//            `read_o` is high for one cycle with the address; `read_data_i` and `read_bad_i` are taken in that cycle. With
//            `read_late_i` in that cycle the data is taken from `late_data_i` instead, in the first later cycle without
//            `late_wait_i`. One write and one read are under way at a time.
// Latency:   a write one cycle from its last part to the response, a read two.

`default_nettype none

module register_bus (
    input  wire        clk_i,
    input  wire        rst_ni,
    output wire        idle_o,

    input  wire        s_axil_awvalid,
    output wire        s_axil_awready,
    input  wire [15:0] s_axil_awaddr,
    input  wire        s_axil_wvalid,
    output wire        s_axil_wready,
    input  wire [31:0] s_axil_wdata,
    input  wire [3:0]  s_axil_wstrb,
    output wire        s_axil_bvalid,
    input  wire        s_axil_bready,
    output wire [1:0]  s_axil_bresp,
    input  wire        s_axil_arvalid,
    output wire        s_axil_arready,
    input  wire [15:0] s_axil_araddr,
    output wire        s_axil_rvalid,
    input  wire        s_axil_rready,
    output wire [31:0] s_axil_rdata,
    output wire [1:0]  s_axil_rresp,

    output wire        write_o,
    output wire [15:0] write_address_o,
    output wire [31:0] write_data_o,
    output wire [3:0]  write_strobe_o,
    input  wire        write_bad_i,

    output wire        read_o,
    output wire [15:0] read_address_o,
    input  wire [31:0] read_data_i,
    input  wire        read_bad_i,
    input  wire        read_late_i,
    input  wire        late_wait_i,
    input  wire [31:0] late_data_i
);
    // ---- Write channels: address and data are held until both are there ---------------------------------------------
    reg        aw_held_q, w_held_q, bvalid_q, bad_write_q;
    reg [15:0] write_address_q;
    reg [31:0] write_data_q;
    reg [3:0]  write_strobe_q;

    assign write_o         = aw_held_q && w_held_q && !bvalid_q;
    assign write_address_o = write_address_q;
    assign write_data_o    = write_data_q;
    assign write_strobe_o  = write_strobe_q;

    assign s_axil_awready = !aw_held_q;
    assign s_axil_wready  = !w_held_q;
    assign s_axil_bvalid  = bvalid_q;
    assign s_axil_bresp   = {bad_write_q, 1'b0};  // SLVERR or OKAY

    always @(posedge clk_i) begin
        if (!rst_ni) begin
            aw_held_q <= 1'b0;
            w_held_q  <= 1'b0;
            bvalid_q  <= 1'b0;
        end else begin
            if (s_axil_awvalid && s_axil_awready) aw_held_q <= 1'b1;
            if (s_axil_wvalid && s_axil_wready) w_held_q <= 1'b1;
            if (s_axil_bvalid && s_axil_bready) bvalid_q <= 1'b0;
            if (write_o) begin
                aw_held_q <= 1'b0;
                w_held_q  <= 1'b0;
                bvalid_q  <= 1'b1;
            end
        end
        if (s_axil_awready) write_address_q <= {s_axil_awaddr[15:2], 2'b00};
        if (s_axil_wready) {write_strobe_q, write_data_q} <= {s_axil_wstrb, s_axil_wdata};
        if (write_o) bad_write_q <= write_bad_i;
    end

    // ---- Read channels: look up, one cycle or more for late data, answer -----------------------------------------------
    reg        ar_held_q, looked_up_q, rvalid_q, late_q, bad_read_q;
    reg [15:0] read_address_q;
    reg [31:0] read_data_q;

    wire answer = looked_up_q && !(late_q && late_wait_i);

    assign read_o         = ar_held_q && !looked_up_q && !rvalid_q;
    assign read_address_o = read_address_q;

    assign s_axil_arready = !ar_held_q;
    assign s_axil_rvalid  = rvalid_q;
    assign s_axil_rdata   = read_data_q;
    assign s_axil_rresp   = {bad_read_q, 1'b0};

    always @(posedge clk_i) begin
        if (!rst_ni) begin
            ar_held_q   <= 1'b0;
            looked_up_q <= 1'b0;
            rvalid_q    <= 1'b0;
        end else begin
            if (s_axil_arvalid && s_axil_arready) ar_held_q <= 1'b1;
            if (s_axil_rvalid && s_axil_rready) rvalid_q <= 1'b0;
            if (read_o) looked_up_q <= 1'b1;
            if (answer) begin
                looked_up_q <= 1'b0;
                ar_held_q   <= 1'b0;
                rvalid_q    <= 1'b1;
            end
        end
        if (s_axil_arready) read_address_q <= {s_axil_araddr[15:2], 2'b00};
        if (read_o) begin
            late_q      <= read_late_i;
            bad_read_q  <= read_bad_i;
            read_data_q <= read_data_i;
        end
        if (answer && late_q) read_data_q <= late_data_i;
    end

    assign idle_o = !aw_held_q && !w_held_q && !bvalid_q && !ar_held_q && !rvalid_q;

    wire unused = &{1'b0, s_axil_awaddr[1:0], s_axil_araddr[1:0]};
endmodule

`default_nettype wire
