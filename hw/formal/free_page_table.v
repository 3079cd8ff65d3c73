// SPDX-License-Identifier: MIT
// free_page_table: stands in for page_table; exact for one page, whichever (`watched`), any content for the others;
// ready at once. That page begins with the entry `first`, of which the checker says what it is. An entry may become one that cannot be told at any time, and stays so until it is written.

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
    output wire                 valid_o,
    output wire [WIDTH-1:0]     entry_o,
    output wire                 error_o,
    output wire                 corrected_o
);
    (* anyconst *) reg [PAGE_BITS-1:0] watched;
    (* anyconst *) reg [WIDTH-1:0]     first;
    (* anyseq *) wire [WIDTH-1:0] other;
    (* anyseq *) wire             flip, other_lost;

    reg [WIDTH-1:0] stored_q, read_q, entry_q;
    reg             lost_q, read_lost_q, error_q, reading_q, valid_q;
    reg             busy_seen;  // for checkers: an access now would come between a read and its answer

    assign ready_o     = rst_ni;
    assign entry_o     = entry_q;
    assign error_o     = error_q;
    assign valid_o     = valid_q;
    assign corrected_o = 1'b0;

    always @* busy_seen = reading_q;

    always @(posedge clk_i) begin
        if (flip) lost_q <= 1'b1;
        if (write_i && page_i == watched) {lost_q, stored_q} <= {1'b0, entry_i};
        if (read_i) {read_lost_q, read_q} <= page_i == watched ? {lost_q, stored_q} : {other_lost, other};
        if (read_i) {error_q, entry_q} <= {other_lost, other};  // nothing yet
        if (reading_q) {error_q, entry_q} <= {read_lost_q, read_q};
        reading_q <= read_i && rst_ni;
        valid_q   <= reading_q && rst_ni;
        if (!rst_ni) {lost_q, stored_q} <= {1'b0, first};
    end
endmodule

`default_nettype wire
