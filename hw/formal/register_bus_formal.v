// SPDX-License-Identifier: MIT
// register_bus_formal: the AXI4-Lite port of the registers keeps the handshake rules (AMBA AXI, A3.2) whatever the master
// and the registers do: an answer stays with its content until it is taken, none comes without a request, one for each.
//
// Assumed of the registers: late data is not waited for longer than `LATE` cycles (claim of progress alone).

`default_nettype none

module register_bus_formal #(
    parameter LATE = 2
) (
    input  wire        clk_i,
    input  wire        rst_ni,
    input  wire        awvalid,
    input  wire        wvalid,
    input  wire        arvalid,
    input  wire        bready,
    input  wire        rready,
    input  wire [15:0] awaddr,
    input  wire [15:0] araddr,
    input  wire [31:0] wdata,
    input  wire [3:0]  wstrb,
    input  wire        write_bad,
    input  wire        read_bad,
    input  wire        read_late,
    input  wire        late_wait,
    input  wire [31:0] read_data,
    input  wire [31:0] late_data
);
    wire        awready, wready, arready, bvalid, rvalid, write, read, idle;
    wire [1:0]  bresp, rresp;
    wire [31:0] rdata, write_data;
    wire [15:0] write_address, read_address;
    wire [3:0]  write_strobe;

    register_bus dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .idle_o(idle),
        .s_axil_awvalid(awvalid),
        .s_axil_awready(awready),
        .s_axil_awaddr(awaddr),
        .s_axil_wvalid(wvalid),
        .s_axil_wready(wready),
        .s_axil_wdata(wdata),
        .s_axil_wstrb(wstrb),
        .s_axil_bvalid(bvalid),
        .s_axil_bready(bready),
        .s_axil_bresp(bresp),
        .s_axil_arvalid(arvalid),
        .s_axil_arready(arready),
        .s_axil_araddr(araddr),
        .s_axil_rvalid(rvalid),
        .s_axil_rready(rready),
        .s_axil_rdata(rdata),
        .s_axil_rresp(rresp),
        .write_o(write),
        .write_address_o(write_address),
        .write_data_o(write_data),
        .write_strobe_o(write_strobe),
        .write_bad_i(write_bad),
        .read_o(read),
        .read_address_o(read_address),
        .read_data_i(read_data),
        .read_bad_i(read_bad),
        .read_late_i(read_late),
        .late_wait_i(late_wait),
        .late_data_i(late_data)
    );

    (* hierconn *) wire \dut.aw_held_q ;
    (* hierconn *) wire \dut.w_held_q ;
    (* hierconn *) wire \dut.ar_held_q ;
    (* hierconn *) wire \dut.looked_up_q ;

    // what was asked and not answered
    reg [2:0]  aw_open_q, w_open_q, ar_open_q;
    reg        before_q;                     // the last cycle was not in reset
    reg [4:0]  held_q;                       // rvalid, bvalid without ready; their content follows
    reg [1:0]  bresp_q, rresp_q;
    reg [31:0] rdata_q, wdata_q;
    reg [15:0] awaddr_q, araddr_q;
    reg [3:0]  wstrb_q;
    reg [2:0]  stuck_q, late_q;
    reg [1:0]  answered_q;                   // reads and writes, for the covers

    initial assume (!rst_ni);
    always @* if (late_q >= LATE) assume (!late_wait);

    always @(posedge clk_i) begin
        before_q  <= rst_ni;
        aw_open_q <= aw_open_q + {2'd0, awvalid && awready} - {2'd0, bvalid && bready};
        w_open_q  <= w_open_q + {2'd0, wvalid && wready} - {2'd0, bvalid && bready};
        ar_open_q <= ar_open_q + {2'd0, arvalid && arready} - {2'd0, rvalid && rready};
        held_q    <= {3'd0, rvalid && !rready, bvalid && !bready};
        {bresp_q, rresp_q, rdata_q} <= {bresp, rresp, rdata};
        if (awvalid && awready) awaddr_q <= awaddr;
        if (arvalid && arready) araddr_q <= araddr;
        if (wvalid && wready) {wstrb_q, wdata_q} <= {wstrb, wdata};
        late_q    <= late_wait ? late_q + 3'd1 : 3'd0;
        stuck_q   <= \dut.ar_held_q && !rvalid ? stuck_q + 3'd1 : 3'd0;
        if (bvalid && bready && bresp[1]) answered_q[0] <= 1'b1;
        if (rvalid && rready && rresp[1]) answered_q[1] <= 1'b1;
        if (!rst_ni) {aw_open_q, w_open_q, ar_open_q, held_q, stuck_q, late_q, answered_q} <= 0;
    end

    always @(posedge clk_i) if (rst_ni) begin
        // stays until taken
        if (before_q && held_q[0]) assert (bvalid && bresp == bresp_q);
        if (before_q && held_q[1]) assert (rvalid && rresp == rresp_q && rdata == rdata_q);
        assert (bresp != 2'b01 && rresp != 2'b01 && !bresp[0] && !rresp[0]);
        // no answer without a request, one for each
        if (bvalid) assert (aw_open_q != 0 && w_open_q != 0);
        if (rvalid) assert (ar_open_q != 0);
        assert (aw_open_q == {2'd0, \dut.aw_held_q } + {2'd0, bvalid});
        assert (w_open_q == {2'd0, \dut.w_held_q } + {2'd0, bvalid});
        assert (ar_open_q == {2'd0, \dut.ar_held_q } + {2'd0, rvalid});
        // what is passed on is what was asked, once
        if (write) assert (write_address == {awaddr_q[15:2], 2'b00} && write_data == wdata_q && write_strobe == wstrb_q);
        if (read) assert (read_address == {araddr_q[15:2], 2'b00});
        assert (!\dut.looked_up_q || (\dut.ar_held_q && !rvalid));
        if (\dut.aw_held_q ) assert (write_address == {awaddr_q[15:2], 2'b00});
        if (\dut.w_held_q ) assert (write_data == wdata_q && write_strobe == wstrb_q);
        if (\dut.ar_held_q ) assert (read_address == {araddr_q[15:2], 2'b00});
        assert (idle == (aw_open_q == 0 && w_open_q == 0 && ar_open_q == 0));
        // progress: a read whose data is not late is answered in two cycles
        assert (late_q <= LATE && stuck_q <= LATE + 2);
        if (\dut.ar_held_q && !rvalid) assert (stuck_q <= LATE + 2 && (\dut.looked_up_q ? stuck_q <= 3'd1 + late_q : stuck_q == 0));
        cover (answered_q == 2'b11 && idle);
        cover (held_q[1:0] == 2'b11 && \dut.aw_held_q && \dut.w_held_q );
        cover (late_q == LATE && \dut.looked_up_q );
    end
endmodule

`default_nettype wire
