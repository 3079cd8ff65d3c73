// SPDX-License-Identifier: MIT
/* A thread ends while it holds robust mutexes in pages that have left memory: whoever locks them next is told. */
#include "pages.h"

enum { MANY = 40 };

static pthread_mutex_t *mutex[MANY];
static int count;

static void *owner(void *unused) {
    (void)unused;
    for (int i = 0; i < count; i++) pthread_mutex_lock(mutex[i]);
    push_out();
    return 0;
}

static int lock(int i, int with) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    int error = pthread_mutex_timedlock(mutex[i], &until);
    return WANT(error == with);
}

static void *waiter(void *unused) {
    (void)unused;
    return (void *)(intptr_t)lock(0, EOWNERDEAD);
}

static void prepare(int mutexes, int protocol) {
    pthread_mutexattr_t how;
    pthread_mutexattr_init(&how);
    pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setprotocol(&how, protocol);
    byte *memory = map(2 * MANY);
    for (count = 0; count < mutexes; count++) {
        mutex[count] = (pthread_mutex_t *)(memory + 2 * count * PAGE + 1000);
        pthread_mutex_init(mutex[count], &how);
    }
}

static int after_the_owner(void) {
    pthread_t thread;
    int bad = 0;
    pthread_create(&thread, 0, owner, 0);
    pthread_join(thread, 0);
    push_out();
    for (int i = 0; i < count; i++) bad += lock(i, EOWNERDEAD);
    return bad;
}

static int one(void) { return prepare(1, PTHREAD_PRIO_NONE), after_the_owner(); }
static int many(void) { return prepare(MANY, PTHREAD_PRIO_NONE), after_the_owner(); }
static int with_priority_inheritance(void) { return prepare(4, PTHREAD_PRIO_INHERIT), after_the_owner(); }

static void *owner_until_told(void *go) {
    int unused;
    pthread_mutex_lock(mutex[0]);
    while (read(*(int *)go, &unused, 1) != 1) {
    }
    push_out();
    return 0;
}

static int waited_for(void) {
    int pipes[2];
    pthread_t first, second;
    prepare(1, PTHREAD_PRIO_NONE);
    int bad = WANT(!pipe(pipes));
    pthread_create(&first, 0, owner_until_told, &pipes[0]);
    usleep(100000);
    pthread_create(&second, 0, waiter, 0);
    usleep(100000);
    bad += WANT(write(pipes[1], "x", 1) == 1);
    pthread_join(first, 0);
    void *result;
    pthread_join(second, &result);
    return bad + (int)(intptr_t)result;
}

/* A list that leads nowhere, or round and round, ends nobody and hangs nobody. */
static void *broken(void *head) {
    syscall(SYS_set_robust_list, head, 24);
    push_out();
    return 0;
}

static int lists_that_are_broken(void) {
    pthread_t thread;
    uint64_t *circle = (uint64_t *)map(2), *wild = (uint64_t *)map(1);
    circle[0] = (uintptr_t)(circle + 16);
    circle[16] = (uintptr_t)(circle + 512);
    circle[512] = (uintptr_t)(circle + 16);
    wild[0] = 0x123456789000, wild[1] = -8, wild[2] = -16;
    for (uint64_t *head = circle; head; head = head == circle ? wild : 0) {
        pthread_create(&thread, 0, broken, head);
        pthread_join(thread, 0);
    }
    return 0;
}

int main(int argc, char **argv) {
    static const struct scene scenes[] = {
        {"one", one},
        {"many", many},
        {"with_priority_inheritance", with_priority_inheritance},
        {"waited_for", waited_for},
        {"lists_that_are_broken", lists_that_are_broken},
        {0, 0},
    };
    return play(scenes, argc, argv);
}
