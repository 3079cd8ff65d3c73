// SPDX-License-Identifier: MIT
// The C interface of the two LZ4 engines compiled by Verilator: what hw/verilated/engines.cpp offers and
// hw/verilated/engines.py calls. Plain declarations without preprocessor, as the Python side reads this very file.
//
// Both ends of an engine are never the reason to wait: input is offered and output is taken in every cycle.

typedef struct lz4_engines lz4_engines;

typedef struct lz4_answer {
    uint32_t bytes;           // of the block, or of the page as far as it came
    uint32_t cycles;          // clock cycles from the one that took the first input beat to the one that gave the last
                              // output beat, both counted
    uint32_t error;           // decompressor: the block is malformed; either: no end within the limit (2)
    uint16_t line_cycles[64]; // decompressor: the cycle, counted like `cycles`, that gave each line; 0: never
} lz4_answer;

// Both engines after their reset. What no reset sets starts as `seed` says.
lz4_engines *engines_create(uint64_t seed);
void engines_destroy(lz4_engines *engines);

// Compress 4096 bytes; `block` has room for 4352.
void engines_compress(lz4_engines *engines, const uint8_t *page, uint8_t *block, lz4_answer *answer);
// Decompress a block of `length` bytes, at least 1; `page` has room for 4096.
void engines_decompress(lz4_engines *engines, const uint8_t *block, uint32_t length, uint8_t *page, lz4_answer *answer);
