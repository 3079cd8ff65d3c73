// SPDX-License-Identifier: MIT
/* madvise(2) over pages that have left memory: what it drops is gone, what it refuses stays. */
#include "pages.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

static byte *filled(size_t pages) {
    byte *p = map(pages);
    fill(p, 0, pages, 1);
    push_out();
    return p;
}

static int refused(byte *p, size_t pages, int advice, int with) {
    errno = 0;
    return WANT(madvise(p, pages * PAGE, advice) == -1 && errno == with);
}

static int guards(void) {
    byte *p = filled(N);
    if (madvise(p, N / 2 * PAGE, MADV_GUARD_INSTALL)) return errno != EINVAL; /* before Linux 6.13 */
    int bad = WANT(IN_CHILD((signal(SIGSEGV, _exit), differ(p, 0, 1, 0))) == SIGSEGV); /* a guard there as well */
    bad += WANT(!IN_CHILD(madvise(p, N / 2 * PAGE, MADV_GUARD_REMOVE) || differ(p, 0, N / 2, 0)));
    bad += WANT(!madvise(p, N / 2 * PAGE, MADV_GUARD_REMOVE));
    bad += WANT(!differ(p, 0, N / 2, 0)) + WANT(!differ(p, N / 2, N / 2, 1));
    fill(p, 0, N, 2);
    push_out();
    return bad + WANT(!differ(p, 0, N, 2));
}

static int free_of_a_file(void) {
    char name[] = "/tmp/adviceXXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    int bad = WANT(!ftruncate(fd, N * PAGE));
    byte *p = mmap(0, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    fill(p, 0, N, 1);
    bad += refused(p, N, MADV_FREE, EINVAL);
    push_out();
    return bad + WANT(!differ(p, 0, N, 1));
}

static int free_of_memory(void) {
    byte *p = filled(N);
    int bad = WANT(!madvise(p, N * PAGE, MADV_FREE));
    fill(p, 0, N / 2, 2);
    push_out();
    for (size_t i = N / 2; i < N; i++) bad += WANT(!differ(p, i, 1, 0) || !differ(p, i, 1, 1));
    return bad + WANT(!differ(p, 0, N / 2, 2));
}

static int half_way(int advice) {
    byte *p = filled(N);
    int bad = WANT(!mlock(p + N / 2 * PAGE, PAGE));
    push_out();
    bad += refused(p, N, advice, EINVAL);
    push_out();
    /* MADV_FREE may keep what it was given; all after the locked page was not given. */
    bad += WANT(!differ(p, 0, N / 2, 0) || (advice == MADV_FREE && !differ(p, 0, N / 2, 1)));
    return bad + WANT(!differ(p, N / 2, N / 2, 1));
}

static int dontneed_half_way(void) { return half_way(MADV_DONTNEED); }
static int free_half_way(void) { return half_way(MADV_FREE); }

static int locked(void) {
    byte *p = filled(4 * N);
    int bad = WANT(!mlock(p, 4 * N * PAGE));
    bad += refused(p, 4 * N, MADV_DONTNEED, EINVAL);
    bad += WANT(!differ(p, 0, 4 * N, 1));
    bad += WANT(!madvise(p, 4 * N * PAGE, 24)); /* MADV_DONTNEED_LOCKED */
    return bad + WANT(!differ(p, 0, 4 * N, 0));
}

static int across_a_hole(void) {
    byte *p = filled(N);
    munmap(p + N / 2 * PAGE, PAGE);
    int bad = refused(p, N, MADV_DONTNEED, ENOMEM);
    push_out();
    return bad + WANT(!differ(p, 0, N / 2, 0)) + WANT(!differ(p, N / 2 + 1, N / 2 - 1, 0));
}

static int that_names_nothing(void) {
    byte *p = filled(N);
    int bad = refused(p + 1, N, MADV_DONTNEED, EINVAL);
    bad += WANT(madvise(p, -PAGE, MADV_DONTNEED) == -1) + WANT(madvise(p, -1, MADV_DONTNEED) == -1);
    bad += WANT(!madvise(p, 0, MADV_DONTNEED)) + refused(p, N, 9 /* MADV_REMOVE */, EINVAL);
    bad += refused(p, N, 4711, EINVAL);
    push_out();
    return bad + WANT(!differ(p, 0, N, 1));
}

static int that_changes_nothing(void) {
    static const int advices[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTDUMP,
                                  MADV_DODUMP, MADV_NOHUGEPAGE, 20 /* COLD */, 21 /* PAGEOUT */, 22, 23 /* POPULATE */};
    byte *p = filled(N);
    int bad = 0;
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++) {
        bad += WANT(!madvise(p, N * PAGE, advices[i]));
        push_out();
        bad += WANT(!differ(p, 0, N, 1));
    }
    return bad;
}

int main(int argc, char **argv) {
    static const struct scene scenes[] = {
        {"guards", guards},
        {"free_of_a_file", free_of_a_file},
        {"free_of_memory", free_of_memory},
        {"dontneed_half_way", dontneed_half_way},
        {"free_half_way", free_half_way},
        {"locked", locked},
        {"across_a_hole", across_a_hole},
        {"that_names_nothing", that_names_nothing},
        {"that_changes_nothing", that_changes_nothing},
        {0, 0},
    };
    return play(scenes, argc, argv);
}
