// SPDX-License-Identifier: MIT
// Waves of the device in a part of the run, by its cycles. Looked at between transfers, so they may begin and end some late.

#ifndef VCRAM_WAVES_H
#define VCRAM_WAVES_H

#include <stdint.h>

typedef struct cram_device cram_device;

typedef struct Waves {
    const char *path;    // NULL: none
    uint64_t from, to;   // cycles
    int32_t (*start)(cram_device *device, const char *path);
    void (*stop)(cram_device *device);
    enum { WAVES_BEFORE, WAVES_ON, WAVES_OVER } state;
} Waves;

// Take the functions from a library. Returns NULL, or what is wrong.
const char *waves_open(Waves *waves, void *handle);

// Begin or end, if it is time to.
void waves_look(Waves *waves, cram_device *device);

// Nothing more will come.
void waves_end(Waves *waves, cram_device *device);

#endif
