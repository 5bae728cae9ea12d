/*
 * The import tables of loaded objects: redirect their calls, and put them back.
 */
#ifndef GT_ELF_PATCH_H
#define GT_ELF_PATCH_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *name; /* as the object imports it */
    void *hook;
} gt_import;

typedef struct {
    const gt_import *imports;
    size_t count;
} gt_imports;

#define GT_IMPORT_LISTS 2

/* Redirects the imports of the object that contains `inside`: those of all `lists`, as many of them
 * as it has. NULL, or why nothing was changed. Does nothing where something is patched already. */
const char *gt_patch_imports(const void *inside, const gt_imports lists[GT_IMPORT_LISTS]);

/* The same for every other loaded object that imports one of the functions `markers` (its last is
 * NULL), and for the libraries such an object was linked with, but for the C library's own and for the object
 * that contains `except`, which is the agent. Looks at an object once, and returns at once where nothing was
 * loaded since the last time. */
void gt_patch_users(const char *const *markers, const gt_imports lists[GT_IMPORT_LISTS], const void *except);

/* The same for the object loaded from `file`, and never put back; false where it imports none. */
bool gt_patch_for_good(const char *file, const gt_imports lists[GT_IMPORT_LISTS]);

/* Puts back what is still ours: a slot that someone else has redirected since is left alone, as is
 * one of an object that is loaded no more. In a forked child everything stays as it is. */
void gt_unpatch_imports(void);

/* Slots that are redirected now. */
size_t gt_patched_slots(void);

#endif
