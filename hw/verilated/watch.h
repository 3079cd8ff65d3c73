// SPDX-License-Identifier: MIT
// What a library that was compiled for it offers beside abi.h: when the engines of a device are busy. Read by cffi, too.

typedef struct cram_move {
    uint64_t cycle;  // of this advance, from 1: at its end it is so
    uint64_t busy;   // a bit for each engine, in the order of ENGINES (hw/engines.py)
} cram_move;

typedef struct cram_watch {
    uint64_t cycles[4];      // that each engine was busy so far
    uint64_t count;          // moves of the last advance, if they are noted
    const cram_move *moves;  // they stay until the next one
} cram_watch;

// One watch a device; it ends before its device does.
cram_watch *cram_watch_create(cram_device *device);
void cram_watch_destroy(cram_watch *watch);

// As cram_advance, with a look at the engines at its end and every so many cycles, from 1 on; `note`: the moves are kept.
uint32_t cram_watch_advance(cram_watch *watch, uint64_t limit, uint64_t every, uint32_t note);
