// SPDX-License-Identifier: MIT
// What a library that was compiled for it offers beside abi.h: when the engines of a device are busy. Read by cffi, too.

typedef struct cram_move {
    uint64_t cycle;  // of this advance, from 1: at its end it is so
    uint64_t busy;   // a bit for each engine
} cram_move;

typedef struct cram_watch {
    uint64_t count;          // moves of the last advance
    const cram_move *moves;  // they stay until the next one
} cram_watch;

// One watch a device; it ends before its device does.
cram_watch *cram_watch_create(cram_device *device);
void cram_watch_destroy(cram_watch *watch);

// An engine, 0 to 63, is busy while all its conditions hold: the signal `name`, of up to 8 bits, of instance `place`
// (dotted, below the bench; empty: the bench itself) is from `low` to `high`. Returns 0, or -1: no such signal is seen.
int32_t cram_watch_condition(
    cram_watch *watch, uint32_t engine, const char *place, const char *name, uint32_t low, uint32_t high);

// As cram_advance, and note when an engine begins to be busy or ends.
uint32_t cram_watch_advance(cram_watch *watch, uint64_t limit);
