// SPDX-License-Identifier: MIT
// What a run has counted, as JSON: what the plugin counted, and the device's registers that are figures, by offset.

#ifndef VCRAM_FIGURES_H
#define VCRAM_FIGURES_H

#include "library.h"
#include "poison.h"
#include "second.h"

typedef struct Figures {
    uint64_t commands;      // of the guest in the mailbox
    uint64_t qemu_commands; // that QEMU's own mailbox was asked for: none
    uint64_t machine_checks;
    uint64_t messages[16];  // interrupts sent, by line
} Figures;

void figures_write(const Figures *figures, Library *library, const Poison *poison, const Second *second,
                   const char *path);

#endif
