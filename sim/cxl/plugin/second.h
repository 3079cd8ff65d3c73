// SPDX-License-Identifier: MIT
// A second mailbox, which BAR 5 shows where the device has its only one: for a driver beside the kernel's own. Its commands
// run between two of the first one's (mailbox.h). CXL has such a thing, the secondary mailbox of CXL 3.1, 8.2.8.3.

#ifndef VCRAM_SECOND_H
#define VCRAM_SECOND_H

#include "mailbox.h"

typedef struct Second {
    uint32_t low, high;  // the command register
    Command command;     // its payload and result
    bool waits;          // the doorbell
    uint64_t commands;
} Second;

// Whether a register is one of this mailbox, and then what it holds; or write to it.
bool second_reads(const Second *second, uint32_t offset, uint32_t *value);
bool second_writes(Second *second, uint32_t offset, uint32_t value);

// Run the command that waits, if the first mailbox is free. Returns whether one was run.
bool second_retry(Second *second, Mailbox *mailbox, Library *library);

#endif
