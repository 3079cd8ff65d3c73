// SPDX-License-Identifier: MIT
#include "faults.h"

#include <dlfcn.h>
#include <string.h>

#include "library.h"
#include "registers.h"

static const char MEDIA[] = "u_media";  // in the bench (hw/verilated/memories.py)
enum { BYTE = 8 };

const char *faults_open(Faults *faults, void *handle)
{
    void *set = dlsym(handle, "cram_set_fault"), *memory_at = dlsym(handle, "cram_memory_at");
    if (!set || !memory_at) {
        return dlerror();
    }
    memcpy(&faults->set, &set, sizeof set);
    memcpy(&faults->memory_at, &memory_at, sizeof memory_at);
    return NULL;
}

const char *faults_find(Faults *faults, cram_device *device)
{
    cram_memory media;
    if (faults->memory_at(device, MEDIA, &media)) {
        return "the library does not show its media";
    }
    faults->words = media.words;
    faults->depth = media.depth;
    faults->bits = media.bits;
    faults->stride = media.stride;
    return NULL;
}

bool faults_reads(const Faults *faults, uint32_t offset, uint32_t *value)
{
    if (!faults->on) {
        return false;
    }
    switch (offset) {
    case FAULT_KINDS: *value = faults->kinds; return true;
    case FAULT_LOW: *value = faults->low; return true;
    case FAULT_HIGH: *value = faults->high; return true;
    case FAULT_DELAY: *value = faults->delay; return true;
    case FAULT_BEAT: *value = faults->beat; return true;
    case FAULT_FLIP: *value = faults->bits; return true;
    default: return false;
    }
}

bool faults_writes(Faults *faults, cram_device *device, uint32_t offset, uint32_t value)
{
    uint32_t old;
    if (!faults_reads(faults, offset, &old)) {
        return false;
    }
    switch (offset) {
    case FAULT_LOW: faults->low = value; break;
    case FAULT_HIGH: faults->high = value; break;
    case FAULT_DELAY: faults->delay = value; break;
    case FAULT_BEAT: faults->beat = value; break;
    case FAULT_KINDS:
        faults->kinds = value;
        faults->set(device, value, (uint64_t)faults->high << 32 | faults->low, faults->delay);
        break;
    default:
        if (faults->beat < faults->depth && value < faults->bits) {
            uint8_t *word = faults->words + (size_t)faults->beat * faults->stride;
            word[value / BYTE] ^= 1u << value % BYTE;
        }
    }
    return true;
}
