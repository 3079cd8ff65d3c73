// SPDX-License-Identifier: MIT
// lz4_offset_choice: of the hits of a window, the first PORTS ones whose offsets differ.
//
// Handshake: a window a cycle at most; nobody can refuse it. `clear_i` drops the windows under way.
// Latency:   2 * PORTS - 1 cycles:   first hit | hits that differ from it | first one of these | ...
//
// Two hits have the same offset if they have the same origin.

`default_nettype none

module lz4_offset_choice #(
    parameter PORTS = 3
) (
    input  wire                clk_i,
    input  wire                rst_ni,
    input  wire                clear_i,

    input  wire                found_valid_i,
    input  wire [8:0]          found_number_i,
    input  wire [7:0]          found_hits_i,     // none where no window is found
    input  wire [127:0]        found_origins_i,  // of each lane 13 bits in 16

    output wire                chosen_valid_o,
    output wire [8:0]          chosen_number_o,
    output wire [PORTS-1:0]    chosen_hits_o,
    output wire [PORTS*3-1:0]  chosen_lanes_o,
    output wire [PORTS*13-1:0] chosen_origins_o
);
    localparam STAGES = 2 * PORTS - 1;

    reg  [STAGES-1:0]   valid_q;
    reg  [9*STAGES-1:0] number_q;

    always @(posedge clk_i) begin
        valid_q  <= {valid_q[STAGES-2:0], found_valid_i};
        number_q <= {number_q[9*(STAGES-1)-1:0], found_number_i};
        if (!rst_ni || clear_i) valid_q <= {STAGES{1'b0}};
    end

    assign chosen_valid_o  = valid_q[STAGES-1];
    assign chosen_number_o = number_q[9*(STAGES-1) +: 9];

    // What each port chooses from: the hits that differ from those of the ports before.
    wire [8*PORTS-1:0]   hits;
    wire [128*PORTS-1:0] origins;

    assign hits[7:0]      = found_hits_i;
    assign origins[127:0] = found_origins_i;

    genvar p;
    generate
        for (p = 0; p < PORTS; p = p + 1) begin : gen_port
            localparam WAIT = STAGES - 1 - 2 * p;  // cycles until the last port has chosen

            reg          hit_q;
            reg  [2:0]   lane_q, lane;
            reg  [12:0]  origin_q, origin;
            wire [7:0]   mine  = hits[p*8 +: 8];
            wire [7:0]   first = mine & (~mine + 8'd1);  // the first hit alone
            integer      i;

            always @* begin
                lane = 3'd0;
                origin = 13'd0;
                for (i = 0; i < 8; i = i + 1) begin
                    lane = lane | (i[2:0] & {3{first[i]}});
                    origin = origin | (origins[p*128+i*16 +: 13] & {13{first[i]}});
                end
            end

            always @(posedge clk_i) begin
                hit_q <= mine != 8'd0;
                if (mine != 8'd0) begin
                    lane_q   <= lane;
                    origin_q <= origin;
                end
            end

            if (p < PORTS - 1) begin : gen_rest
                reg [7:0]   hits_q, rest_q;
                reg [127:0] origins_q, rest_origins_q;
                integer     j;

                always @(posedge clk_i) begin
                    if (mine != 8'd0) begin
                        hits_q    <= mine;
                        origins_q <= origins[p*128 +: 128];
                    end
                    rest_q <= 8'd0;
                    if (hit_q) begin
                        for (j = 0; j < 8; j = j + 1)
                            rest_q[j] <= hits_q[j] && origins_q[j*16 +: 13] != origin_q;
                        rest_origins_q <= origins_q;
                    end
                end

                assign hits[8*(p+1) +: 8]        = rest_q;
                assign origins[128*(p+1) +: 128] = rest_origins_q;
            end

            if (WAIT == 0) begin : gen_now
                assign chosen_hits_o[p]             = hit_q;
                assign chosen_lanes_o[p*3 +: 3]     = lane_q;
                assign chosen_origins_o[p*13 +: 13] = origin_q;
            end else begin : gen_wait
                reg [17*WAIT-1:0] wait_q;

                always @(posedge clk_i) wait_q <= {wait_q[17*(WAIT-1)-1:0], hit_q, lane_q, origin_q};

                assign {chosen_hits_o[p], chosen_lanes_o[p*3 +: 3], chosen_origins_o[p*13 +: 13]}
                    = wait_q[17*(WAIT-1) +: 17];
            end
        end
    endgenerate
endmodule

`default_nettype wire
