/*
 * An independent witness of who has the GIL, for LD_PRELOAD. It shares nothing with the agent: it
 * interposes the functions in the whole process, learns the GIL as the condition variable that a
 * thread signals when ctypes calls into us, and only sums up, per thread, in its own table.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 4096

typedef struct {
    long tid;
    long acquisitions;
    int64_t held_ns, waited_ns, held_since, waiting_since;
} totals;

static totals all[MAX_THREADS];
static atomic_int thread_count;
static _Atomic(void *) gil_cond;
static _Atomic(void *) switch_cond;
static int64_t begun_ns;

static __thread totals *mine;
static __thread void *last_signalled;
static __thread int learning;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static totals *own(void) {
    if (!mine) {
        mine = &all[atomic_fetch_add(&thread_count, 1) % MAX_THREADS];
        mine->tid = syscall(SYS_gettid);
    }
    return mine;
}

static void take(int64_t time) {
    totals *self = own();
    self->acquisitions++;
    self->held_since = time;
    if (self->waiting_since)
        self->waited_ns += time - self->waiting_since;
    self->waiting_since = 0;
}

static void drop(int64_t time) {
    totals *self = own();
    if (self->held_since)
        self->held_ns += time - self->held_since;
    self->held_since = 0;
}

/* Called through ctypes, which lets go of the GIL before and takes it afterwards. */
void witness_begin(void) {
    atomic_store(&gil_cond, last_signalled);
    learning = 1;
    begun_ns = now();
}

/* The calling thread has let go of the GIL, as all others have, or hold it still. */
int witness_report(const char *path) {
    int64_t end = now();
    FILE *out = fopen(path, "w");
    if (!out)
        return errno;
    fprintf(out, "%lld %lld\n", (long long)begun_ns, (long long)end);
    for (int i = 0; i < thread_count && i < MAX_THREADS; i++) {
        totals *t = &all[i];
        int64_t held = t->held_ns + (t->held_since ? end - t->held_since : 0);
        int64_t waited = t->waited_ns + (t->waiting_since ? end - t->waiting_since : 0);
        fprintf(out, "%ld %ld %lld %lld\n", t->tid, t->acquisitions, (long long)held, (long long)waited);
    }
    return fclose(out);
}

int pthread_cond_signal(pthread_cond_t *cond) {
    static int (*real)(pthread_cond_t *);
    int64_t time = now();
    if (!real)
        real = (int (*)(pthread_cond_t *))dlsym(RTLD_NEXT, "pthread_cond_signal");
    if (learning) { /* the first signal after ctypes returned: the GIL is taken */
        learning = 0;
        atomic_store(&switch_cond, (void *)cond);
    }
    void *known = atomic_load(&gil_cond);
    last_signalled = cond;
    if (known && cond == atomic_load(&switch_cond))
        take(time);
    else if (cond == known)
        drop(time);
    return real(cond);
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until) {
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!real)
        real = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))dlsym(
            RTLD_NEXT, "pthread_cond_timedwait");
    if ((void *)cond == atomic_load(&gil_cond)) {
        totals *self = own();
        if (!self->waiting_since)
            self->waiting_since = now();
    }
    return real(cond, mutex, until);
}
