// SPDX-License-Identifier: MIT
// The few registers of the device that the plugin itself knows (docs/registers.md has all).

#ifndef VCRAM_REGISTERS_H
#define VCRAM_REGISTERS_H

enum {
    PERCEIVED_PAGES = 0x0010,
    INTERRUPT_STATUS = 0x0030,
    COUNTERS_END = 0x0118,  // of the registers that are figures
    CXL_BLOCK = 0x1000,     // CXL 3.1, 8.2.8: what BAR 2 shows
    MAILBOX_CONTROL = 0x1FE4,
    MAILBOX_CONTROL_DOORBELL = 1,
    MAILBOX_COMMAND_LOW = 0x1FE8,
    MAILBOX_COMMAND_HIGH = 0x1FEC,
    MAILBOX_STATUS_HIGH = 0x1FF4,
    MAILBOX_PAYLOAD = 0x2000,
    MAILBOX_PAYLOAD_BYTES = 4096,
    OPCODE_INJECT_POISON = 0x4301,
    FAULT_KINDS = 0x3000,  // of the plugin, not of the device (faults.h)
    FAULT_LOW = 0x3004,
    FAULT_HIGH = 0x3008,
    FAULT_DELAY = 0x300C,
    FAULT_BEAT = 0x3010,
    FAULT_FLIP = 0x3014,
};

#endif
