// SPDX-License-Identifier: MIT
// free_page_table: stands in for page_table; exact for one page, whichever (`watched`), any content for the others;
// ready at once.

`default_nettype none

module page_table #(
    parameter PAGES     = 2,
    parameter PAGE_BITS = 1,
    parameter WIDTH     = 1
) (
    input  wire                 clk_i,
    input  wire                 rst_ni,
    output wire                 ready_o,
    input  wire [PAGE_BITS-1:0] page_i,
    input  wire                 read_i,
    input  wire                 write_i,
    input  wire [WIDTH-1:0]     entry_i,
    output wire [WIDTH-1:0]     entry_o
);
    (* anyconst *) reg [PAGE_BITS-1:0] watched;
    (* anyseq *) wire [WIDTH-1:0] other;

    reg [WIDTH-1:0] stored_q, entry_q;

    assign ready_o = rst_ni;
    assign entry_o = entry_q;

    always @(posedge clk_i) begin
        if (write_i && page_i == watched) stored_q <= entry_i;
        if (!write_i && read_i) entry_q <= page_i == watched ? stored_q : other;
        if (!rst_ni) stored_q <= {WIDTH{1'b0}};
    end
endmodule

`default_nettype wire
