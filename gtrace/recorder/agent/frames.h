/*
 * The Python frames of a thread, read where they are: no allocation, no lock, nothing called.
 *
 * Everything here is for a thread that has the main interpreter's GIL.
 */
#ifndef GT_FRAMES_H
#define GT_FRAMES_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    PyCodeObject *code; /* borrowed */
    int32_t offset;     /* of the instruction, in bytes, as f_lasti says it; -1 before the first */
} gt_frame;

typedef struct {
    uint32_t count;
    bool cut; /* there were more */
} gt_walk;

/* NULL, or why frames cannot be read in this interpreter. */
const char *gt_frames_refused(void);

/* The innermost `room` frames of the calling thread, innermost first; none where its thread state
 * is not the main interpreter's or not there any more. */
gt_walk gt_frames_own(gt_frame *frames, uint32_t room);

/* The same of a thread that waits for the GIL or is away from it. */
gt_walk gt_frames_of(const PyThreadState *thread, gt_frame *frames, uint32_t room);

#endif
