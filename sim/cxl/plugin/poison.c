// SPDX-License-Identifier: MIT
#include "poison.h"

#include <string.h>

enum { SUCCESS = 0 };

void poison_page(Poison *poison, uint64_t address)
{
    const uint64_t page = address / PAGE_BYTES * PAGE_BYTES;
    if (poison->last == page + 1) {
        return;  // the other lines of the page, which are refused as it is poison
    }
    for (unsigned i = 0; i < poison->waiting; i++) {
        if (poison->pages[i] == page) {
            return;
        }
    }
    if (poison->waiting == POISON_WAITING) {
        poison->missed++;
        return;
    }
    poison->pages[poison->waiting++] = page;
}

bool poison_waits(const Poison *poison)
{
    return poison->waiting > 0;
}

void poison_retry(Poison *poison, Mailbox *mailbox, Library *library)
{
    while (poison->waiting) {
        const uint64_t page = poison->pages[poison->waiting - 1];
        Command command = {.opcode = OPCODE_INJECT_POISON, .length = sizeof page};
        memcpy(command.payload, &page, sizeof page);
        if (!mailbox_borrow(mailbox, library, &command) || command.result != SUCCESS) {
            return;  // busy with something else: later
        }
        poison->last = page + 1;
        poison->waiting--;
        poison->injected++;
    }
}

void poison_forgets(Poison *poison)
{
    poison->last = 0;
}
