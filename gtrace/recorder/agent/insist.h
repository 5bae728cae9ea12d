/*
 * A signal that asks a program to end comes again until Python has it.
 *
 * Python's own handler only makes a note, which the main thread looks at when it runs Python again. Where the
 * signal came right before a call that blocks, that may be never; without a recorder it would have ended the
 * process there and then.
 */
#ifndef GT_INSIST_H
#define GT_INSIST_H

#include <stdbool.h>

/* From now on, for as long as the handler that Python set for the signal stays; false where there is none. */
bool gt_insist(int number);
/* Python has a signal: none comes again in this process. */
void gt_insist_no_more(void);

#endif
