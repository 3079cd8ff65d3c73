// SPDX-License-Identifier: MIT
// event_log_formal: events leave in order, each once; each that finds the log full is counted, and no other.
//
// One event, whichever (`watch` is free), is followed.

`default_nettype none

module event_log_formal #(
    parameter DEPTH = 4
) (
    input  wire        clk_i,
    input  wire        rst_ni,
    input  wire        event_valid,
    input  wire        pop,
    input  wire        cleared,
    input  wire        watch,
    input  wire [7:0]  code_in,
    input  wire [31:0] page_in,
    input  wire [31:0] sector_in,
    input  wire [3:0]  index
);
    wire        logged;
    wire [4:0]  count;
    wire [7:0]  code, index_code;
    wire [31:0] page, sector, overflow, lost, index_page;
    wire [15:0] handle;

    event_log #(
        .DEPTH(DEPTH)
    ) dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .event_valid_i(event_valid),
        .event_code_i(code_in),
        .event_page_i(page_in),
        .event_sector_i(sector_in),
        .logged_o(logged),
        .pop_i(pop),
        .count_o(count),
        .code_o(code),
        .page_o(page),
        .sector_o(sector),
        .overflow_o(overflow),
        .handle_o(handle),
        .cleared_i(cleared),
        .lost_o(lost),
        .index_i(index),
        .index_code_o(index_code),
        .index_page_o(index_page)
    );

    reg [31:0] dropped_q, unknown_q;
    reg        inside_q, left_q, up_q;
    reg [4:0]  ahead_q;
    reg [71:0] event_q;
    reg [15:0] handle_q;   // that the watched event will have

    (* hierconn *) wire [71:0] \dut.index_seen ;

    wire popped = pop && count != 0;

    initial assume (!rst_ni);
    always @* if (inside_q) assume (index == ahead_q[3:0]);  // look at the watched one

    always @(posedge clk_i) begin
        up_q <= rst_ni;
        if (event_valid && !logged) dropped_q <= dropped_q + 1;
        unknown_q <= (cleared ? 32'd0 : unknown_q) + {31'd0, event_valid && !logged};
        if (logged && watch && !inside_q) begin
            inside_q <= 1'b1;
            ahead_q  <= count - {4'd0, popped};
            event_q  <= {code_in, page_in, sector_in};
            handle_q <= {1'b1, handle[14:0] + {10'd0, count}};
        end else if (inside_q && popped) begin
            ahead_q <= ahead_q - 5'd1;
            if (ahead_q == 0) {inside_q, left_q} <= 2'b01;
        end
        if (!rst_ni) {dropped_q, unknown_q, inside_q, left_q} <= 0;
    end

    always @(posedge clk_i) if (rst_ni && up_q) begin
        assert (logged == (event_valid && (count != DEPTH || pop)));
        assert (count <= DEPTH);
        assert (overflow == dropped_q && lost == unknown_q);
        if (inside_q) assert (ahead_q < count && {index_code, index_page} == event_q[71:32]);
        if (inside_q) assert (\dut.index_seen == event_q);
        if (inside_q) assert (handle_q == {1'b1, handle[14:0] + {10'd0, ahead_q}});
        if (inside_q && ahead_q == 0) assert ({code, page, sector} == event_q && handle == handle_q);
        if (count == 0) assert ({code, page, sector} == 72'd0);
        cover (left_q && count == 0 && overflow == 2 && lost == 1);
        cover (logged && pop && count == DEPTH && inside_q);
    end
endmodule

`default_nettype wire
