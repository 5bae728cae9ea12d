#define _GNU_SOURCE
#include "hooks.h"

#include <errno.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#include "blocking.h"
#include "gil.h"
#include "sites.h"
#include "waiters.h"

/* The interpreter imports it only where the C library has it; so do we. */
extern int sem_clockwait(sem_t *, clockid_t, const struct timespec *) __attribute__((weak));
/* In whichever object holds the interpreter: libpython or the executable. */
extern char _PyRuntime[] __attribute__((weak));

gt_waiters gt_all_waiters[GT_WAITER_SLOTS];

void gt_hooks_forget_waiters(void) {
    memset(gt_all_waiters, 0, sizeof gt_all_waiters);
}

/* Who imports one of these lets go of the GIL. */
static const char *const releases_gil[] = {"PyEval_SaveThread", "PyGILState_Release", NULL};

static void patch_modules(void) {
    const gt_imports lists[] = {gt_blocking_imports(), gt_semaphore_imports()};
    gt_patch_users(releases_gil, lists, gt_all_waiters);
}

static int on_cond_signal(pthread_cond_t *cond) {
    gt_region *region = gt_region_now();
    if (__builtin_expect(region != NULL, 1))
        gt_gil_on_signal(region, cond, __builtin_return_address(0));
    else if (gt_self.calibration)
        gt_gil_on_calibration(cond, __builtin_return_address(0));
    return pthread_cond_signal(cond);
}

static int on_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until) {
    gt_region *region = gt_region_now();
    gt_gil *gil = region ? gt_gil_on_wait(region, cond, __builtin_return_address(0)) : NULL;
    uint64_t switches = gil ? gil->switches : 0;
    int result = pthread_cond_timedwait(cond, mutex, until);
    if (gil && result == ETIMEDOUT)
        gt_gil_on_timeout(gil, switches);
    return result;
}

/* The other half of fence_after_post(): the try behind it must not move before the count. */
static void fence_before_wait(void) {
#if !defined(__x86_64__)
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* True when the semaphore was to be had at once: no wait, nothing to record. Else the wait counts
 * from here on, so that whoever posts sees it. The second try is for a post that came before the
 * wait counted. */
static bool taken_at_once(sem_t *semaphore, gt_waiters *waiters) {
    int saved_errno = errno;
    bool taken = sem_trywait(semaphore) == 0;
    if (!taken) {
        atomic_fetch_add(&waiters->begun, 1);
        fence_before_wait();
        taken = sem_trywait(semaphore) == 0;
        if (taken)
            atomic_fetch_add(&waiters->ended, 1);
    }
    errno = saved_errno;
    return taken;
}

static enum gt_kind how_it_ended(int result) {
    if (result == 0)
        return GT_LOCK_ACQUIRE;
    return errno == ETIMEDOUT ? GT_LOCK_TIMEOUT : GT_LOCK_INTERRUPT;
}

static void note_lock(enum gt_kind kind, const sem_t *semaphore) {
    gt_region *region = gt_region_now();
    if (region)
        gt_write_with(region, gt_record_of(gt_now(), kind), (uintptr_t)semaphore);
}

static void note_wait_end(int result, const sem_t *semaphore, gt_waiters *waiters) {
    atomic_fetch_add(&waiters->ended, 1);
    note_lock(how_it_ended(result), semaphore);
}

static int on_sem_wait(sem_t *semaphore) {
    if (!gt_region_now())
        return sem_wait(semaphore);
    gt_waiters *waiters = gt_waiters_of(semaphore);
    if (taken_at_once(semaphore, waiters))
        return 0;
    note_lock(GT_LOCK_WAIT, semaphore);
    int result = sem_wait(semaphore);
    note_wait_end(result, semaphore, waiters);
    return result;
}

static int on_sem_timedwait(sem_t *semaphore, const struct timespec *until) {
    if (!gt_region_now())
        return sem_timedwait(semaphore, until);
    gt_waiters *waiters = gt_waiters_of(semaphore);
    if (taken_at_once(semaphore, waiters))
        return 0;
    note_lock(GT_LOCK_WAIT, semaphore);
    int result = sem_timedwait(semaphore, until);
    note_wait_end(result, semaphore, waiters);
    return result;
}

static int on_sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until) {
    if (!gt_region_now())
        return sem_clockwait(semaphore, clock, until);
    gt_waiters *waiters = gt_waiters_of(semaphore);
    if (taken_at_once(semaphore, waiters))
        return 0;
    note_lock(GT_LOCK_WAIT, semaphore);
    int result = sem_clockwait(semaphore, clock, until);
    note_wait_end(result, semaphore, waiters);
    return result;
}

/* The load behind it must not move before the post. On x86-64 no load moves before the locked
 * instruction with which sem_post gives the semaphore away. */
static void fence_after_post(void) {
#if defined(__x86_64__)
    atomic_signal_fence(memory_order_seq_cst);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

static int on_sem_post(sem_t *semaphore) {
    if (!gt_region_now())
        return sem_post(semaphore);
    gt_waiters *waiters = gt_waiters_of(semaphore);
    uint64_t begun = atomic_load(&waiters->begun);
    if (begun != atomic_load(&waiters->ended)) {
        note_lock(GT_LOCK_POST, semaphore);
        return sem_post(semaphore);
    }
    int result = sem_post(semaphore);
    fence_after_post();
    if (begun != atomic_load(&waiters->begun))
        note_lock(GT_LOCK_POST, semaphore);
    return result;
}

/* A lock is made; the frames say where, and only who has the GIL may read them. */
static int on_sem_init(sem_t *semaphore, int shared, unsigned value) {
    if (gt_region_now() && gt_gil_is_own())
        gt_site_note_made((uintptr_t)semaphore);
    return sem_init(semaphore, shared, value);
}

/* Before the interpreter looks for the entry of an extension module that it has loaded: the first
 * moment to see what that imports. To hook dlopen itself would make the agent its caller, whose
 * search path the loader uses; this call goes on to the real one as if it had come there at once. */
extern void *gt_real_dlsym(void *, const char *) __asm__("dlsym") __attribute__((weak));

static void *on_dlsym(void *object, const char *name) {
    if (gt_region_now())
        patch_modules();
    return gt_real_dlsym(object, name);
}

static const gt_import interpreter[] = {
    {"pthread_cond_signal", (void *)on_cond_signal},
    {"pthread_cond_timedwait", (void *)on_cond_timedwait},
    {"sem_init", (void *)on_sem_init},
    {"sem_wait", (void *)on_sem_wait},
    {"sem_timedwait", (void *)on_sem_timedwait},
    {"sem_clockwait", (void *)on_sem_clockwait},
    {"sem_post", (void *)on_sem_post},
    {"dlsym", (void *)on_dlsym},
};

const char *gt_hooks_install(void) {
    if (!_PyRuntime)
        return "the interpreter does not export _PyRuntime";
    if (gt_patched_slots() > 0) /* a forked child's; modules are looked at when it loads the next one */
        return NULL;
    gt_imports own = {interpreter, sizeof interpreter / sizeof *interpreter};
    const char *reason = gt_patch_imports(_PyRuntime, (gt_imports[]){own, gt_blocking_imports()});
    if (!reason)
        patch_modules();
    return reason;
}

void gt_hooks_remove(void) {
    gt_unpatch_imports();
}
