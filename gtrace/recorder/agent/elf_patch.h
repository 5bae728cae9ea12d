/*
 * The import table of one loaded object: redirect its calls, and put them back.
 */
#ifndef GT_ELF_PATCH_H
#define GT_ELF_PATCH_H

#include <stddef.h>

typedef struct {
    const char *name; /* as the object imports it */
    void *hook;
} gt_import;

/* Redirects the imports of the object that contains `inside`. Those it does not import are passed
 * over. NULL, or why nothing was changed. Does nothing while patched. */
const char *gt_patch_imports(const void *inside, const gt_import *imports, size_t count);

/* Puts back what is still ours: a slot that someone else has redirected since is left alone. */
void gt_unpatch_imports(void);

/* Slots that are redirected now. */
size_t gt_patched_slots(void);

#endif
