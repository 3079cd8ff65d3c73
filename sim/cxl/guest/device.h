// SPDX-License-Identifier: MIT
// The device itself, by its registers in BAR 5: commands in the second mailbox, which has one user, so not beside the module;
// and the media's bench, which the guest has with `vcram cxl --faults` (sim/cxl/plugin/faults.h).

#ifndef DEVICE_H
#define DEVICE_H

#include <time.h>

#include "guest.h"

enum { BAR_BYTES = 0x4000, CONTROL = 0x1fe4, DOORBELL = 1, COMMAND_LOW = 0x1fe8, COMMAND_HIGH = 0x1fec, STATUS_HIGH = 0x1ff4,
       PAYLOAD = 0x2000 };
enum { FAULT_KINDS = 0x3000, FAULT_LOW = 0x3004, FAULT_HIGH = 0x3008, FAULT_DELAY = 0x300c, FAULT_BEAT = 0x3010,
       FAULT_FLIP = 0x3014 };
enum { BAD_READ = 1, BAD_WRITE = 2 };  // kinds
enum { BEAT = 64 };

static volatile uint32_t *registers;

static inline void open_device(void)
{
    const char *path = getenv("REGISTERS");
    const int file = path ? open(path, O_RDWR | O_SYNC) : -1;
    if (file < 0) fail("REGISTERS");
    registers = mmap(NULL, BAR_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (registers == MAP_FAILED) fail("registers");
    close(file);
}

static inline uint32_t register_at(unsigned offset)
{
    return registers[offset / 4];
}

// Run a command. Words go to the payload, and come from it. Returns its result; 0 is success.
static inline uint32_t run_command(uint32_t opcode, const uint32_t *in, uint32_t in_words, uint32_t *out, uint32_t out_words)
{
    const struct timespec while_ = {0, 1000000};
    for (uint32_t i = 0; i < in_words; i++) registers[PAYLOAD / 4 + i] = in[i];
    registers[COMMAND_LOW / 4] = opcode | in_words * 4 << 16;
    registers[COMMAND_HIGH / 4] = 0;
    registers[CONTROL / 4] = DOORBELL;
    while (registers[CONTROL / 4] & DOORBELL) nanosleep(&while_, NULL);
    for (uint32_t i = 0; i < out_words; i++) out[i] = registers[PAYLOAD / 4 + i];
    return registers[STATUS_HIGH / 4] & 0xffff;
}

// From now on bursts that begin at this address of the media have such faults, and all are so many cycles slower.
static inline void let_media_fail(uint32_t kinds, uint64_t address, uint32_t delay)
{
    registers[FAULT_LOW / 4] = address;
    registers[FAULT_HIGH / 4] = address >> 32;
    registers[FAULT_DELAY / 4] = delay;
    registers[FAULT_KINDS / 4] = kinds;
}

static inline void let_media_work(void)
{
    let_media_fail(0, 0, 0);
}

static inline void flip_bit(uint64_t address, uint32_t bit)
{
    registers[FAULT_BEAT / 4] = address / BEAT;
    registers[FAULT_FLIP / 4] = bit;
}

// How many bits of a beat can be flipped, its check included; 0: the guest has no such bench.
static inline uint32_t beat_bits(void)
{
    return register_at(FAULT_FLIP);
}

#endif
