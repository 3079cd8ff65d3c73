// SPDX-License-Identifier: MIT
// Generated from hw/regs/cram.rdl by `make regs`; do not edit. To be included in a list of parameters.
parameter COUNTERS = 17,  // COUNTS of cram_registers.vh, which ports cannot see,
parameter LOADS    = 29   // and LOAD_COUNTS
