/*
 * The kernel's side: one event and one ring per core, and the perf records in the rings.
 */
#ifndef GS_RINGS_H
#define GS_RINGS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "sink.h"

typedef struct {
    void *pages;  /* the ring's control page, its data behind it */
    size_t bytes; /* of data, a power of two */
    int core;
} gs_ring;

/* What to observe. */
typedef struct {
    const int *cores;
    size_t core_count;
    const pid_t *tids; /* threads to follow, with all that they start */
    size_t tid_count;
} gs_scope;

typedef struct {
    gs_ring *rings;
    size_t ring_count;
    struct pollfd *events;
    size_t event_count;
} gs_rings;

enum gs_step { GS_STEP_PROCESS = 1, GS_STEP_OPEN = 2, GS_STEP_MAP = 3, GS_STEP_FILE = 4 };

/* Begins to observe, with rings of `ring_bytes` or, where that much memory may not be locked, of
 * less; from then on SIGIO comes when a ring has enough in it to be worth draining. `rings` has room
 * for one ring per core and one event per core and thread. Returns 0; or the step that failed, and
 * errno. */
int gs_rings_open(gs_rings *rings, const gs_scope *scope, size_t ring_bytes);

/* Has the kernel watch switches for a second from now on, if it does not yet. */
void gs_rings_warm_up(void);

/* Moves what is in the rings to the sink. */
void gs_rings_drain(gs_rings *rings, gs_sink *sink);

/* How many cores of the file `online` (as 0-3,8) have no ring. */
uint32_t gs_rings_missing(const gs_rings *rings, const char *online);

/* Whether anything that was followed has not ended yet. */
bool gs_rings_are_followed(gs_rings *rings);

#endif
