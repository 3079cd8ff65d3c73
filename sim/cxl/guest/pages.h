// SPDX-License-Identifier: MIT
// Pages of a program of the guest: what is in them, where they are, and how they come to the node.

#ifndef PAGES_H
#define PAGES_H

#include <stdbool.h>
#include <sys/syscall.h>

#include "guest.h"

enum { BATCH = 256, ROUNDS = 64, IDLE_ROUNDS = 3 };
static const char REGION[] = "/sys/bus/cxl/devices/region0/resource";

static unsigned char *corpus;
static size_t corpus_pages;

static inline void *anonymous(size_t pages)
{
    void *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("memory");
    return memory;
}

static inline void load_corpus(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) fail(path);
    fseek(file, 0, SEEK_END);
    corpus_pages = ftell(file) / PAGE;
    rewind(file);
    corpus = anonymous(corpus_pages);
    if (fread(corpus, PAGE, corpus_pages, file) != corpus_pages) fail(path);
    fclose(file);
}

// What page `number` holds in its `version`: a page of the corpus, and which it is.
static inline void expect(uint64_t number, uint64_t version, unsigned char *page)
{
    memcpy(page, corpus + (number * 7 + version * 13) % corpus_pages * PAGE, PAGE);
    memcpy(page, &number, sizeof number);
    memcpy(page + 8, &version, sizeof version);
}

// Where pages are.
typedef struct {
    size_t there, elsewhere;  // on the node; on another one, DRAM
} Places;                     // the others are swapped out, or lost

static inline Places places_of(unsigned char *memory, size_t pages, int node)
{
    Places found = {0, 0};
    for (size_t first = 0; first < pages; first += BATCH) {
        const size_t count = pages - first < BATCH ? pages - first : BATCH;
        void *addresses[BATCH];
        int status[BATCH];
        for (size_t i = 0; i < count; i++) addresses[i] = memory + (first + i) * PAGE;
        if (syscall(SYS_move_pages, 0, count, addresses, NULL, status, 0)) fail("move_pages");
        for (size_t i = 0; i < count; i++) {
            found.there += status[i] == node;
            found.elsewhere += status[i] >= 0 && status[i] != node;
        }
    }
    return found;
}

// Have the group reclaimed until none of the pages is in DRAM. Returns how many are on the node.
static inline size_t make_cold(unsigned char *memory, size_t pages, int node)
{
    Places places = places_of(memory, pages, node);
    for (int round = 0, idle = 0; round < ROUNDS && idle < IDLE_ROUNDS && places.elsewhere; round++) {
        char bytes[32];
        const size_t before = places.elsewhere;
        snprintf(bytes, sizeof bytes, "%zu", before * PAGE);
        write_file(RECLAIM, bytes);
        places = places_of(memory, pages, node);
        idle = places.elsewhere < before ? 0 : idle + 1;
    }
    return places.there;
}

// The device's address (DPA) of a page that is on the node.
static inline uint64_t device_address(const void *page)
{
    static unsigned long long start;
    uint64_t entry;
    FILE *file = start ? NULL : fopen(REGION, "r");
    const int map = open("/proc/self/pagemap", O_RDONLY);
    if (!start && (!file || fscanf(file, "%llx", &start) != 1)) fail(REGION);
    if (file) fclose(file);
    if (map < 0 || pread(map, &entry, sizeof entry, (uintptr_t)page / PAGE * sizeof entry) != sizeof entry) fail("pagemap");
    close(map);
    return (entry & ((UINT64_C(1) << 55) - 1)) * PAGE - start;
}

#endif
