// SPDX-License-Identifier: MIT
#include "figures.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "registers.h"

void figures_write(const Figures *figures, Library *library, const Poison *poison, const Second *second,
                   const char *path)
{
    char made[PATH_MAX];  // whoever reads while the guest runs gets all or nothing
    snprintf(made, sizeof made, "%s.made", path);
    FILE *file = fopen(made, "w");
    if (!file) {
        return;
    }
    fprintf(file, "{\"cycles\": %" PRIu64 ", \"lines_read\": %" PRIu64 ", \"lines_written\": %" PRIu64,
            library->device->cycles, library->lines_read, library->lines_written);
    fprintf(file, ", \"lines_merged\": %" PRIu64 ", \"reads_failed\": %" PRIu64 ", \"writes_failed\": %" PRIu64,
            library->lines_merged, library->reads_failed, library->writes_failed);
    fprintf(file, ", \"pages_made_poison\": %" PRIu64 ", \"pages_missed\": %" PRIu64, poison->injected,
            poison->missed + poison->waiting);
    fprintf(file, ", \"commands\": %" PRIu64 ", \"second_commands\": %" PRIu64 ", \"machine_checks\": %" PRIu64,
            figures->commands, second->commands, figures->machine_checks);
    fprintf(file, ", \"qemu_commands\": %" PRIu64 ", \"messages\": [", figures->qemu_commands);
    for (int line = 0; line < 16; line++) {
        fprintf(file, "%s%" PRIu64, line ? ", " : "", figures->messages[line]);
    }
    fprintf(file, "], \"registers\": [");
    for (uint32_t offset = 0; offset < COUNTERS_END; offset += 4) {
        fprintf(file, "%s%" PRIu32, offset ? ", " : "", library_read_register(library, offset));
    }
    fprintf(file, "]}\n");
    const int failed = ferror(file);
    if (fclose(file) || failed) {
        remove(made);  // a disk that is full
        return;
    }
    rename(made, path);
}
