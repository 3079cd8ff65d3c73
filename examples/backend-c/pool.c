// SPDX-License-Identifier: MIT
/*
 * A swap device in memory, as an example of a backend in C: `pages` places, and a queue of requests under way.
 * A page of one repeated word is kept as that word. The contract suite takes it: see README.md.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vcram_backend.h"

#define QUEUE 16
#define WORD sizeof(uint64_t)

enum state { FREE, TAKEN, USED };  /* TAKEN: by a store under way, which is in no list */

struct place {
    enum state state;
    int damaged;
    uint64_t slot;
    uint64_t word;  /* the page, if it repeats this */
    uint8_t *page;  /* else its bytes */
};

struct pending {
    struct vcram_request request;
    uint64_t due;    /* when it ends, ns */
    uint64_t place;  /* of a store: what it has taken; 0: there was none */
};

struct pool {
    uint64_t pages;
    uint64_t used;
    uint64_t next;  /* where the search for a free place begins */
    int broken;
    uint32_t under_way;
    struct pending queue[QUEUE];
    struct place places[];  /* 1 to pages; 0 is no handle */
};

/* Places. */

static uint64_t find_run(const struct pool *pool, uint64_t from, uint32_t count)
{
    uint32_t run = 0;

    for (uint64_t at = from; at <= pool->pages; at++) {
        run = pool->places[at].state == FREE ? run + 1 : 0;
        if (run == count)
            return at - count + 1;
    }
    return 0;
}

/* Take places in a row at once, so that nobody else finds them while a request is under way; 0 if there are none. */
static uint64_t take(struct pool *pool, uint32_t count)
{
    uint64_t first = find_run(pool, pool->next, count);

    if (!first)
        first = find_run(pool, 1, count);
    if (!first)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        pool->places[first + i].state = TAKEN;
    pool->next = first + count;
    return first;
}

static void drop(struct place *place)
{
    free(place->page);
    memset(place, 0, sizeof(*place));
}

static void use(struct pool *pool, uint64_t handle, uint64_t slot)
{
    pool->places[handle].state = USED;
    pool->places[handle].slot = slot;
    pool->used++;
}

static struct place *in_use(struct pool *pool, uint64_t handle)
{
    if (handle < 1 || handle > pool->pages || pool->places[handle].state != USED)
        return NULL;
    return &pool->places[handle];
}

/* Pages. */

static int put(struct place *place, const uint8_t *page)
{
    if (memcmp(page, page + WORD, VCRAM_PAGE_BYTES - WORD)) {
        if (!place->page)
            place->page = malloc(VCRAM_PAGE_BYTES);
        if (!place->page)
            return -EIO;
        memcpy(place->page, page, VCRAM_PAGE_BYTES);
    } else {
        free(place->page);
        place->page = NULL;
        memcpy(&place->word, page, WORD);
    }
    place->damaged = 0;
    return 0;
}

static int get(const struct place *place, uint8_t *page)
{
    if (place->damaged)
        return -EIO;
    if (place->page)
        memcpy(page, place->page, VCRAM_PAGE_BYTES);
    else
        for (size_t at = 0; at < VCRAM_PAGE_BYTES; at += WORD)
            memcpy(page + at, &place->word, WORD);
    return 0;
}

/* Requests. */

static uint64_t duration(uint32_t op)
{
    switch (op) {
    case VCRAM_LOAD:
        return 10000;
    case VCRAM_FLUSH:
        return 1000;
    default:
        return 25000;
    }
}

static struct vcram_completion finish(struct pool *pool, const struct pending *pending)
{
    const struct vcram_request *request = &pending->request;
    struct vcram_completion done = { .cookie = request->cookie, .handle = pending->place };

    switch (request->op) {
    case VCRAM_STORE:
        if (!pending->place) {
            done.result = -ENOSPC;
            break;
        }
        done.result = pool->broken ? -EIO : put(&pool->places[pending->place], request->page);
        if (done.result)
            drop(&pool->places[pending->place]);
        else
            use(pool, pending->place, request->slot);
        break;
    case VCRAM_LOAD:
        done.result = get(&pool->places[request->handle], request->page);
        break;
    case VCRAM_WRITE:
        done.result = pool->broken ? -EIO : put(&pool->places[request->handle], request->page);
        break;
    default:
        break;  /* a flush: free() leaves nothing behind */
    }
    return done;
}

static uint32_t pool_submit(void *backend, uint64_t now, const struct vcram_request *requests, uint32_t count)
{
    struct pool *pool = backend;
    uint32_t n;

    for (n = 0; n < count && pool->under_way < QUEUE; n++)
        pool->queue[pool->under_way++] = (struct pending){
            .request = requests[n],
            .due = now + duration(requests[n].op),
            .place = requests[n].op == VCRAM_STORE ? take(pool, 1) : 0,
        };
    return n;
}

static uint32_t pool_poll(void *backend, uint64_t now, struct vcram_completion *completions, uint32_t count,
                          uint64_t *next)
{
    struct pool *pool = backend;
    uint32_t n = 0, i = 0;

    *next = VCRAM_NEVER;
    while (i < pool->under_way) {
        struct pending *pending = &pool->queue[i];

        if (pending->due <= now && n < count) {
            completions[n++] = finish(pool, pending);
            *pending = pool->queue[--pool->under_way];
            continue;
        }
        if (pending->due < *next)
            *next = pending->due > now ? pending->due : now;
        i++;
    }
    return n;
}

/* The rest. */

static int pool_create(const struct vcram_config *config, void **backend)
{
    struct pool *pool = calloc(1, sizeof(*pool) + (config->pages + 1) * sizeof(struct place));

    if (!pool)
        return -ENOMEM;
    pool->pages = config->pages;
    pool->next = 1;
    *backend = pool;
    return 0;
}

static void pool_destroy(void *backend)
{
    struct pool *pool = backend;

    for (uint64_t at = 1; at <= pool->pages; at++)
        free(pool->places[at].page);
    free(pool);
}

static int pool_free(void *backend, uint64_t handle)
{
    struct pool *pool = backend;
    struct place *place = in_use(pool, handle);

    if (!place)
        return -ENOENT;
    drop(place);
    pool->used--;
    return 0;
}

static int pool_reown(void *backend, uint64_t handle, uint64_t slot)
{
    struct place *place = in_use(backend, handle);

    if (!place)
        return -ENOENT;
    place->slot = slot;
    return 0;
}

static void pool_usage(void *backend, struct vcram_usage *usage)
{
    const struct pool *pool = backend;

    usage->pages = pool->used;
    usage->capacity = pool->pages;
}

static uint64_t pool_handles(void *backend, struct vcram_owner *owners, uint64_t count)
{
    const struct pool *pool = backend;
    uint64_t n = 0;

    for (uint64_t at = 1; at <= pool->pages; at++)
        if (pool->places[at].state == USED && n++ < count)
            owners[n - 1] = (struct vcram_owner){ .handle = at, .slot = pool->places[at].slot };
    return n;
}

static int pool_reserve(void *backend, uint64_t slot, uint32_t count, uint64_t *handle)
{
    struct pool *pool = backend;
    uint64_t first = take(pool, count);

    if (!first)
        return -ENOSPC;
    for (uint32_t i = 0; i < count; i++)
        use(pool, first + i, slot + i);
    *handle = first;
    return 0;
}

static void pool_damage(void *backend, uint64_t handle)
{
    struct place *place = in_use(backend, handle);

    if (place)
        place->damaged = 1;
}

static void pool_break_writes(void *backend, int broken)
{
    struct pool *pool = backend;

    pool->broken = broken;
}

static const struct vcram_backend_ops ops = {
    .abi = VCRAM_BACKEND_ABI,
    .size = sizeof(ops),
    .name = "pool",
    .create = pool_create,
    .destroy = pool_destroy,
    .submit = pool_submit,
    .poll = pool_poll,
    .free = pool_free,
    .reown = pool_reown,
    .usage = pool_usage,
    .handles = pool_handles,
    .reserve = pool_reserve,
    .damage = pool_damage,
    .break_writes = pool_break_writes,
};

const struct vcram_backend_ops *vcram_backend(void)
{
    return &ops;
}
