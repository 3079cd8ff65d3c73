// SPDX-License-Identifier: MIT
// A device of one's own behind hw/verilated/abi.h, for `vcram cxl --library`: the RTL, with a line of stderr for every 10,000th
// transfer. Any other device, a model in C for instance, has the same five functions.
//
//     cc -shared -fPIC -I hw/verilated -o mine.so examples/cxl/mine.c
//     export BEHIND=$(.venv/bin/python -c "from sim.cxl import *; print(device_library(Machine()))")
//     .venv/bin/vcram cxl --library mine.so

#include <dlfcn.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "abi.h"

static void *behind;
static uint64_t reads, writes;

static void *function(const char *name)
{
    const char *path = getenv("BEHIND");
    if (!behind) behind = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    void *found = behind ? dlsym(behind, name) : NULL;
    if (!found) {
        fprintf(stderr, "mine: no library in BEHIND: %s\n", path ? dlerror() : "not set");
        exit(1);
    }
    return found;
}

static void count(uint64_t *counter)
{
    ++*counter;
    if ((reads + writes) % 10000 == 0) fprintf(stderr, "mine: %" PRIu64 " reads, %" PRIu64 " writes\n", reads, writes);
}

cram_device *cram_create(uint64_t seed)
{
    return ((cram_device * (*)(uint64_t)) function("cram_create"))(seed);
}

uint32_t cram_advance(cram_device *device, uint64_t limit)
{
    static uint32_t (*advance)(cram_device *, uint64_t);
    if (!advance) advance = function("cram_advance");
    return advance(device, limit);
}

void cram_start_write(cram_device *device, uint64_t address, uint32_t beats)
{
    count(&writes);
    ((void (*)(cram_device *, uint64_t, uint32_t))function("cram_start_write"))(device, address, beats);
}

void cram_start_read(cram_device *device, uint64_t address, uint32_t beats)
{
    count(&reads);
    ((void (*)(cram_device *, uint64_t, uint32_t))function("cram_start_read"))(device, address, beats);
}

void cram_start_registers(cram_device *device, uint32_t write, uint32_t offset, uint32_t words)
{
    ((void (*)(cram_device *, uint32_t, uint32_t, uint32_t))function("cram_start_registers"))(device, write, offset, words);
}
