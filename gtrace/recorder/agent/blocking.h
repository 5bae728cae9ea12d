/*
 * The functions of the C library that may block, and what stands in for them while recording.
 */
#ifndef GT_BLOCKING_H
#define GT_BLOCKING_H

#include "elf_patch.h"

/* For every object. */
gt_imports gt_blocking_imports(void);
/* For extension modules; the interpreter's own semaphores are its locks. */
gt_imports gt_semaphore_imports(void);

#endif
