/*
 * Which function of the C library a thread is in while it is away from the GIL.
 *
 * Nothing here allocates, locks or clobbers errno; all of it is safe in signal handlers, whose own
 * calls are left out where they interrupt another.
 */
#ifndef GT_CALL_H
#define GT_CALL_H

#include "buffer.h"

#define GT_NO_FD (-1)

static inline uint64_t gt_call_of(enum gt_function function, int fd) {
    return (uint64_t)function | (uint64_t)(uint32_t)(fd + 1) << 16;
}

/* NULL where the calling thread's calls are not recorded now. */
static inline gt_region *gt_call_region(void) {
    gt_region *region = gt_region_now();
    const gt_thread *self = &gt_self;
    if (!region || self->region != region || !self->away_since || self->in_call || self->busy)
        return NULL;
    return region;
}

void gt_call_begin(gt_region *region, uint64_t call);
void gt_call_end(gt_region *region);

/* The end of the last call, where the thread went on without the GIL after it. */
void gt_call_note_end(gt_region *region, uint64_t time_ns);

/* The calling thread let go of a GIL, or comes back to one. */
static inline void gt_call_stretch_begins(uint64_t time_ns) {
    gt_self.call = 0;
    gt_self.in_call = false;
    gt_self.away_chunk = gt_self.chunk;
    gt_self.away_since = time_ns;
}

static inline void gt_call_stretch_ends(gt_region *region, uint64_t time_ns) {
    gt_thread *self = &gt_self;
    self->away_since = 0;
    if (self->call && self->region == region)
        gt_call_note_end(region, time_ns);
}

#endif
