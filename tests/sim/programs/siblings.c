// SPDX-License-Identifier: MIT
/* Ways to use memory that are not every day's: locks, seals, guards and marks that meet fork, exec and each other. */
#include "filled.h"

enum { POPULATE_READ = 22, POPULATE_WRITE = 23, COLLAPSE = 25, GUARD_INSTALL = 102, GUARD_REMOVE = 103, DROPPABLE = 8 };

static int marked_range_is_moved(void) {
    byte *q = filled(), *to = map(2 * N);
    madvise(q, N / 2 * PAGE, MADV_DONTFORK);
    madvise(q + N / 2 * PAGE, N / 2 * PAGE, MADV_WIPEONFORK);
    int bad = WANT(mremap(q, N / 2 * PAGE, N / 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    bad += WANT(mremap(q + N / 2 * PAGE, N / 2 * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + N * PAGE) ==
                to + N * PAGE);
    push_out();
    bad += WANT(!IN_CHILD(differ(to + N * PAGE, 0, N, 0)));
    bad += WANT(!differ(to, 0, N / 2, 1)) + WANT(!differ(to + N / 2 * PAGE, N / 2, N / 2, 1));
    return bad + WANT(!differ(to + N * PAGE, N / 2, N / 2, 0));
}

static int wiped_then_mapped_again(void) {
    byte *q = filled();
    madvise(q, N * PAGE, MADV_WIPEONFORK);
    int bad = WANT(!munmap(q, N * PAGE)) + WANT(map_at(q, N, MAP_FIXED_NOREPLACE) == q);
    fill(q, 0, N, 3);
    push_out();
    return bad + WANT(!IN_CHILD(differ(q, 0, N, 3))) + WANT(!differ(q, 0, N, 3));
}

static int guards_and_fork(void) {
    byte *q = filled();
    if (madvise(q, N / 2 * PAGE, GUARD_INSTALL)) return errno != EINVAL; /* before Linux 6.13 */
    push_out();
    int status = 0;
    pid_t child = fork();
    if (!child) _exit(differ(q + PAGE, 0, 1, 0)); /* the guards are inherited */
    int bad = WANT(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    bad += WANT(!IN_CHILD((madvise(q, N / 2 * PAGE, GUARD_REMOVE), fill(q, 0, N / 2, 5), push_out(),
                           differ(q, 0, N / 2, 5) + differ(q, N / 2, N / 2, 1))));
    bad += WANT(!madvise(q, N / 2 * PAGE, GUARD_REMOVE)) + WANT(!differ(q, 0, N / 2, 0));
    return bad + WANT(!differ(q, N / 2, N / 2, 1));
}

static int limited_from_outside(void) {
    filled();
    pid_t parent = getpid();
    struct rlimit limit = {30 << 20, 30 << 20};
    int bad = WANT(!IN_CHILD(prlimit(parent, RLIMIT_AS, &limit, 0) != 0));
    bad += WANT(map(1 << 16) == MAP_FAILED && errno == ENOMEM);
    fill(p, 0, N, 2);
    push_out();
    return bad + WANT(!IN_CHILD(differ(p, 0, N, 2))) + WANT(!differ(p, 0, N, 2));
}

static void *gives_up_rights(void *unused) {
    (void)unused;
    intptr_t bad = syscall(SYS_setresuid, 65534, 65534, 65534) != 0; /* of this thread alone */
    fill(p, 0, N / 2, 4);
    return (void *)(bad + IN_CHILD((push_out(), differ(p, 0, N / 2, 4))));
}

static int one_thread_gives_up_rights(void) {
    filled();
    pthread_t thread;
    void *bad_there;
    pthread_create(&thread, 0, gives_up_rights, 0);
    pthread_join(thread, &bad_there);
    push_out();
    return WANT(!bad_there) + WANT(!IN_CHILD(differ(p, 0, N / 2, 4))) + WANT(!differ(p, N / 2, N / 2, 1));
}

static int writes_shared(void *at) {
    fill(at, 0, N, 6);
    push_out();
    return differ(at, 0, N, 6);
}

static int untraced_with_shared_memory(void) {
    filled();
    byte *stack = map(64);
    pid_t child = clone(writes_shared, stack + 64 * PAGE, 0x800000 /* CLONE_UNTRACED */ | CLONE_VM | SIGCHLD, p);
    int bad = WANT(result_of(child) == 0);
    push_out();
    return bad + WANT(!differ(p, 0, N, 6));
}

static int read_by_another_process(void) {
    filled();
    pid_t parent = getpid();
    return WANT(!IN_CHILD(({
        byte *q = map(N);
        struct iovec here = {q, N * PAGE}, there = {p, N * PAGE};
        push_out();
        process_vm_readv(parent, &here, 1, &there, 1, 0) != (ssize_t)(N * PAGE) || differ(q, 0, N, 1);
    })));
}

static int droppable(void) {
    byte *q = mmap(0, N * PAGE, PROT_READ | PROT_WRITE, DROPPABLE | MAP_ANONYMOUS, -1, 0);
    if (q == MAP_FAILED) return errno != EINVAL && errno != ENOTSUP; /* before Linux 6.11 */
    fill(q, 0, N, 1);
    push_out();
    int bad = 0;
    for (size_t i = 0; i < N; i++) bad += WANT(q[i * PAGE + 99] == 1 || q[i * PAGE + 99] == 0);
    return bad + WANT(!IN_CHILD(q[99] != 0)); /* wiped in a child */
}

static int sealed_memory_file(void) {
    int fd = syscall(SYS_memfd_create, "m", 2 /* MFD_ALLOW_SEALING */);
    filled();
    int bad = WANT(!ftruncate(fd, N * PAGE)) + WANT(pwrite(fd, p, N * PAGE, 0) == (ssize_t)(N * PAGE));
    bad += WANT(!fcntl(fd, 1033 /* F_ADD_SEALS */, 0xf)); /* no shrinking, growing, writing, sealing */
    byte *q = mmap(0, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    bad += WANT(!differ(q, 0, N, 1));
    fill(q, 0, N, 2);
    push_out();
    bad += WANT(pwrite(fd, p, PAGE, 0) == -1 && errno == EPERM);
    return bad + WANT(!differ(q, 0, N, 2)) + WANT(mmap(0, PAGE, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
}

static int sealed_and_forked(void) {
    byte *q = filled();
    if (syscall(462 /* mseal */, q, N * PAGE, 0)) return errno != ENOSYS;
    push_out();
    int bad = WANT(munmap(q, N * PAGE) == -1 && errno == EPERM) + WANT(!differ(q, 0, N, 1));
    fill(q, 0, N, 2);
    push_out();
    bad += WANT(!IN_CHILD((fill(q, 0, N, 3), push_out(), differ(q, 0, N, 3))));
    return bad + WANT(!differ(q, 0, N, 2)) + WANT(mprotect(q, PAGE, PROT_NONE) == -1 && errno == EPERM);
}

static int locked_on_fault(void) {
    byte *q = filled(), *fresh = map(N);
    int bad = WANT(!mlock2(q, N * PAGE, 1 /* MLOCK_ONFAULT */)) + WANT(!mlock2(fresh, N * PAGE, 1));
    push_out();
    bad += WANT(!differ(q, 0, N, 1)) + WANT(!differ(fresh, 0, N, 0));
    fill(fresh, 0, N, 2);
    push_out();
    bad += WANT(!IN_CHILD(differ(fresh, 0, N, 2))) + WANT(!munlock(fresh, N * PAGE)) + WANT(!differ(fresh, 0, N, 2));
    return bad + WANT(!munlock(q, N * PAGE)) + WANT(!differ(q, 0, N, 1));
}

static int locked_in_future(void) {
    filled();
    int bad = WANT(!mlockall(MCL_CURRENT | MCL_FUTURE));
    byte *q = map(N), *heap = sbrk(N * PAGE);
    bad += WANT(!differ(q, 0, N, 0));
    fill(q, 0, N, 2);
    memset(heap, 3, N * PAGE);
    push_out();
    bad += WANT(madvise(q, PAGE, MADV_DONTNEED) == -1 && errno == EINVAL); /* it is locked */
    byte *grown = mremap(q, N * PAGE, 2 * N * PAGE, MREMAP_MAYMOVE);
    fill(grown, N, N, 4);
    push_out();
    bad += WANT(!differ(grown, 0, N, 2)) + WANT(!differ(grown, N, N, 4)) + WANT(!differ(p, 0, N, 1));
    bad += WANT(!IN_CHILD((push_out(), differ(grown, 0, N, 2) + differ(p, 0, N, 1))));
    for (size_t i = 0; i < N * PAGE; i += PAGE) bad += WANT(heap[i] == 3);
    bad += WANT(!munlockall());
    byte *later = map(N);
    return bad + WANT(!madvise(later, PAGE, MADV_DONTNEED)) + WANT(!differ(grown, N, N, 4));
}

static int locked_up_to_a_limit(void) {
    filled();
    struct rlimit limit = {1 << 20, 1 << 20};
    int bad = WANT(!setrlimit(RLIMIT_MEMLOCK, &limit));
    return bad + WANT(!IN_CHILD(({
        int wrong = setresuid(65534, 65534, 65534) != 0;
        wrong += WANT(!mlockall(MCL_FUTURE)) + WANT(map(1024) == MAP_FAILED && errno == EAGAIN);
        wrong + WANT(!differ(p, 0, N, 1));
    })));
}

static int collapsed(void) {
    byte *q = map(1024), *huge = (byte *)(((uintptr_t)q + (2 << 20) - 1) & -(2ul << 20));
    fill(huge, 0, 512, 1);
    push_out();
    madvise(huge, 512 * PAGE, COLLAPSE); /* where it cannot be, that is an error, and no harm */
    push_out();
    int bad = WANT(!differ(huge, 0, 512, 1));
    fill(huge, 0, 512, 2);
    return bad + WANT(!IN_CHILD((push_out(), differ(huge, 0, 512, 2))));
}

static int populated(void) {
    byte *q = filled(), *fresh = map(N);
    int bad = WANT(!madvise(q, N * PAGE, POPULATE_WRITE)) + WANT(!madvise(fresh, N * PAGE, POPULATE_READ));
    bad += WANT(!differ(q, 0, N, 1)) + WANT(!differ(fresh, 0, N, 0));
    mprotect(fresh + PAGE, PAGE, PROT_READ);
    bad += WANT(madvise(fresh, N * PAGE, POPULATE_WRITE) == -1 && errno == EINVAL);
    fill(q, 0, N, 2);
    push_out();
    return bad + WANT(!differ(q, 0, N, 2)) + WANT(!differ(fresh, 0, N, 0));
}

static int looked_at(void) {
    filled();
    byte vector[N];
    uint64_t entries[N];
    int fd = open("/proc/self/pagemap", O_RDONLY);
    int bad = WANT(!mincore(p, N * PAGE, vector)) + WANT(mincore(p + 1, PAGE, vector) == -1 && errno == EINVAL);
    bad += WANT(pread(fd, entries, sizeof entries, (uintptr_t)p / PAGE * 8) == sizeof entries);
    ((volatile byte *)p)[0] = 0;
    bad += WANT(!mincore(p, PAGE, vector) && vector[0] & 1) + WANT(!munmap(p + PAGE, PAGE));
    return bad + WANT(mincore(p, N * PAGE, vector) == -1 && errno == ENOMEM) + WANT(!differ(p, 0, 1, 1));
}

static int written_through_its_file_by_another(void) {
    filled();
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/mem", getpid());
    int bad = WANT(!IN_CHILD(({
        int fd = open(name, O_RDWR);
        byte *q = map(N);
        fill(q, 0, N, 5);
        push_out();
        ssize_t done = 0, n = 0;
        while (done < (ssize_t)(N * PAGE) && (n = pwrite(fd, q + done, N * PAGE - done, (uintptr_t)p + done)) > 0) done += n;
        done != (ssize_t)(N * PAGE);
    })));
    push_out();
    return bad + WANT(!differ(p, 0, N, 5));
}

static int many_execs(void) {
    filled();
    int bad = 0;
    for (int i = 0; i < 8; i++) {
        pid_t child = vfork();
        if (!child) {
            execl("/bin/true", "true", (char *)0);
            _exit(9);
        }
        bad += WANT(!result_of(child));
    }
    push_out();
    return bad + WANT(!differ(p, 0, N, 1));
}

static int core_is_dumped(void) {
    filled();
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    char folder[] = "/tmp/coreXXXXXX";
    int bad = WANT(!!mkdtemp(folder)), status;
    pid_t child = fork();
    if (!child) {
        setrlimit(RLIMIT_CORE, &limit);
        if (chdir(folder)) _exit(1);
        abort();
    }
    bad += WANT(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    push_out();
    bad += WANT(!differ(p, 0, N, 1));
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return bad + WANT(!system(command));
}

static pthread_mutex_t *shared;

static void *hold(void *unused) {
    pthread_mutex_lock(shared);
    return unused;
}

/* The owner's memory goes by exec, while it has the mutex: who waits gets it. */
static int robust_across_exec(int protocol) {
    int tell[2];
    pthread_mutexattr_t kind;
    shared = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setprotocol(&kind, protocol);
    pthread_mutex_init(shared, &kind);
    filled();
    int bad = WANT(!pipe(tell));
    pid_t child = fork();
    if (!child) {
        hold(0);
        push_out();
        if (write(tell[1], "x", 1) != 1) _exit(1);
        execl("/bin/true", "true", (char *)0);
        _exit(9);
    }
    char x;
    bad += WANT(read(tell[0], &x, 1) == 1);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    bad += WANT(pthread_mutex_timedlock(shared, &until) == EOWNERDEAD) + WANT(!pthread_mutex_consistent(shared));
    return bad + WANT(!pthread_mutex_unlock(shared)) + WANT(!result_of(child)) + WANT(!differ(p, 0, N, 1));
}

static int robust_and_exec(void) { return robust_across_exec(PTHREAD_PRIO_NONE); }
static int priority_and_exec(void) { return robust_across_exec(PTHREAD_PRIO_INHERIT); }

int main(int argc, char **argv) {
    static const struct scene scenes[] = {
        {"marked_range_is_moved", marked_range_is_moved},
        {"wiped_then_mapped_again", wiped_then_mapped_again},
        {"guards_and_fork", guards_and_fork},
        {"limited_from_outside", limited_from_outside},
        {"one_thread_gives_up_rights", one_thread_gives_up_rights},
        {"untraced_with_shared_memory", untraced_with_shared_memory},
        {"read_by_another_process", read_by_another_process},
        {"droppable", droppable},
        {"sealed_memory_file", sealed_memory_file},
        {"sealed_and_forked", sealed_and_forked},
        {"locked_on_fault", locked_on_fault},
        {"locked_in_future", locked_in_future},
        {"locked_up_to_a_limit", locked_up_to_a_limit},
        {"collapsed", collapsed},
        {"populated", populated},
        {"looked_at", looked_at},
        {"written_through_its_file_by_another", written_through_its_file_by_another},
        {"many_execs", many_execs},
        {"core_is_dumped", core_is_dumped},
        {"robust_and_exec", robust_and_exec},
        {"priority_and_exec", priority_and_exec},
        {0, 0},
    };
    return play(scenes, argc, argv);
}
