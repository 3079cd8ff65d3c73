// SPDX-License-Identifier: MIT
/* Children that ask not to be traced (CLONE_UNTRACED) use memory as all others do. */
#include "pages.h"
#include <linux/sched.h>

static byte *p;

static int use(void) {
    int bad = WANT(!differ(p, 0, N, 1));
    byte *q = map(N);
    fill(q, 0, N, 2);
    fill(p, 0, N / 2, 3);
    push_out();
    return bad + WANT(!differ(q, 0, N, 2)) + WANT(!differ(p, 0, N / 2, 3)) + WANT(!differ(p, N / 2, N / 2, 1));
}

static int ends_well(pid_t child) { return WANT(!result_of(child)) + WANT(!differ(p, 0, N, 1)); }

static void begin(void) {
    p = map(N);
    fill(p, 0, N, 1);
    push_out();
}

static int clone_call(void) {
    begin();
    pid_t child = syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);
    if (!child) _exit(use());
    return ends_well(child);
}

static int clone3_call(void) {
    begin();
    struct clone_args args = {.flags = CLONE_UNTRACED, .exit_signal = SIGCHLD};
    pid_t child = syscall(SYS_clone3, &args, sizeof args);
    if (!child) _exit(use() + (args.flags != CLONE_UNTRACED));
    return ends_well(child) + WANT(args.flags == CLONE_UNTRACED);
}

static int registers_stay(void) {
    begin();
    register unsigned long flags __asm__("rdi") = CLONE_UNTRACED | SIGCHLD;
    long child = SYS_clone;
    register long r10 __asm__("r10") = 0, r8 __asm__("r8") = 0;
    __asm__ volatile("syscall"
                     : "+a"(child), "+r"(flags)
                     : "S"(0), "d"(0), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    int bad = flags != (CLONE_UNTRACED | SIGCHLD);
    if (!child) _exit(bad);
    return ends_well(child) + WANT(!bad);
}

static int share(void *unused) {
    (void)unused;
    fill(p, 0, N, 3);
    return 0;
}

static int with_shared_memory(void) {
    begin();
    pid_t *tid = (pid_t *)map(1);
    byte *stack = map(16);
    push_out();
    pid_t child = clone(share, stack + 16 * PAGE, CLONE_UNTRACED | CLONE_VM | CLONE_CHILD_SETTID | SIGCHLD, 0, 0, 0, tid);
    int bad = WANT(!result_of(child));
    push_out();
    return bad + WANT(!differ(p, 0, N, 3)) + WANT(*tid == child);
}

int main(int argc, char **argv) {
    static const struct scene scenes[] = {
        {"clone_call", clone_call},
        {"clone3_call", clone3_call},
        {"registers_stay", registers_stay},
        {"with_shared_memory", with_shared_memory},
        {0, 0},
    };
    return play(scenes, argc, argv);
}
