// SPDX-License-Identifier: MIT
/* A flush with nothing to do completes never: poll() says that nothing is under way. */
#define vcram_backend good_backend
#include "pool.c"
#undef vcram_backend

static uint32_t submit(void *backend, uint64_t now, const struct vcram_request *requests, uint32_t count)
{
    return requests[0].op == VCRAM_FLUSH ? 1 : pool_submit(backend, now, requests, count);
}

const struct vcram_backend_ops *vcram_backend(void)
{
    static struct vcram_backend_ops broken;

    broken = ops;
    broken.submit = submit;
    return &broken;
}
