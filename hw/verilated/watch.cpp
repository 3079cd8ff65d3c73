// SPDX-License-Identifier: MIT
// device.cpp, and after each cycle a look at what its engines do.

#include "device.cpp"

extern "C" {
#pragma GCC visibility push(default)
#include "watch.h"
#pragma GCC visibility pop
}

namespace {

struct Condition {
    uint64_t engine;  // a bit
    const CData *signal;
    uint32_t low, high;

    bool holds() const { return low <= *signal && *signal <= high; }
};

struct Watch : cram_watch {
    Device &device;
    std::vector<Condition> conditions;
    std::vector<cram_move> noted;
    uint64_t engines = 0, busy = 0;

    explicit Watch(Device &watched) : cram_watch{}, device{watched} {}

    void look_at_engines(uint64_t cycle) {
        uint64_t now = engines;
        for (const Condition &condition : conditions)
            if (!condition.holds()) now &= ~condition.engine;
        if (now == busy) return;
        busy = now;
        noted.push_back({cycle, busy});
    }

    uint32_t advance(uint64_t limit) {
        noted.clear();
        uint64_t run = 0;
        uint32_t reasons = 0;
        while (run < limit && device.busy && reasons == 0) {
            reasons = device.advance(1);
            look_at_engines(++run);
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

int32_t cram_watch_condition(
    cram_watch *watch, uint32_t engine, const char *place, const char *name, uint32_t low, uint32_t high) {
    const std::string instance = std::string{"cram_bench.cram_bench"} + (*place ? "." : "") + place;
    for (const auto &[scope_name, scope] : *self(watch).device.context.scopeNameMap()) {
        if (scope_name != instance) continue;
        const VerilatedVar *signal = scope->varFind(name);
        if (!signal || signal->udims() || signal->totalSize() != sizeof(CData)) return -1;
        const uint64_t bit = uint64_t{1} << engine;
        self(watch).engines |= bit;
        self(watch).conditions.push_back({bit, static_cast<const CData *>(signal->datap()), low, high});
        return 0;
    }
    return -1;
}

uint32_t cram_watch_advance(cram_watch *watch, uint64_t limit) { return self(watch).advance(limit); }
