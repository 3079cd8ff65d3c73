// SPDX-License-Identifier: MIT
// ecc_ram_formal: one word, whichever, is read as it was stored, whatever happens to others. It begins with up to four flips,
// of any of its bits: one is corrected, and is gone from the memory two cycles later if there was no access meanwhile; more
// are told. The other words begin as anything.
//
// Assumed: one access a cycle, none between a read and its answer.

`default_nettype none

module ecc_ram_formal #(
    parameter DATA_BITS    = 4,
    parameter ADDRESS_BITS = 1
) (
    input  wire                    clk_i,
    input  wire                    rst_ni,
    input  wire                    read,
    input  wire                    write,
    input  wire [ADDRESS_BITS-1:0] address,
    input  wire [DATA_BITS-1:0]    data_in
);
    `include "ecc_words.vh"

    localparam WIDTH = DATA_BITS + WORD_CHECK_BITS;
    localparam DEPTH = 1 << ADDRESS_BITS;

    (* anyconst *) reg [ADDRESS_BITS-1:0] watched;

    wire                       valid, error, corrected;
    wire [DATA_BITS-1:0]       data;
    wire [WORD_CHECK_BITS-1:0] check;

    ecc_ram #(
        .DATA_BITS(DATA_BITS),
        .DEPTH(DEPTH),
        .ADDRESS_BITS(ADDRESS_BITS)
    ) dut (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .address_i(address),
        .read_i(read),
        .write_i(write),
        .data_i(data_in),
        .valid_o(valid),
        .data_o(data),
        .error_o(error),
        .corrected_o(corrected)
    );

    (* hierconn *) wire [DEPTH*WIDTH-1:0] \dut.memory_seen ;

    reg [DATA_BITS-1:0] stored_q;              // as it was stored
    reg [WIDTH-1:0]     flips_q;               // of the word in the memory
    reg                 reading_q, answer_q;   // the answer is two cycles away; it comes
    reg                 its_q, known_q;        // the last read was of the word; its answer has come
    reg [DATA_BITS-1:0] told_q;
    reg [WIDTH-1:0]     told_flips_q;
    reg                 mended_q;              // the last cycle had a corrected answer and no access
    reg                 up_q, started_q;       // the first two cycles are over

    ecc_encode #(
        .DATA_BITS(DATA_BITS),
        .BOUND_BITS(ADDRESS_BITS),
        .CHECK_BITS(WORD_CHECK_BITS),
        .POLYNOMIAL(WORD_POLYNOMIAL)
    ) u_stored (
        .valid_i(1'b1),
        .data_i(stored_q),
        .bound_i(watched),
        .check_o(check)
    );

    wire [WIDTH-1:0] word = \dut.memory_seen [watched*WIDTH +: WIDTH];
    wire             own  = address == watched;
    wire             more = (told_flips_q & (told_flips_q - 1'b1)) != 0;

    reg [4:0] count;
    integer   n;

    always @* begin
        count = 5'd0;
        for (n = 0; n < WIDTH; n = n + 1) count = count + {4'd0, flips_q[n]};
        assume (!(read && write));
        if (reading_q) assume (!read && !write);
    end

    initial assume (!rst_ni && !up_q && !started_q);
    always @* if (!started_q) assume (!read && !write);
    always @* if (up_q && !started_q) assume (count <= 5'd4 && word == ({check, stored_q} ^ flips_q));

    always @(posedge clk_i) begin
        {up_q, started_q} <= {1'b1, up_q};
        {reading_q, answer_q} <= {read, reading_q};
        if (write && own) {stored_q, flips_q} <= {data_in, {WIDTH{1'b0}}};
        if (read) {its_q, known_q, told_q, told_flips_q} <= {own, 1'b0, stored_q, flips_q};
        else if (reading_q) known_q <= 1'b1;
        mended_q <= valid && corrected && its_q && !read && !write;
        if (mended_q && !read && !write) flips_q <= {WIDTH{1'b0}};
        if (!rst_ni) {reading_q, answer_q, its_q, known_q, mended_q} <= 5'd0;
    end

    always @(posedge clk_i) if (started_q) begin
        assert (word == ({check, stored_q} ^ flips_q));
        if (rst_ni) assert (valid == answer_q);
        if (its_q && known_q) begin
            assert (error == more);
            if (!more) assert (data == told_q);
            assert (corrected == (valid && !more && told_flips_q != 0));
        end
        cover (valid && its_q && corrected && told_q == 5);
        cover (valid && its_q && error);
        cover (valid && its_q && !corrected && !error && told_q == 5 && $past(mended_q, 3));
        cover (valid && !its_q && corrected && read && own);
    end
endmodule

`default_nettype wire
