// SPDX-License-Identifier: MIT
// The program that runs in the guest if no other is named: pages of real programs that go cold, again and again. It makes
// them, has its group reclaimed until they are on the node, reads every byte of them there, and changes one page in eight
// for the next time.
// At the end some of them are read until they have been brought back. A page whose reading is a SIGBUS is lost: that is
// no bad page, since nobody was told something wrong.
//
//     cold PAGES PASSES NODE HOT
//
// To a recording (`vcram cxl --record`) it tells every access to these pages, but those that make them hot.
//
// Lines that begin with @ are figures: a name and a number.

#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <time.h>

#include "pages.h"

enum { ACHIEVED_RATIO = 0x54, HOT_S = 20 };
static const char BALANCING[] = "/proc/sys/kernel/numa_balancing";
static const char HEAT[] = "/sys/module/cram_provider/parameters/hot";

static const uint64_t LOST = UINT64_MAX;  // instead of a version

static sigjmp_buf lost;

// Tell of an access, before it is made.
static void tell(const char *verb, const void *page)
{
    static int marks = -1;
    char path[128];
    const char *record = getenv("RECORD");
    if (!record) return;
    snprintf(path, sizeof path, "%s/trace_marker", record);
    if (marks < 0) marks = open(path, O_WRONLY);
    if (marks < 0 || dprintf(marks, "vcram %s %lx", verb, (unsigned long)page) < 0) fail(path);
}

static size_t on_node(const unsigned char *memory, size_t pages, int node)
{
    return places_of((unsigned char *)memory, pages, node).there;
}

// Whether pages that the device nominates are promoted.
static bool device_nominates(void)
{
    unsigned heat = 0;
    FILE *file = fopen(HEAT, "r");
    if (!file) return false;
    if (fscanf(file, "%u", &heat) != 1) fail(HEAT);
    fclose(file);
    return heat;
}

// Read pages until they were found hot, by the kernel or by the device. Returns how many are back.
static size_t make_hot(const unsigned char *memory, size_t pages, int node)
{
    const time_t end = time(NULL) + HOT_S;
    if (!device_nominates()) write_file(BALANCING, "2");
    while (time(NULL) < end && on_node(memory, pages, node)) {
        for (size_t i = 0; i < pages; i++) *(const volatile unsigned char *)(memory + i * PAGE);
    }
    write_file(BALANCING, "0");
    return pages - on_node(memory, pages, node);
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    if (info->si_code != BUS_MCEERR_AR && info->si_code != BUS_MCEERR_AO) _exit(3);
    siglongjmp(lost, 1);
}

static bool is_right(const unsigned char *page, uint64_t number, uint64_t *version)
{
    static unsigned char right[PAGE];
    if (*version == LOST) return true;
    if (sigsetjmp(lost, 1)) {
        *version = LOST;
        return true;
    }
    expect(number, *version, right);
    tell("read", page);
    return memcmp(page, right, PAGE) == 0;
}

int main(int count, char **words)
{
    if (count != 5) return fprintf(stderr, "cold PAGES PASSES NODE HOT\n"), 2;
    const size_t pages = strtoul(words[1], NULL, 10), hot = strtoul(words[4], NULL, 10);
    const unsigned passes = strtoul(words[2], NULL, 10);
    const int node = atoi(words[3]);
    size_t bad = 0, checked = 0, least = pages, gone = 0;
    static unsigned char right[PAGE];
    const struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, NULL);

    load_corpus("/pages");
    uint64_t *versions = calloc(pages, sizeof *versions);
    if (!versions || mlockall(MCL_CURRENT)) fail("memory");  // the program itself stays in DRAM
    unsigned char *memory = anonymous(pages);
    for (size_t i = 0; i < pages; i++) {
        tell("write", memory + i * PAGE);
        expect(i, 0, memory + i * PAGE);
    }

    for (unsigned pass = 0; pass < passes; pass++) {
        const size_t there = make_cold(memory, pages, node);
        if (there < least) least = there;
        printf("pass %u: %zu of %zu pages on node %d\n", pass + 1, there, pages, node);
        fflush(stdout);
        if (pass + 1 == passes) printf("@ratio %u\n", read_register(ACHIEVED_RATIO));
        for (size_t i = 0; i < pages; i++, checked++) bad += !is_right(memory + i * PAGE, i, &versions[i]);
        if (pass + 1 == passes) break;  // nobody would read what is changed now
        for (size_t i = pass % 8; i < pages; i += 8) {
            if (versions[i] == LOST) continue;
            expect(i, ++versions[i], right);
            tell("write", memory + i * PAGE);
            memcpy(memory + i * PAGE, right, PAGE);
        }
    }
    if (hot) {
        printf("@cold.hot %zu\n", make_hot(memory, hot, node));
        for (size_t i = 0; i < hot; i++, checked++) bad += !is_right(memory + i * PAGE, i, &versions[i]);
    }
    for (size_t i = 0; i < pages; i++) gone += versions[i] == LOST;
    printf("@cold.pages %zu\n@cold.least_there %zu\n@cold.checked %zu\n", pages, least, checked);
    printf("@cold.lost %zu\n@cold.bad %zu\n", gone, bad);
    return bad != 0;
}
