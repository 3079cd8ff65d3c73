// SPDX-License-Identifier: MIT
/*
 * A swap backend as a shared object, in any language with a C ABI.
 *
 *     cc -std=c11 -shared -fPIC -I"$(dirname "$(vcram contract --header)")" -o backend.so backend.c
 *     vcram contract ./backend.so
 *
 * The shared object exports one function, vcram_backend(). Everything else hangs on the table that it returns. The
 * shape is that of a block driver, or of the kernel's swap_ops: pages go in and out by requests. They are submitted in
 * batches, are under way at the same time, and complete in any order. `host` below is who calls: the contract suite.
 *
 * Threads
 *     The host makes every call from one thread, one call at a time. A backend may have threads of its own, but there
 *     is nothing that they could call: completions are fetched by poll(). No call may block for the end of a request,
 *     for another call, or for simulated time to pass. The host may fork before it loads the shared object, and never
 *     after.
 *
 * Standard streams
 *     Print to standard error, if at all: standard output is the host's, whose figures may go to another program.
 *
 * Time
 *     Time is simulated: nanoseconds that the host passes as `now`, which never fall for one backend. A backend says
 *     how long a request takes by completing it no earlier than the time at which it should have ended. It reads no
 *     clock of the machine.
 *
 * Results
 *     A function that returns int returns 0 for done, or a negative errno value: -ENOSPC. An errno value that is not
 *     named here breaks the contract.
 *
 * Pages
 *     Every page has VCRAM_PAGE_BYTES bytes. The host owns every buffer and every structure. It keeps the buffer of a
 *     request in place until the completion of that request was fetched, or destroy() has returned. Until then the
 *     backend may access it at any time, after that never. Buffers are aligned to 8 bytes; nothing more is promised.
 *     All other pointers are good for the one call only.
 *
 * Handles and slots
 *     The backend chooses a handle for each page that it keeps: 1 to VCRAM_MAX_HANDLE, unique among the handles in use.
 *     The host chooses slots. Each handle in use has the slot that owns it: the reverse map. Slot 0 is a page that no
 *     slot owns at present. Several handles may have the same slot.
 *
 * When a handle is in use
 *     From the moment when poll() returns the completion of its store, or reserve() returns, to the call of free().
 *     A store that is under way is no page, in no figure and in no list, and holds only its room.
 *
 * What the host never does
 *     It frees no handle while a request for it is under way. It reads and writes only handles in use. It calls
 *     nothing after destroy(). What it may do at any time, between any two other calls: store for a slot that has a
 *     page already, reown a handle while a request for it is under way, free while a flush is under way, and give up a
 *     store: then it frees the handle as soon as it has fetched the completion.
 */
#ifndef VCRAM_BACKEND_H
#define VCRAM_BACKEND_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VCRAM_BACKEND_ABI 1u                   /* changes whenever something that is here changes its meaning */
#define VCRAM_PAGE_BYTES 4096u
#define VCRAM_MAX_HANDLE ((UINT64_C(1) << 36) - 1)
#define VCRAM_UNBOUNDED UINT64_MAX             /* vcram_usage.capacity: there is no limit */
#define VCRAM_NEVER UINT64_MAX                 /* *next of poll(): nothing is under way */

/* Flags of a backend. */
#define VCRAM_STABLE_WRITES 1u  /* it reads the page of a VCRAM_WRITE more than once, so nobody may change it meanwhile */

/* What a request is for. */
enum vcram_op {
    /*
     * Keep `page` for `slot`, which both are read only. `handle` is not set.
     * 0: kept; the completion has the new handle, and `slot` owns it.
     * -ENOSPC: no room now. -EOPNOTSUPP: the backend does not want such a page; another may. -EIO: the medium failed.
     * -ENODEV: the whole medium is gone. After any of these nothing is kept, and the room is free.
     */
    VCRAM_STORE = 1,
    /*
     * Write the page of `handle` to `page`, all of its bytes. The backend keeps its copy.
     * -EIO: it cannot be read; it may be tried again. -EBADMSG: the content is lost. -ENODEV: the whole medium is
     * gone. After any of these the bytes of `page` mean nothing. Never other bytes than were stored.
     */
    VCRAM_LOAD = 2,
    /*
     * Only with reserve(): put `page`, which is read only, in the place `handle`, whatever it held.
     * -EIO: the medium failed. The place stays in use, and its content means nothing until it was written again.
     */
    VCRAM_WRITE = 3,
    /*
     * Do the work that the frees until now have left behind (trim, discard). `handle`, `slot` and `page` are not set.
     * 0, always. Room that a free has not given back yet is free when the flush completes.
     */
    VCRAM_FLUSH = 4,
};

struct vcram_request {
    uint32_t op;       /* enum vcram_op */
    uint32_t zero;
    uint64_t cookie;   /* the host's name for it, unique among those under way */
    uint64_t handle;
    uint64_t slot;
    uint8_t *page;     /* VCRAM_PAGE_BYTES bytes */
};

struct vcram_completion {
    uint64_t cookie;   /* of the request that has ended */
    int64_t result;    /* 0 or a negative errno value, as its vcram_op says */
    uint64_t handle;   /* of a store that was kept; else any value */
};

struct vcram_usage {
    uint64_t pages;     /* handles in use */
    uint64_t capacity;  /* most that there can be, or VCRAM_UNBOUNDED; always the same, and never less than `pages` */
};

struct vcram_owner {
    uint64_t handle;
    uint64_t slot;
};

struct vcram_config {
    uint64_t pages;      /* how many pages a backend with a size should hold; at least 1 */
    const char *folder;  /* an empty folder for files, without a trailing slash; the host removes it */
};

struct vcram_backend_ops {
    uint32_t abi;      /* VCRAM_BACKEND_ABI */
    uint32_t size;     /* sizeof(struct vcram_backend_ops) */
    uint32_t flags;    /* VCRAM_STABLE_WRITES, or 0 */
    uint32_t zero;
    const char *name;  /* for people; UTF-8, ends in 0 */

    /*
     * Make an empty backend and put it into *backend: what all other calls are given. Several may live at the same
     * time, and have nothing in common.
     * -ENOMEM; -EINVAL: such a configuration is of no use; -EIO: no file could be made. Then *backend is not looked at.
     */
    int (*create)(const struct vcram_config *config, void **backend);

    /*
     * The end of a backend. Requests under way complete no more, and their buffers are not accessed when this returns.
     * Files and memory are given up, threads have ended.
     */
    void (*destroy)(void *backend);

    /*
     * Start requests: the first n of the `count`, which is at least 1. Returns n. Less than `count` where the queue is
     * full; the host tries the others again when a request has completed, so n is at least 1 where nothing is under
     * way. A request never fails here: what is wrong with it is said by its completion. Each one that was taken
     * completes exactly once.
     */
    uint32_t (*submit)(void *backend, uint64_t now, const struct vcram_request *requests, uint32_t count);

    /*
     * Fetch completions of requests that have ended by `now`, at most `count`, which is at least 1. Returns how many.
     * *next is when the next one can be fetched, at the earliest: more than `now`, but for `now` itself where `count`
     * did not suffice; VCRAM_NEVER if and only if nothing is under way. The host calls at that time, or earlier.
     */
    uint32_t (*poll)(void *backend, uint64_t now, struct vcram_completion *completions, uint32_t count, uint64_t *next);

    /*
     * Drop the page of a handle. Does not wait: what is left to do for the medium is done by a VCRAM_FLUSH, or when the
     * room is wanted. -ENOENT: the handle is not in use, and nothing has happened.
     */
    int (*free)(void *backend, uint64_t handle);

    /* Another slot, or 0, owns the page of a handle. Does not wait. -ENOENT: the handle is not in use. */
    int (*reown)(void *backend, uint64_t handle, uint64_t slot);

    /* The room now. */
    void (*usage)(void *backend, struct vcram_usage *usage);

    /* The reverse map: at most `count` of the handles in use with their slots, in any order. Returns how many there
     * are in use, which may be more than `count`. */
    uint64_t (*handles)(void *backend, struct vcram_owner *owners, uint64_t count);

    /* From here on each one may be NULL: the checks that need it do not apply. */

    /*
     * For swap devices: take `count` places in a row for `slot` and those after it, and put the first handle into
     * *handle. They are in use from now on, and hold nothing until a VCRAM_WRITE. -ENOSPC, then nothing was taken.
     * A backend that has it is written to by VCRAM_WRITE. VCRAM_STORE works all the same.
     */
    int (*reserve)(void *backend, uint64_t slot, uint32_t count, uint64_t *handle);

    /* Make the medium lose what it has under this handle: loads of it fail until it is freed or written again. */
    void (*damage)(void *backend, uint64_t handle);

    /* Requests that write (VCRAM_STORE, VCRAM_WRITE) and complete from now on fail with -EIO (1), or work again (0). */
    void (*break_writes)(void *backend, int broken);
};

/* The one symbol that is exported. The table stays in place for ever. */
const struct vcram_backend_ops *vcram_backend(void);

#ifdef __cplusplus
}
#endif

#endif
