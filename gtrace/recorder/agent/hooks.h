/*
 * The functions that stand in for the interpreter's imports while recording.
 */
#ifndef GT_HOOKS_H
#define GT_HOOKS_H

/* Puts the hooks in place; NULL, or why that is not possible. Does nothing the second time. */
const char *gt_hooks_install(void);
void gt_hooks_remove(void);

/* In a forked child: the threads that waited exist in the parent only. */
void gt_hooks_forget_waiters(void);

#endif
