// SPDX-License-Identifier: MIT
/* A large range is reserved, a few of its pages are used, and the program forks. */
#include "pages.h"

static int reserve(size_t gigabytes, int protection) {
    size_t pages = gigabytes << 18, step = pages / N;
    byte *p = mmap(0, pages * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (WANT(p != MAP_FAILED)) return 1;
    for (size_t i = 0; i < N; i++) {
        if (protection == PROT_NONE) mprotect(p + i * step * PAGE, PAGE, PROT_READ | PROT_WRITE);
        fill(p, i * step, 1, 1);
    }
    push_out();
    int bad = 0;
    for (size_t i = 0; i < N; i++) bad += differ(p, i * step, 1, 1);
    pid_t child = fork();
    if (!child) {
        for (size_t i = 0; i < N; i++) bad += differ(p, i * step, 1, 1);
        _exit(bad != 0);
    }
    return bad + WANT(!result_of(child)) + WANT(!munmap(p, pages * PAGE));
}

static int nothing_of_256_gib(void) { return reserve(256, PROT_NONE); }
static int nothing_of_4_tib(void) { return reserve(4096, PROT_NONE); }
static int little_of_16_tib(void) { return reserve(16384, PROT_READ | PROT_WRITE); }

int main(int argc, char **argv) {
    static const struct scene scenes[] = {
        {"nothing_of_256_gib", nothing_of_256_gib},
        {"nothing_of_4_tib", nothing_of_4_tib},
        {"little_of_16_tib", little_of_16_tib},
        {0, 0},
    };
    return play(scenes, argc, argv);
}
