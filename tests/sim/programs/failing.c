// SPDX-License-Identifier: MIT
/* Calls that take memory away and fail take nothing; those of several threads do not get in each other's way. */
#include "pages.h"

static byte *filled(void) {
    byte *p = map(N);
    fill(p, 0, N, 1);
    push_out();
    return p;
}

static int still(const byte *p) {
    push_out();
    return WANT(!differ(p, 0, N, 1));
}

static int unmapping(void) {
    byte *p = filled();
    int bad = WANT(munmap(p, -PAGE) == -1) + WANT(munmap(p + 1, PAGE) == -1) + WANT(munmap(p, 0) == -1);
    return bad + still(p);
}

static int mapping_over(void) {
    byte *p = filled();
    int over = MAP_PRIVATE | MAP_FIXED;
    int bad = WANT(mmap(p, N * PAGE, PROT_READ, over, 4711, 0) == MAP_FAILED);
    bad += WANT(mmap(p, N * PAGE, PROT_READ, over | MAP_ANONYMOUS, -1, 1) == MAP_FAILED);
    bad += WANT(mmap(p, -PAGE, PROT_READ, over | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    bad += WANT(map_at(p, N, MAP_FIXED_NOREPLACE) == MAP_FAILED);
    return bad + still(p);
}

static int moving(void) {
    byte *p = filled(), *q = filled();
    int bad = WANT(mremap(p, N * PAGE, 1ul << 46, MREMAP_MAYMOVE) == MAP_FAILED);
    bad += WANT(mremap(p, N * PAGE, N * PAGE, MREMAP_FIXED, q) == MAP_FAILED);
    bad += WANT(mremap(p, N * PAGE, N * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, q + 1) == MAP_FAILED);
    bad += WANT(mremap(p, N * PAGE, N * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, p + PAGE) == MAP_FAILED);
    bad += WANT(mremap(p, N * PAGE, 0, 0) == MAP_FAILED);
    return bad + still(p) + still(q);
}

static int sealed(void) {
    byte *p = filled();
    if (syscall(462 /* mseal */, p, N * PAGE, 0)) return errno != ENOSYS; /* before Linux 6.10 */
    int bad = WANT(munmap(p, N * PAGE) == -1) + WANT(map_at(p, N, MAP_FIXED) == MAP_FAILED);
    bad += WANT(mremap(p, N * PAGE, PAGE, 0) == MAP_FAILED);
    return bad + still(p) + WANT(!IN_CHILD(still(p)));
}

static int sealed_and_read_only(void) {
    byte *p = filled();
    int bad = WANT(!mprotect(p, N * PAGE, PROT_READ));
    if (syscall(462, p, N * PAGE, 0)) return bad + (errno != ENOSYS);
    bad += WANT(madvise(p, N * PAGE, MADV_DONTNEED) == -1);
    return bad + still(p) + still(p) + WANT(!IN_CHILD(still(p)));
}

static int program_break(void) {
    byte *start = sbrk(0);
    start += -(uintptr_t)start % PAGE;
    int bad = WANT(!brk(start + N * PAGE));
    fill(start, 0, N, 1);
    long end = (long)start + N * PAGE;
    bad += WANT(syscall(SYS_brk, PAGE) == end) + WANT(syscall(SYS_brk, 1ul << 46) == end);
    bad += still(start) + WANT(!brk(start + N / 2 * PAGE)) + WANT(!brk(start + N * PAGE));
    push_out();
    return bad + WANT(!differ(start, 0, N / 2, 1)) + WANT(!differ(start, N / 2, N / 2, 0));
}

static int shared_memory_is_moved(void) {
    byte *p = mmap(0, N * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    byte *target = map(4 * N);
    fill(p, 0, N, 1);
    byte *q = mremap(p, N * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    int bad = WANT(q == target) + still(q);
    bad += WANT(!IN_CHILD((fill(q, 0, N, 2), still(q) * 0)));
    push_out();
    return bad + WANT(!differ(q, 0, N, 2));
}

static int pointers_that_lead_nowhere(void) {
    static const unsigned long nowhere[] = {0, 1, PAGE, 1ul << 46, 1ul << 47, 1ul << 63, -PAGE, -8ul, -1ul};
    byte *p = filled();
    int bad = 0;
    for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
        unsigned long at = nowhere[i];
        bad += WANT(syscall(SYS_clone3, at, 88) == -1) + WANT(syscall(SYS_clone3, at, -1ul) == -1);
        bad += WANT(syscall(SYS_open, at, O_RDONLY) == -1) + WANT(syscall(SYS_openat, AT_FDCWD, at, O_RDONLY) == -1);
        bad += WANT(syscall(SYS_process_vm_writev, getpid(), at, 1, at, 1, 0) == -1);
        bad += WANT(syscall(SYS_process_vm_writev, -1, at, -1ul, at, -1ul, 0) == -1);
        bad += WANT(syscall(SYS_munmap, at, -at) == -1 || !at);
        bad += WANT(syscall(SYS_madvise, at, -1ul, MADV_DONTNEED) == -1);
        bad += WANT(syscall(SYS_mremap, at, at, at, MREMAP_MAYMOVE | MREMAP_FIXED, at) == -1);
        bad += WANT(!IN_CHILD((syscall(SYS_set_robust_list, at, 24), syscall(SYS_set_tid_address, at), 0)));
    }
    return bad + still(p);
}

static void *churn(void *seed) {
    intptr_t bad = 0, version = (intptr_t)seed;
    for (int i = 0; i < 60; i++) {
        byte *p = map(8);
        fill(p, 0, 8, version);
        if (i % 3 == 0) p = mremap(p, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
        if (i % 4 == 0) {
            madvise(p, 4 * PAGE, MADV_DONTNEED);
            bad += differ(p, 0, 4, 0);
            fill(p, 0, 4, version);
        }
        sched_yield();
        bad += differ(p, 0, 8, version);
        munmap(p, 8 * PAGE);
        if (version == 1 && i % 20 == 0) bad += IN_CHILD(0);
    }
    return (void *)bad;
}

static int threads(void) {
    pthread_t thread[4];
    int bad = 0;
    for (intptr_t i = 0; i < 4; i++) pthread_create(&thread[i], 0, churn, (void *)(i + 1));
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(thread[i], &result);
        bad += WANT(!result);
    }
    return bad;
}

static void *churn_for_ever(void *seed) {
    for (;;) churn(seed);
    return 0;
}

static int threads_that_are_ended_by_exec(void) {
    pid_t child = fork();
    if (!child) {
        pthread_t thread;
        for (intptr_t i = 2; i < 5; i++) pthread_create(&thread, 0, churn_for_ever, (void *)i);
        usleep(50000);
        execl("/bin/true", "true", (char *)0);
        _exit(1);
    }
    return WANT(!result_of(child));
}

int main(int argc, char **argv) {
    static const struct scene scenes[] = {
        {"unmapping", unmapping},
        {"mapping_over", mapping_over},
        {"moving", moving},
        {"sealed", sealed},
        {"sealed_and_read_only", sealed_and_read_only},
        {"program_break", program_break},
        {"shared_memory_is_moved", shared_memory_is_moved},
        {"pointers_that_lead_nowhere", pointers_that_lead_nowhere},
        {"threads", threads},
        {"threads_that_are_ended_by_exec", threads_that_are_ended_by_exec},
        {0, 0},
    };
    return play(scenes, argc, argv);
}
