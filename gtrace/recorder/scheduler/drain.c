#define _GNU_SOURCE
#include "drain.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#define GS_ONLINE "/sys/devices/system/cpu/online"

/* How old a record may get before it is in the file. */
#define MOST_WAIT_MS 100

static gs_sink sink;
static volatile sig_atomic_t terminated;

static void set_state(gs_control *control, enum gs_state state) {
    atomic_store(&control->state, state);
    syscall(SYS_futex, &control->state, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static _Noreturn void fail(gs_control *control, int step) {
    control->step = (uint32_t)step;
    control->error = errno;
    set_state(control, GS_FAILED);
    _exit(1);
}

static void on_signal(int number) {
    if (number == SIGTERM)
        terminated = 1;
}

/* All signals are blocked when this process begins. Those that are let in while it waits end the
 * wait or, SIGTERM, the recording; a fault must not reach the program's handlers. */
static void settle_signals(sigset_t *unblocked) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};
    for (size_t at = 0; at < sizeof faults / sizeof *faults; at++)
        signal(faults[at], SIG_DFL);
    struct sigaction action = {.sa_handler = on_signal};
    static const int let_in[] = {SIGIO, SIGUSR1, SIGTERM};
    sigfillset(unblocked);
    for (size_t at = 0; at < sizeof let_in / sizeof *let_in; at++) {
        sigaction(let_in[at], &action, NULL);
        sigdelset(unblocked, let_in[at]);
    }
}

/* Holding the program's descriptors would keep its pipes open. The drain leaves the process group, which
 * may be killed as a whole, but not the session: schedulers that share cores between sessions make one of
 * its own wait up to 400 ms for a core that the program keeps busy. */
static void let_go_of_everything(void) {
    if (syscall(SYS_close_range, 0, ~0u, 0) != 0) {
        struct rlimit limit;
        rlim_t most = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 1024;
        for (rlim_t fd = 0; fd < most && fd < 1 << 20; fd++)
            close((int)fd);
    }
    for (int fd = 0; fd < 3; fd++)
        if (open("/dev/null", O_RDWR) < 0)
            break;
    setpgid(0, 0);
    prctl(PR_SET_NAME, "gtrace-sched");
}

static void allow_many_events(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Threads that are there already will send no name. */
static void put_first_names(const gs_scope *scope, uint32_t pid, uint64_t time_ns) {
    for (size_t at = 0; at < scope->tid_count; at++) {
        char path[64];
        uint64_t text[2] = {0, 0};
        snprintf(path, sizeof path, "/proc/%u/task/%u/comm", pid, (unsigned)scope->tids[at]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t bytes = fd < 0 ? -1 : read(fd, text, sizeof text);
        close(fd);
        if (bytes <= 0)
            continue;
        ((char *)text)[bytes - 1] = 0; /* a newline */
        gs_sink_put(&sink, time_ns, gs_word(GS_NAME, 0, pid, (uint32_t)scope->tids[at]));
        gs_sink_put(&sink, text[0], gs_word(GS_TEXT, 0, 0, 0));
        gs_sink_put(&sink, text[1], gs_word(GS_TEXT, 0, 0, 0));
    }
}

static void begin(gs_control *control, const gs_plan *plan, gs_rings *rings) {
    int step = gs_rings_open(rings, &plan->scope, plan->ring_bytes);
    if (step != 0)
        fail(control, step);
    uint64_t started_ns = gs_now();
    if (gs_sink_open(&sink, plan->path, plan->max_bytes) != 0)
        fail(control, GS_STEP_FILE);
    gs_file_header *header = &sink.header;
    header->pid = (uint32_t)plan->pid;
    header->drain_pid = (uint32_t)getpid();
    header->cores = (uint32_t)rings->ring_count;
    header->ring_bytes = (uint32_t)rings->rings[0].bytes;
    header->started_ns = started_ns;
    put_first_names(&plan->scope, header->pid, started_ns);
    /* the folder the path starts from is not needed any more */
    if (chdir("/") != 0) {
        /* then it stays in use */
    }
}

static void publish(gs_control *control) {
    control->header = sink.header;
    atomic_store(&control->records, (sink.written - sizeof sink.header) / sizeof(gs_record));
}

/* Waits until a ring has enough in it, the process has ended, or somebody asks for the end; not long. */
static void wait_for_news(struct pollfd *process, const sigset_t *unblocked) {
    const struct timespec most = {MOST_WAIT_MS / 1000, MOST_WAIT_MS % 1000 * 1000000};
    if (ppoll(process, 1, &most, unblocked) > 0) {
        close(process->fd); /* what it started may go on */
        process->fd = -1;
    }
}

_Noreturn void gs_drain_run(gs_control *control, const gs_plan *plan, gs_rings *room) {
    sigset_t unblocked;
    settle_signals(&unblocked);
    let_go_of_everything();
    allow_many_events();
    begin(control, plan, room);
    gs_sink_flush(&sink);
    gs_sink_write_header(&sink);
    publish(control);
    set_state(control, GS_RECORDING);
    struct pollfd process = {.fd = (int)syscall(SYS_pidfd_open, plan->pid, 0), .events = POLLIN};
    bool followed = true, stop = false;
    uint64_t now = 0;
    while (followed && !stop) {
        wait_for_news(&process, &unblocked);
        followed = gs_rings_are_followed(room);
        stop = terminated || atomic_load(&control->stop) || gs_sink_is_deleted(&sink);
        now = gs_now();
        gs_rings_drain(room, &sink);
        publish(control);
    }
    sink.header.new_cores = gs_rings_missing(room, GS_ONLINE);
    gs_sink_close(&sink, stop ? GS_END_STOP : GS_END_NO_TASKS, now);
    publish(control);
    set_state(control, GS_ENDED);
    _exit(0);
}
