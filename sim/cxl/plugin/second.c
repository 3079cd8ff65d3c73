// SPDX-License-Identifier: MIT
#include "second.h"

#include <string.h>

enum { OPCODE_BITS = 16, LENGTH_LIMIT = MAILBOX_PAYLOAD_BYTES };

static bool in_payload(uint32_t offset)
{
    return offset >= MAILBOX_PAYLOAD && offset < MAILBOX_PAYLOAD + MAILBOX_PAYLOAD_BYTES;
}

bool second_reads(const Second *second, uint32_t offset, uint32_t *value)
{
    if (in_payload(offset)) {
        memcpy(value, second->command.payload + (offset - MAILBOX_PAYLOAD), sizeof *value);
        return true;
    }
    switch (offset) {
    case MAILBOX_CONTROL: *value = second->waits ? MAILBOX_CONTROL_DOORBELL : 0; return true;
    case MAILBOX_COMMAND_LOW: *value = second->low; return true;
    case MAILBOX_COMMAND_HIGH: *value = second->high; return true;
    case MAILBOX_STATUS_HIGH: *value = second->command.result; return true;
    default: return false;
    }
}

bool second_writes(Second *second, uint32_t offset, uint32_t value)
{
    uint32_t old;
    if (!second_reads(second, offset, &old)) {
        return false;
    }
    if (second->waits) {
        return true;  // ignored, as the device does while its doorbell is set
    }
    if (in_payload(offset)) {
        memcpy(second->command.payload + (offset - MAILBOX_PAYLOAD), &value, sizeof value);
    }
    switch (offset) {
    case MAILBOX_CONTROL: second->waits = value & MAILBOX_CONTROL_DOORBELL; break;
    case MAILBOX_COMMAND_LOW: second->low = value; break;
    case MAILBOX_COMMAND_HIGH: second->high = value; break;
    default: break;
    }
    return true;
}

bool second_retry(Second *second, Mailbox *mailbox, Library *library)
{
    Command *command = &second->command;
    if (!second->waits) {
        return false;
    }
    command->opcode = second->low & ((1 << OPCODE_BITS) - 1);
    command->length = second->low >> OPCODE_BITS | (second->high & 31) << 16;
    if (command->length > LENGTH_LIMIT) {
        command->length = LENGTH_LIMIT;
    }
    if (!mailbox_borrow(mailbox, library, command)) {
        return false;
    }
    second->low = command->opcode | command->length << OPCODE_BITS;
    second->high = command->length >> 16;
    second->waits = false;
    second->commands++;
    return true;
}
