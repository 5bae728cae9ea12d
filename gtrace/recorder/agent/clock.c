#define _GNU_SOURCE
#include "clock.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define CLOCK_SOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

/* Ticks in which the kernel must have answered, or the two do not belong together: an interrupt came. */
#define ANSWER_TICKS 512u
/* From the first reading to the one that gives the rate: some half a millisecond. */
#define RATE_TICKS (1u << 21)
/* For so long the kernel's clock and ours are compared: later an older correction would count, too. */
#define COMPARED_TICKS (4u * GT_CLOCK_TICKS)

GT_TLS gt_clock gt_own_clock;
_Atomic uint64_t gt_clock_rate;

#if defined(__x86_64__)

/* The kernel's answer, and the ticks in the middle of asking. */
typedef struct {
    uint64_t ticks;
    uint64_t time_ns;
    bool interrupted;
} gt_reading;

static _Atomic uint64_t first_ticks, first_ns; /* 0: not read yet */

static gt_reading ask(uint64_t before) {
    uint64_t time_ns = gt_clock_kernel();
    uint64_t taken = __builtin_ia32_rdtsc() - before;
    return (gt_reading){before + taken / 2, time_ns, taken > ANSWER_TICKS};
}

static bool kernel_counts_ticks(void) {
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) || !(edx >> 8 & 1)) /* the rate may change */
        return false;
    int fd = open(CLOCK_SOURCE, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    char source[8];
    ssize_t bytes = read(fd, source, sizeof source);
    close(fd);
    return bytes == 4 && memcmp(source, "tsc\n", 4) == 0;
}

void gt_clock_begin(void) {
    if (atomic_load(&first_ticks) || atomic_load(&gt_clock_rate))
        return;
    gt_reading first = {.interrupted = true};
    if (kernel_counts_ticks())
        for (int i = 0; i < 10 && first.interrupted; i++)
            first = ask(__builtin_ia32_rdtsc());
    if (first.interrupted) {
        atomic_store(&gt_clock_rate, GT_CLOCK_NO_RATE);
        return;
    }
    atomic_store(&first_ns, first.time_ns);
    atomic_store(&first_ticks, first.ticks);
}

uint64_t gt_clock_learn(void) {
    uint64_t since = atomic_load(&first_ticks);
    gt_reading now = ask(__builtin_ia32_rdtsc());
    if (since && !now.interrupted && now.ticks - since >= RATE_TICKS) {
        unsigned __int128 passed_ns = now.time_ns - atomic_load(&first_ns);
        uint64_t unknown = 0, rate = (uint64_t)((passed_ns << 32) / (now.ticks - since));
        atomic_compare_exchange_strong(&gt_clock_rate, &unknown, rate);
    }
    return now.time_ns;
}

static bool agrees(const gt_reading *now, uint64_t rate) {
    const gt_clock *own = &gt_own_clock;
    if (now->ticks - own->asked > COMPARED_TICKS)
        return true;
    uint64_t counted = gt_clock_ns(now->ticks, rate) + own->offset;
    uint64_t error = counted < now->time_ns ? now->time_ns - counted : counted - now->time_ns;
    return error <= GT_CLOCK_ERROR_NS;
}

/* A signal handler may do the same between any two lines of this: its offset is as good, and with the
 * older `asked` it is used for less long. */
uint64_t gt_clock_ask(uint64_t ticks, uint64_t rate) {
    gt_reading now = ask(ticks);
    if (now.interrupted)
        return now.time_ns;
    if (!agrees(&now, rate)) {
        atomic_store(&gt_clock_rate, GT_CLOCK_NO_RATE);
        return now.time_ns;
    }
    gt_own_clock.offset = now.time_ns - gt_clock_ns(now.ticks, rate);
    atomic_signal_fence(memory_order_seq_cst);
    gt_own_clock.asked = now.ticks;
    return now.time_ns;
}

#else

void gt_clock_begin(void) {
}

#endif
