// SPDX-License-Identifier: MIT
// engine_bench, compiled by Verilator, behind the C interface of engines.h.
//
// One cycle is a rising and a falling edge of clk_i; inputs change between cycles, outputs are looked at before the edge.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "Vtop.h"
#include "verilated.h"

extern "C" {
#pragma GCC visibility push(default)
#include "engines.h"
#pragma GCC visibility pop
}

namespace {

constexpr uint32_t kPage = 4096, kLine = 64, kLimit = 60000, kRoom = 4352;

template <typename Port>
uint8_t *bytes(Port &port) {
    return reinterpret_cast<uint8_t *>(port.data());
}

}  // namespace

struct lz4_engines {
    VerilatedContext context;
    Vtop top;

    explicit lz4_engines(uint64_t seed) : context{}, top{seeded(context, seed), "engine_bench"} {
        top.clk_i = 0;
        top.rst_ni = 0;
        top.compress_clear_i = top.decompress_clear_i = 0;
        top.compress_page_valid_i = top.decompress_block_valid_i = 0;
        top.compress_block_ready_i = top.decompress_page_ready_i = 1;
        top.decompress_block_bytes_i = kLine;
        top.decompress_block_last_i = 0;
        for (int i = 0; i < 4; ++i) cycle();
        top.rst_ni = 1;
        top.eval();
        while (!top.compress_page_ready_o) cycle();
    }

    static VerilatedContext *seeded(VerilatedContext &context, uint64_t seed) {
        context.randReset(2);
        context.randSeed(static_cast<int>(seed % 0x7FFFFFFE) + 1);
        return &context;
    }

    void cycle() {
        top.clk_i = 1;
        top.eval();
        top.clk_i = 0;
        top.eval();
    }

    void compress(const uint8_t *page, uint8_t *block, lz4_answer &answer) {
        uint32_t sent = 0, now = 0;
        answer = lz4_answer{};
        for (bool ends = false; !ends; ) {
            top.compress_page_valid_i = sent < kPage;
            if (sent < kPage) std::memcpy(bytes(top.compress_page_data_i), page + sent, kLine);
            top.eval();
            if (top.compress_block_valid_o) {
                const uint32_t size = std::min<uint32_t>(top.compress_block_bytes_o, kRoom - answer.bytes);
                std::memcpy(block + answer.bytes, bytes(top.compress_block_data_o), size);
                answer.bytes += size;
                ends = top.compress_block_last_o;
            }
            if (top.compress_page_valid_i && top.compress_page_ready_o) sent += kLine;
            if (sent) ++now;
            if (now == kLimit) ends = answer.error = 2;
            cycle();
        }
        top.compress_page_valid_i = 0;
        answer.cycles = now;
        if (answer.error) {
            top.compress_clear_i = 1;
            cycle();
            top.compress_clear_i = 0;
        }
        top.eval();
    }

    void decompress(const uint8_t *block, uint32_t length, uint8_t *page, lz4_answer &answer) {
        uint32_t sent = 0, now = 0;
        answer = lz4_answer{};
        for (bool ends = false; !ends; ) {
            const bool offer = sent < length;
            const uint32_t size = std::min(kLine, length - sent);
            top.decompress_block_valid_i = offer;
            if (offer) {
                std::memcpy(bytes(top.decompress_block_data_i), block + sent, size);
                top.decompress_block_bytes_i = static_cast<uint8_t>(size);
                top.decompress_block_last_i = sent + size == length;
            }
            top.eval();
            const bool taken = offer && top.decompress_block_ready_o;
            if (taken) sent += size;
            if (sent) ++now;
            if (top.decompress_page_valid_o && answer.bytes < kPage) {
                std::memcpy(page + answer.bytes, bytes(top.decompress_page_data_o), kLine);
                answer.line_cycles[answer.bytes / kLine] = static_cast<uint16_t>(now);
                answer.bytes += kLine;
                ends = top.decompress_page_last_o;
            }
            if (top.decompress_error_o) ends = answer.error = 1;
            if (now == kLimit) ends = answer.error = 2;
            cycle();
        }
        answer.cycles = now;
        top.decompress_block_valid_i = 0;
        top.decompress_clear_i = answer.error != 0;
        if (answer.error) cycle();
        top.decompress_clear_i = 0;
        top.eval();
    }
};

lz4_engines *engines_create(uint64_t seed) { return new lz4_engines(seed); }

void engines_destroy(lz4_engines *engines) { delete engines; }

void engines_compress(lz4_engines *engines, const uint8_t *page, uint8_t *block, lz4_answer *answer) {
    engines->compress(page, block, *answer);
}

void engines_decompress(lz4_engines *engines, const uint8_t *block, uint32_t length, uint8_t *page,
                        lz4_answer *answer) {
    engines->decompress(block, length, page, *answer);
}
