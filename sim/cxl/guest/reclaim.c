// SPDX-License-Identifier: MIT
// Has the group `cold` reclaimed again and again until a SIGTERM comes: each time half of what it has in DRAM, so that what
// is in use can stay there.
//
//     reclaim MILLISECONDS
//
// Lines that begin with @ are figures: a name and a number.

#define _GNU_SOURCE
#include <signal.h>
#include <time.h>

#include "guest.h"

enum { ACHIEVED_RATIO = 0x54 };
static const char STATE[] = "/sys/fs/cgroup/cold/memory.numa_stat";

static volatile sig_atomic_t ended;

static void on_sigterm(int number)
{
    (void)number;
    ended = 1;
}

// Anonymous bytes of the group on a node: the first line of the file, "anon N0=.. N1=..".
static unsigned long bytes_on(int node)
{
    char text[PAGE + 1], key[] = {' ', 'N', (char)('0' + node), '=', 0};
    const int file = open(STATE, O_RDONLY);
    const ssize_t bytes = file < 0 ? -1 : read(file, text, PAGE);
    if (bytes < 0) fail(STATE);
    close(file);
    text[bytes] = 0;
    const char *found = strstr(text, key);
    if (!found) fail(STATE);
    return strtoul(found + strlen(key), NULL, 10);
}

int main(int count, char **words)
{
    if (count != 2) return fprintf(stderr, "reclaim MILLISECONDS\n"), 2;
    const long milliseconds = atol(words[1]);
    const struct timespec period = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    const struct sigaction action = {.sa_handler = on_sigterm};
    unsigned long rounds = 0, most = 0;
    uint32_t ratio = 0;
    sigaction(SIGTERM, &action, NULL);
    for (; !ended; rounds++) {
        char bytes[32];
        nanosleep(&period, NULL);
        snprintf(bytes, sizeof bytes, "%lu", bytes_on(0) / 2);
        write_file(RECLAIM, bytes);
        const unsigned long there = bytes_on(1);
        if (there <= most) continue;
        most = there;
        ratio = read_register(ACHIEVED_RATIO);
    }
    printf("@reclaim.rounds %lu\n@reclaim.most_there %lu\n", rounds, most / PAGE);
    if (most) printf("@ratio %u\n", ratio);
    return 0;
}
