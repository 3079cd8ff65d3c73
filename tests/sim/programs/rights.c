// SPDX-License-Identifier: MIT
/* Programs that give up rights, take limits or live in namespaces of their own use memory as all others do. */
#include "filled.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

static int use_in_children(void) {
    int bad = WANT(!IN_CHILD(use() + WANT(!IN_CHILD((push_out(), differ(p, 0, N, 2))))));
    return bad + WANT(!differ(p, 0, N, 1));
}

static int run(const char *name) {
    pid_t child = vfork();
    if (!child) {
        execl(name, name, (char *)0);
        _exit(9);
    }
    return WANT(!result_of(child));
}

static int another_user(void) {
    filled();
    if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)) return 1;
    return use_in_children() + run("/bin/true");
}

static int user_namespace(void) {
    filled();
    if (unshare(CLONE_NEWUSER)) return errno != EPERM && errno != ENOSPC; /* not allowed on this machine */
    return use_in_children() + run("/bin/true");
}

static int pid_namespace(void) {
    filled();
    int bad = WANT(!unshare(CLONE_NEWPID));
    bad += IN_CHILD(getpid() != 1 || use_in_children() || run("/bin/true"));
    return bad + WANT(fork() == -1 && errno == ENOMEM); /* the namespace has ended with its first process */
}

static int first_process_ends_all(void) {
    filled();
    int bad = WANT(!unshare(CLONE_NEWPID)), pipes[2];
    bad += WANT(!pipe(pipes));
    pid_t first = fork();
    if (!first) {
        for (int i = 0; i < 2; i++)
            if (!fork())
                for (;;) push_out();
        push_out();
        _exit(3);
    }
    close(pipes[1]);
    char none;
    bad += WANT(result_of(first) == 3) + WANT(read(pipes[0], &none, 1) == 0); /* nobody has the other end */
    return bad + use();
}

static int group_and_signals(void) {
    filled();
    setpgid(0, 0);
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    return use();
}

static int limited(int what, rlim_t value) {
    filled();
    struct rlimit limit = {value, value};
    int bad = WANT(!setrlimit(what, &limit));
    if (what == RLIMIT_NOFILE) bad += WANT(dup2(0, value) == -1 && errno == EBADF);
    if (what == RLIMIT_AS || what == RLIMIT_DATA) bad += WANT(map(1 << 18) == MAP_FAILED && errno == ENOMEM);
    bad += use_in_children();
    return bad + use() + run("/bin/true");
}

static int address_space(void) { return limited(RLIMIT_AS, 40 << 20); }
static int data(void) { return limited(RLIMIT_DATA, 16 << 20); }
static int descriptors(void) { return limited(RLIMIT_NOFILE, 4); }
static int locked_memory(void) { return limited(RLIMIT_MEMLOCK, 0); }

static int mappings(void) {
    filled();
    size_t most = 66000;
    byte *q = mmap(0, 2 * most * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (size_t i = 0; i < most; i++)
        if (mprotect(q + 2 * i * PAGE, PAGE, PROT_READ)) break;
    int bad = WANT(errno == ENOMEM); /* vm.max_map_count */
    return bad + use();
}

/* A filter that ends a program for each call that it has no use for itself. */
static int sandbox(void) {
    filled();
    static const int allowed[] = {SYS_mmap,  SYS_munmap, SYS_fork,          SYS_wait4, SYS_write, SYS_exit,
                                  SYS_futex, SYS_brk,    SYS_rt_sigprocmask, SYS_gettid, SYS_exit_group,
                                  SYS_set_robust_list, SYS_rseq};
    enum { CALLS = sizeof allowed / sizeof *allowed };
    struct sock_filter code[2 * CALLS + 6], *next = code;
    *next++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < CALLS; i++) {
        *next++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
        *next++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    *next++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3);
    *next++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]));
    *next++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_VM, 1, 0);
    *next++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    *next++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog program = {.len = next - code, .filter = code};
    int bad = WANT(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) + WANT(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    return bad + use_in_children();
}

int main(int argc, char **argv) {
    static const struct scene scenes[] = {
        {"another_user", another_user},
        {"user_namespace", user_namespace},
        {"pid_namespace", pid_namespace},
        {"first_process_ends_all", first_process_ends_all},
        {"group_and_signals", group_and_signals},
        {"address_space", address_space},
        {"data", data},
        {"descriptors", descriptors},
        {"locked_memory", locked_memory},
        {"mappings", mappings},
        {"sandbox", sandbox},
        {0, 0},
    };
    return play(scenes, argc, argv);
}
