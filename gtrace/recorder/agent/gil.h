/*
 * Which condition variables are GILs, and what the calls on them mean.
 *
 * A GIL is {cond; mutex; switch_cond; ...}: letting go of it signals `cond`, getting it signals
 * `switch_cond`, waiting for it is a timed wait on `cond` once per switch interval. The address of
 * `cond` names the GIL. All of this happens under the GIL's own mutex.
 */
#ifndef GT_GIL_H
#define GT_GIL_H

#include <pthread.h>

#include "buffer.h"

#define GT_SWITCH_COND (sizeof(pthread_cond_t) + sizeof(pthread_mutex_t))

typedef struct {
    _Atomic uintptr_t address;
    _Atomic(const void *) holder; /* the thread that has it or had it last */
    uint64_t switches;            /* changes of holder */
    uint64_t last_ns;             /* time of its last event */
    _Atomic bool held;            /* read beside the GIL's mutex, too: false for who is not its holder */
    bool asked;                   /* a waiter asked the holder to let go */
} gt_gil;

/* Learns the main GIL from one release and re-acquire on the calling thread, which must hold it.
 * NULL, or why there is no GIL evidence. Hooks must be in place, recording must be off. */
const char *gt_gil_calibrate(void);
/* Address of the main GIL, 0 when not calibrated. */
uintptr_t gt_gil_main(void);
/* True when the calling thread has the main GIL; false where that is not known. */
bool gt_gil_is_own(void);
/* Records that the calling thread holds the main GIL. */
void gt_gil_note_held(gt_region *region);

/* For the hooks; `caller` is the place in the interpreter that made the call. */
void gt_gil_on_signal(gt_region *region, pthread_cond_t *cond, const void *caller);
/* The GIL that is waited for, or NULL where `cond` is something else. */
gt_gil *gt_gil_on_wait(gt_region *region, pthread_cond_t *cond, const void *caller);
/* A wait of a whole switch interval ended, and `switches` is what it was when the wait began. */
void gt_gil_on_timeout(gt_gil *gil, uint64_t switches);
void gt_gil_on_calibration(pthread_cond_t *cond, const void *caller);

#endif
