/*
 * Drives the agent's buffer without an interpreter, so that sanitizers and valgrind can watch:
 * threads that come and go, a signal handler that records at any moment, a file that fills up,
 * a fork, and stops in the middle of it all. Reads the file back and counts.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buffer.h"
#include "check.h"

enum { THREADS = 8, ROUNDS = 5 };

static int records_per_thread = 20000;
static atomic_long from_handler;
static atomic_int go_on;

static void *write_many(void *unused) {
    (void)unused;
    for (int i = 0; i < records_per_thread; i++) {
        gt_region *region = gt_region_now();
        if (!region)
            continue;
        if (i % 3)
            gt_write(region, gt_record_of(gt_now(), GT_GIL_ACQUIRE));
        else
            gt_write_with(region, gt_record_of(gt_now(), GT_LOCK_WAIT), 0x7fff12345678);
    }
    return NULL;
}

static void *write_until_told(void *unused) {
    while (atomic_load(&go_on))
        write_many(unused);
    return NULL;
}

static void on_alarm(int number) {
    (void)number;
    gt_region *region = gt_region_now();
    if (!region)
        return;
    gt_write_with(region, gt_record_of(gt_now(), GT_LOCK_POST), 42);
    atomic_fetch_add(&from_handler, 1);
}

static void alarm_every(int microseconds) {
    struct itimerval every = {{0, microseconds}, {0, microseconds}};
    setitimer(ITIMER_REAL, &every, NULL);
}

static void run_threads(void *(*work)(void *)) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

typedef struct {
    long of_kind[32];
    long disorder; /* records stamped before the one before them, of one thread */
    uint64_t bytes, lost;
} contents;

static void count_chunk(const gt_chunk_header *chunk, contents *found) {
    const gt_record *records = (const gt_record *)(chunk + 1);
    uint64_t before = 0;
    for (unsigned i = 0; i < GT_CHUNK_RECORDS; i++) {
        unsigned kind = records[i] & 31;
        uint64_t time = records[i] >> GT_KIND_BITS;
        if (records[i])
            found->of_kind[kind]++;
        if (kind == GT_THREAD || kind == GT_LOCK_POST)
            before = 0; /* the handler of a signal may be in between */
        else if (records[i] && kind != GT_VALUE) {
            found->disorder += time < before;
            before = time;
        }
    }
}

static contents read_back(const char *path) {
    contents found = {{0}, 0, 0, 0};
    char *page = malloc(GT_CHUNK_BYTES);
    FILE *in = fopen(path, "r");
    CHECK(in && page);
    CHECK(fread(page, 1, GT_CHUNK_BYTES, in) == GT_CHUNK_BYTES);
    found.lost = ((gt_file_header *)page)->lost;
    while (fread(page, 1, GT_CHUNK_BYTES, in) == GT_CHUNK_BYTES)
        if (((gt_chunk_header *)page)->magic == GT_CHUNK_MAGIC)
            count_chunk((gt_chunk_header *)page, &found);
    found.bytes = (uint64_t)ftell(in);
    fclose(in);
    free(page);
    return found;
}

static gt_region *begin(const char *path, uint64_t max_bytes) {
    unlink(path);
    gt_region *region = gt_region_open(path, max_bytes);
    CHECK(region);
    gt_region_begin(region);
    return region;
}

static void check_threads_and_signals(const char *path) {
    gt_region *region = begin(path, 1u << 30);
    atomic_store(&from_handler, 0);
    alarm_every(150);
    for (int i = 0; i < ROUNDS; i++)
        run_threads(write_many);
    alarm_every(0);
    gt_region_close(region);
    contents found = read_back(path);
    long all = (long)ROUNDS * THREADS * records_per_thread;
    CHECK(found.of_kind[GT_GIL_ACQUIRE] + found.of_kind[GT_LOCK_WAIT] + found.of_kind[GT_LOCK_POST] +
              (long)found.lost ==
          all + from_handler);
    CHECK(found.lost <= (uint64_t)from_handler); /* handlers inside the slow path, no others */
    CHECK(found.of_kind[GT_THREAD] >= ROUNDS * THREADS);
    /* More where a handler ran while a thread ended, which then entered once again. */
    CHECK(found.of_kind[GT_THREAD_EXIT] >= ROUNDS * THREADS);
    CHECK(found.of_kind[GT_VALUE] ==
          found.of_kind[GT_LOCK_WAIT] + found.of_kind[GT_LOCK_POST] + found.of_kind[GT_THREAD]);
    CHECK(found.disorder == 0);
}

static void check_short_threads_share_chunks(const char *path) {
    int before = records_per_thread;
    records_per_thread = 3;
    gt_region *region = begin(path, 1u << 30);
    for (int i = 0; i < 100; i++)
        run_threads(write_many);
    gt_region_close(region);
    records_per_thread = before;
    contents found = read_back(path);
    CHECK(found.of_kind[GT_THREAD_EXIT] == 100 * THREADS);
    CHECK(found.bytes < 100 * THREADS * GT_CHUNK_BYTES / 8);
}

static void check_full(const char *path) {
    uint64_t limit = 10 * GT_CHUNK_BYTES;
    gt_region *region = begin(path, limit);
    run_threads(write_many);
    CHECK(region->header->full_at_ns && region->header->full == GT_FULL_SIZE);
    gt_region_close(region);
    contents found = read_back(path);
    CHECK(found.bytes == limit);
    CHECK(found.of_kind[GT_GIL_ACQUIRE] + found.of_kind[GT_LOCK_WAIT] + (long)found.lost >=
          (long)THREADS * records_per_thread);
}

static void check_stops_in_the_middle(const char *path) {
    pthread_t threads[THREADS];
    atomic_store(&go_on, 1);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, write_until_told, NULL) == 0);
    for (int i = 0; i < 40; i++) {
        gt_region *region = begin(path, 1u << 26);
        while (gt_region_count(region) < 500)
            ;
        gt_region_close(region);
        contents found = read_back(path);
        CHECK(found.disorder == 0 && found.of_kind[0] == 0);
    }
    atomic_store(&go_on, 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void check_fork(const char *path) {
    gt_region *region = begin(path, 1u << 26);
    gt_write(region, gt_record_of(gt_now(), GT_GIL_ACQUIRE));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(gt_region_now() == NULL);
        write_many(NULL);
        char own[4096];
        snprintf(own, sizeof own, "%s.child", path);
        gt_region *of_child = begin(own, 1u << 26);
        write_many(NULL);
        gt_region_close(of_child);
        contents found = read_back(own);
        CHECK(found.of_kind[GT_GIL_ACQUIRE] + found.of_kind[GT_LOCK_WAIT] == records_per_thread);
        unlink(own);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    gt_region_close(region);
    contents found = read_back(path);
    CHECK(found.of_kind[GT_GIL_ACQUIRE] == 1 && found.of_kind[GT_LOCK_WAIT] == 0);
}

int main(int argc, char **argv) {
    CHECK(argc >= 2);
    if (argc > 2)
        records_per_thread = atoi(argv[2]);
    CHECK(gt_buffer_init() == 0);
    signal(SIGALRM, on_alarm);
    check_threads_and_signals(argv[1]);
    check_short_threads_share_chunks(argv[1]);
    check_full(argv[1]);
    if (argc < 4) /* ThreadSanitizer takes the exchange of the mapping for a race */
        check_stops_in_the_middle(argv[1]);
    check_fork(argv[1]);
    puts("all checks hold");
    return 0;
}
