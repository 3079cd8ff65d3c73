// SPDX-License-Identifier: MIT
// The media's bench, as registers of BAR 5 that no device has: with them a program of the guest has the media fail. Only with
// the property `faults=on`, and a library that has the functions for it.
//
//   FAULT_KINDS             written: how the media misbehaves from now on (cram_set_fault of hw/verilated/abi.h); 0: no more
//   FAULT_LOW, FAULT_HIGH   before that: the address of the bursts, as on the media's bus
//   FAULT_DELAY             before that: cycles by which it is slower, for every burst
//   FAULT_BEAT              a beat of 64 bytes on the media
//   FAULT_FLIP              written: this bit of it flips, check bits included; read: how many bits a beat has, so not 0

#ifndef VCRAM_FAULTS_H
#define VCRAM_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cram_device cram_device;
typedef struct cram_memory cram_memory;

typedef struct Faults {
    bool on;
    void (*set)(cram_device *device, uint32_t kinds, uint64_t address, uint32_t delay);
    int32_t (*memory_at)(cram_device *device, const char *place, cram_memory *memory);
    uint8_t *words;  // of the media: its beats
    uint32_t depth, bits, stride;
    uint32_t low, high, kinds, delay, beat;
} Faults;

// Take the functions from a library. Returns NULL, or what is wrong.
const char *faults_open(Faults *faults, void *handle);

// Find the media of its device. Returns NULL, or what is wrong.
const char *faults_find(Faults *faults, cram_device *device);

// Whether a register is one of these, and then what it holds; or write to it.
bool faults_reads(const Faults *faults, uint32_t offset, uint32_t *value);
bool faults_writes(Faults *faults, cram_device *device, uint32_t offset, uint32_t value);

#endif
