// SPDX-License-Identifier: MIT
// device_load: what load does to the device, as the signals that device_counters counts (docs/device/load.md).
//
// It only watches. An access that finds nothing free asks again and again; from its first try on the cycles count as a
// stall for that reason, until an access gets on. Reads of the media are owed from their address to their last beat; it is
// watched in front of media_port, which answers for a media that does not.
//
// Handshake: levels, and pulses of one cycle; bit LOAD_x of `load_o` is what register x counts. `at_hand_i`, `aside_i`: a
//            line of the host port's front is answered from the cache, or is not there. `stalls_i`, with `bounce_i`: an entry, a filler, room.
// Latency:   none from a level; the histogram's see read_latency.

`default_nettype none

module device_load #(
    parameter FILLERS = 4,
    `include "cram_counters.vh"
) (
    input  wire               clk_i,
    input  wire               rst_ni,
    output wire               idle_o,           // no burst is watched
    output reg  [LOADS-1:0]   load_o,

    // ---- host port ----
    input  wire               address_i,        // a handshake on AR
    input  wire [7:0]         address_id_i,
    input  wire               beat_i,           // a handshake on R
    input  wire [7:0]         beat_id_i,
    input  wire               beat_last_i,
    input  wire               at_hand_i,
    input  wire               aside_i,
    input  wire               write_waits_i,

    // ---- page operations ----
    input  wire               open_i,           // an entry is taken,
    input  wire [2:0]         open_state_i,     // for a page of this state
    input  wire               request_i,        // an access waits
    input  wire               bounce_i,
    input  wire [2:0]         stalls_i,
    input  wire               goes_i,           // an access gets on
    input  wire               closes_i,
    input  wire [FILLERS-1:0] fills_i,

    // ---- media ----
    input  wire               media_address_i,  // a handshake on AR,
    input  wire [7:0]         media_length_i,   // for so many beats and one
    input  wire               media_beat_i,     // on R
    input  wire               media_write_i     // on W
);
    `include "cram_codes.vh"
    `include "cram_registers.vh"

    localparam BINS = 10;

    wire [BINS-1:0] binned;
    wire [2:0]      filling = number(fills_i);
    reg  [2:0]      stall_q;
    reg  [11:0]     owed_q;
    wire            unused = COUNTERS == 0;

    function [2:0] number;
        input [FILLERS-1:0] ones;
        integer             f;
        begin
            number = 3'd0;
            for (f = 0; f < FILLERS; f = f + 1) number = number + {2'd0, ones[f]};
        end
    endfunction

    read_latency #(
        .BINS(BINS)
    ) u_latency (
        .clk_i(clk_i),
        .rst_ni(rst_ni),
        .address_i(address_i),
        .address_id_i(address_id_i),
        .beat_i(beat_i),
        .beat_id_i(beat_id_i),
        .beat_last_i(beat_last_i),
        .idle_o(idle_o),
        .within_o(binned)
    );

    always @* begin
        load_o = {LOADS{1'b0}};
        load_o[LOAD_READS_AT_HAND]     = at_hand_i;
        load_o[LOAD_READS_ASIDE]       = aside_i;
        load_o[LOAD_OPENED_FREE]       = open_i && open_state_i == STATE_FREE;
        load_o[LOAD_OPENED_ZERO]       = open_i && open_state_i == STATE_ZERO;
        load_o[LOAD_OPENED_SAME]       = open_i && open_state_i == STATE_SAME;
        load_o[LOAD_OPENED_LZ4]        = open_i && open_state_i == STATE_LZ4;
        load_o[LOAD_OPENED_RAW]        = open_i && open_state_i == STATE_RAW;
        load_o[LOAD_STALLS_WRITE]      = write_waits_i;
        load_o[LOAD_STALLS_ENTRY]      = request_i && stall_q[0];
        load_o[LOAD_STALLS_FILLER]     = request_i && stall_q[1];
        load_o[LOAD_STALLS_ROOM]       = request_i && stall_q[2];
        load_o[LOAD_CLOSING]           = closes_i;
        load_o[LOAD_FILLING_1]         = filling == 3'd1;
        load_o[LOAD_FILLING_2]         = filling == 3'd2;
        load_o[LOAD_FILLING_3]         = filling == 3'd3;
        load_o[LOAD_FILLING_4]         = filling == 3'd4;
        load_o[LOAD_MEDIA_READ_BEATS]  = media_beat_i;
        load_o[LOAD_MEDIA_WRITE_BEATS] = media_write_i;
        load_o[LOAD_MEDIA_STALLS]      = owed_q != 12'd0 && !media_beat_i;
        load_o[LOAD_READS_WITHIN_8 +: BINS] = binned;
    end

    always @(posedge clk_i) begin
        if (!request_i || goes_i) stall_q <= 3'b000;
        else if (bounce_i) stall_q <= stalls_i;
        if (media_address_i || media_beat_i)
            owed_q <= owed_q + (media_address_i ? {4'd0, media_length_i} + 12'd1 : 12'd0) - {11'd0, media_beat_i};
        if (!rst_ni) begin
            stall_q <= 3'b000;
            owed_q  <= 12'd0;
        end
    end
endmodule

`default_nettype wire
