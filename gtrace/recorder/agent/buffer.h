/*
 * Where records go: a mapped file that threads fill chunk by chunk.
 *
 * gt_write() is safe in signal handlers, takes no lock and allocates no memory. A thread's first
 * record, and each 508th, make a few system calls.
 */
#ifndef GT_BUFFER_H
#define GT_BUFFER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "clock.h"
#include "record.h"

/* One recording. Never freed and never used twice, so a thread that was stopped in the middle of
 * a hook can still look at its own. */
typedef struct gt_region {
    struct gt_region *previous; /* keeps all of them reachable */
    gt_file_header *header;     /* the start of the mapping */
    size_t mapped_bytes;
    uint32_t chunk_limit;              /* chunks the file may have, the first included */
    _Atomic uint32_t next_chunk;       /* of the next batch */
    _Atomic uint64_t batch;            /* next chunk | end << 32, of those that are ready */
    _Atomic uint32_t growing;          /* threads that make a batch */
    _Atomic uint32_t allocated_chunks; /* chunks with blocks on disk behind them */
    _Atomic uint32_t threads;
    _Atomic uint64_t free_chunks; /* (tag << 32) | first chunk left by a thread that ended, or 0 */
    _Atomic int fd;
    dev_t device;
    ino_t inode;
    pid_t pid;
    char path[]; /* absolute, to open the file again when the program closed our descriptor */
} gt_region;

typedef struct {
    gt_region *region;
    gt_record *records; /* of the chunk in use; NULL when there was no chunk to be had */
    uintptr_t gil;      /* the GIL this thread waits for, or 0 */
    void *calibration;  /* see gil.c */
    uint32_t next;      /* place of the next record; may run past the end */
    uint32_t chunk;
    uint32_t tid;
    uint32_t thread;
    volatile bool busy; /* in the slow path: a signal handler must not enter it, too */
    volatile bool in_call;
    uint32_t away_chunk; /* of the record that tells `away_since` */
    uint64_t away_since; /* when it let go of the GIL, or 0 where it has it or never had it */
    uint64_t call;       /* the last call since then, as recorded, or 0 */
    uint64_t call_began; /* since when that, or others like it without a break, goes on */
    uint64_t call_ended; /* when that came back, or 0 where it has not, or its end is recorded */
} gt_thread;

typedef struct {
    _Atomic(gt_region *) region; /* NULL: nothing is recorded */
} gt_switch;

/* On a page that the kernel wipes in a forked child, so that a child never writes to its parent's
 * file, whichever way it was forked. */
extern gt_switch *gt_recording;
extern GT_TLS gt_thread gt_self;

/* 0 or an errno. Called once, before any other function here. */
int gt_buffer_init(void);

/* Creates the file; NULL and errno when that is not possible. Nothing is recorded into it yet. */
gt_region *gt_region_open(const char *path, uint64_t max_bytes);
void gt_region_begin(gt_region *region);
/* Ends recording, cuts the file to what was used, and gives the memory back. */
void gt_region_close(gt_region *region);
/* What this process records into: in a forked child nothing, until it begins something. */
gt_region *gt_region_current(void);
/* Number of records so far. */
uint64_t gt_region_count(gt_region *region);

/* With `value` 0 a record that stands alone. */
void gt_write_slow(gt_region *region, gt_record record, uint64_t value);

static inline gt_region *gt_region_now(void) {
    return atomic_load_explicit(&gt_recording->region, memory_order_acquire);
}

static inline gt_record gt_record_of(uint64_t value, enum gt_kind kind) {
    return value << GT_KIND_BITS | (uint64_t)kind;
}

/* Takes places with one instruction, so that a signal handler that runs at any moment takes
 * others. */
static inline uint32_t gt_take_places(uint32_t *next, uint32_t count) {
#if defined(__x86_64__)
    __asm__ volatile("xaddl %0, %1" : "+r"(count), "+m"(*next) : : "memory", "cc");
    return count;
#else
    return __atomic_fetch_add(next, count, __ATOMIC_RELAXED);
#endif
}

static inline void gt_fill(gt_record *place, gt_record record) {
    __atomic_store_n(place, record, __ATOMIC_RELEASE);
}

/* Where `count` records go; NULL where the chunk has no room. Behind the instruction that takes the places
 * a signal handler may have begun another chunk: then they may be of either, and stay empty. */
static inline gt_record *gt_take(gt_thread *self, uint32_t count) {
    gt_record *records = *(gt_record *volatile *)&self->records;
    uint32_t place = gt_take_places(&self->next, count);
    bool is_there = place <= GT_CHUNK_RECORDS - count && records == *(gt_record *volatile *)&self->records;
    return __builtin_expect(is_there, 1) ? records + place : NULL;
}

static inline void gt_fill_with(gt_record *place, gt_record record, uint64_t value) {
    gt_fill(place + 1, gt_record_of(value, GT_VALUE));
    gt_fill(place, record);
}

/* A record that stands alone. */
static inline void gt_write(gt_region *region, gt_record record) {
    gt_record *place = __builtin_expect(gt_self.region == region, 1) ? gt_take(&gt_self, 1) : NULL;
    if (__builtin_expect(place != NULL, 1))
        gt_fill(place, record);
    else
        gt_write_slow(region, record, 0);
}

/* A record with a VALUE behind it. */
static inline void gt_write_with(gt_region *region, gt_record record, uint64_t value) {
    gt_record *place = __builtin_expect(gt_self.region == region, 1) ? gt_take(&gt_self, 2) : NULL;
    if (__builtin_expect(place != NULL, 1))
        gt_fill_with(place, record, value);
    else
        gt_write_slow(region, record, value);
}

#endif
