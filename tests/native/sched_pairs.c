/*
 * Pairs of native threads that hand a byte to and fro, each pair on a core of its own, so that each
 * hand-over is a switch. Every thread says what the kernel counted of it, and when it asked.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    int64_t tid;
    int64_t before_ns, after_ns; /* CLOCK_MONOTONIC, around the look at the counts */
    int64_t voluntary, preempted;
    int64_t run_ns;
} counts;

typedef struct {
    int in, out, core;
    long turns;
    counts *result;
} player;

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static long long run_time(void) {
    char text[96] = "";
    int fd = open("/proc/thread-self/schedstat", O_RDONLY);
    long long run = -1;
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0)
        sscanf(text, "%lld", &run);
    close(fd);
    return run;
}

static void *play(void *argument) {
    player *self = argument;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(self->core, &set);
    sched_setaffinity(0, sizeof set, &set);
    char byte = 0;
    for (long turn = 0; turn < self->turns; turn++)
        if (write(self->out, &byte, 1) != 1 || read(self->in, &byte, 1) != 1)
            break;
    struct rusage used;
    counts *result = self->result;
    result->tid = syscall(SYS_gettid);
    result->before_ns = now();
    getrusage(RUSAGE_THREAD, &used);
    result->run_ns = run_time();
    result->after_ns = now();
    result->voluntary = used.ru_nvcsw;
    result->preempted = used.ru_nivcsw;
    return NULL;
}

/* Two `results` per core in `cores`; how many threads played. */
int play_pairs(const int *cores, int count, long turns, counts *results) {
    player players[64];
    pthread_t threads[64];
    int started = 0;
    for (int pair = 0; pair < count && pair < 32; pair++) {
        int there[2], back[2];
        if (pipe2(there, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0)
            return -1;
        players[2 * pair] = (player){back[0], there[1], cores[pair], turns, &results[2 * pair]};
        players[2 * pair + 1] = (player){there[0], back[1], cores[pair], turns, &results[2 * pair + 1]};
    }
    for (; started < 2 * count; started++)
        if (pthread_create(&threads[started], NULL, play, &players[started]) != 0)
            return -1;
    for (int at = 0; at < started; at++)
        pthread_join(threads[at], NULL);
    for (int at = 0; at < started; at++) {
        close(players[at].in);
        close(players[at].out);
    }
    return started;
}
