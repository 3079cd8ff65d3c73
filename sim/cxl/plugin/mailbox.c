// SPDX-License-Identifier: MIT
#include "mailbox.h"

#include <string.h>

enum { COMMAND_CYCLES = 1000000, STEP_CYCLES = 64, HIGH_LENGTH_BITS = 5 };

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

static void write_payload(Library *library, const uint8_t *payload, uint32_t bytes)
{
    for (uint32_t at = 0; at < bytes; at += sizeof(uint32_t)) {
        uint32_t word;
        memcpy(&word, payload + at, sizeof word);
        library_write_register(library, MAILBOX_PAYLOAD + at, word);
    }
}

static void read_payload(Library *library, uint8_t *payload, uint32_t bytes)
{
    for (uint32_t at = 0; at < bytes; at += sizeof(uint32_t)) {
        const uint32_t word = library_read_register(library, MAILBOX_PAYLOAD + at);
        memcpy(payload + at, &word, sizeof word);
    }
}

bool mailbox_borrow(Mailbox *mailbox, Library *library, Command *command)
{
    if (!mailbox_wait(library, 0)) {
        return false;
    }
    if (!mailbox->shadowed) {
        mailbox->result = library_read_register(library, MAILBOX_STATUS_HIGH);
        mailbox->shadowed = true;
    }
    if (!mailbox->kept) {
        read_payload(library, mailbox->payload, MAILBOX_PAYLOAD_BYTES);
        mailbox->kept = true;
    }
    const uint32_t low = library_read_register(library, MAILBOX_COMMAND_LOW);
    const uint32_t high = library_read_register(library, MAILBOX_COMMAND_HIGH);
    const uint32_t input = command->length;

    write_payload(library, command->payload, input);
    library_write_register(library, MAILBOX_COMMAND_LOW, command->opcode | input << 16);
    library_write_register(library, MAILBOX_COMMAND_HIGH, input >> 16);
    library_write_register(library, MAILBOX_CONTROL, MAILBOX_CONTROL_DOORBELL);
    mailbox_wait(library, COMMAND_CYCLES);
    command->result = library_read_register(library, MAILBOX_STATUS_HIGH);
    command->length = library_read_register(library, MAILBOX_COMMAND_LOW) >> 16
                      | (library_read_register(library, MAILBOX_COMMAND_HIGH) & ((1 << HIGH_LENGTH_BITS) - 1)) << 16;
    read_payload(library, command->payload, command->length);

    library_write_register(library, MAILBOX_COMMAND_LOW, low);
    library_write_register(library, MAILBOX_COMMAND_HIGH, high);
    write_payload(library, mailbox->payload, input > command->length ? input : command->length);
    return true;
}

bool mailbox_shadows(const Mailbox *mailbox, uint32_t offset, uint32_t *value)
{
    if (!mailbox->shadowed || offset != MAILBOX_STATUS_HIGH) {
        return false;
    }
    *value = mailbox->result;
    return true;
}

void mailbox_guest_writes(Mailbox *mailbox, uint32_t offset, uint32_t value)
{
    if (offset >= MAILBOX_PAYLOAD && offset < MAILBOX_PAYLOAD + MAILBOX_PAYLOAD_BYTES) {
        mailbox->kept = false;
    }
    if (offset == MAILBOX_CONTROL && value & MAILBOX_CONTROL_DOORBELL) {
        mailbox->kept = mailbox->shadowed = false;
    }
}
