#define _GNU_SOURCE
#include "buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "chunk_file.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* glibc keeps the values of the first keys inside the thread and allocates memory for later ones. */
#define KEYS_WITHOUT_MALLOC 32

/* Places left in a chunk below which the next thread does not get it; at least a THREAD must fit. */
#define WORTH_REUSING 16

GT_TLS gt_thread gt_self;

static gt_switch before_init;
gt_switch *gt_recording = &before_init;

static pthread_key_t exit_key;
static bool exit_key_usable;
static gt_region *all_regions;
static gt_region *current; /* the file in use, or NULL */

/* The parent's file is the parent's: the child keeps neither its pages nor its descriptor. */
static void stop_in_child(void) {
    atomic_store(&gt_recording->region, NULL);
    if (current)
        gt_chunk_file_leave(current);
    current = NULL;
}

static gt_chunk_header *chunk_at(const gt_region *region, uint32_t chunk) {
    return (gt_chunk_header *)((char *)region->header + (size_t)chunk * GT_CHUNK_BYTES);
}

static gt_record *records_of(gt_chunk_header *chunk) {
    return (gt_record *)(chunk + 1);
}

static uint64_t thread_name(const gt_thread *self) {
    return self->tid | (uint64_t)self->thread << 32;
}

/* What a thread that ended left of its chunk goes to the next new thread. */
static void give_back(gt_region *region, uint32_t chunk, uint32_t filled) {
    if (filled > GT_CHUNK_RECORDS - WORTH_REUSING)
        return;
    gt_chunk_header *header = chunk_at(region, chunk);
    header->filled = filled;
    uint64_t head = atomic_load(&region->free_chunks);
    uint64_t with_chunk;
    do {
        __atomic_store_n(&header->next_free, (uint32_t)head, __ATOMIC_RELAXED);
        with_chunk = ((head >> 32) + 1) << 32 | chunk;
    } while (!atomic_compare_exchange_weak(&region->free_chunks, &head, with_chunk));
}

static uint32_t take_back(gt_region *region) {
    uint64_t head = atomic_load(&region->free_chunks);
    uint64_t without_chunk;
    do {
        if ((uint32_t)head == 0)
            return 0;
        gt_chunk_header *header = chunk_at(region, (uint32_t)head);
        uint32_t next = __atomic_load_n(&header->next_free, __ATOMIC_RELAXED);
        without_chunk = ((head >> 32) + 1) << 32 | next;
    } while (!atomic_compare_exchange_weak(&region->free_chunks, &head, without_chunk));
    return (uint32_t)head;
}

/* `next` comes last: until then a signal handler that records finds no place, and is turned away
 * by `busy`. */
static void use_chunk(gt_thread *self, uint32_t chunk, uint32_t filled) {
    self->chunk = chunk;
    self->records = chunk ? records_of(chunk_at(self->region, chunk)) : NULL;
    atomic_signal_fence(memory_order_seq_cst);
    self->next = chunk ? filled : GT_CHUNK_RECORDS;
}

static void use_new_chunk(gt_thread *self, uint64_t time_ns) {
    uint32_t chunk = gt_chunk_take(self->region, time_ns);
    if (chunk) {
        gt_chunk_header *header = chunk_at(self->region, chunk);
        header->tid = self->tid;
        header->thread = self->thread;
        header->started_ns = time_ns;
        __atomic_store_n(&header->magic, GT_CHUNK_MAGIC, __ATOMIC_RELEASE);
    }
    use_chunk(self, chunk, 0);
}

static void fill_next(gt_thread *self, gt_record record, uint64_t value) {
    gt_record *place = self->records ? gt_take(self, value ? 2 : 1) : NULL;
    if (!place)
        __atomic_fetch_add(&self->region->header->lost, 1, __ATOMIC_RELAXED);
    else if (value)
        gt_fill_with(place, record, value);
    else
        gt_fill(place, record);
}

/* What another thread left of its chunk. All records behind the name are this thread's, so that it is there
 * before the first place is to be had. */
static void use_rest(gt_thread *self, uint32_t chunk, uint64_t time_ns) {
    gt_chunk_header *header = chunk_at(self->region, chunk);
    gt_fill_with(records_of(header) + header->filled, gt_record_of(time_ns, GT_THREAD), thread_name(self));
    use_chunk(self, chunk, header->filled + 2);
}

/* The first record of a thread in this recording. */
static void enter(gt_thread *self, gt_region *region, uint64_t time_ns) {
    self->tid = (uint32_t)syscall(SYS_gettid);
    self->thread = atomic_fetch_add(&region->threads, 1) + 1;
    self->gil = 0;
    self->away_since = self->call = 0;
    self->in_call = false;
    self->records = NULL;
    self->next = GT_CHUNK_RECORDS;
    if (exit_key_usable)
        pthread_setspecific(exit_key, self);
    atomic_signal_fence(memory_order_seq_cst);
    self->region = region;
    uint32_t chunk = take_back(region);
    if (chunk) {
        use_rest(self, chunk, time_ns);
    } else {
        use_new_chunk(self, time_ns);
        fill_next(self, gt_record_of(time_ns, GT_THREAD), thread_name(self));
    }
}

/* Between the two a signal handler neither enters nor changes chunk: what it records is lost. */
static void begin_slow(gt_thread *self) {
    self->busy = true;
    atomic_signal_fence(memory_order_seq_cst);
}

static void end_slow(gt_thread *self) {
    atomic_signal_fence(memory_order_seq_cst);
    self->busy = false;
}

void gt_write_slow(gt_region *region, gt_record record, uint64_t value) {
    gt_thread *self = &gt_self;
    uint64_t time_ns = record >> GT_KIND_BITS;
    if (self->busy) {
        __atomic_fetch_add(&region->header->lost, 1, __ATOMIC_RELAXED);
        return;
    }
    int saved_errno = errno;
    begin_slow(self);
    if (self->region != region)
        enter(self, region, time_ns);
    if (self->next > GT_CHUNK_RECORDS - (value ? 2 : 1))
        use_new_chunk(self, time_ns);
    fill_next(self, record, value);
    end_slow(self);
    errno = saved_errno;
}

/* Runs at the end of a thread. Destructors of other keys may still take the GIL: then the thread
 * enters once more and this runs again. */
static void leave(void *value) {
    gt_thread *self = value;
    gt_region *region = self->region;
    if (!region || region != gt_region_now())
        return;
    gt_write(region, gt_record_of(gt_now(), GT_THREAD_EXIT));
    begin_slow(self);
    self->region = NULL;
    atomic_signal_fence(memory_order_seq_cst);
    if (self->records)
        give_back(region, self->chunk, self->next);
    end_slow(self);
}

int gt_buffer_init(void) {
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return errno;
    madvise(page, 4096, MADV_WIPEONFORK); /* needs Linux 4.14; pthread_atfork does it before */
    gt_recording = page;
    exit_key_usable = pthread_key_create(&exit_key, leave) == 0;
#ifdef __GLIBC__
    exit_key_usable = exit_key_usable && exit_key < KEYS_WITHOUT_MALLOC;
#endif
    return pthread_atfork(NULL, NULL, stop_in_child);
}

gt_region *gt_region_open(const char *path, uint64_t max_bytes) {
    gt_region *region = gt_chunk_file_create(path, GT_MAGIC, GT_VERSION, max_bytes);
    if (!region)
        return NULL;
    region->previous = all_regions;
    all_regions = region;
    region->header->record_bytes = sizeof(gt_record);
    return region;
}

void gt_region_begin(gt_region *region) {
    gt_clock_begin();
    current = region;
    region->header->started_ns = gt_now();
    atomic_store_explicit(&gt_recording->region, region, memory_order_release);
}

void gt_region_close(gt_region *region) {
    atomic_store(&gt_recording->region, NULL);
    region->header->stopped_ns = gt_now();
    current = NULL;
    gt_chunk_file_close(region);
}

gt_region *gt_region_current(void) {
    return current;
}

static uint32_t count_filled(const gt_record *records) {
    uint32_t low = 0, high = GT_CHUNK_RECORDS;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (__atomic_load_n(&records[middle], __ATOMIC_RELAXED))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t gt_region_count(gt_region *region) {
    uint64_t count = 0;
    uint32_t used = gt_chunks_used(region);
    for (uint32_t chunk = 1; chunk < used; chunk++)
        count += count_filled(records_of(chunk_at(region, chunk)));
    return count;
}
