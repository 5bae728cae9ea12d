/*
 * CLOCK_MONOTONIC, a little wrong and for half the price.
 *
 * Where the kernel reads its clock from the processor's time stamp counter, most of what that costs is
 * the wait until every instruction before it is done. Here each thread asks the kernel at most once in
 * GT_CLOCK_TICKS, and counts ticks from there on. That is right to a tenth of a microsecond, and where
 * the kernel disagrees by more than GT_CLOCK_ERROR_NS, only it is asked from then on. Elsewhere it is
 * asked each time. What a thread is told never runs backwards; nor do events in an order that
 * everybody agrees on, with gt_now_behind(). Safe in signal handlers and in forked children.
 */
#ifndef GT_CLOCK_H
#define GT_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* A library that is loaded late gets its thread-local storage without malloc only this way on glibc;
 * musl allocates it when the library is loaded, and knows no other way. */
#ifdef __GLIBC__
#define GT_TLS __thread __attribute__((tls_model("initial-exec")))
#else
#define GT_TLS __thread
#endif

#define GT_CLOCK_TICKS    (1u << 16) /* some 20 us: too little for any correction of the clock to matter */
#define GT_CLOCK_ERROR_NS 500u
/* A time that is behind another by more than this is no matter of accuracy. */
#define GT_CLOCK_JUMP_NS 100000u

typedef struct {
    uint64_t asked;  /* ticks when the kernel was last asked, or 0 */
    uint64_t offset; /* from ticks in nanoseconds to the time */
    uint64_t told;   /* the last time */
} gt_clock;

extern GT_TLS gt_clock gt_own_clock;
/* Nanoseconds per tick, times 2^32; 0 until it is known, and GT_CLOCK_NO_RATE where ticks are not to be
 * counted. There is only one, as each thread's offset depends on it. */
extern _Atomic uint64_t gt_clock_rate;
#define GT_CLOCK_NO_RATE 1u

/* Finds out how the kernel reads its clock. Called when a recording begins, by one thread. */
void gt_clock_begin(void);
/* Asks the kernel, and makes use of it for later: `ticks` are those of just now. */
uint64_t gt_clock_ask(uint64_t ticks, uint64_t rate);
/* The same where the rate is not known. */
uint64_t gt_clock_learn(void);

static inline uint64_t gt_clock_kernel(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t gt_clock_not_before(uint64_t time_ns, uint64_t least_ns) {
    return least_ns - time_ns < GT_CLOCK_JUMP_NS ? least_ns : time_ns;
}

#if defined(__x86_64__)

static inline uint64_t gt_clock_ns(uint64_t ticks, uint64_t rate) {
    return (uint64_t)((unsigned __int128)ticks * rate >> 32);
}

static inline uint64_t gt_clock_count(void) {
    uint64_t rate = atomic_load_explicit(&gt_clock_rate, memory_order_relaxed);
    if (__builtin_expect(rate <= GT_CLOCK_NO_RATE, 0))
        return rate ? gt_clock_kernel() : gt_clock_learn();
    uint64_t ticks = __builtin_ia32_rdtsc();
    if (__builtin_expect(ticks - gt_own_clock.asked >= GT_CLOCK_TICKS, 0))
        return gt_clock_ask(ticks, rate);
    return gt_clock_ns(ticks, rate) + gt_own_clock.offset;
}

#else

static inline uint64_t gt_clock_count(void) {
    return gt_clock_kernel();
}

#endif

static inline uint64_t gt_now(void) {
    return gt_own_clock.told = gt_clock_not_before(gt_clock_count(), gt_own_clock.told);
}

/* Not before `least_ns`, the time of something that is known to have been earlier. */
static inline uint64_t gt_now_behind(uint64_t least_ns) {
    return gt_own_clock.told = gt_clock_not_before(gt_now(), least_ns);
}

#endif
