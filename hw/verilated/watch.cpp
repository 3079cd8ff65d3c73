// SPDX-License-Identifier: MIT
// device.cpp, and now and then a look at the registers that say what its engines do. The RTL is compiled as it is: what is
// looked at are members of the class that Verilator makes of it.

#include "device.cpp"

#include "Vtop___024root.h"

extern "C" {
#pragma GCC visibility push(default)
#include "watch.h"
#pragma GCC visibility pop
}

#define DEVICE_REGISTER(name) top->cram_bench__DOT__u_device__DOT__##name
#define MEDIA_REGISTER(name) top->cram_bench__DOT__u_media__DOT__##name

namespace {

constexpr int kEngines = 4;
constexpr CData kCloserScan = 1, kCloserCompress = 3;  // phases of page_closer: SCAN, DECIDE, COMPRESS
constexpr CData kFillerLines = 1;                      // of page_filler: LINES

// Whether the filler of this number decodes a block. A device has FILL_ENGINES of them: the first of the two is of those
// that there are, the other one of the rest.
#define FILLER_REGISTER(number, name) DEVICE_REGISTER(u_store__DOT__gen_fill__BRA__##number##__KET____DOT__u_filler__DOT__##name)
#define DECODES(number)                                                                                          \
    template <typename Root>                                                                                     \
    auto decodes##number(const Root *top, int) -> decltype(FILLER_REGISTER(number, phase_q), bool()) {           \
        return FILLER_REGISTER(number, phase_q) == kFillerLines && FILLER_REGISTER(number, lz4_q);               \
    }                                                                                                            \
    template <typename Root>                                                                                     \
    bool decodes##number(const Root *, long) {                                                                   \
        return false;                                                                                            \
    }

DECODES(0)
DECODES(1)
DECODES(2)
DECODES(3)

uint64_t busy_engines(const Vtop___024root *top) {
    const CData closer = DEVICE_REGISTER(u_store__DOT__u_closer__DOT__phase_q);
    const bool compressor = kCloserScan <= closer && closer <= kCloserCompress;
    const bool decompressor = decodes0(top, 0) || decodes1(top, 0) || decodes2(top, 0) || decodes3(top, 0);
    // The media is idle while its queues are empty: bursts to read, bursts to write, answers.
    const bool media = MEDIA_REGISTER(u_reads__DOT__head_q) != MEDIA_REGISTER(u_reads__DOT__tail_q)
                       || MEDIA_REGISTER(u_writes__DOT__head_q) != MEDIA_REGISTER(u_writes__DOT__tail_q)
                       || MEDIA_REGISTER(u_answers__DOT__head_q) != MEDIA_REGISTER(u_answers__DOT__tail_q);
    const bool mailbox = DEVICE_REGISTER(u_registers__DOT__u_commands__DOT__doorbell_q);
    return compressor | decompressor << 1 | media << 2 | mailbox << 3;
}

struct Watch : cram_watch {
    Device &device;
    std::vector<cram_move> noted;
    uint64_t busy = 0;

    explicit Watch(Device &watched) : cram_watch{}, device{watched} {}

    uint32_t advance(uint64_t limit, uint64_t every, bool note) {
        noted.clear();
        uint64_t run = 0;
        uint32_t reasons = 0;
        while (run < limit && device.busy && reasons == 0) {
            reasons = device.advance(std::min(every, limit - run));
            run += device.advanced;
            const uint64_t now = busy_engines(device.top.rootp);
            if (now)
                for (int engine = 0; engine < kEngines; ++engine) cycles[engine] += (now >> engine & 1) * device.advanced;
            if (note && now != busy) noted.push_back({run, now});
            busy = now;
        }
        if (run == 0) reasons = device.advance(0);
        device.advanced = run;
        count = noted.size();
        moves = noted.data();
        return reasons;
    }
};

Watch &self(cram_watch *watch) { return *static_cast<Watch *>(watch); }

}  // namespace

cram_watch *cram_watch_create(cram_device *device) { return new Watch(self(device)); }

void cram_watch_destroy(cram_watch *watch) { delete &self(watch); }

uint32_t cram_watch_advance(cram_watch *watch, uint64_t limit, uint64_t every, uint32_t note) {
    return self(watch).advance(limit, every, note);
}
