// SPDX-License-Identifier: MIT
// A device behind the interface of hw/verilated/abi.h, as a host sees it: loads and stores of any size in its memory, and
// its registers. What the library of the RTL can do any other library with these functions can (docs/cxl.md).
//
// A store waits in a buffer of one line, as in a CPU's write-combining buffer, until the line is complete or another one is
// stored to; an incomplete line is read, merged and written. The last line that was loaded is kept, too. The device's clock
// runs inside these calls only.

#ifndef VCRAM_LIBRARY_H
#define VCRAM_LIBRARY_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "faults.h"
#include "waves.h"

enum { LINE_BYTES = 64, PAGE_BYTES = 4096 };

typedef struct Line {
    uint64_t address;
    uint64_t valid;  // a bit a byte; 0: nothing is kept
    uint8_t data[LINE_BYTES];
} Line;

typedef struct Library {
    cram_device *device;
    uint32_t (*advance)(cram_device *, uint64_t);
    void (*start_write)(cram_device *, uint64_t, uint32_t);
    void (*start_read)(cram_device *, uint64_t, uint32_t);
    void (*start_registers)(cram_device *, uint32_t, uint32_t, uint32_t);
    Line stored, loaded;
    uint64_t lines_read, lines_written, lines_merged, reads_failed, writes_failed;
    Waves waves;
    Faults faults;
    void (*write_failed)(void *opaque, uint64_t address);  // of a line, whose data is lost
    void *opaque;
} Library;

// Load a library and make a device in it. Returns NULL, or what is wrong with it.
const char *library_open(Library *library, const char *path, uint64_t seed);

// Load or store up to 8 bytes inside one line. A load is false if the device refused it. A store that it refuses is told
// by `write_failed`, now or later.
bool library_load(Library *library, uint64_t address, uint64_t *value, unsigned size);
void library_store(Library *library, uint64_t address, uint64_t value, unsigned size);

// Write what waits in the buffer, and forget the line that is kept.
void library_settle(Library *library);

// Registers of 32 bit; one that does not exist reads 0 and ignores writes.
uint32_t library_read_register(Library *library, uint32_t offset);
void library_write_register(Library *library, uint32_t offset, uint32_t value);

// Let up to `cycles` pass, fewer if nothing is under way.
void library_run(Library *library, uint64_t cycles);

#endif
