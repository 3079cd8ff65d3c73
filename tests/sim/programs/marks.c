// SPDX-License-Identifier: MIT
/* Marks of madvise(2) belong to a mapping: they end with it, move with it, and are split with it. */
#include "pages.h"

static int child_of(const byte *at, size_t first, size_t pages, int version) {
    return IN_CHILD(differ(at, first, pages, version) != 0);
}

static int reused(int advice) {
    byte *p = map(N);
    fill(p, 0, N, 1);
    int bad = WANT(!madvise(p, N * PAGE, advice));
    munmap(p, N * PAGE);
    bad += WANT(map_at(p, N, MAP_FIXED) == p);
    fill(p, 0, N, 2);
    push_out();
    return bad + WANT(!child_of(p, 0, N, 2)) + WANT(!differ(p, 0, N, 2));
}

static int replaced(int advice) {
    byte *p = map(N);
    fill(p, 0, N, 1);
    int bad = WANT(!madvise(p, N * PAGE, advice));
    bad += WANT(map_at(p, N, MAP_FIXED) == p);
    fill(p, 0, N, 2);
    push_out();
    return bad + WANT(!child_of(p, 0, N, 2));
}

static int reused_after_dontfork(void) { return reused(MADV_DONTFORK) + replaced(MADV_DONTFORK); }
static int reused_after_wipe(void) { return reused(MADV_WIPEONFORK) + replaced(MADV_WIPEONFORK); }

static int moved(void) {
    byte *p = map(N), *target = map(N);
    fill(p, 0, N, 1);
    int bad = WANT(!madvise(p, N * PAGE, MADV_WIPEONFORK));
    push_out();
    bad += WANT(mremap(p, N * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target);
    bad += WANT(map_at(p, N, MAP_FIXED) == p);
    fill(p, 0, N, 2);
    push_out();
    bad += WANT(!child_of(target, 0, N, 0)) + WANT(!child_of(p, 0, N, 2));
    return bad + WANT(!differ(target, 0, N, 1)) + WANT(!differ(p, 0, N, 2));
}

static int split(void) {
    byte *p = map(N);
    fill(p, 0, N, 1);
    int bad = WANT(!madvise(p, N * PAGE, MADV_WIPEONFORK));
    bad += WANT(!madvise(p + 16 * PAGE, 16 * PAGE, MADV_KEEPONFORK));
    bad += WANT(!mprotect(p + 40 * PAGE, 8 * PAGE, PROT_READ));
    push_out();
    bad += WANT(!child_of(p, 0, 16, 0)) + WANT(!child_of(p, 16, 16, 1)) + WANT(!child_of(p, 32, 32, 0));
    return bad + WANT(!differ(p, 0, N, 1));
}

static int kept_by_the_child(void) {
    byte *p = map(N);
    fill(p, 0, N, 1);
    int bad = WANT(!madvise(p, N * PAGE, MADV_WIPEONFORK));
    bad += IN_CHILD(differ(p, 0, N, 0) ? 1 : (fill(p, 0, N, 3), push_out(), child_of(p, 0, N, 0) + differ(p, 0, N, 3)));
    return bad + WANT(!differ(p, 0, N, 1));
}

static int at_that_address(const byte *p) {
    byte *q = map_at((void *)p, N, MAP_FIXED_NOREPLACE);
    if (q != p) return 1; /* something is there: it was not left out */
    int bad = differ(q, 0, N, 0) != 0;
    fill(q, 0, N, 4);
    push_out();
    return bad + differ(q, 0, N, 4);
}

static int left_out_and_used_by_the_child(void) {
    byte *p = map(N);
    fill(p, 0, N, 1);
    int bad = WANT(!madvise(p, N * PAGE, MADV_DONTFORK));
    push_out();
    bad += WANT(!IN_CHILD(at_that_address(p)));
    bad += WANT(!madvise(p, N * PAGE, MADV_DOFORK));
    return bad + WANT(!child_of(p, 0, N, 1)) + WANT(!differ(p, 0, N, 1));
}

int main(int argc, char **argv) {
    static const struct scene scenes[] = {
        {"reused_after_dontfork", reused_after_dontfork},
        {"reused_after_wipe", reused_after_wipe},
        {"moved", moved},
        {"split", split},
        {"kept_by_the_child", kept_by_the_child},
        {"left_out_and_used_by_the_child", left_out_and_used_by_the_child},
        {0, 0},
    };
    return play(scenes, argc, argv);
}
