// SPDX-License-Identifier: MIT
/* A store's place is found when it is submitted, and marked when it completes: another one finds it meanwhile. */
#define vcram_backend good_backend
#include "pool.c"
#undef vcram_backend

static uint32_t submit(void *backend, uint64_t now, const struct vcram_request *requests, uint32_t count)
{
    struct pool *pool = backend;
    uint32_t first = pool->under_way, n = pool_submit(backend, now, requests, count);

    for (uint32_t i = first; i < pool->under_way; i++)
        if (pool->queue[i].place) {
            pool->places[pool->queue[i].place].state = FREE;
            pool->next = pool->queue[i].place;
        }
    return n;
}

const struct vcram_backend_ops *vcram_backend(void)
{
    static struct vcram_backend_ops broken;

    broken = ops;
    broken.submit = submit;
    return &broken;
}
