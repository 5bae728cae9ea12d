#include <Python.h>

#include <string.h>

#include "call.h"
#include "gil.h"
#include "sites.h"

/* Interpreters with a GIL of their own take further entries; the first is the main one's. */
#define MAX_GILS 256
/* The compiler may copy the function that lets go of the GIL into several places. */
#define MAX_SITES 16

typedef _Atomic(const void *) gt_site;

/* The signals that came from this thread while it released and took the GIL once. */
typedef struct {
    uintptr_t signalled[2];
    const void *caller[2];
    unsigned count;
} gt_calibration;

static gt_gil gils[MAX_GILS];
static gt_site release_sites[MAX_SITES];
static gt_site acquire_sites[MAX_SITES];
static gt_site wait_sites[MAX_SITES];

static gt_gil *find(uintptr_t address) {
    for (int i = 0; i < MAX_GILS; i++) {
        uintptr_t known = atomic_load_explicit(&gils[i].address, memory_order_relaxed);
        if (known == address)
            return &gils[i];
        if (known == 0)
            return NULL;
    }
    return NULL;
}

static gt_gil *add(gt_region *region, uintptr_t address) {
    for (int i = 0; i < MAX_GILS; i++) {
        uintptr_t known = 0;
        if (atomic_compare_exchange_strong(&gils[i].address, &known, address) || known == address)
            return &gils[i];
    }
    __atomic_fetch_add(&region->header->unknown_gils, 1, __ATOMIC_RELAXED);
    return NULL;
}

static bool is_site(gt_site *sites, const void *caller) {
    for (int i = 0; i < MAX_SITES; i++) {
        const void *known = atomic_load_explicit(&sites[i], memory_order_relaxed);
        if (known == caller)
            return true;
        if (known == NULL)
            return false;
    }
    return false;
}

static void learn_site(gt_site *sites, const void *caller) {
    if (is_site(sites, caller)) /* nearly always, and without a locked instruction */
        return;
    for (int i = 0; i < MAX_SITES; i++) {
        const void *known = NULL;
        if (atomic_compare_exchange_strong(&sites[i], &known, caller) || known == caller)
            return;
    }
}

static void note(gt_region *region, const gt_gil *gil, gt_record record) {
    if (__builtin_expect(gil == &gils[0], 1))
        gt_write(region, record);
    else
        gt_write_with(region, record, gil->address);
}

/* The events of one GIL come one after the other, whichever threads they are of. */
static uint64_t time_of_next(gt_gil *gil) {
    return gil->last_ns = gt_now_behind(gil->last_ns);
}

static void note_release(gt_region *region, gt_gil *gil) {
    enum gt_kind kind = gil->asked ? GT_GIL_FORCED_RELEASE : GT_GIL_RELEASE;
    gil->asked = false;
    atomic_store_explicit(&gil->held, false, memory_order_relaxed);
    uint64_t now = time_of_next(gil);
    note(region, gil, gt_record_of(now, kind));
    gt_call_stretch_begins(now);
    gt_site_on_release(now);
}

static void note_acquire(gt_region *region, gt_gil *gil) {
    gil->asked = false;
    if (atomic_load_explicit(&gil->holder, memory_order_relaxed) != &gt_self) {
        atomic_store_explicit(&gil->holder, &gt_self, memory_order_relaxed);
        gil->switches++;
    }
    atomic_store_explicit(&gil->held, true, memory_order_release);
    uint64_t now = time_of_next(gil);
    gt_call_stretch_ends(region, now);
    note(region, gil, gt_record_of(now, GT_GIL_ACQUIRE));
    gt_self.gil = 0;
    if (__builtin_expect(gt_site_on_acquire(now), 0) && gil == &gils[0])
        gt_site_note(now);
}

/* A signal on an address that is not the main GIL's: another GIL, if it comes from where the
 * interpreter handles GILs, or else a condition variable of some library linked into it. Where one
 * place makes both signals (an interpreter built without optimization) only known GILs count. */
static void note_other(gt_region *region, uintptr_t address, const void *caller) {
    bool releases = is_site(release_sites, caller);
    bool acquires = is_site(acquire_sites, caller);
    gt_gil *released = find(address);
    gt_gil *acquired = find(address - GT_SWITCH_COND);
    if (!released && !acquired && releases && !acquires)
        released = add(region, address);
    else if (!released && !acquired && acquires && !releases)
        acquired = add(region, address - GT_SWITCH_COND);
    else if (!released && !acquired && releases && acquires)
        __atomic_fetch_add(&region->header->unknown_gils, 1, __ATOMIC_RELAXED);
    if (released)
        note_release(region, released);
    else if (acquired)
        note_acquire(region, acquired);
}

void gt_gil_on_signal(gt_region *region, pthread_cond_t *cond, const void *caller) {
    uintptr_t address = (uintptr_t)cond;
    uintptr_t main_gil = gt_gil_main();
    if (address == main_gil) {
        learn_site(release_sites, caller);
        note_release(region, &gils[0]);
    } else if (address == main_gil + GT_SWITCH_COND) {
        learn_site(acquire_sites, caller);
        note_acquire(region, &gils[0]);
    } else if (main_gil) {
        note_other(region, address, caller);
    }
}

gt_gil *gt_gil_on_wait(gt_region *region, pthread_cond_t *cond, const void *caller) {
    uintptr_t address = (uintptr_t)cond;
    if (!gt_gil_main())
        return NULL;
    gt_gil *gil = find(address);
    if (!gil && is_site(wait_sites, caller))
        gil = add(region, address);
    if (!gil)
        return NULL;
    if (gt_self.region != region || gt_self.gil != address) {
        learn_site(wait_sites, caller);
        uint64_t now = time_of_next(gil);
        gt_call_stretch_ends(region, now);
        note(region, gil, gt_record_of(now, GT_GIL_WAIT));
        gt_self.gil = address;
    }
    return gil;
}

/* The interpreter's own rule for asking the holder to let go. */
void gt_gil_on_timeout(gt_gil *gil, uint64_t switches) {
    if (atomic_load_explicit(&gil->held, memory_order_relaxed) && gil->switches == switches)
        gil->asked = true;
}

uintptr_t gt_gil_main(void) {
    return atomic_load_explicit(&gils[0].address, memory_order_relaxed);
}

bool gt_gil_is_own(void) {
    return atomic_load_explicit(&gils[0].held, memory_order_acquire) &&
           atomic_load_explicit(&gils[0].holder, memory_order_relaxed) == &gt_self;
}

void gt_gil_note_held(gt_region *region) {
    atomic_store(&gils[0].holder, &gt_self);
    atomic_store(&gils[0].held, true);
    note(region, &gils[0], gt_record_of(gt_now(), GT_GIL_HOLDS));
}

void gt_gil_on_calibration(pthread_cond_t *cond, const void *caller) {
    gt_calibration *seen = gt_self.calibration;
    if (seen->count < 2) {
        seen->signalled[seen->count] = (uintptr_t)cond;
        seen->caller[seen->count] = caller;
    }
    seen->count++;
}

/* `switches` only grows: a thread that waits since before must not find the value it remembers. */
static void forget(void) {
    for (int i = 0; i < MAX_GILS; i++) {
        atomic_store(&gils[i].address, 0);
        atomic_store(&gils[i].holder, NULL);
        atomic_store(&gils[i].held, false);
        gils[i].asked = false;
        gils[i].switches++;
    }
    memset(release_sites, 0, sizeof release_sites);
    memset(acquire_sites, 0, sizeof acquire_sites);
    memset(wait_sites, 0, sizeof wait_sites);
}

const char *gt_gil_calibrate(void) {
    gt_calibration seen = {.count = 0};
    forget();
    gt_self.calibration = &seen;
    Py_BEGIN_ALLOW_THREADS Py_END_ALLOW_THREADS gt_self.calibration = NULL;
    if (seen.count == 0)
        return "releasing the GIL signals no condition variable: a free-threaded interpreter, or one "
               "with its GIL switched off";
    if (seen.count != 2 || seen.signalled[1] != seen.signalled[0] + GT_SWITCH_COND)
        return "releasing and taking the GIL signals other condition variables than expected";
    learn_site(release_sites, seen.caller[0]);
    learn_site(acquire_sites, seen.caller[1]);
    atomic_store(&gils[0].address, seen.signalled[0]);
    return NULL;
}
