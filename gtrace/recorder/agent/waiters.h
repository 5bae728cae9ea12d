/*
 * Is anybody waiting on this semaphore? Counted per hash of its address, without locks.
 *
 * Two counters that only grow, waits begun and waits ended, so that a poster that reads them
 * before and after its post cannot miss a wait that began and ended in between.
 */
#ifndef GT_WAITERS_H
#define GT_WAITERS_H

#include <stdatomic.h>
#include <stdint.h>

#define GT_WAITER_SLOTS 4096u

typedef struct {
    _Atomic uint64_t begun;
    _Atomic uint64_t ended;
} gt_waiters;

extern gt_waiters gt_all_waiters[GT_WAITER_SLOTS];

static inline gt_waiters *gt_waiters_of(const void *semaphore) {
    uint64_t mixed = ((uintptr_t)semaphore >> 3) * 0x9e3779b97f4a7c15u;
    return &gt_all_waiters[mixed >> 52];
}

#endif
