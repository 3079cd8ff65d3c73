// SPDX-License-Identifier: MIT
/* Pages that have left memory are read and written through /proc/PID/mem, and by process_vm_readv and process_vm_writev. */
#include "pages.h"

static byte *p, line[8 * PAGE];

static byte *filled(void) {
    p = map(N);
    fill(p, 0, N, 1);
    push_out();
    return p;
}

static off_t at(size_t page) { return (off_t)(uintptr_t)(p + page * PAGE); }

static int readable(int fd) {
    push_out();
    int bad = 0;
    for (size_t i = 0; i < N; i++) bad += pread(fd, line, PAGE, at(i)) != PAGE || memcmp(line, &i, 8) || line[99] != 1;
    return WANT(!bad);
}

static int writable(int fd) {
    fill(line, 0, 8, 2);
    push_out();
    return WANT(pwrite(fd, line, 8 * PAGE, at(0)) == 8 * PAGE) + WANT(!differ(p, 0, 8, 2)) + WANT(!differ(p, 8, 8, 1));
}

static int of_its_own(void) {
    filled();
    int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    int bad = readable(fd) + writable(fd);
    close(fd);
    fill(p, 0, 8, 1);
    push_out();
    return bad + WANT(!differ(p, 0, N, 1));
}

static int at_its_position(void) {
    filled();
    int fd = openat(AT_FDCWD, "/proc/thread-self/mem", O_RDWR);
    struct iovec parts[2] = {{line, 3 * PAGE}, {line + 3 * PAGE, PAGE}};
    int bad = WANT(lseek(fd, at(0), SEEK_SET) == at(0));
    for (size_t i = 0; i < N; i += 8) {
        push_out();
        bad += WANT(read(fd, line, 4 * PAGE) == 4 * PAGE) + WANT(!memcmp(line, p + i * PAGE, 4 * PAGE));
        push_out();
        bad += WANT(readv(fd, parts, 2) == 4 * PAGE) + WANT(!memcmp(line, p + (i + 4) * PAGE, 4 * PAGE));
    }
    push_out();
    bad += WANT(preadv(fd, parts, 2, at(8)) == 4 * PAGE) + WANT(!memcmp(line, p + 8 * PAGE, 4 * PAGE));
    push_out();
    bad += WANT(pwritev(fd, parts, 2, at(0)) == 4 * PAGE) + WANT(!memcmp(line, p, 4 * PAGE));
    return bad + WANT(!differ(p, 8, N - 8, 1));
}

static int of_a_child(void) {
    int go[2], told[2];
    char byte_, name[40];
    filled();
    int bad = WANT(!pipe(go)) + WANT(!pipe(told));
    pid_t child = fork();
    if (!child) {
        push_out();
        if (write(told[1], "x", 1) != 1 || read(go[0], &byte_, 1) != 1) _exit(9);
        _exit(differ(p, 0, 8, 2) + differ(p, 8, N - 8, 1));
    }
    bad += WANT(read(told[0], &byte_, 1) == 1);
    snprintf(name, sizeof name, "/proc/%d/mem", child);
    int fd = open(name, O_RDWR);
    push_out();
    for (size_t i = 8; i < N; i++) bad += WANT(pread(fd, line, PAGE, at(i)) == PAGE && line[99] == 1);
    fill(line, 0, 8, 2);
    bad += WANT(pwrite(fd, line, 8 * PAGE, at(0)) == 8 * PAGE) + WANT(write(go[1], "x", 1) == 1);
    return bad + WANT(!result_of(child)) + WANT(!differ(p, 0, N, 1));
}

static int inherited(void) {
    filled();
    int fd = open("/proc/self/mem", O_RDWR);
    int bad = WANT(!IN_CHILD((fill(p, 0, N, 3), readable(fd)))); /* the parent's memory it is */
    bad += IN_CHILD((writable(fd), 0)) + WANT(!differ(p, 0, 8, 2));
    return bad;
}

static void *reader(void *told) {
    int fd;
    if (read(*(int *)told, &fd, sizeof fd) != sizeof fd) return told;
    return readable(fd) + writable(fd) ? told : 0;
}

static int by_another_thread(void) {
    int told[2];
    pthread_t thread;
    void *result;
    filled();
    int bad = WANT(!pipe(told));
    pthread_create(&thread, 0, reader, &told[0]);
    usleep(50000);
    int fd = open("/proc/self/mem", O_RDWR);
    bad += WANT(write(told[1], &fd, sizeof fd) == sizeof fd);
    pthread_join(thread, &result);
    return bad + WANT(!result);
}

static int where_nothing_is(void) {
    filled();
    munmap(p + PAGE, PAGE);
    int fd = open("/proc/self/mem", O_RDWR);
    push_out();
    int bad = WANT(pread(fd, line, PAGE, at(1)) == -1 && errno == EIO);
    bad += WANT(pread(fd, line, 2 * PAGE, at(0)) == PAGE) + WANT(line[99] == 1);
    return bad + WANT(syscall(SYS_pread64, fd, line, -1l, -PAGE) <= 0);
}

static int by_process_vm(void) {
    filled();
    pid_t parent = getpid();
    struct iovec here = {line, 8 * PAGE}, there = {p, 8 * PAGE};
    int bad = WANT(process_vm_readv(parent, &here, 1, &there, 1, 0) == 8 * PAGE) + WANT(!differ(line, 0, 8, 1));
    push_out();
    bad += IN_CHILD((fill(line, 0, 8, 2), process_vm_writev(parent, &here, 1, &there, 1, 0) != 8 * PAGE));
    push_out();
    return bad + WANT(!differ(p, 0, 8, 2)) + WANT(!differ(p, 8, N - 8, 1));
}

int main(int argc, char **argv) {
    static const struct scene scenes[] = {
        {"of_its_own", of_its_own},
        {"at_its_position", at_its_position},
        {"of_a_child", of_a_child},
        {"inherited", inherited},
        {"by_another_thread", by_another_thread},
        {"where_nothing_is", where_nothing_is},
        {"by_process_vm", by_process_vm},
        {0, 0},
    };
    return play(scenes, argc, argv);
}
