// SPDX-License-Identifier: MIT
/* Ways to have a page used long after it was named, or behind the page tables. Each is refused, with an answer that is
 * met on other systems, or right. */
#include "pages.h"
#include <sys/time.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static byte *p;

static byte *filled(size_t pages) {
    p = map(pages);
    fill(p, 0, pages, 1);
    push_out();
    return p;
}

#define REFUSED(call, with) WANT((call) >= 0 || errno == (with))

static int calls(void) {
    filled(N);
    char set[256] = {0};
    struct iovec part = {p, PAGE};
    int pipes[2], bad = WANT(!pipe(pipes));
    bad += REFUSED(syscall(425 /* io_uring_setup */, 4, set), ENOSYS);
    bad += REFUSED(syscall(SYS_io_setup, 4, set + 128), ENOSYS);
    bad += REFUSED(syscall(SYS_vmsplice, pipes[1], &part, 1, 0), ENOSYS);
    bad += REFUSED(syscall(SYS_userfaultfd, O_CLOEXEC), ENOSYS);
    bad += REFUSED(socket(44 /* AF_XDP */, SOCK_RAW, 0), EAFNOSUPPORT);
    bad += REFUSED(socket(38 /* AF_ALG */, SOCK_SEQPACKET, 0), EAFNOSUPPORT);
    bad += WANT(ioctl(0, 0x2285 /* SG_IO */, set) == -1); /* no disk */
    bad += REFUSED(madvise(p, N * PAGE, MADV_MERGEABLE), EINVAL);
    bad += REFUSED(prctl(67 /* PR_SET_MEMORY_MERGE */, 0, 0, 0, 0), EINVAL);
    push_out();
    return bad + WANT(!differ(p, 0, N, 1));
}

static int direct_io(void) {
    char name[] = "/tmp/pinsXXXXXX";
    int fd = mkstemp(name), bad = 0;
    filled(N);
    int direct = open(name, O_RDWR | O_DIRECT);
    bad += WANT(direct >= 0 || errno == EINVAL);
    bad += REFUSED(fcntl(fd, F_SETFL, O_DIRECT), EINVAL);
    unlink(name);
    int used = direct >= 0 ? direct : fd;
    bad += WANT(pwrite(used, p, N * PAGE, 0) == N * PAGE);
    fill(p, 0, N, 2);
    push_out();
    bad += WANT(pread(used, p, N * PAGE, 0) == N * PAGE);
    push_out();
    return bad + WANT(!differ(p, 0, N, 1));
}

static void connected(int *from, int *to) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    bind(listener, (struct sockaddr *)&name, sizeof name);
    listen(listener, 1);
    getsockname(listener, (struct sockaddr *)&name, &length);
    *from = socket(AF_INET, SOCK_STREAM, 0);
    connect(*from, (struct sockaddr *)&name, sizeof name);
    *to = accept(listener, 0, 0);
    close(listener);
}

/* What was sent without a copy waits in the queue while its pages leave memory. */
static int sent_without_a_copy(void) {
    enum { PAGES = 256 };
    int from, to, one = 1;
    filled(PAGES);
    connected(&from, &to);
    if (setsockopt(from, SOL_SOCKET, 60 /* SO_ZEROCOPY */, &one, sizeof one)) return 1;
    size_t sent = 0, got = 0;
    while (sent < PAGES * PAGE) {
        ssize_t n = send(from, p + sent, PAGES * PAGE - sent, 0x4000000 /* MSG_ZEROCOPY */ | MSG_DONTWAIT);
        if (n <= 0) break;
        sent += n;
    }
    int bad = WANT(sent > 16 * PAGE);
    push_out();
    byte *q = map(PAGES);
    while (got < sent) {
        ssize_t n = recv(to, q + got, sent - got, 0);
        if (n <= 0) break;
        got += n;
        push_out();
    }
    size_t whole = got / PAGE;
    return bad + WANT(got == sent) + WANT(!differ(q, 0, whole, 1)) + WANT(!differ(p, 0, PAGES, 1));
}

/* The kernel has looked up where it writes when it waits for what it reads. */
static int written_into_another_process(void) {
    enum { LARGE = 1500 };
    pid_t parent = getpid();
    int bad = 0;
    filled(LARGE);
    for (size_t pages = 1; pages <= LARGE; pages = pages < 64 ? pages * 4 : pages * 2 + 3) {
        bad += IN_CHILD(({
            byte *q = map(pages);
            struct iovec here = {q, pages * PAGE}, there = {p, pages * PAGE};
            fill(q, 0, pages, 2 + pages % 200);
            push_out();
            process_vm_writev(parent, &here, 1, &there, 1, 0) != pages * PAGE || differ(q, 0, pages, 2 + pages % 200);
        }));
        push_out();
        bad += WANT(!differ(p, 0, pages, 2 + pages % 200));
    }
    return bad;
}

static volatile int rung;

static void ring(int number) { rung += number == SIGALRM; }

/* In odd pieces, by a thread that a timer interrupts. */
static int written_in_pieces(void) {
    enum { PAGES = 1000, PARTS = 900 };
    static struct iovec here[PARTS], there[PARTS];
    pid_t parent = getpid();
    filled(PAGES);
    int bad = IN_CHILD(({
        byte *q = map(PAGES);
        size_t at = 0, to = 0, sum = PAGES * PAGE;
        for (size_t i = 0; i < PARTS; i++) {
            size_t n = i + 1 < PARTS ? (i * 37) % 8190 : sum - at, m = i + 1 < PARTS ? (i * 53) % 8190 : sum - to;
            if (n > sum - at) n = sum - at;
            if (m > sum - to) m = sum - to;
            here[i] = (struct iovec){q + at, n}, there[i] = (struct iovec){p + to, m};
            at += n, to += m;
        }
        fill(q, 0, PAGES, 7);
        push_out();
        signal(SIGALRM, ring);
        setitimer(ITIMER_REAL, &(struct itimerval){{0, 2000}, {0, 2000}}, 0);
        ssize_t n = process_vm_writev(parent, here, PARTS, there, PARTS, 0);
        setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, 0);
        WANT(n == (ssize_t)sum) + WANT(rung > 0) + WANT(!differ(q, 0, PAGES, 7));
    }));
    push_out();
    return bad + WANT(!differ(p, 0, PAGES, 7));
}

/* Up to where it may not be written; what is wrong in the call is told as ever. */
static int written_as_far_as_possible(void) {
    enum { PAGES = 300 };
    pid_t parent = getpid();
    filled(PAGES);
    int bad = WANT(!mprotect(p + 200 * PAGE, PAGE, PROT_READ));
    bad += IN_CHILD(({
        byte *q = map(PAGES);
        struct iovec here[2] = {{q, 100 * PAGE}, {q + 100 * PAGE, 200 * PAGE}}, there = {p, PAGES * PAGE};
        fill(q, 0, PAGES, 8);
        push_out();
        ssize_t n = process_vm_writev(parent, here, 2, &there, 1, 0);
        int wrong = WANT(n == (ssize_t)(200 * PAGE));
        there.iov_base = p + 200 * PAGE, there.iov_len = 100 * PAGE;
        wrong += WANT(process_vm_writev(parent, here, 2, &there, 1, 0) == -1 && errno == EFAULT);
        wrong += WANT(process_vm_writev(parent, here, 2, &there, 1, 1) == -1 && errno == EINVAL);
        wrong += WANT(process_vm_writev(parent, here, 2000, &there, 1, 0) == -1 && errno == EINVAL);
        wrong + WANT(process_vm_writev(parent, (void *)8, 2, &there, 1, 0) == -1 && errno == EFAULT);
    }));
    push_out();
    return bad + WANT(!differ(p, 0, 200, 8)) + WANT(!differ(p, 200, 100, 1));
}

static int huge_pages(void) {
    int bad = WANT(!prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
    filled(2048);
    madvise(p, 2048 * PAGE, MADV_HUGEPAGE);
    fill(p, 0, 2048, 2);
    bad += WANT(!differ(p, 0, 2048, 2)) + WANT(!madvise(p + PAGE, PAGE, MADV_DONTNEED));
    return bad + WANT(!differ(p, 1, 1, 0)) + WANT(!differ(p, 2, 2046, 2));
}

/* A 64-bit program may do calls of other kinds; they fail as on a kernel that has none. */
static int other_calls(void) {
    long number = 20; /* getpid of i386 */
    filled(N);
    __asm__ volatile("int $0x80" : "+a"(number) : : "memory", "r8", "r9", "r10", "r11");
    int bad = WANT(number == getpid() || number == -ENOSYS);
    bad += WANT(syscall(0x40000000 + SYS_getpid) == getpid() || errno == ENOSYS);
    return bad + WANT(!differ(p, 0, N, 1));
}

int main(int argc, char **argv) {
    static const struct scene scenes[] = {
        {"calls", calls},
        {"direct_io", direct_io},
        {"sent_without_a_copy", sent_without_a_copy},
        {"written_into_another_process", written_into_another_process},
        {"written_in_pieces", written_in_pieces},
        {"written_as_far_as_possible", written_as_far_as_possible},
        {"huge_pages", huge_pages},
        {"other_calls", other_calls},
        {0, 0},
    };
    return play(scenes, argc, argv);
}
