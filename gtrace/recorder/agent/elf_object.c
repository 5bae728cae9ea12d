#define _GNU_SOURCE
#include "elf_object.h"

#include <elf.h>
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

/* glibc writes addresses into the dynamic section, musl leaves offsets there. */
static uintptr_t absolute(const gt_object *object, ElfW(Addr) value) {
    return value < object->base ? object->base + value : value;
}

static void read_dynamic(gt_object *object, const ElfW(Dyn) * entry) {
    object->dynamic = entry;
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

bool gt_object_contains(const struct dl_phdr_info *info, const void *address) {
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD && (uintptr_t)address - start < header->p_memsz)
            return true;
    }
    return false;
}

bool gt_object_read(gt_object *object, const struct dl_phdr_info *info) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    *object = (gt_object){.base = info->dlpi_addr};
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
    return object->symbols && object->names;
}

bool gt_object_slots(const gt_object *object, gt_slot_visitor visit, void *data) {
    for (int table = 0; table < 2; table++)
        for (size_t i = 0; i < object->counts[table]; i++) {
            const ElfW(Rela) *relocation = &object->tables[table][i];
            unsigned long type = ELF64_R_TYPE(relocation->r_info);
            if (type != GT_JUMP_SLOT && type != GT_GLOB_DAT)
                continue;
            const ElfW(Sym) *symbol = &object->symbols[ELF64_R_SYM(relocation->r_info)];
            void **slot = (void **)(object->base + relocation->r_offset);
            if (!visit(data, slot, object->names + symbol->st_name))
                return false;
        }
    return true;
}

void gt_object_libraries(const gt_object *object, gt_library_visitor visit, void *data) {
    for (const ElfW(Dyn) *entry = object->dynamic; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_NEEDED)
            visit(data, object->names + entry->d_un.d_val);
}

bool gt_object_is_protected(const gt_object *object, const void *slot) {
    return (uintptr_t)slot >= object->relro_start && (uintptr_t)slot < object->relro_end;
}

bool gt_object_protect(const gt_object *object, int protection) {
    return mprotect((void *)object->relro_start, object->relro_end - object->relro_start, protection) == 0;
}
