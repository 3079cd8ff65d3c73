// SPDX-License-Identifier: MIT
// The C interface of a device compiled by Verilator: what hw/verilated/device.cpp offers and hw/links/verilated.py calls.
//
// Plain declarations without preprocessor, as the Python side reads this very file. A device belongs to one thread; there
// may be many. The device runs only inside `cram_advance` and `cram_create`.

enum {  // why cram_advance stopped; several may hold at once, none if the limit was reached
    CRAM_WRITE_DONE = 1,
    CRAM_READ_DONE = 2,
    CRAM_REGISTERS_DONE = 4,
    CRAM_INTERRUPT = 8,
    CRAM_IDLE = 16
};

typedef struct cram_device {
    // Written by the device, read by the host.
    uint64_t cycles;             // clock cycles since power-on, those in reset not counted
    uint64_t advanced;           // cycles of the last cram_advance
    uint32_t interrupts;         // the 16 lines now
    uint32_t busy;               // 0: time may pass without a clock edge
    uint32_t write_response;     // AXI responses of the last transfers
    uint32_t read_response;
    uint32_t register_response;
    // Written by the host, read by the device.
    uint32_t interrupt_mask;     // lines that stop cram_advance while they are high
    // The data of the transfers: 4096 bytes, or 64 for transfers of up to 16 registers. Must hold still while theirs runs.
    uint8_t *write_data;
    const uint8_t *read_data;
    uint8_t *register_head_in;
    const uint8_t *register_head_out;
    uint8_t *register_data_in;
    const uint8_t *register_data_out;
} cram_device;

typedef struct cram_memory {
    uint8_t *words;    // of a memory of the device; each word's lowest bit first, the bits behind its last one are zero
    uint32_t depth;    // words
    uint32_t bits;     // of a word
    uint32_t stride;   // bytes from a word to the next
} cram_memory;

// A device after its power-on reset of ten cycles. Registers and memories that no reset sets start as `seed` says.
cram_device *cram_create(uint64_t seed);
void cram_destroy(cram_device *device);

// Run until a transfer completes, a line of interrupt_mask is high, nothing is under way, or `limit` cycles have passed.
// Returns the reasons. At least one cycle is run if the device is busy and the limit is not 0.
uint32_t cram_advance(cram_device *device, uint64_t limit);

// Start a transfer on a channel that has none under way. Lengths in beats of 64 bytes and in registers of 32 bits.
void cram_start_write(cram_device *device, uint64_t address, uint32_t beats);
void cram_start_read(cram_device *device, uint64_t address, uint32_t beats);
void cram_start_registers(cram_device *device, uint32_t write, uint32_t offset, uint32_t words);

// Drive the resets of the device and of its media, active low. The device is busy while one of them is low.
void cram_set_reset(cram_device *device, uint32_t level, uint32_t media_level);

// Let the media misbehave from now on, or no longer: `kinds` is fault_i of hw/bench/media_dram.v, at bursts that begin at
// `address`, or at all if that is 2^40 - 1; `delay` cycles are added to its latency.
void cram_set_fault(cram_device *device, uint32_t kinds, uint64_t address, uint32_t delay);

// The whole state of the device and its media, to go on from there later, in any device of the same library. Not while a
// transfer is under way. The bytes stay until the next save or the end of the device. Damaged bytes end the process.
const uint8_t *cram_save(cram_device *device, uint64_t *length);
void cram_restore(cram_device *device, const uint8_t *state, uint64_t length);

// Write waves (VCD, 1 cycle = 1 ns since power-on) from now on; only in a library that was compiled with waves. Returns 0,
// or -1: not compiled with waves, or the file cannot be written.
int32_t cram_waves_start(cram_device *device, const char *path);
void cram_waves_stop(cram_device *device);

// The memory in or below instance `place` (dotted, below the bench): it may be changed between calls of cram_advance. Only
// in a library that was compiled for it. Returns 0, or -1: there is no memory to be seen, or more than one.
int32_t cram_memory_at(cram_device *device, const char *place, cram_memory *memory);
