// SPDX-License-Identifier: MIT
// read_latency: how long the host waits for a read burst, from its address to its first beat, as a histogram
// (docs/device/load.md).
//
// It only watches the port. Bursts are kept in the order of their addresses, the oldest in the lowest slot, with the cycle
// in which they came: bursts of one ID are answered in order, so a beat belongs to the oldest burst of its ID.
//
// Handshake: `address_i` and `beat_i` are high in the cycle of a handshake on AR and on R. `within_o` is one pulse for a
//            burst: bit n for less than 8 << n cycles that is not one of the bits below, the last bit for all others. At
//            most SLOTS bursts may be under way, and none may take 2^AGE cycles.
// Latency:   two cycles.

`default_nettype none

module read_latency #(
    parameter SLOTS = 20,
    parameter BINS  = 10,
    parameter AGE   = 20  // bits of the cycles that a burst may take
) (
    input  wire            clk_i,
    input  wire            rst_ni,
    input  wire            address_i,
    input  wire [7:0]      address_id_i,
    input  wire            beat_i,
    input  wire [7:0]      beat_id_i,
    input  wire            beat_last_i,
    output wire            idle_o,       // no burst is under way
    output wire [BINS-1:0] within_o
);
    reg [AGE-1:0]       now_q;
    reg                 address_q, beat_q, last_q, told_q;
    reg [7:0]           address_id_q, beat_id_q;
    reg [AGE-1:3]       took_q;

    reg [SLOTS-1:0]     used_q;               // from the lowest on
    reg [SLOTS-1:0]     begun_q;              // its first beat has come
    reg [8*SLOTS-1:0]   id_q;
    reg [AGE*SLOTS-1:0] since_q;

    // ---- the burst that the beat is of: the oldest of its ID ---------------------------------------------------------
    reg  [SLOTS-1:0] match;
    wire [SLOTS-1:0] owner  = match & (~match + 1'b1);
    wire [SLOTS-1:0] leaves = owner & {SLOTS{last_q}};
    wire [SLOTS-1:0] above  = ~(leaves - 1'b1) & {SLOTS{|leaves}};  // slots that take the one above them
    wire [SLOTS-1:0] stay   = |leaves ? used_q >> 1 : used_q;
    wire [SLOTS-1:0] comes  = {stay[SLOTS-2:0], 1'b1} & ~stay & {SLOTS{address_q}};
    wire             first  = |(owner & ~begun_q);
    reg  [AGE-1:0]   since;
    wire [AGE-1:0]   took   = now_q - since;
    wire             unused = &{1'b0, took[2:0]};
    integer          s;

    always @* begin
        since = {AGE{1'b0}};
        for (s = 0; s < SLOTS; s = s + 1) begin
            match[s] = beat_q && used_q[s] && id_q[8 * s +: 8] == beat_id_q;
            since    = since | (since_q[AGE * s +: AGE] & {AGE{owner[s]}});
        end
    end

    always @(posedge clk_i) begin
        now_q        <= now_q + 1'b1;
        address_q    <= address_i;
        address_id_q <= address_id_i;
        beat_q       <= beat_i;
        beat_id_q    <= beat_id_i;
        last_q       <= beat_last_i;
        told_q       <= first;
        took_q       <= took[AGE-1:3];
        used_q       <= stay | comes;
        for (s = 0; s < SLOTS; s = s + 1) begin
            if (comes[s]) begin
                id_q[8 * s +: 8]        <= address_id_q;
                since_q[AGE * s +: AGE] <= now_q;
                begun_q[s]              <= 1'b0;
            end else if (above[s] && s + 1 < SLOTS) begin
                id_q[8 * s +: 8]        <= id_q[8 * ((s + 1) % SLOTS) +: 8];
                since_q[AGE * s +: AGE] <= since_q[AGE * ((s + 1) % SLOTS) +: AGE];
                begun_q[s]              <= begun_q[(s + 1) % SLOTS];
            end else if (owner[s]) begin
                begun_q[s] <= 1'b1;
            end
        end
        if (!rst_ni) begin
            now_q     <= {AGE{1'b0}};
            address_q <= 1'b0;
            beat_q    <= 1'b0;
            told_q    <= 1'b0;
            used_q    <= {SLOTS{1'b0}};
        end
    end

    // ---- its bin -----------------------------------------------------------------------------------------------------
    wire [BINS-1:0] less;
    genvar          b;
    generate
        for (b = 0; b < BINS; b = b + 1) begin : gen_bins
            if (b == BINS - 1) begin : gen_last
                assign less[b] = 1'b1;
            end else begin : gen_bin
                assign less[b] = !(|took_q[AGE-1:b + 3]);
            end
        end
    endgenerate

    assign within_o = less & (~less + 1'b1) & {BINS{told_q}};
    assign idle_o   = !address_q && !beat_q && !told_q && used_q == {SLOTS{1'b0}};
endmodule

`default_nettype wire
