#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "sites.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chunk_file.h"
#include "frames.h"
#include "site_format.h"

#define CODE_SLOTS  (1u << 14)
#define MOST_CODES  (CODE_SLOTS / 4 * 3)
#define STACK_SLOTS (1u << 13) /* a stack that finds its places taken is written again */
#define LOCK_SLOTS  (1u << 12)
#define STACK_BYTES (1u << 12) /* above the agent's frames: those of who calls it, and nothing else */
#define TRIES       8u
#define NO_NUMBER   UINT32_MAX

typedef struct {
    PyCodeObject *code; /* with a reference of ours, so that no other code gets the same address */
    uint32_t number;
} known_code;

typedef struct {
    uint64_t hash;
    uint32_t number;
    uint32_t place; /* of its entry in the file, in units of 8 bytes; 0: free */
} known_stack;

typedef struct {
    uintptr_t semaphore;
    uint32_t stack;
} known_lock;

GT_TLS gt_stay gt_own_stay;
_Atomic uint64_t gt_site_threshold_ns = GT_SITES_OFF;

static gt_region *sites; /* the file in use, or NULL */
static uint64_t used;    /* bytes of the file */
static uint64_t room;    /* bytes that may be used without a further chunk */
static known_code codes[CODE_SLOTS];
static uint32_t code_count;
static known_stack stacks[STACK_SLOTS];
static uint32_t stack_count;
static known_lock locks[LOCK_SLOTS]; /* the last made of those that share a place */
static volatile bool busy;           /* a signal handler must not enter, too */

static void leave_out(void) {
    sites->header->lost++;
}

/* Room for an entry at the end of the file, zeroed; NULL where the file is full, as its header says. */
static void *begin_entry(size_t bytes, uint64_t time_ns) {
    while (used + bytes > room) {
        uint32_t chunk = gt_chunk_take(sites, time_ns);
        gt_chunk_file_rest(sites);
        if (!chunk)
            return NULL;
        room = ((uint64_t)chunk + 1) * GT_CHUNK_BYTES;
    }
    return (char *)sites->header + used;
}

static void end_entry(void *entry, enum gt_entry_kind kind, size_t bytes) {
    gt_entry head = {(uint32_t)kind, (uint32_t)bytes};
    uint64_t both;
    memcpy(&both, &head, sizeof both);
    __atomic_store_n((uint64_t *)entry, both, __ATOMIC_RELEASE);
    used += bytes;
}

typedef struct {
    const void *characters;
    size_t length;
    uint8_t width;
} text;

static text text_of(PyObject *string) {
    if (!string || !PyUnicode_Check(string))
        return (text){"", 0, 1};
#if PY_VERSION_HEX < 0x030c0000
    if (!PyUnicode_IS_READY(string))
        return (text){"", 0, 1};
#endif
    return (text){PyUnicode_DATA(string), (size_t)PyUnicode_GET_LENGTH(string),
                  (uint8_t)PyUnicode_KIND(string)};
}

static text name_of(const PyCodeObject *code) {
#if PY_VERSION_HEX >= 0x030b0000
    return text_of(code->co_qualname);
#else
    return text_of(code->co_name);
#endif
}

static text lines_of(const PyCodeObject *code) {
    PyObject *table = code->co_linetable;
    if (!table || !PyBytes_Check(table) || PyBytes_GET_SIZE(table) > (Py_ssize_t)GT_SITE_TABLE_BYTES)
        return (text){"", 0, 1};
    return (text){PyBytes_AS_STRING(table), (size_t)PyBytes_GET_SIZE(table), 1};
}

static char *put(char *to, text from) {
    memcpy(to, from.characters, from.length * from.width);
    return to + from.length * from.width;
}

static bool write_code(const PyCodeObject *code, uint64_t time_ns) {
    text name = name_of(code), file = text_of(code->co_filename), lines = lines_of(code);
    size_t bytes = sizeof(gt_code_entry) + name.length * name.width + file.length * file.width + lines.length;
    bytes = (bytes + 7) & ~(size_t)7;
    gt_code_entry *entry = begin_entry(bytes, time_ns);
    if (!entry)
        return false;
    entry->first_line = (uint32_t)code->co_firstlineno;
    entry->name_length = (uint32_t)name.length;
    entry->name_width = name.width;
    entry->file_length = (uint32_t)file.length;
    entry->file_width = file.width;
    entry->table_bytes = (uint32_t)lines.length;
    put(put(put((char *)(entry + 1), name), file), lines);
    end_entry(entry, GT_CODE, bytes);
    return true;
}

static void write_python(void) {
    gt_python_entry *entry = begin_entry(sizeof *entry, gt_now());
    if (!entry)
        return;
    entry->version = PY_VERSION_HEX;
    end_entry(entry, GT_PYTHON, sizeof *entry);
}

/* The number of `code`, which is written when it is new; NO_NUMBER where there is no room for it. */
static uint32_t number_of(PyCodeObject *code, uint64_t time_ns) {
    uint32_t slot = (uint32_t)((uintptr_t)code >> 4) * 2654435761u >> 7;
    known_code *known = &codes[slot % CODE_SLOTS];
    while (known->code && known->code != code)
        known = &codes[++slot % CODE_SLOTS];
    if (known->code)
        return known->number;
    if (code_count == MOST_CODES || !write_code(code, time_ns))
        return NO_NUMBER;
    Py_INCREF(code);
    known->code = code;
    known->number = code_count++;
    return known->number;
}

typedef struct {
    gt_stack_entry entry;
    gt_stack_frame frames[GT_SITE_FRAMES];
} stack;

static size_t bytes_of(const stack *seen) {
    return sizeof seen->entry + seen->entry.count * sizeof *seen->frames;
}

static uint64_t hash_of(const stack *seen) {
    uint64_t hash = 14695981039346656037u ^ seen->entry.count;
    for (uint32_t i = 0; i < seen->entry.count; i++) {
        uint64_t frame;
        memcpy(&frame, &seen->frames[i], sizeof frame);
        hash = (hash ^ frame) * 1099511628211u;
        hash ^= hash >> 29;
    }
    return hash;
}

static bool is_same(const known_stack *known, const stack *seen, uint64_t hash) {
    return known->place && known->hash == hash &&
           memcmp((char *)sites->header + (uint64_t)known->place * 8, seen, bytes_of(seen)) == 0;
}

static bool write_stack(const stack *seen, uint64_t time_ns) {
    size_t bytes = bytes_of(seen);
    char *entry = begin_entry(bytes, time_ns);
    if (!entry)
        return false;
    memcpy(entry + sizeof(gt_entry), (const char *)seen + sizeof(gt_entry), bytes - sizeof(gt_entry));
    end_entry(entry, GT_STACK, bytes);
    return true;
}

/* The number of a stack, which is written when it is new. `seen` has its head filled in. */
static uint32_t intern(const stack *seen, uint64_t time_ns) {
    uint64_t hash = hash_of(seen);
    known_stack *known = NULL;
    for (uint32_t i = 0; i < TRIES; i++) {
        known = &stacks[(hash + i) % STACK_SLOTS];
        if (is_same(known, seen, hash))
            return known->number;
        if (!known->place)
            break;
    }
    uint64_t place = used / 8;
    if (!write_stack(seen, time_ns))
        return NO_NUMBER;
    if (!known->place && place <= UINT32_MAX)
        *known = (known_stack){hash, stack_count, (uint32_t)place};
    return stack_count++;
}

static uint32_t number_of_stack(const gt_frame *frames, gt_walk walk, uint64_t time_ns) {
    stack seen;
    seen.entry.count = walk.count;
    seen.entry.cut = walk.cut;
    for (uint32_t i = 0; i < walk.count; i++) {
        seen.frames[i].code = number_of(frames[i].code, time_ns);
        seen.frames[i].offset = frames[i].offset;
        if (seen.frames[i].code == NO_NUMBER)
            return NO_NUMBER;
    }
    seen.entry.head = (gt_entry){GT_STACK, (uint32_t)bytes_of(&seen)};
    return intern(&seen, time_ns);
}

typedef struct {
    enum gt_entry_kind kind;
    uint64_t time_ns;
    uint64_t subject;
} occasion;

static void write_occasion(occasion when, uint32_t number) {
    gt_site_entry *entry = number == NO_NUMBER ? NULL : begin_entry(sizeof *entry, when.time_ns);
    if (!entry) {
        leave_out();
        return;
    }
    entry->time_ns = when.time_ns;
    entry->subject = when.subject;
    entry->stack = number;
    end_entry(entry, when.kind, sizeof *entry);
}

/* False where a signal handler came in between, whose frames are left out. */
static bool begin_note(void) {
    if (!sites)
        return false;
    if (busy) {
        leave_out();
        return false;
    }
    busy = true;
    atomic_signal_fence(memory_order_seq_cst);
    return true;
}

static void end_note(void) {
    atomic_signal_fence(memory_order_seq_cst);
    busy = false;
}

void gt_site_note(uint64_t time_ns) {
    int saved_errno = errno;
    if (!begin_note())
        return;
    gt_frame frames[GT_SITE_FRAMES];
    gt_walk walk = gt_frames_own(frames, GT_SITE_FRAMES);
    if (walk.count)
        write_occasion((occasion){GT_SITE, time_ns, gt_self.tid}, number_of_stack(frames, walk, time_ns));
    end_note();
    errno = saved_errno;
}

/* A semaphore for one wait, as the interpreter's own locks use, is on the stack of who waits. */
static bool is_on_stack(uintptr_t address) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    return address > here && address - here < STACK_BYTES;
}

void gt_site_note_made(uintptr_t semaphore) {
    int saved_errno = errno;
    if (is_on_stack(semaphore) || !begin_note())
        return;
    gt_frame frames[GT_MADE_FRAMES];
    gt_walk walk = gt_frames_own(frames, GT_MADE_FRAMES);
    uint64_t now = gt_now();
    uint32_t number = walk.count ? number_of_stack(frames, walk, now) : NO_NUMBER;
    known_lock *last = &locks[(semaphore >> 4) % LOCK_SLOTS];
    if (walk.count && (last->semaphore != semaphore || last->stack != number)) {
        *last = (known_lock){semaphore, number};
        write_occasion((occasion){GT_MADE, now, semaphore}, number);
    }
    end_note();
    errno = saved_errno;
}

/* The file is the parent's. What Python has in it stays there until the child opens its own. */
static void leave_in_child(void) {
    atomic_store(&gt_site_threshold_ns, GT_SITES_OFF);
    if (sites)
        gt_chunk_file_leave(sites);
    sites = NULL;
}

/* Without references to codes their addresses mean nothing any more. */
static void forget(void) {
    used = room = GT_CHUNK_BYTES;
    memset(stacks, 0, sizeof stacks);
    memset(locks, 0, sizeof locks);
    for (uint32_t i = 0; code_count && i < CODE_SLOTS; i++)
        Py_CLEAR(codes[i].code);
    code_count = stack_count = 0;
    busy = false;
}

const char *gt_sites_open(const char *path, uint64_t max_bytes, uint64_t threshold_ns) {
    static bool follows_forks;
    const char *reason = gt_frames_refused();
    if (reason)
        return reason;
    if (sites)
        return "call sites are recorded already";
    if (!follows_forks && pthread_atfork(NULL, NULL, leave_in_child) != 0)
        return "there is no memory";
    follows_forks = true;
    forget();
    sites = gt_chunk_file_create(path, GT_SITE_MAGIC, GT_SITE_VERSION, max_bytes);
    if (!sites)
        return strerror(errno);
    gt_chunk_file_rest(sites);
    sites->header->started_ns = gt_now();
    write_python();
    atomic_store(&gt_site_threshold_ns, threshold_ns);
    return NULL;
}

static void note_others(uint64_t time_ns) {
    gt_frame frames[GT_SITE_FRAMES];
    const PyThreadState *own = PyThreadState_Get();
    PyThreadState *other = PyInterpreterState_ThreadHead(PyInterpreterState_Main());
    for (; other; other = PyThreadState_Next(other)) {
        gt_walk walk = {0, false};
        if (other != own)
            walk = gt_frames_of(other, frames, GT_SITE_FRAMES);
        if (walk.count)
            write_occasion((occasion){GT_STILL, time_ns, other->thread_id},
                           number_of_stack(frames, walk, time_ns));
    }
}

void gt_sites_close(void) {
    if (!sites)
        return;
    atomic_store(&gt_site_threshold_ns, GT_SITES_OFF);
    gt_region *region = sites;
    region->header->stopped_ns = gt_now();
    note_others(region->header->stopped_ns);
    sites = NULL;
    gt_chunk_file_close(region);
    forget();
}
