/*
 * Where threads were in the program when they waited long: their Python frames, noted once they
 * have the GIL again. A thread does not run Python in between, so that is where it let go of it.
 *
 * Who has the main interpreter's GIL writes, and nobody else: that makes one writer. The hook takes
 * no lock and allocates no memory. The format of the file is specified in site_format.h.
 */
#ifndef GT_SITES_H
#define GT_SITES_H

#include "buffer.h"

#define GT_SITES_OFF UINT64_MAX

typedef struct {
    uint64_t since; /* when this thread took a GIL or let go of it, the later of the two */
    uint64_t held;  /* how long it had it the last time */
} gt_stay;

extern GT_TLS gt_stay gt_own_stay;
/* Who was away from the GIL so long, or had it so long before, notes where it is. */
extern _Atomic uint64_t gt_site_threshold_ns;

/* The frames of the calling thread, which has the GIL since `time_ns`. */
void gt_site_note(uint64_t time_ns);

/* The calling thread, which has the main GIL, makes a semaphore. */
void gt_site_note_made(uintptr_t semaphore);

static inline void gt_site_on_release(uint64_t time_ns) {
    gt_own_stay.held = time_ns - gt_own_stay.since;
    gt_own_stay.since = time_ns;
}

/* True when the thread is to note where it is. */
static inline bool gt_site_on_acquire(uint64_t time_ns) {
    uint64_t away = time_ns - gt_own_stay.since;
    uint64_t longest = away > gt_own_stay.held ? away : gt_own_stay.held;
    gt_own_stay.since = time_ns;
    return longest >= atomic_load_explicit(&gt_site_threshold_ns, memory_order_relaxed);
}

/* The functions below are called with the GIL, as Python calls functions. */

/* NULL, or why not. */
const char *gt_sites_open(const char *path, uint64_t max_bytes, uint64_t threshold_ns);
/* Notes where all other threads are, and ends. Gives the references back. */
void gt_sites_close(void);

#endif
