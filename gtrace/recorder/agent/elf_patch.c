#define _GNU_SOURCE
#include "elf_patch.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "elf_object.h"

#define MAX_SLOTS     16384u
#define MAX_OBJECTS   4096u
#define MAX_LIBRARIES 1024u
#define TRIES         8

typedef struct {
    void **address;
    void *before;
    void *hook;
    bool is_loaded;
} gt_slot;

/* One thread at a time changes what follows: interpreters with a GIL of their own load modules at once. */
static atomic_flag in_use = ATOMIC_FLAG_INIT;

static const void *interpreter; /* an address inside the object that is patched as such */
static gt_slot slots[MAX_SLOTS];
static _Atomic size_t slot_count;

/* An object that was looked at, by what the loader knows it by; it never moves one. */
typedef struct {
    const void *key;
    bool is_done; /* patched, or never to be; another may yet turn out to be a library of one that is */
} gt_known;

static gt_known objects[MAX_OBJECTS];
static size_t object_count;
static const char *libraries[MAX_LIBRARIES]; /* that objects which are patched were linked with */
static size_t library_count;
static _Atomic unsigned long long loads_seen, unloads_seen;

size_t gt_patched_slots(void) {
    return atomic_load(&slot_count);
}

static bool begin_use(void) {
    return !atomic_flag_test_and_set(&in_use);
}

static void end_use(void) {
    atomic_flag_clear(&in_use);
}

/* Not from inside another use: no function here calls anything that is hooked. */
static void wait_for_use(void) {
    while (!begin_use())
        sched_yield();
}

/* A forked child: what was patched in its parent stays patched, as another thread of the parent may have had
 * the loader's lock, and nobody gives that back here. */
static bool is_inherited;

static void begin_child(void) {
    is_inherited = is_inherited || gt_patched_slots() > 0;
    end_use(); /* the thread that was at it is the parent's */
}

static void follow_forks(void) {
    static bool follows;
    follows = follows || pthread_atfork(NULL, NULL, begin_child) == 0;
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

/* A new one, or that of an object that is loaded no more and stood at the same place; NULL where there are
 * too many. */
static gt_slot *slot_of(void **address) {
    size_t count = atomic_load(&slot_count);
    for (size_t i = 0; i < count; i++)
        if (slots[i].address == address)
            return &slots[i];
    if (count == MAX_SLOTS)
        return NULL;
    atomic_store(&slot_count, count + 1);
    return &slots[count];
}

static bool redirect(void *data, void **address, const char *name) {
    gt_patching *patching = data;
    void *hook = hook_of(patching->lists, name);
    void *before = hook ? __atomic_load_n(address, __ATOMIC_ACQUIRE) : NULL;
    if (!before || before == hook) /* a weak one that nobody defines is to stay so */
        return true;
    gt_slot *slot = slot_of(address);
    if (slot)
        *slot = (gt_slot){address, before, hook, true};
    patching->failed = !slot || !write_slot(patching, address, hook);
    return !patching->failed;
}

static bool patch(const gt_object *object, const gt_imports *lists) {
    gt_patching patching = {.object = object, .lists = lists};
    gt_object_slots(object, redirect, &patching);
    protect_again(&patching);
    return !patching.failed;
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

static void unpatch_all(void) {
    dl_iterate_phdr(unpatch_object, NULL);
    atomic_store(&slot_count, 0);
    object_count = library_count = 0;
    loads_seen = 0;
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

static const char *patch_interpreter(const gt_imports *lists) {
    gt_search search = {.inside = interpreter};
    dl_iterate_phdr(find, &search);
    if (!search.found)
        return "the interpreter's import table was not found";
    if (!patch(&search.object, lists)) {
        unpatch_all();
        return "the interpreter's import table cannot be changed";
    }
    return gt_patched_slots() > 0 ? NULL : "the interpreter imports none of the functions to be hooked";
}

const char *gt_patch_imports(const void *inside, const gt_imports lists[GT_IMPORT_LISTS]) {
    follow_forks();
    wait_for_use();
    interpreter = inside;
    const char *reason = gt_patched_slots() > 0 ? NULL : patch_interpreter(lists);
    end_use();
    return reason;
}

typedef struct {
    const char *const *markers;
    const gt_imports *lists;
    const void *except;
    unsigned long long loads, unloads; /* ever, when the loader was asked */
    bool changed;                      /* another thread loads, too: to be done again */
} gt_users;

/* Stops the visit where it returns false, which is where the object is one to patch. */
static bool is_no_marker(void *data, void **slot, const char *name) {
    (void)slot;
    for (const char *const *marker = data; *marker; marker++)
        if (**marker == *name && strcmp(*marker, name) == 0)
            return false;
    return true;
}

/* One that was not looked at yet has no key; NULL where there are too many. */
static gt_known *known_object(const struct dl_phdr_info *info) {
    for (size_t i = 0; i < object_count; i++)
        if (objects[i].key == info->dlpi_phdr)
            return &objects[i];
    if (object_count == MAX_OBJECTS)
        return NULL;
    objects[object_count] = (gt_known){NULL, false};
    return &objects[object_count++];
}

static bool is_listed(const char *name) {
    for (size_t i = 0; i < library_count; i++)
        if (strcmp(libraries[i], name) == 0)
            return true;
    return false;
}

/* What the C library waits for in itself is its own affair. */
static void list_library(void *unused, const char *name) {
    static const char *const own[] = {"libc.",  "ld-",    "libm.",    "libpthread.",
                                      "libdl.", "librt.", "libgcc_s."};
    (void)unused;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strncmp(name, own[i], strlen(own[i])) == 0)
            return;
    if (library_count < MAX_LIBRARIES && !is_listed(name))
        libraries[library_count++] = name;
}

static bool is_library(const struct dl_phdr_info *info) {
    const char *slash = info->dlpi_name ? strrchr(info->dlpi_name, '/') : NULL;
    return slash && is_listed(slash + 1);
}

static int look_at_counts(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size;
    gt_users *users = data;
    users->loads = info->dlpi_adds;
    users->unloads = info->dlpi_subs;
    return 1;
}

/* The loader calls this for one object after the other and keeps them from being unloaded. */
static int patch_user(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size;
    gt_users *users = data;
    if (info->dlpi_adds != users->loads || info->dlpi_subs != users->unloads) {
        users->changed = true;
        return 1;
    }
    gt_object object;
    gt_known *known = known_object(info);
    bool is_new = known && !known->key;
    if (!known || known->is_done || !(is_new || is_library(info)))
        return 0;
    known->key = info->dlpi_phdr;
    known->is_done = gt_object_contains(info, users->except) || gt_object_contains(info, interpreter);
    if (known->is_done || !gt_object_read(&object, info))
        return 0;
    known->is_done = is_library(info) || !gt_object_slots(&object, is_no_marker, (void *)users->markers);
    if (!known->is_done)
        return 0;
    patch(&object, users->lists);
    gt_object_libraries(&object, list_library, NULL);
    return 0;
}

static int mark_loaded(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size;
    (void)data;
    for (size_t i = 0; i < gt_patched_slots(); i++)
        slots[i].is_loaded |= gt_object_contains(info, slots[i].address);
    return 0;
}

/* What was unloaded may have made room for something else at the same place. */
static void forget_unloaded(void) {
    size_t count = gt_patched_slots(), kept = 0;
    for (size_t i = 0; i < count; i++)
        slots[i].is_loaded = false;
    dl_iterate_phdr(mark_loaded, NULL);
    for (size_t i = 0; i < count; i++)
        if (slots[i].is_loaded)
            slots[kept++] = slots[i];
    atomic_store(&slot_count, kept);
    object_count = library_count = 0;
}

/* False where another thread loads something meanwhile. */
static bool patch_listed(gt_users *users) {
    if (users->unloads != unloads_seen)
        forget_unloaded();
    users->changed = false;
    for (size_t listed = SIZE_MAX; listed != library_count && !users->changed;) {
        listed = library_count;
        dl_iterate_phdr(patch_user, users);
    }
    if (users->changed)
        return false;
    loads_seen = users->loads;
    unloads_seen = users->unloads;
    return true;
}

/* An object stands in the loader's list before its slots are what they will be. Whoever loads has a lock
 * all the while that dladdr() takes, too: once that comes back, all that was in the list is done. */
void gt_patch_users(const char *const *markers, const gt_imports lists[GT_IMPORT_LISTS], const void *except) {
    gt_users users = {.markers = markers, .lists = lists, .except = except};
    Dl_info unused;
    for (int turn = 0; turn < TRIES; turn++) {
        dl_iterate_phdr(look_at_counts, &users);
        if (users.loads == loads_seen && users.unloads == unloads_seen)
            return;
        dladdr(except, &unused);
        if (!begin_use()) /* what is new is looked at the next time */
            return;
        bool done = gt_patched_slots() == 0 || patch_listed(&users);
        end_use();
        if (done)
            return;
    }
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

void gt_unpatch_imports(void) {
    if (is_inherited)
        return;
    wait_for_use();
    unpatch_all();
    end_use();
}
