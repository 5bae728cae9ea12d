/*
 * Drives the recording of blocking calls without an interpreter: which of them leave which records,
 * that errno survives, and that a signal handler's own calls at any moment break nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "call.h"
#include "check.h"

enum { THREADS = 4 };

static int stretches = 20000;

/* What this thread wrote to its chunk since `from`. */
static const gt_record *written(uint32_t from) {
    return gt_self.records + from;
}

static void let_go(gt_region *region) {
    uint64_t now = gt_now();
    gt_write(region, gt_record_of(now, GT_GIL_RELEASE));
    gt_call_stretch_begins(now);
}

static void take(gt_region *region) {
    uint64_t now = gt_now();
    gt_call_stretch_ends(region, now);
    gt_write(region, gt_record_of(now, GT_GIL_ACQUIRE));
}

/* True where the call was recorded. */
static int make_call(enum gt_function function, int fd, unsigned microseconds) {
    gt_region *region = gt_call_region();
    if (region)
        gt_call_begin(region, gt_call_of(function, fd));
    if (microseconds)
        usleep(microseconds);
    errno = EDOM;
    if (region)
        gt_call_end(region);
    CHECK(errno == EDOM);
    return region != NULL;
}

static void check_with_the_gil(gt_region *region) {
    uint32_t before = gt_self.next;
    CHECK(!make_call(GT_IN_READ, 0, 0));
    CHECK(gt_self.next == before);
    let_go(region);
    take(region);
    CHECK(!make_call(GT_IN_READ, 0, 0));
    CHECK(gt_self.next == before + 2);
}

static void check_a_brief_call(gt_region *region) {
    uint32_t before = gt_self.next;
    let_go(region);
    CHECK(make_call(GT_IN_SLEEP, GT_NO_FD, 0));
    take(region);
    /* or with its end, on a machine that went to do something else just then */
    CHECK(gt_self.next == before + 3 || (written(before)[2] & 31) == GT_CALL_END);
    CHECK(written(before)[1] == gt_record_of(GT_IN_SLEEP, GT_CALL));
}

static void check_a_long_read(gt_region *region, int fd, enum gt_descriptor kind) {
    uint32_t before = gt_self.next;
    let_go(region);
    CHECK(make_call(GT_IN_READ, fd, 200));
    take(region);
    CHECK(gt_self.next == before + 5);
    uint64_t call = gt_call_of(GT_IN_READ, fd);
    CHECK(written(before)[1] == gt_record_of(call, GT_CALL));
    CHECK((written(before)[2] & 31) == GT_CALL_END);
    CHECK(written(before)[3] == gt_record_of(call | (uint64_t)kind << 8, GT_VALUE));
}

static void check_two_calls(gt_region *region) {
    uint32_t before = gt_self.next;
    let_go(region);
    make_call(GT_IN_POLL, GT_NO_FD, 0);
    make_call(GT_IN_POLL, GT_NO_FD, 0);
    make_call(GT_IN_CONNECT, 5, 0);
    usleep(500);
    take(region);
    CHECK((written(before)[1] & 31) == GT_CALL);
    uint32_t at = 2; /* a slow machine may put a break between the two that do the same */
    while ((written(before)[at] & 31) != GT_TIMED_CALL ||
           written(before)[at + 1] != gt_record_of(gt_call_of(GT_IN_CONNECT, 5), GT_VALUE))
        CHECK((at += 2) < 10);
    CHECK((written(before)[at + 2] & 31) == GT_CALL_END);
    CHECK(written(before)[at + 2] >> GT_KIND_BITS <=
          (written(before)[at + 4] >> GT_KIND_BITS) - GT_CALL_SLACK_NS);
}

static void check_a_call_that_starts_a_chunk(gt_region *region) {
    while (gt_self.next != GT_CHUNK_RECORDS - 1)
        gt_write(region, gt_record_of(gt_now(), GT_GIL_ACQUIRE));
    let_go(region);
    uint64_t since = gt_self.away_since;
    CHECK(make_call(GT_IN_RECV, 3, 0));
    take(region);
    CHECK(gt_self.records[0] == gt_record_of(since, GT_TIMED_CALL));
    CHECK(gt_self.records[1] == gt_record_of(gt_call_of(GT_IN_RECV, 3), GT_VALUE));
}

static void on_alarm(int number) {
    (void)number;
    int saved_errno = errno;
    make_call(GT_IN_WRITE, 1, 0);
    errno = saved_errno;
}

static void *go_away_and_come_back(void *unused) {
    (void)unused;
    for (int i = 0; i < stretches; i++) {
        gt_region *region = gt_region_now();
        let_go(region);
        make_call(i % 2 ? GT_IN_RECV : GT_IN_SEND, i % 100, 0);
        if (i % 3 == 0)
            make_call(GT_IN_POLL, GT_NO_FD, 0);
        take(region);
    }
    return NULL;
}

static void check_threads_and_signals(void) {
    struct itimerval every = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    pthread_t threads[THREADS];
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &every, NULL);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, go_away_and_come_back, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    setitimer(ITIMER_REAL, &never, NULL);
}

/* Every call says a function there is, and untimed ones stand in a chunk behind a release. */
static void check_file(const char *path) {
    static union {
        gt_record records[GT_CHUNK_BYTES / sizeof(gt_record)];
        gt_chunk_header header;
    } chunk;
    long calls = 0, lonely = 0;
    FILE *in = fopen(path, "r");
    CHECK(in && fread(&chunk, GT_CHUNK_BYTES, 1, in) == 1);
    while (fread(&chunk, GT_CHUNK_BYTES, 1, in) == 1) {
        int released = 0;
        for (unsigned i = 4; i < GT_CHUNK_BYTES / sizeof(gt_record); i++) {
            gt_record record = chunk.records[i];
            enum gt_kind kind = record & 31;
            released |= kind == GT_GIL_RELEASE;
            if (kind != GT_CALL)
                continue;
            calls++;
            lonely += !released;
            CHECK((record >> GT_KIND_BITS & 0xff) - GT_IN_READ <= GT_IN_TERMINAL - GT_IN_READ);
        }
    }
    fclose(in);
    CHECK(calls >= (long)THREADS * stretches * 9 / 10);
    CHECK(lonely <= calls / 1000); /* a handler took the rest of the chunk just then */
}

int main(int argc, char **argv) {
    int pair[2], ends[2];
    CHECK(argc >= 2);
    if (argc > 2)
        stretches = atoi(argv[2]);
    CHECK(gt_buffer_init() == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pipe(ends) == 0);
    unlink(argv[1]);
    CHECK(!make_call(GT_IN_READ, 0, 0));
    gt_region *region = gt_region_open(argv[1], 1u << 28);
    CHECK(region);
    gt_region_begin(region);
    gt_write(region, gt_record_of(gt_now(), GT_GIL_HOLDS));
    check_with_the_gil(region);
    check_a_brief_call(region);
    check_a_long_read(region, pair[0], GT_FD_SOCKET);
    check_a_long_read(region, ends[0], GT_FD_PIPE);
    check_a_long_read(region, -1, GT_FD_UNKNOWN);
    check_two_calls(region);
    check_a_call_that_starts_a_chunk(region);
    check_threads_and_signals();
    gt_region_close(region);
    check_file(argv[1]);
    puts("all checks hold");
    return 0;
}
