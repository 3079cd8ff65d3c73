// SPDX-License-Identifier: MIT
#include "waves.h"

#include <dlfcn.h>
#include <string.h>

#include "library.h"

const char *waves_open(Waves *waves, void *handle)
{
    void *start = dlsym(handle, "cram_waves_start"), *stop = dlsym(handle, "cram_waves_stop");
    if (!start || !stop) {
        return dlerror();
    }
    memcpy(&waves->start, &start, sizeof start);
    memcpy(&waves->stop, &stop, sizeof stop);
    return NULL;
}

void waves_look(Waves *waves, cram_device *device)
{
    if (!waves->path) {
        return;
    }
    if (waves->state == WAVES_BEFORE && device->cycles >= waves->from && device->cycles <= waves->to) {
        waves->state = waves->start(device, waves->path) ? WAVES_OVER : WAVES_ON;
    } else if (waves->state == WAVES_ON && device->cycles > waves->to) {
        waves_end(waves, device);
    }
}

void waves_end(Waves *waves, cram_device *device)
{
    if (waves->state == WAVES_ON) {
        waves->stop(device);
        waves->state = WAVES_OVER;
    }
}
