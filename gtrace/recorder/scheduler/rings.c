#define _GNU_SOURCE
#include "rings.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PERF_RECORD_MISC_SWITCH_OUT_PREEMPT
#define PERF_RECORD_MISC_SWITCH_OUT_PREEMPT (1 << 14)
#endif
#ifndef PERF_RECORD_MISC_COMM_EXEC
#define PERF_RECORD_MISC_COMM_EXEC (1 << 13)
#endif

#define LEAST_RING_BYTES 8192u
#define WAKE_PART        4u           /* the drain wakes when a ring is filled to this part, */
#define WAKE_BYTES       (128u << 10) /* or has this much */
#define MOST_BYTES       256u         /* no record that is asked for is longer */

/* Behind every record, as sample_id_all and sample_type ask for. */
typedef struct {
    uint32_t pid, tid;
    uint64_t time_ns;
} stamp;

typedef struct {
    struct perf_event_header header;
    uint32_t pid, parent_pid, tid, parent_tid;
} task_record;

typedef struct {
    struct perf_event_header header;
    uint32_t pid, tid;
    char name[GS_NAME_BYTES];
} name_record;

typedef struct {
    struct perf_event_header header;
    uint64_t id, count;
} lost_record;

typedef union {
    struct perf_event_header header;
    task_record task;
    name_record name;
    lost_record lost;
    char bytes[MOST_BYTES];
} perf_record;

static int open_event(pid_t tid, int core, size_t ring_bytes) {
    struct perf_event_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.size = sizeof attr;
    attr.type = PERF_TYPE_SOFTWARE;
    attr.config = PERF_COUNT_SW_DUMMY;
    attr.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME; /* the core is that of the ring */
    attr.sample_id_all = 1;
    attr.context_switch = 1;
    attr.task = 1;
    attr.comm = 1;
    attr.comm_exec = 1;
    attr.inherit = 1;
    attr.exclude_kernel = 1; /* what an unprivileged user must ask for; switches are recorded all the same */
    attr.use_clockid = 1;
    attr.clockid = CLOCK_MONOTONIC;
    attr.watermark = 1;
    attr.wakeup_watermark =
        (uint32_t)(ring_bytes / WAKE_PART < WAKE_BYTES ? ring_bytes / WAKE_PART : WAKE_BYTES);
    return (int)syscall(SYS_perf_event_open, &attr, tid, core, -1, PERF_FLAG_FD_CLOEXEC);
}

void gs_rings_warm_up(void) {
    int fd = open_event(0, -1, LEAST_RING_BYTES);
    if (fd >= 0)
        close(fd);
}

static int map_ring(gs_ring *ring, int fd, int core, size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *pages = mmap(NULL, page + bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (pages == MAP_FAILED)
        return -1;
    *ring = (gs_ring){.pages = pages, .bytes = bytes, .core = core};
    return 0;
}

static void close_all(gs_rings *rings) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t at = 0; at < rings->ring_count; at++)
        munmap(rings->rings[at].pages, page + rings->rings[at].bytes);
    for (size_t at = 0; at < rings->event_count; at++)
        close(rings->events[at].fd);
    rings->ring_count = rings->event_count = 0;
}

/* Has SIGIO come when the event's ring has enough in it. Whoever polls instead is woken at the end of
 * every thread, too, which then shares its core with that. */
static void send_signals(int fd) {
    fcntl(fd, F_SETOWN, getpid());
    fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK);
}

/* Follows every thread on one core; the first event has the ring, the others write into it. 0 or
 * the step that failed. */
static int open_core(gs_rings *rings, const gs_scope *scope, int core, size_t bytes) {
    int with_ring = -1;
    for (size_t at = 0; at < scope->tid_count; at++) {
        int fd = open_event(scope->tids[at], core, bytes);
        if (fd < 0 && (errno == ENODEV || (errno == ESRCH && at > 0)))
            continue; /* the core went offline, or the thread ended, since they were listed */
        if (fd < 0)
            return GS_STEP_OPEN;
        rings->events[rings->event_count++] = (struct pollfd){.fd = fd};
        send_signals(fd);
        if (with_ring >= 0) {
            if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, with_ring) != 0)
                return GS_STEP_OPEN;
            continue;
        }
        if (map_ring(&rings->rings[rings->ring_count], fd, core, bytes) != 0)
            return GS_STEP_MAP;
        rings->ring_count++;
        with_ring = fd;
    }
    return 0;
}

static int open_all(gs_rings *rings, const gs_scope *scope, size_t bytes) {
    int step = 0;
    for (size_t at = 0; at < scope->core_count && step == 0; at++)
        step = open_core(rings, scope, scope->cores[at], bytes);
    if (step == 0 && rings->ring_count == 0) {
        errno = ENODEV;
        step = GS_STEP_OPEN;
    }
    int error = errno;
    if (step != 0)
        close_all(rings);
    errno = error;
    return step;
}

int gs_rings_open(gs_rings *rings, const gs_scope *scope, size_t ring_bytes) {
    size_t least = (size_t)sysconf(_SC_PAGESIZE);
    if (least < LEAST_RING_BYTES)
        least = LEAST_RING_BYTES;
    size_t bytes = ring_bytes;
    int step = open_all(rings, scope, bytes);
    while (step == GS_STEP_MAP && bytes / 2 >= least)
        step = open_all(rings, scope, bytes /= 2);
    if (step != 0 || bytes == ring_bytes || bytes / 2 < least)
        return step;
    close_all(rings); /* memory is short: half of what is left is left to the user's other processes */
    return open_all(rings, scope, bytes / 2);
}

static void copy_out(const gs_ring *ring, uint64_t place, void *to, size_t bytes) {
    const char *data = (const char *)ring->pages + sysconf(_SC_PAGESIZE);
    size_t at = place & (ring->bytes - 1);
    size_t before_edge = ring->bytes - at < bytes ? ring->bytes - at : bytes;
    memcpy(to, data + at, before_edge);
    memcpy((char *)to + before_edge, data, bytes - before_edge);
}

static void put_name(gs_sink *sink, const perf_record *record, const stamp *at, uint32_t core) {
    bool exec = record->header.misc & PERF_RECORD_MISC_COMM_EXEC;
    uint64_t text[2] = {0, 0};
    /* The kernel sends no more of a name than it needs; the stamp is behind it. */
    size_t bytes = record->header.size - offsetof(name_record, name) - sizeof *at;
    memcpy(text, record->name.name, bytes < sizeof text ? bytes : sizeof text);
    gs_sink_put(sink, at->time_ns,
                gs_word(exec ? GS_EXEC : GS_NAME, core, record->name.pid, record->name.tid));
    gs_sink_put(sink, text[0], gs_word(GS_TEXT, 0, 0, 0));
    gs_sink_put(sink, text[1], gs_word(GS_TEXT, 0, 0, 0));
}

static void put(gs_sink *sink, const perf_record *record, const stamp *at, uint32_t core) {
    uint16_t misc = record->header.misc;
    enum gs_kind kind;
    switch (record->header.type) {
    case PERF_RECORD_SWITCH:
        kind = !(misc & PERF_RECORD_MISC_SWITCH_OUT)        ? GS_IN
               : misc & PERF_RECORD_MISC_SWITCH_OUT_PREEMPT ? GS_PREEMPT
                                                            : GS_OUT;
        gs_sink_put(sink, at->time_ns, gs_word(kind, core, at->pid, at->tid));
        break;
    case PERF_RECORD_FORK:
        gs_sink_put(sink, at->time_ns, gs_word(GS_FORK, core, record->task.pid, record->task.tid));
        gs_sink_put(sink, at->time_ns,
                    gs_word(GS_PARENT, core, record->task.parent_pid, record->task.parent_tid));
        break;
    case PERF_RECORD_EXIT:
        gs_sink_put(sink, at->time_ns, gs_word(GS_EXIT, core, record->task.pid, record->task.tid));
        break;
    case PERF_RECORD_COMM: put_name(sink, record, at, core); break;
    case PERF_RECORD_LOST:
        sink->header.lost += record->lost.count;
        gs_sink_put(sink, at->time_ns,
                    gs_word(GS_LOST, core, (uint32_t)(record->lost.count >> GS_ID_BITS),
                            (uint32_t)record->lost.count));
        break;
    default: break;
    }
}

static void drain_ring(const gs_ring *ring, gs_sink *sink) {
    struct perf_event_mmap_page *control = ring->pages;
    uint64_t head = __atomic_load_n(&control->data_head, __ATOMIC_ACQUIRE);
    uint64_t tail = control->data_tail;
    while (tail < head) {
        perf_record record;
        stamp at;
        copy_out(ring, tail, &record.header, sizeof record.header);
        size_t size = record.header.size;
        if (size < sizeof record.header + sizeof at)
            break; /* never seen; without a size there is no next record */
        copy_out(ring, tail, &record, size < sizeof record ? size : sizeof record);
        copy_out(ring, tail + size - sizeof at, &at, sizeof at);
        put(sink, &record, &at, (uint32_t)ring->core);
        tail += size;
    }
    __atomic_store_n(&control->data_tail, head, __ATOMIC_RELEASE);
}

void gs_rings_drain(gs_rings *rings, gs_sink *sink) {
    for (size_t at = 0; at < rings->ring_count; at++)
        drain_ring(&rings->rings[at], sink);
    gs_sink_flush(sink);
}

static bool has_ring(const gs_rings *rings, int core) {
    for (size_t at = 0; at < rings->ring_count; at++)
        if (rings->rings[at].core == core)
            return true;
    return false;
}

uint32_t gs_rings_missing(const gs_rings *rings, const char *online) {
    char text[4096];
    int fd = open(online, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    close(fd);
    text[bytes < 0 ? 0 : bytes] = 0;
    uint32_t missing = 0;
    char *next = text;
    while (*next >= '0' && *next <= '9') {
        long first = strtol(next, &next, 10);
        long last = *next == '-' ? strtol(next + 1, &next, 10) : first;
        for (long core = first; core <= last; core++)
            missing += !has_ring(rings, (int)core);
        next += *next == ',';
    }
    return missing;
}

bool gs_rings_are_followed(gs_rings *rings) {
    if (poll(rings->events, rings->event_count, 0) < 0)
        return true;
    bool followed = false;
    for (size_t at = 0; at < rings->event_count; at++) {
        if (rings->events[at].revents & (POLLHUP | POLLERR | POLLNVAL))
            rings->events[at].fd = -1; /* the thread and all it started have ended; its ring stays */
        followed = followed || rings->events[at].fd >= 0;
    }
    return followed;
}
