#define _GNU_SOURCE
#include "insist.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define AGAIN_NS 50000000

static struct sigaction pythons[_NSIG]; /* handlers behind ours, by signal */

/* The process for which there is, or was, a timer, and the kernel's number of that; a fork copies no timers.
 */
static _Atomic pid_t insisting;
static int timer;

/* The library's functions for timers may allocate memory; the kernel's may be called in a signal handler. */
static void begin(int number) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = number};
    struct itimerspec every = {{0, AGAIN_NS}, {0, AGAIN_NS}};
    if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) == 0)
        syscall(SYS_timer_settime, timer, 0, &every, NULL);
}

static void on_signal(int number) {
    int saved_errno = errno;
    pythons[number].sa_handler(number);
    pid_t own = getpid();
    if (atomic_exchange(&insisting, own) != own)
        begin(number);
    errno = saved_errno;
}

bool gt_insist(int number) {
    struct sigaction known;
    if (number <= 0 || number >= _NSIG || sigaction(number, NULL, &known) != 0)
        return false;
    if (known.sa_flags & SA_SIGINFO || known.sa_handler == SIG_DFL || known.sa_handler == SIG_IGN)
        return false;
    if (known.sa_handler != on_signal)
        pythons[number] = known;
    known.sa_handler = on_signal;
    return sigaction(number, &known, NULL) == 0;
}

void gt_insist_no_more(void) {
    pid_t own = getpid();
    if (atomic_exchange(&insisting, own) == own)
        syscall(SYS_timer_delete, timer);
}
