// SPDX-License-Identifier: MIT
#include "poison.h"

#include "registers.h"

enum { COMMAND_CYCLES = 1000000, STEP_CYCLES = 64, SUCCESS = 0, DPA_BYTES = 8, PAYLOAD_WORDS = 2 };

bool mailbox_wait(Library *library, uint64_t cycles)
{
    const uint64_t end = library->device->cycles + cycles;
    while (library_read_register(library, MAILBOX_CONTROL) & MAILBOX_CONTROL_DOORBELL) {
        if (library->device->cycles >= end) {
            return false;
        }
        library_run(library, STEP_CYCLES);
    }
    return true;
}

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

// Run Inject Poison, and leave the mailbox as it was but for the result. Returns the device's return code.
static uint32_t inject(Library *library, uint64_t page)
{
    uint32_t payload[PAYLOAD_WORDS];
    const uint32_t command_low = library_read_register(library, MAILBOX_COMMAND_LOW);
    const uint32_t command_high = library_read_register(library, MAILBOX_COMMAND_HIGH);
    for (int i = 0; i < PAYLOAD_WORDS; i++) {
        payload[i] = library_read_register(library, MAILBOX_PAYLOAD + 4 * i);
        library_write_register(library, MAILBOX_PAYLOAD + 4 * i, page >> (32 * i));
    }
    library_write_register(library, MAILBOX_COMMAND_LOW, OPCODE_INJECT_POISON | DPA_BYTES << 16);
    library_write_register(library, MAILBOX_COMMAND_HIGH, 0);
    library_write_register(library, MAILBOX_CONTROL, MAILBOX_CONTROL_DOORBELL);
    mailbox_wait(library, COMMAND_CYCLES);
    const uint32_t result = library_read_register(library, MAILBOX_STATUS_HIGH);
    library_write_register(library, MAILBOX_COMMAND_LOW, command_low);
    library_write_register(library, MAILBOX_COMMAND_HIGH, command_high);
    for (int i = 0; i < PAYLOAD_WORDS; i++) {
        library_write_register(library, MAILBOX_PAYLOAD + 4 * i, payload[i]);
    }
    return result;
}

void poison_retry(Poison *poison, Library *library)
{
    while (poison->waiting && mailbox_wait(library, 0)) {
        if (!poison->shadowed) {
            poison->result = library_read_register(library, MAILBOX_STATUS_HIGH);
            poison->shadowed = true;
        }
        if (inject(library, poison->pages[poison->waiting - 1]) != SUCCESS) {
            return;  // busy with something else: later
        }
        poison->last = poison->pages[--poison->waiting] + 1;
        poison->injected++;
    }
}

bool poison_shadows(const Poison *poison, uint32_t offset, uint32_t *value)
{
    if (!poison->shadowed || offset != MAILBOX_STATUS_HIGH) {
        return false;
    }
    *value = poison->result;
    return true;
}

void poison_command_begins(Poison *poison)
{
    poison->shadowed = false;
    poison->last = 0;
}
