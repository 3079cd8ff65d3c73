// SPDX-License-Identifier: MIT
// cram_bench, compiled by Verilator, behind the C interface of abi.h.
//
// One cycle is a rising and a falling edge of clk_i. Inputs change between cycles only, so a transfer that starts before a
// cycle is seen by its rising edge. The clock stands still while busy_o is low, as in hw/bench/cram_tb.v.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "Vtop.h"
#include "verilated.h"
#include "verilated_save.h"
#include "verilated_syms.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif
#if VM_COVERAGE
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "verilated_cov.h"
#endif

extern "C" {
#pragma GCC visibility push(default)
#include "abi.h"
#pragma GCC visibility pop
}

namespace {

constexpr int kPowerOnCycles = 10;

template <typename Port>
uint8_t *bytes(Port &port) {
    return reinterpret_cast<uint8_t *>(port.data());
}

#if !VM_COVERAGE
// Verilator's streams of a model's state, in memory.
class StateWriter final : public VerilatedSerialize {
public:
    explicit StateWriter(std::vector<uint8_t> &state) : state_{state} {
        m_isOpen = true;
        header();
    }
    void close() override {
        trailer();
        flush();
        m_isOpen = false;
    }
    void flush() override {
        state_.insert(state_.end(), m_bufp, m_cp);
        m_cp = m_bufp;
    }

private:
    std::vector<uint8_t> &state_;
};

class StateReader final : public VerilatedDeserialize {
public:
    StateReader(const uint8_t *state, uint64_t length) : next_{state}, end_{state + length} {
        m_endp = m_bufp;
        m_isOpen = true;
        header();
    }
    void close() override {
        trailer();
        m_isOpen = false;
    }

protected:
    void fill() override {
        const size_t left = m_endp - m_cp;
        std::memmove(m_bufp, m_cp, left);
        const size_t more = std::min<size_t>(bufferSize() - left, end_ - next_);
        std::memcpy(m_bufp + left, next_, more);
        next_ += more;
        m_cp = m_bufp;
        m_endp = m_bufp + left + more;
    }

private:
    const uint8_t *next_, *end_;
};
#endif

struct Device : cram_device {
    VerilatedContext context;
    Vtop top;
    std::vector<uint8_t> state;
#if VM_TRACE
    std::unique_ptr<VerilatedVcdC> waves;
#endif

    explicit Device(uint64_t seed) : cram_device{}, context{}, top{seeded(context, seed), "cram_bench"} {
        write_data = bytes(top.write_data_i);
        read_data = bytes(top.read_data_o);
        register_head_in = bytes(top.register_head_i);
        register_head_out = bytes(top.register_head_o);
        register_data_in = bytes(top.register_data_i);
        register_data_out = bytes(top.register_data_o);
        top.clk_i = 0;
        top.rst_ni = top.media_rst_ni = 0;
        top.fault_i = 0;
        top.fault_address_i = 0;
        top.fault_delay_i = 0;
        top.write_request_i = top.read_request_i = top.register_request_i = 0;
        top.write_address_i = top.read_address_i = 0;
        top.write_beats_i = top.read_beats_i = 64;
        top.register_write_i = 0;
        top.register_address_i = 0;
        top.register_words_i = 1;
        for (int i = 0; i < 4096; ++i) write_data[i] = register_data_in[i] = 0;
        for (int i = 0; i < 64; ++i) register_head_in[i] = 0;
        top.eval();
        for (int i = 0; i < kPowerOnCycles; ++i) cycle();
        top.rst_ni = top.media_rst_ni = 1;
        top.eval();
        look();
    }

    // The model's scopes leave the context that is this thread's: it must be their own, not that of the last device used,
    // which may be gone.
    ~Device() {
#if VM_COVERAGE
        leave_coverage();
#endif
        Verilated::threadContextp(&context);
    }

#if VM_COVERAGE
    // A file a device, where hw/build.py has those of simulations.
    void leave_coverage() {
        const char *folder = std::getenv("VCRAM_COVERAGE");
        if (folder == nullptr) return;
        std::filesystem::path file;
        for (int number = 0; file.empty() || std::filesystem::exists(file); ++number) {  // other libraries count, too
            const auto name = "library-" + std::to_string(getpid()) + "-" + std::to_string(number) + ".dat";
            file = std::filesystem::path(folder) / name;
        }
        context.coveragep()->write(file.c_str());
    }
#endif

    static VerilatedContext *seeded(VerilatedContext &context, uint64_t seed) {
        context.randReset(VM_COVERAGE ? 0 : 2);  // a random value that the reset takes away would count as a toggle
#if VM_TRACE
        context.traceEverOn(true);
#endif
        context.randSeed(static_cast<int>(seed % 0x7FFFFFFE) + 1);  // 0 would mean: differently each time
        return &context;
    }

    void cycle() {
        top.clk_i = 1;
        top.eval();
        dump(500);
        top.clk_i = 0;
        top.eval();
        dump(1000);
    }

    // `ps`: behind the start of the present cycle; the counter is a cycle ahead of it.
    void dump([[maybe_unused]] uint64_t ps) {
#if VM_TRACE
        if (waves) waves->dump((top.cycles_o - 1) * 1000 + ps);
#endif
    }

    // A line differs from its request while a transfer is under way.
    uint32_t pending() const {
        return (top.write_request_i != top.write_done_o ? CRAM_WRITE_DONE : 0)
               | (top.read_request_i != top.read_done_o ? CRAM_READ_DONE : 0)
               | (top.register_request_i != top.register_done_o ? CRAM_REGISTERS_DONE : 0);
    }

    void look() {
        cycles = top.cycles_o;
        interrupts = top.interrupt_o;
        busy = top.busy_o || !top.rst_ni || !top.media_rst_ni;
        write_response = top.write_response_o;
        read_response = top.read_response_o;
        register_response = top.register_response_o;
    }

    uint32_t advance(uint64_t limit) {
        const uint32_t before = pending();
        uint32_t reasons = 0;
        uint64_t run = 0;
        while (run < limit && busy && reasons == 0) {
            cycle();
            ++run;
            busy = top.busy_o || !top.rst_ni || !top.media_rst_ni;
            reasons = before & ~pending();
            if (top.interrupt_o & interrupt_mask) reasons |= CRAM_INTERRUPT;
        }
        if (!busy) reasons |= CRAM_IDLE;
        look();
        advanced = run;
        return reasons;
    }
};

Device &self(cram_device *device) { return *static_cast<Device *>(device); }

}  // namespace

cram_device *cram_create(uint64_t seed) { return new Device(seed); }

void cram_destroy(cram_device *device) { delete &self(device); }

uint32_t cram_advance(cram_device *device, uint64_t limit) { return self(device).advance(limit); }

void cram_start_write(cram_device *device, uint64_t address, uint32_t beats) {
    Vtop &top = self(device).top;
    top.write_address_i = address;
    top.write_beats_i = static_cast<uint8_t>(beats);
    top.write_request_i ^= 1;
    device->busy = 1;
}

void cram_start_read(cram_device *device, uint64_t address, uint32_t beats) {
    Vtop &top = self(device).top;
    top.read_address_i = address;
    top.read_beats_i = static_cast<uint8_t>(beats);
    top.read_request_i ^= 1;
    device->busy = 1;
}

void cram_start_registers(cram_device *device, uint32_t write, uint32_t offset, uint32_t words) {
    Vtop &top = self(device).top;
    top.register_write_i = static_cast<uint8_t>(write);
    top.register_address_i = static_cast<uint16_t>(offset);
    top.register_words_i = static_cast<uint16_t>(words);
    top.register_request_i ^= 1;
    device->busy = 1;
}

void cram_set_reset(cram_device *device, uint32_t level, uint32_t media_level) {
    Device &chip = self(device);
    chip.top.rst_ni = level ? 1 : 0;
    chip.top.media_rst_ni = media_level ? 1 : 0;
    chip.top.eval();
    chip.look();
}

void cram_set_fault(cram_device *device, uint32_t kinds, uint64_t address, uint32_t delay) {
    Vtop &top = self(device).top;
    top.fault_i = static_cast<uint8_t>(kinds);
    top.fault_address_i = address;
    top.fault_delay_i = delay;
}

#if VM_COVERAGE  // Verilator counts or saves
const uint8_t *cram_save(cram_device *, uint64_t *length) {
    *length = 0;
    return nullptr;
}

void cram_restore(cram_device *, const uint8_t *, uint64_t) {}
#else
const uint8_t *cram_save(cram_device *device, uint64_t *length) {
    Device &chip = self(device);
    chip.state.clear();
    StateWriter writer{chip.state};
    writer << chip.top;
    writer.close();
    *length = chip.state.size();
    return chip.state.data();
}

void cram_restore(cram_device *device, const uint8_t *state, uint64_t length) {
    Device &chip = self(device);
    StateReader reader{state, length};
    reader >> chip.top;
    reader.close();
    chip.look();
}
#endif

int32_t cram_waves_start([[maybe_unused]] cram_device *device, [[maybe_unused]] const char *path) {
#if VM_TRACE
    Device &chip = self(device);
    chip.waves = std::make_unique<VerilatedVcdC>();
    chip.top.trace(chip.waves.get(), 99);
    chip.waves->open(path);
    if (chip.waves->isOpen()) return 0;
    chip.waves.reset();
#endif
    return -1;
}

void cram_waves_stop([[maybe_unused]] cram_device *device) {
#if VM_TRACE
    Device &chip = self(device);
    if (chip.waves) chip.waves->close();
    chip.waves.reset();
#endif
}

int32_t cram_memory_at(cram_device *device, const char *place, cram_memory *memory) {
    const std::string instance = std::string{"cram_bench.cram_bench."} + place;
    const VerilatedVar *found = nullptr;
    int count = 0;
    for (const auto &[scope_name, scope] : *self(device).context.scopeNameMap()) {
        if ((scope_name + std::string{"."}).rfind(instance + ".", 0) != 0 || !scope->varsp()) continue;
        for (const auto &entry : *scope->varsp()) {
            if (entry.second.udims() != 1) continue;
            found = &entry.second;
            ++count;
        }
    }
    if (count != 1) return -1;
    memory->words = static_cast<uint8_t *>(found->datap());
    memory->depth = found->elements(1);
    memory->bits = found->entBits();
    memory->stride = found->totalSize() / memory->depth;
    return 0;
}
