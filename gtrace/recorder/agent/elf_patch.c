#define _GNU_SOURCE
#include "elf_patch.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "elf_object.h"

#define MAX_SLOTS   4096u
#define MAX_OBJECTS 2048u

typedef struct {
    void **address;
    void *before;
    void *hook;
} gt_slot;

static const void *interpreter; /* an address inside the object that is patched as such */
static gt_slot slots[MAX_SLOTS];
static _Atomic size_t slot_count;

/* Objects that were looked at, by what the loader knows them by; it never moves one. */
static _Atomic(const void *) objects[MAX_OBJECTS];
static _Atomic size_t object_count;
static _Atomic unsigned long long loads_seen, unloads_seen;

size_t gt_patched_slots(void) {
    size_t count = atomic_load(&slot_count);
    return count < MAX_SLOTS ? count : MAX_SLOTS;
}

/* One object whose slots are visited. */
typedef struct {
    const gt_object *object;
    const gt_imports *lists;
    bool writable; /* its protected part, for as long as the visit lasts */
    bool failed;
} gt_patching;

static bool write_slot(gt_patching *patching, void **slot, void *value) {
    bool is_protected = gt_object_is_protected(patching->object, slot);
    if (is_protected && !patching->writable) {
        if (!gt_object_protect(patching->object, PROT_READ | PROT_WRITE))
            return false;
        patching->writable = true;
    }
    __atomic_store_n(slot, value, __ATOMIC_RELEASE);
    return true;
}

static void protect_again(const gt_patching *patching) {
    if (patching->writable)
        gt_object_protect(patching->object, PROT_READ);
}

static void *hook_of(const gt_imports *lists, const char *name) {
    for (const gt_imports *list = lists; list < lists + GT_IMPORT_LISTS; list++)
        for (size_t i = 0; i < list->count; i++)
            if (list->imports[i].name[0] == name[0] && strcmp(list->imports[i].name, name) == 0)
                return list->imports[i].hook;
    return NULL;
}

static bool redirect(void *data, void **address, const char *name) {
    gt_patching *patching = data;
    void *hook = hook_of(patching->lists, name);
    void *before = hook ? __atomic_load_n(address, __ATOMIC_ACQUIRE) : NULL;
    if (!hook || before == hook)
        return true;
    size_t place = atomic_fetch_add(&slot_count, 1);
    if (place < MAX_SLOTS)
        slots[place] = (gt_slot){address, before, hook};
    patching->failed = place >= MAX_SLOTS || !write_slot(patching, address, hook);
    return !patching->failed;
}

static bool patch(const gt_object *object, const gt_imports *lists) {
    gt_patching patching = {.object = object, .lists = lists};
    gt_object_slots(object, redirect, &patching);
    protect_again(&patching);
    return !patching.failed;
}

typedef struct {
    const void *inside;
    gt_object object;
    bool found;
} gt_search;

static int find(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size;
    gt_search *search = data;
    if (!gt_object_contains(info, search->inside))
        return 0;
    search->found = gt_object_read(&search->object, info);
    return 1;
}

const char *gt_patch_imports(const void *inside, const gt_imports lists[GT_IMPORT_LISTS]) {
    if (gt_patched_slots() > 0)
        return NULL;
    gt_search search = {.inside = inside};
    interpreter = inside;
    dl_iterate_phdr(find, &search);
    if (!search.found)
        return "the interpreter's import table was not found";
    if (!patch(&search.object, lists)) {
        gt_unpatch_imports();
        return "the interpreter's import table cannot be changed";
    }
    return gt_patched_slots() > 0 ? NULL : "the interpreter imports none of the functions to be hooked";
}

typedef struct {
    const char *const *markers;
    const gt_imports *lists;
    const void *except;
    bool first;
} gt_users;

/* Stops the visit where it returns false, which is where the object is one to patch. */
static bool is_no_marker(void *data, void **slot, const char *name) {
    (void)slot;
    for (const char *const *marker = data; *marker; marker++)
        if (**marker == *name && strcmp(*marker, name) == 0)
            return false;
    return true;
}

static bool is_known(const struct dl_phdr_info *info) {
    size_t count = atomic_load(&object_count);
    for (size_t i = 0; i < count && i < MAX_OBJECTS; i++)
        if (atomic_load_explicit(&objects[i], memory_order_relaxed) == info->dlpi_phdr)
            return true;
    size_t place = atomic_fetch_add(&object_count, 1);
    if (place < MAX_OBJECTS)
        atomic_store(&objects[place], info->dlpi_phdr);
    return place >= MAX_OBJECTS;
}

/* True where nothing was loaded since the last time. What was unloaded may have made room for
 * something else at the same place. */
static bool nothing_new(const struct dl_phdr_info *info) {
    if (atomic_exchange(&unloads_seen, info->dlpi_subs) != info->dlpi_subs)
        atomic_store(&object_count, 0);
    return atomic_exchange(&loads_seen, info->dlpi_adds) == info->dlpi_adds;
}

/* The loader calls this for one object after the other and keeps them from being unloaded. */
static int patch_user(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size;
    gt_users *users = data;
    if (users->first && nothing_new(info))
        return 1;
    users->first = false;
    gt_object object;
    if (is_known(info) || !gt_object_read(&object, info))
        return 0;
    if (gt_object_contains(info, users->except) || gt_object_contains(info, interpreter))
        return 0;
    if (!gt_object_slots(&object, is_no_marker, (void *)users->markers))
        patch(&object, users->lists);
    return 0;
}

void gt_patch_users(const char *const *markers, const gt_imports lists[GT_IMPORT_LISTS], const void *except) {
    gt_users users = {.markers = markers, .lists = lists, .except = except, .first = true};
    dl_iterate_phdr(patch_user, &users);
}

typedef struct {
    const char *file;
    gt_patching patching;
    size_t redirected;
} gt_lasting;

static bool redirect_for_good(void *data, void **address, const char *name) {
    gt_lasting *lasting = data;
    void *hook = hook_of(lasting->patching.lists, name);
    if (hook && write_slot(&lasting->patching, address, hook))
        lasting->redirected++;
    return true;
}

static int patch_file(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size;
    gt_lasting *lasting = data;
    gt_object object;
    if (!info->dlpi_name || strcmp(info->dlpi_name, lasting->file) != 0 || !gt_object_read(&object, info))
        return 0;
    lasting->patching.object = &object;
    gt_object_slots(&object, redirect_for_good, lasting);
    protect_again(&lasting->patching);
    return 1;
}

bool gt_patch_for_good(const char *file, const gt_imports lists[GT_IMPORT_LISTS]) {
    gt_lasting lasting = {.file = file, .patching = {.lists = lists}};
    dl_iterate_phdr(patch_file, &lasting);
    return lasting.redirected > 0;
}

static int unpatch_object(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size;
    (void)data;
    gt_object object;
    if (!gt_object_read(&object, info))
        return 0;
    gt_patching patching = {.object = &object};
    for (size_t i = 0; i < gt_patched_slots(); i++) {
        const gt_slot *slot = &slots[i];
        if (gt_object_contains(info, slot->address) &&
            __atomic_load_n(slot->address, __ATOMIC_ACQUIRE) == slot->hook)
            write_slot(&patching, slot->address, slot->before);
    }
    protect_again(&patching);
    return 0;
}

void gt_unpatch_imports(void) {
    dl_iterate_phdr(unpatch_object, NULL);
    atomic_store(&slot_count, 0);
    atomic_store(&object_count, 0);
    atomic_store(&loads_seen, 0);
}
