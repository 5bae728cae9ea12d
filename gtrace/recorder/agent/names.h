/*
 * Names that are not UTF-8, which another extension module takes for impossible.
 */
#ifndef GT_NAMES_H
#define GT_NAMES_H

/* From now on no name is refused to the module that was loaded from `file`: those that are not UTF-8
 * come with escapes. Stays when recording stops. 0 where there is nothing to redirect. */
int gt_names_guard(const char *file);

#endif
