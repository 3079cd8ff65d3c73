// SPDX-License-Identifier: MIT
/* What the programs of test_programs.py share: memory filled with pages that can be told apart, and a way to have it
 * leave memory. Each scene returns the number of things that are wrong. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul
#define N 64ul /* pages of a scene */

typedef unsigned char byte;

#define WANT(condition) want(condition, #condition, __LINE__)

static inline int want(int condition, const char *text, int line) {
    if (!condition) dprintf(2, "line %d: not so: %s (errno: %s)\n", line, text, strerror(errno));
    return !condition;
}

static inline byte *map_at(void *where, size_t pages, int flags) {
    return mmap(where, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static inline byte *map(size_t pages) { return map_at(0, pages, 0); }

static inline void fill(byte *at, size_t first, size_t pages, int version) {
    for (size_t i = first; i < first + pages; i++) {
        memset(at + i * PAGE, version, PAGE);
        memcpy(at + i * PAGE, &i, sizeof i);
    }
}

/* Pages of a range that do not hold what `fill` gave them; version 0: that are not zero. */
static inline int differ(const byte *at, size_t first, size_t pages, int version) {
    int bad = 0;
    for (size_t i = first; i < first + pages; i++) {
        size_t number;
        memcpy(&number, at + i * PAGE, sizeof number);
        bad += number != (version ? i : 0) || at[i * PAGE + PAGE - 1] != version || at[i * PAGE + 99] != version;
    }
    return bad;
}

/* More pages than the limit has room for are written, so that all others leave memory. */
static inline void push_out(void) {
    static byte *other;
    if (!other) other = map(1024);
    fill(other, 0, 1024, 1);
}

/* A child's exit status is what it returns; the wrong things in it, or 99 when it did not end by itself. */
static inline int result_of(pid_t child) {
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 99;
    return WEXITSTATUS(status);
}

#define IN_CHILD(statement)                 \
    ({                                      \
        pid_t child_ = fork();              \
        if (!child_) _exit(statement);      \
        result_of(child_);                  \
    })

struct scene {
    const char *name;
    int (*run)(void);
};

static inline int play(const struct scene *scenes, int argc, char **argv) {
    for (; argc == 2 && scenes->name; scenes++)
        if (!strcmp(scenes->name, argv[1])) return scenes->run() ? 1 : 0;
    return 2;
}
