// SPDX-License-Identifier: MIT
// Pages become poison when a store to them was refused: a CPU does not see an error of a store, and what would be read back
// later is not what was stored. The device's own command does it, Inject Poison, in the mailbox that it borrows (mailbox.h).

#ifndef VCRAM_POISON_H
#define VCRAM_POISON_H

#include "mailbox.h"

enum { POISON_WAITING = 4096 };

typedef struct Poison {
    uint64_t pages[POISON_WAITING];  // that wait to be made poison
    unsigned waiting;
    uint64_t injected, missed;       // pages
    uint64_t last;                   // page that was made poison since a command of anybody else, and one more; 0: none
} Poison;

// Note that the page of an address is to be made poison.
void poison_page(Poison *poison, uint64_t address);

bool poison_waits(const Poison *poison);

// Make those poison that wait, as far as the mailbox is free.
void poison_retry(Poison *poison, Mailbox *mailbox, Library *library);

// A command of anybody else has run, or will: pages may be whole again.
void poison_forgets(Poison *poison);

#endif
