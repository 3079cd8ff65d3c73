// SPDX-License-Identifier: MIT
/* What is around a program's memory: names, code that is not its own, filters and process groups of its choice. */
#include "filled.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* Bytes that are no UTF-8, that end a line elsewhere, or look like a mapping. */
static int names_of_files(void) {
    static const char *names[] = {"caf\xe9", "a\fdead", "a\xe2\x80\xa8" "dead-beef", " [heap] x",
                                  "a\n7f0000000000-7f0000001000 rw-p 00000000 00:00 0 "};
    char folder[] = "/tmp/namesXXXXXX";
    filled();
    int bad = WANT(mkdtemp(folder) && !chdir(folder));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int fd = open(names[i], O_RDWR | O_CREAT, 0600);
        bad += WANT(!ftruncate(fd, PAGE));
        bad += WANT(mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
        close(fd);
        p = mremap(p, N * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, map(N));
        bad += WANT(!IN_CHILD(differ(p, 0, N, 1))) + WANT(!unlink(names[i]));
    }
    return bad + WANT(!rmdir(folder)) + use();
}

static int names_of_threads(void) {
    filled();
    prctl(PR_SET_NAME, "\xff\f\xe9NSpid:\t1", 0, 0, 0);
    int bad = WANT(!unshare(CLONE_NEWPID));
    return bad + WANT(!IN_CHILD(({
        byte *q = map(N);
        struct iovec here = {p, N * PAGE}, there = {q, N * PAGE};
        push_out();
        WANT(process_vm_writev(getpid(), &here, 1, &there, 1, 0) == N * PAGE) + WANT(!differ(q, 0, N, 1));
    }))) + use();
}

static byte *vdso(size_t *length) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4200];
    uintptr_t start = 0, end = 0;
    while (fgets(line, sizeof line, maps) && !strstr(line, "[vdso]"));
    sscanf(line, "%lx-%lx", &start, &end);
    fclose(maps);
    *length = end - start;
    return (byte *)start;
}

static int vdso_is_given_up(void) {
    size_t length;
    filled();
    byte *at = vdso(&length);
    int bad = WANT(!munmap(at, length));
    bad += WANT(map_at(at, length / PAGE, MAP_FIXED) == at);
    push_out();
    return bad + WANT(!IN_CHILD(use())) + use();
}

static int vdso_is_locked(void) {
    size_t length;
    filled();
    byte *at = vdso(&length);
    int bad = WANT(!mprotect(at, length, PROT_READ));
    push_out();
    return bad + WANT(!IN_CHILD(use())) + use();
}

static int vdso_is_moved(void) {
    size_t length;
    filled();
    byte *at = vdso(&length), *to = map(N);
    int bad = WANT(mremap(at, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    push_out();
    return bad + WANT(!IN_CHILD(use())) + use();
}

/* Holes that were free a moment ago are mapped again where they were. */
static int holes_are_used_again(void) {
    enum { HOLES = 64 };
    byte *holes[HOLES];
    for (int i = 0; i < HOLES; i++) {
        holes[i] = map(1);
        mmap(0, PAGE, i % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    for (int i = 0; i < HOLES; i++) munmap(holes[i], PAGE);
    filled();
    for (int i = 0; i < HOLES; i++) fill(map_at(holes[i], 1, MAP_FIXED), 0, 1, 3);
    push_out();
    for (size_t i = 0; i < N; i += 2) p[i * PAGE + 99] = 1;
    push_out();
    int bad = 0;
    for (int i = 0; i < HOLES; i++) bad += WANT(!differ(holes[i], 0, 1, 3));
    return bad + use();
}

/* As a loader does, which unmaps what it has not mapped itself. */
static int what_is_not_its_own_is_unmapped(void) {
    static char text[1 << 16];
    filled();
    FILE *maps = fopen("/proc/self/maps", "r");
    text[fread(text, 1, sizeof text - 1, maps)] = 0;
    fclose(maps);
    int bad = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(0, "\n")) {
        uintptr_t start, end;
        char mode[5];
        if (sscanf(line, "%lx-%lx %4s", &start, &end, mode) == 3 && mode[3] == 's')
            bad += WANT(!munmap((byte *)start, end - start));
    }
    for (size_t i = 0; i < N; i += 2) bad += WANT(!munmap(p + i * PAGE, PAGE));
    filled();
    for (size_t i = 0; i < N; i += 2) fill(p, i, 1, 1);
    push_out();
    return bad + use();
}

static struct sock_filter *filter(int call, unsigned answer) {
    static struct sock_filter code[4];
    code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    code[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
    code[2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer);
    code[3] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    return code;
}

/* It has no tracer of its own. */
static int filter_that_asks_for_a_tracer(void) {
    filled();
    struct sock_fprog other = {4, filter(SYS_getppid, SECCOMP_RET_TRACE | 5)};
    int bad = WANT(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &other));
    struct sock_fprog watched = {4, filter(SYS_munmap, SECCOMP_RET_TRACE)};
    bad += WANT(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &watched));
    bad += WANT(syscall(SYS_getppid) == -1 && errno == ENOSYS);
    return bad + WANT(munmap(p, PAGE) == -1 && errno == ENOSYS) + use();
}

static int listener;

static void *lets_go_on(void *unused) {
    struct seccomp_notif call;
    while (memset(&call, 0, sizeof call), !ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call)) {
        struct seccomp_notif_resp answer = {.id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
    return unused;
}

/* Calls that its parent has let go on do what they do. */
static int filter_that_listens(void) {
    int tell[2], fd;
    pthread_t thread;
    char x;
    filled();
    int bad = WANT(!socketpair(AF_UNIX, SOCK_STREAM, 0, tell));
    pid_t child = fork();
    if (!child) {
        struct sock_fprog program = {4, filter(SYS_mmap, SECCOMP_RET_USER_NOTIF)};
        fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
        if (fd < 0 && errno != EINVAL) _exit(1); /* before Linux 5.0 */
        if (write(tell[1], &fd, sizeof fd) != sizeof fd || read(tell[1], &x, 1) != 1) _exit(1);
        int wrong = WANT(map_at(p, N, MAP_FIXED) == p) + WANT(!differ(p, 0, N, 0));
        fill(p, 0, N, 5);
        push_out();
        _exit(wrong + WANT(!differ(p, 0, N, 5)) + WANT(!IN_CHILD(differ(p, 0, N, 5))));
    }
    bad += WANT(read(tell[0], &fd, sizeof fd) == sizeof fd);
    if (fd >= 0) {
        listener = syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, child, 0), fd, 0);
        pthread_create(&thread, 0, lets_go_on, 0);
    }
    return bad + WANT(write(tell[0], "x", 1) == 1) + WANT(!result_of(child)) + use();
}

/* A page that it puts where one has left memory is refused, as where one is. */
static int userfaultfd_of_the_device(void) {
    static byte other[PAGE] __attribute__((aligned(4096)));
    struct uffdio_api api = {.api = UFFD_API};
    filled();
    int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    int fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return use();
    int bad = WANT(!ioctl(fd, UFFDIO_API, &api));
    struct uffdio_copy copy = {.dst = (uintptr_t)p, .src = (uintptr_t)other, .len = PAGE};
    return bad + WANT(ioctl(fd, UFFDIO_COPY, &copy) == -1) + use();
}

static int memory_is_unshared(void) {
    filled();
    int bad = WANT(!unshare(CLONE_VM)) + WANT(!unshare(CLONE_VM | CLONE_FILES));
    pid_t child = vfork();
    if (!child) _exit(unshare(CLONE_VM) != -1 || errno != EINVAL); /* it is its parent's */
    return bad + WANT(!result_of(child)) + use();
}

/* Who has left a process group does not end with it. */
static int group_is_killed(void) {
    int left[2], result[2];
    char x = 1;
    filled();
    int bad = WANT(!pipe(left)) + WANT(!pipe(result));
    pid_t group = fork();
    if (!group) {
        setpgid(0, 0);
        if (!fork()) {
            setsid();
            close(result[0]);
            if (write(left[1], &x, 1) != 1 || poll(0, 0, 100)) _exit(1);
            x = use();
            _exit(write(result[1], &x, 1) != 1);
        }
        if (read(left[0], &x, 1) == 1) kill(0, SIGKILL);
    }
    close(result[1]);
    bad += WANT(result_of(group) == 99);
    return bad + WANT(read(result[0], &x, 1) == 1 && !x) + use();
}

static void *reads_its_file(void *first) {
    byte one[PAGE];
    pthread_join(*(pthread_t *)first, 0);
    int fd = open("/proc/thread-self/mem", O_RDWR);
    push_out();
    int bad = WANT(pread(fd, one, PAGE, (uintptr_t)p) == PAGE) + WANT(!differ(one, 0, 1, 1));
    _exit(bad + use() ? 1 : 0);
}

static int first_thread_has_ended(void) {
    static pthread_t first, second;
    filled();
    first = pthread_self();
    pthread_create(&second, 0, reads_its_file, &first);
    pthread_exit(0);
}

static int program_break_is_moved(void) {
    filled();
    byte *area = map(N);
    sbrk(0);
    push_out();
    if (prctl(PR_SET_MM, PR_SET_MM_BRK, area + N * PAGE, 0, 0)) return WANT(errno == EPERM || errno == EINVAL) + use();
    prctl(PR_SET_MM, PR_SET_MM_START_BRK, area + N * PAGE, 0, 0);
    syscall(SYS_brk, area + 2 * N * PAGE);
    return use();
}

/* The kernel makes one mapping of what has moved and what is beside it. */
static int moved_beside_other_memory(void) {
    byte *all = map(3 * N), *away = map(N);
    fill(all, 0, 3 * N, 1);
    push_out();
    int bad = 0;
    for (int i = 0; i < 3; i++) {
        bad += WANT(mremap(all + N * PAGE, N * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, away) == away);
        bad += WANT(mremap(away, N * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, all + N * PAGE) != MAP_FAILED);
        bad += WANT(!differ(all, 0, 3 * N, 1));
        fill(all, 2 * N, 1, 1);
        push_out();
    }
    bad += WANT(!IN_CHILD((fill(all, 0, N, 2), differ(all, 0, N, 2) + differ(all, N, 2 * N, 1))));
    return bad + WANT(!differ(all, 0, 3 * N, 1));
}

static int moved_piece_by_piece(void) {
    enum { PIECE = 8 };
    filled();
    byte *to = map(N);
    int bad = 0;
    for (size_t i = 0; i < N; i += PIECE) {
        byte *piece = to + i * PAGE;
        bad += WANT(mremap(p + i * PAGE, PIECE * PAGE, PIECE * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, piece) == piece);
        if (i % (2 * PIECE)) push_out();
        bad += WANT(!differ(to, 0, i + PIECE, 1));
    }
    p = to;
    return bad + WANT(!IN_CHILD(use())) + use();
}

static int locked_memory_grows(void) {
    byte *q = filled();
    int bad = WANT(!mlock(q, N * PAGE));
    bad += WANT(mremap(q, N * PAGE, 1ul << 46, MREMAP_MAYMOVE) == MAP_FAILED);
    bad += WANT(madvise(q, PAGE, MADV_DONTNEED) == -1 && errno == EINVAL); /* it is locked still */
    byte *to = map(3 * N);
    bad += WANT(mremap(q, N * PAGE, 2 * N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    bad += WANT(!differ(to, 0, N, 1)) + WANT(!differ(to, N, N, 0));
    bad += WANT(madvise(to, PAGE, MADV_DONTNEED) == -1) + WANT(madvise(to + N * PAGE, PAGE, MADV_DONTNEED) == -1);
    fill(to, N, N, 2);
    push_out();
    return bad + WANT(!differ(to, 0, N, 1)) + WANT(!differ(to, N, N, 2)) + WANT(!differ(to, 2 * N, N, 0));
}

int main(int argc, char **argv) {
    static const struct scene scenes[] = {
        {"names_of_files", names_of_files},
        {"names_of_threads", names_of_threads},
        {"vdso_is_given_up", vdso_is_given_up},
        {"vdso_is_locked", vdso_is_locked},
        {"vdso_is_moved", vdso_is_moved},
        {"holes_are_used_again", holes_are_used_again},
        {"what_is_not_its_own_is_unmapped", what_is_not_its_own_is_unmapped},
        {"filter_that_asks_for_a_tracer", filter_that_asks_for_a_tracer},
        {"filter_that_listens", filter_that_listens},
        {"userfaultfd_of_the_device", userfaultfd_of_the_device},
        {"memory_is_unshared", memory_is_unshared},
        {"group_is_killed", group_is_killed},
        {"first_thread_has_ended", first_thread_has_ended},
        {"program_break_is_moved", program_break_is_moved},
        {"moved_beside_other_memory", moved_beside_other_memory},
        {"moved_piece_by_piece", moved_piece_by_piece},
        {"locked_memory_grows", locked_memory_grows},
        {0, 0},
    };
    return play(scenes, argc, argv);
}
