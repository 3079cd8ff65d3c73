// SPDX-License-Identifier: MIT
// What the programs of the guest have in common. A program ends with 2 where the guest is not as it should be.

#ifndef GUEST_H
#define GUEST_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };
static const char RECLAIM[] = "/sys/fs/cgroup/cold/memory.reclaim";

static inline void fail(const char *what)
{
    perror(what);
    exit(2);
}

// That a group has less to reclaim than was asked for is no failure.
static inline void write_file(const char *path, const char *text)
{
    const int file = open(path, O_WRONLY);
    if (file < 0 || (write(file, text, strlen(text)) < 0 && errno != EAGAIN)) fail(path);
    close(file);
}

// A register of the device.
static inline uint32_t read_register(unsigned offset)
{
    const char *path = getenv("REGISTERS");
    const int file = path ? open(path, O_RDWR | O_SYNC) : -1;
    if (file < 0) fail("REGISTERS");
    volatile uint32_t *registers = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0);
    if (registers == MAP_FAILED) fail("registers");
    const uint32_t value = registers[offset / 4];
    munmap((void *)registers, PAGE);
    close(file);
    return value;
}

#endif
