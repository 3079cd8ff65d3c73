// SPDX-License-Identifier: MIT
// The device's one mailbox is the guest's. Whoever else has a command waits while one of the guest's runs, and puts back what
// the guest has written there. The result of the guest's last command cannot be put back; it is kept, and shown until the
// guest's next command.

#ifndef VCRAM_MAILBOX_H
#define VCRAM_MAILBOX_H

#include "library.h"
#include "registers.h"

typedef struct Mailbox {
    bool shadowed;    // the result that the guest sees is `result`
    uint32_t result;
    bool kept;        // `payload` is what the guest has there
    uint8_t payload[MAILBOX_PAYLOAD_BYTES];
} Mailbox;

typedef struct Command {
    uint32_t opcode, length;  // of the input, then of the reply
    uint32_t result;
    uint8_t payload[MAILBOX_PAYLOAD_BYTES];
} Command;

// Let time pass until no command runs, or for `cycles`. Returns whether none runs.
bool mailbox_wait(Library *library, uint64_t cycles);

// Run a command between two of the guest's. Returns false, with nothing done, while one of the guest's runs.
bool mailbox_borrow(Mailbox *mailbox, Library *library, Command *command);

// Whether a register's value is not the device's.
bool mailbox_shadows(const Mailbox *mailbox, uint32_t offset, uint32_t *value);

// The guest is about to write a register of the device.
void mailbox_guest_writes(Mailbox *mailbox, uint32_t offset, uint32_t value);

#endif
