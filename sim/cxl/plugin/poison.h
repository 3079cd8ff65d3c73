// SPDX-License-Identifier: MIT
// Pages become poison when a store to them was refused: a CPU does not see an error of a store, and what would be read back
// later is not what was stored. The device's own command does it, Inject Poison, in its one mailbox, which is the guest's.
// So it waits while a command of the guest runs, and puts back what the guest has written there. The result of the guest's
// last command cannot be put back; it is kept, and shown until the guest's next command.

#ifndef VCRAM_POISON_H
#define VCRAM_POISON_H

#include "library.h"

enum { POISON_WAITING = 4096 };

typedef struct Poison {
    uint64_t pages[POISON_WAITING];  // that wait to be made poison
    unsigned waiting;
    uint64_t injected, missed;       // pages
    uint64_t last;                   // page that was made poison since the guest's last command, and one more; 0: none
    bool shadowed;                   // the result shown is `result`
    uint32_t result;
} Poison;

// Note that the page of an address is to be made poison.
void poison_page(Poison *poison, uint64_t address);

bool poison_waits(const Poison *poison);

// Make those poison that wait, as far as the mailbox is free.
void poison_retry(Poison *poison, Library *library);

// Whether a register's value is not the device's.
bool poison_shadows(const Poison *poison, uint32_t offset, uint32_t *value);

// The guest is about to ring the doorbell.
void poison_command_begins(Poison *poison);

// Let time pass until no command runs, or for `cycles`. Returns whether none runs.
bool mailbox_wait(Library *library, uint64_t cycles);

#endif
