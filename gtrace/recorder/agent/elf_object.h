/*
 * A loaded object as the dynamic loader describes it, and the slots of its import table.
 */
#ifndef GT_ELF_OBJECT_H
#define GT_ELF_OBJECT_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    ElfW(Addr) base;
    const ElfW(Dyn) * dynamic;
    const ElfW(Sym) * symbols;
    const char *names;
    const ElfW(Rela) * tables[2]; /* DT_JMPREL and DT_RELA */
    size_t counts[2];
    uintptr_t relro_start, relro_end; /* what the loader protected once it had relocated it */
} gt_object;

/* False where it has no import table. */
bool gt_object_read(gt_object *object, const struct dl_phdr_info *info);
bool gt_object_contains(const struct dl_phdr_info *info, const void *address);

/* Calls `visit` with each slot and the name of what it imports, as long as that returns true. */
typedef bool (*gt_slot_visitor)(void *data, void **slot, const char *name);
bool gt_object_slots(const gt_object *object, gt_slot_visitor visit, void *data);

/* Calls `visit` with the name of each library that the object was linked with. */
typedef void (*gt_library_visitor)(void *data, const char *name);
void gt_object_libraries(const gt_object *object, gt_library_visitor visit, void *data);

bool gt_object_is_protected(const gt_object *object, const void *slot);
/* Makes the protected part of the table writable (`protection` is PROT_READ | PROT_WRITE) or not. */
bool gt_object_protect(const gt_object *object, int protection);

#endif
