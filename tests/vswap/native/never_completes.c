// SPDX-License-Identifier: MIT
/* A load is always about to complete. */
#define vcram_backend good_backend
#include "pool.c"
#undef vcram_backend

static uint32_t poll(void *backend, uint64_t now, struct vcram_completion *completions, uint32_t count, uint64_t *next)
{
    struct pool *pool = backend;

    for (uint32_t i = 0; i < pool->under_way; i++)
        if (pool->queue[i].request.op == VCRAM_LOAD)
            pool->queue[i].due = now + 100;
    return pool_poll(backend, now, completions, count, next);
}

const struct vcram_backend_ops *vcram_backend(void)
{
    static struct vcram_backend_ops broken;

    broken = ops;
    broken.poll = poll;
    return &broken;
}
