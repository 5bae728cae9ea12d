#define _GNU_SOURCE
#include "elf_patch.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#define GT_JUMP_SLOT R_X86_64_JUMP_SLOT
#define GT_GLOB_DAT  R_X86_64_GLOB_DAT
#elif defined(__aarch64__)
#define GT_JUMP_SLOT R_AARCH64_JUMP_SLOT
#define GT_GLOB_DAT  R_AARCH64_GLOB_DAT
#else
#error "the agent knows the relocations of x86-64 and aarch64 only"
#endif

#define MAX_SLOTS 32

typedef struct {
    void **address;
    void *before;
    void *hook;
    bool read_only; /* in a page that the loader protected once it had relocated it */
} gt_slot;

typedef struct {
    ElfW(Addr) base;
    const ElfW(Sym) * symbols;
    const char *names;
    const ElfW(Rela) * tables[2]; /* DT_JMPREL and DT_RELA */
    size_t counts[2];
    uintptr_t relro_start, relro_end;
    const void *inside;
    bool found;
} gt_object;

static gt_slot slots[MAX_SLOTS];
static size_t slot_count;

size_t gt_patched_slots(void) {
    return slot_count;
}

/* glibc writes addresses into the dynamic section, musl leaves offsets there. */
static uintptr_t absolute(const gt_object *object, ElfW(Addr) value) {
    return value < object->base ? object->base + value : value;
}

static void read_dynamic(gt_object *object, const ElfW(Dyn) * entry) {
    size_t size_of_table[2] = {0, 0};
    for (; entry->d_tag != DT_NULL; entry++) {
        uintptr_t address = absolute(object, entry->d_un.d_ptr);
        switch (entry->d_tag) {
        case DT_SYMTAB: object->symbols = (const ElfW(Sym) *)address; break;
        case DT_STRTAB: object->names = (const char *)address; break;
        case DT_JMPREL: object->tables[0] = (const ElfW(Rela) *)address; break;
        case DT_PLTRELSZ: size_of_table[0] = entry->d_un.d_val; break;
        case DT_RELA: object->tables[1] = (const ElfW(Rela) *)address; break;
        case DT_RELASZ: size_of_table[1] = entry->d_un.d_val; break;
        }
    }
    for (int i = 0; i < 2; i++)
        object->counts[i] = object->tables[i] ? size_of_table[i] / sizeof(ElfW(Rela)) : 0;
}

static bool contains(const struct dl_phdr_info *info, const void *address) {
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD && (uintptr_t)address - start < header->p_memsz)
            return true;
    }
    return false;
}

static int visit(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size;
    gt_object *object = data;
    if (!contains(info, object->inside))
        return 0;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    object->base = info->dlpi_addr;
    object->found = true;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_DYNAMIC)
            read_dynamic(object, (const ElfW(Dyn) *)start);
        if (header->p_type == PT_GNU_RELRO) {
            object->relro_start = start & ~(page - 1);
            object->relro_end = (start + header->p_memsz) & ~(page - 1);
        }
    }
    return 1;
}

static bool write_slot(const gt_slot *slot, void *value) {
    uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE);
    void *page = (void *)((uintptr_t)slot->address & ~(size - 1));
    if (slot->read_only && mprotect(page, size, PROT_READ | PROT_WRITE) != 0)
        return false;
    __atomic_store_n(slot->address, value, __ATOMIC_RELEASE);
    if (slot->read_only)
        mprotect(page, size, PROT_READ);
    return true;
}

static bool redirect(const gt_object *object, uintptr_t address, void *hook) {
    if (slot_count == MAX_SLOTS)
        return false;
    gt_slot *slot = &slots[slot_count];
    slot->address = (void **)address;
    slot->before = __atomic_load_n(slot->address, __ATOMIC_ACQUIRE);
    slot->hook = hook;
    slot->read_only = address >= object->relro_start && address < object->relro_end;
    if (!write_slot(slot, hook))
        return false;
    slot_count++;
    return true;
}

static bool redirect_table(const gt_object *object, int table, const gt_import *import) {
    for (size_t i = 0; i < object->counts[table]; i++) {
        const ElfW(Rela) *relocation = &object->tables[table][i];
        unsigned long type = ELF64_R_TYPE(relocation->r_info);
        if (type != GT_JUMP_SLOT && type != GT_GLOB_DAT)
            continue;
        const ElfW(Sym) *symbol = &object->symbols[ELF64_R_SYM(relocation->r_info)];
        if (strcmp(object->names + symbol->st_name, import->name) != 0)
            continue;
        if (!redirect(object, object->base + relocation->r_offset, import->hook))
            return false;
    }
    return true;
}

const char *gt_patch_imports(const void *inside, const gt_import *imports, size_t count) {
    if (slot_count > 0)
        return NULL;
    gt_object object = {.inside = inside};
    dl_iterate_phdr(visit, &object);
    if (!object.found || !object.symbols || !object.names)
        return "the interpreter's import table was not found";
    for (size_t i = 0; i < count; i++)
        for (int table = 0; table < 2; table++)
            if (!redirect_table(&object, table, &imports[i])) {
                gt_unpatch_imports();
                return "the interpreter's import table cannot be changed";
            }
    return slot_count > 0 ? NULL : "the interpreter imports none of the functions to be hooked";
}

void gt_unpatch_imports(void) {
    while (slot_count > 0) {
        const gt_slot *slot = &slots[--slot_count];
        if (__atomic_load_n(slot->address, __ATOMIC_ACQUIRE) == slot->hook)
            write_slot(slot, slot->before);
    }
}
