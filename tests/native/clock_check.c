/*
 * Compares the agent's clock with the kernel's, while signal handlers read it, too: it is right, it does
 * not run backwards in a thread nor behind what another thread has seen, and it is given up where it is
 * wrong.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include "check.h"
#include "clock.h"

enum { THREADS = 4 };

static int readings = 200000;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t last_of_all;

static uint64_t compared(uint64_t before) {
    uint64_t least = gt_clock_kernel(), now = gt_now(), most = gt_clock_kernel();
    CHECK(now + GT_CLOCK_ERROR_NS >= least && now <= most + GT_CLOCK_ERROR_NS);
    CHECK(now >= before);
    return now;
}

static void *read_it_often(void *unused) {
    uint64_t before = 0;
    for (int i = 0; i < readings; i++) {
        before = i % 16 ? gt_now() : compared(before);
        if (i % 4)
            continue;
        pthread_mutex_lock(&mutex);
        uint64_t now = gt_now_behind(last_of_all);
        CHECK(now >= last_of_all && now >= before);
        last_of_all = now;
        pthread_mutex_unlock(&mutex);
        CHECK((before = gt_now()) >= now);
    }
    return unused;
}

static void on_alarm(int number) {
    (void)number;
    compared(0);
}

static void check_threads_and_signals(void) {
    struct itimerval every = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    pthread_t threads[THREADS];
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &every, NULL);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, read_it_often, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    setitimer(ITIMER_REAL, &never, NULL);
}

/* As where the rate of the kernel's clock changes. */
static void check_a_wrong_rate(void) {
    uint64_t rate = atomic_load(&gt_clock_rate);
    if (rate == 0 || rate == GT_CLOCK_NO_RATE)
        return; /* then it is the kernel's clock already */
    atomic_store(&gt_clock_rate, rate + rate / 10);
    gt_own_clock.asked = gt_own_clock.told = 0;
    for (int i = 0; i < 100000000 && atomic_load(&gt_clock_rate) != GT_CLOCK_NO_RATE; i++)
        gt_now();
    CHECK(atomic_load(&gt_clock_rate) == GT_CLOCK_NO_RATE);
    gt_own_clock.told = 0;
    uint64_t least = gt_clock_kernel(), now = gt_now();
    CHECK(least <= now && now <= gt_clock_kernel());
}

int main(int argc, char **argv) {
    if (argc > 2)
        readings = 40 * atoi(argv[2]);
    compared(0);
    gt_clock_begin();
    uint64_t end = gt_clock_kernel() + 20000000;
    while (gt_clock_kernel() < end)
        compared(0);
    check_threads_and_signals();
    check_a_wrong_rate();
    puts("all checks hold");
    return 0;
}
