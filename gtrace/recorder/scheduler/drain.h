/*
 * The drain: a process of its own that moves records from the kernel's rings to the file.
 *
 * A thread would be less work to make, but the traced program can see a thread: from 3.12 on
 * os.fork() warns about it, unshare() and setns() refuse, it counts in the program's CPU time, and
 * it needs descriptors that the program may close. The process is no part of the program's: it
 * shares neither memory nor descriptors with it, stands in a process group of its own, and does not
 * show in wait(). It reads what was recorded to the end, however the program ends, kill -9 included.
 */
#ifndef GS_DRAIN_H
#define GS_DRAIN_H

#include <stdatomic.h>

#include "rings.h"

typedef struct {
    const char *path;
    uint64_t max_bytes;
    size_t ring_bytes;
    pid_t pid; /* the process to record */
    gs_scope scope;
} gs_plan;

enum gs_state { GS_STARTING = 0, GS_RECORDING = 1, GS_FAILED = 2, GS_ENDED = 3 };

/* Memory that both processes see. */
typedef struct {
    _Atomic uint32_t state; /* enum gs_state; the drain wakes who waits on it */
    _Atomic uint32_t stop;  /* set to ask for the end */
    uint32_t step;          /* where it failed: enum gs_step */
    int error;              /* and the errno */
    gs_file_header header;  /* as in the file, at the last write */
    _Atomic uint64_t records;
} gs_control;

/* Never returns. Runs in a new process in which only this thread exists; allocates nothing. */
_Noreturn void gs_drain_run(gs_control *control, const gs_plan *plan, gs_rings *room);

#endif
