// SPDX-License-Identifier: MIT
// A drill: a page on the node is made poison behind its owner's back, by the kernel's own way to inject it. Its owner has to
// get a SIGBUS with the address as it reads the page, and the pages beside it have to be whole.
//
//     poison NODE
//
// Lines that begin with @ are figures: a name and a number.

#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>

#include "pages.h"

enum { PAGES = 64, VICTIM = 21 };
static const char INJECT[] = "/sys/kernel/debug/cxl/mem0/inject_poison";

static sigjmp_buf hit;
static volatile uintptr_t hit_address;
static volatile int hit_code;

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    hit_address = (uintptr_t)info->si_addr;
    hit_code = info->si_code;
    siglongjmp(hit, 1);
}

int main(int count, char **words)
{
    if (count != 2) return 2;
    const int node = atoi(words[1]);
    if (mlockall(MCL_CURRENT)) fail("mlockall");
    unsigned char *memory = anonymous(PAGES);
    for (int i = 0; i < PAGES; i++) memset(memory + i * PAGE, i + 1, PAGE);
    unsigned char *victim = memory + VICTIM * PAGE;
    make_cold(memory, PAGES, node);
    if (!places_of(victim, 1, node).there) return fprintf(stderr, "the page does not go to the node\n"), 2;

    char address[32];
    snprintf(address, sizeof address, "0x%llx", (unsigned long long)device_address(victim));
    write_file(INJECT, address);

    const struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, NULL);
    volatile int signals = 0, bad = 0, silent = 0;
    if (sigsetjmp(hit, 1)) {
        signals++;
    } else {
        silent = *(volatile unsigned char *)victim;
        silent = 1;
    }
    for (int i = 0; i < PAGES; i++) {
        for (int at = 0; at < PAGE && i != VICTIM; at++) bad += memory[i * PAGE + at] != i + 1;
    }
    printf("@poison.signals %d\n@poison.silent %d\n@poison.bad %d\n", signals, silent, bad);
    printf("@poison.right_address %d\n", hit_address / PAGE == (uintptr_t)victim / PAGE);
    printf("@poison.action_required %d\n", hit_code == BUS_MCEERR_AR);
    return !(signals == 1 && !silent && !bad && hit_address / PAGE == (uintptr_t)victim / PAGE);
}
