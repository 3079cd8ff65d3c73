// SPDX-License-Identifier: MIT
#include "library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

static const uint64_t EVER = UINT64_MAX / 2;
static const uint64_t WHOLE = UINT64_MAX;
enum { OKAY = 0 };

const char *library_open(Library *library, const char *path, uint64_t seed)
{
    const struct {
        const char *name;
        size_t place;
    } functions[] = {
        {"cram_advance", offsetof(Library, advance)},
        {"cram_start_write", offsetof(Library, start_write)},
        {"cram_start_read", offsetof(Library, start_read)},
        {"cram_start_registers", offsetof(Library, start_registers)},
    };
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        return dlerror();
    }
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *function = dlsym(handle, functions[i].name);
        if (!function) {
            return dlerror();
        }
        memcpy((char *)library + functions[i].place, &function, sizeof function);
    }
    cram_device *(*create)(uint64_t) = (cram_device * (*)(uint64_t)) dlsym(handle, "cram_create");
    if (!create) {
        return dlerror();
    }
    const char *wrong = library->waves.path ? waves_open(&library->waves, handle) : NULL;
    if (!wrong && library->faults.on) {
        wrong = faults_open(&library->faults, handle);
    }
    if (wrong) {
        return wrong;
    }
    library->device = create(seed);
    if (!library->device) {
        return "no device";
    }
    return library->faults.on ? faults_find(&library->faults, library->device) : NULL;
}

static void wait_for(Library *library, uint32_t reason)
{
    while (!(library->advance(library->device, EVER) & reason)) {
    }
}

static bool read_line(Library *library, uint64_t address, uint8_t *data)
{
    waves_look(&library->waves, library->device);
    library->start_read(library->device, address, 1);
    wait_for(library, CRAM_READ_DONE);
    library->lines_read++;
    memcpy(data, library->device->read_data, LINE_BYTES);
    return library->device->read_response == OKAY;
}

static bool write_line(Library *library, uint64_t address, const uint8_t *data)
{
    waves_look(&library->waves, library->device);
    memcpy(library->device->write_data, data, LINE_BYTES);
    library->start_write(library->device, address, 1);
    wait_for(library, CRAM_WRITE_DONE);
    library->lines_written++;
    return library->device->write_response == OKAY;
}

static void flush(Library *library)
{
    Line *line = &library->stored;
    if (!line->valid) {
        return;
    }
    const uint64_t valid = line->valid;
    uint8_t old[LINE_BYTES];
    bool right = true;
    line->valid = 0;
    if (valid != WHOLE) {
        library->lines_merged++;
        right = read_line(library, line->address, old);
        for (int i = 0; i < LINE_BYTES; i++) {
            if (!(valid >> i & 1)) {
                line->data[i] = old[i];
            }
        }
    }
    if (!right || !write_line(library, line->address, line->data)) {
        library->writes_failed++;
        library->write_failed(library->opaque, line->address);
    }
}

bool library_load(Library *library, uint64_t address, uint64_t *value, unsigned size)
{
    Line *line = &library->loaded;
    const uint64_t start = address / LINE_BYTES * LINE_BYTES;
    if (library->stored.valid && library->stored.address == start) {
        flush(library);
    }
    if (!line->valid || line->address != start) {
        line->address = start;
        line->valid = 0;
        if (!read_line(library, start, line->data)) {
            library->reads_failed++;
            return false;
        }
        line->valid = WHOLE;
    }
    *value = 0;
    memcpy(value, line->data + (address - start), size);
    return true;
}

void library_store(Library *library, uint64_t address, uint64_t value, unsigned size)
{
    Line *line = &library->stored;
    const uint64_t start = address / LINE_BYTES * LINE_BYTES;
    if (line->valid && line->address != start) {
        flush(library);
    }
    line->address = start;
    memcpy(line->data + (address - start), &value, size);
    line->valid |= ((UINT64_C(1) << size) - 1) << (address - start);
    if (library->loaded.address == start) {
        library->loaded.valid = 0;
    }
    if (line->valid == WHOLE) {
        flush(library);
    }
}

void library_settle(Library *library)
{
    flush(library);
    library->loaded.valid = 0;
}

uint32_t library_read_register(Library *library, uint32_t offset)
{
    uint32_t value;
    library->start_registers(library->device, 0, offset, 1);
    wait_for(library, CRAM_REGISTERS_DONE);
    memcpy(&value, library->device->register_head_out, sizeof value);
    return library->device->register_response == OKAY ? value : 0;
}

void library_write_register(Library *library, uint32_t offset, uint32_t value)
{
    memcpy(library->device->register_head_in, &value, sizeof value);
    library->start_registers(library->device, 1, offset, 1);
    wait_for(library, CRAM_REGISTERS_DONE);
}

void library_run(Library *library, uint64_t cycles)
{
    while (cycles && library->device->busy) {
        waves_look(&library->waves, library->device);
        library->advance(library->device, cycles);
        const uint64_t advanced = library->device->advanced;
        cycles -= advanced < cycles ? advanced : cycles;
    }
}
