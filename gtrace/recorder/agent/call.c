#define _GNU_SOURCE
#include "call.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static enum gt_descriptor kind_of(int fd) {
    struct stat found;
    if (fd < 0 || fstat(fd, &found) != 0)
        return GT_FD_UNKNOWN;
    switch (found.st_mode & S_IFMT) {
    case S_IFSOCK: return GT_FD_SOCKET;
    case S_IFIFO: return GT_FD_PIPE;
    case S_IFREG:
    case S_IFBLK: return GT_FD_FILE;
    case S_IFCHR: return isatty(fd) ? GT_FD_TERMINAL : GT_FD_OTHER;
    default: return GT_FD_OTHER;
    }
}

/* Of these the function alone does not say what they wait for. */
static bool is_worth_asking(uint64_t call) {
    enum gt_function function = call & 0xff;
    return function == GT_IN_READ || function == GT_IN_WRITE || function == GT_IN_COPY;
}

static void note(gt_region *region, enum gt_kind kind, uint64_t time_ns, uint64_t call) {
    gt_write_with(region, gt_record_of(time_ns, kind), call);
}

void gt_call_note_end(gt_region *region, uint64_t time_ns) {
    gt_thread *self = &gt_self;
    if (self->call_ended && time_ns - self->call_ended > GT_CALL_SLACK_NS)
        note(region, GT_CALL_END, self->call_ended, self->call);
    self->call = self->call_ended = 0;
}

/* Not the first since the thread let go of the GIL. */
static void begin_another(gt_region *region, uint64_t call) {
    gt_thread *self = &gt_self;
    uint64_t now = gt_now();
    bool goes_on = self->call == call && self->call_ended && now - self->call_ended <= GT_CALL_SLACK_NS;
    if (!goes_on) {
        gt_call_note_end(region, now);
        self->call = call;
        self->call_began = now;
        note(region, GT_TIMED_CALL, now, call);
    }
}

void gt_call_begin(gt_region *region, uint64_t call) {
    gt_thread *self = &gt_self;
    self->in_call = true;
    atomic_signal_fence(memory_order_seq_cst);
    if (self->call) {
        begin_another(region, call);
    } else {
        self->call = call;
        self->call_began = self->away_since;
        gt_record *place = self->chunk == self->away_chunk ? gt_take(self, 1) : NULL;
        if (place && self->chunk == self->away_chunk) /* still: a signal handler may have begun another */
            gt_fill(place, gt_record_of(call, GT_CALL));
        else
            note(region, GT_TIMED_CALL, self->away_since, call);
    }
    self->call_ended = 0;
}

void gt_call_end(gt_region *region) {
    gt_thread *self = &gt_self;
    if (self->region == region && region == gt_region_now()) {
        uint64_t now = gt_now();
        self->call_ended = now;
        if (is_worth_asking(self->call) && now - self->call_began >= GT_CALL_ASK_NS) {
            int saved_errno = errno;
            uint64_t kind = kind_of((int)(self->call >> 16) - 1);
            note(region, GT_CALL_END, now, self->call | kind << 8);
            self->call_ended = 0;
            errno = saved_errno;
        }
    }
    atomic_signal_fence(memory_order_seq_cst);
    self->in_call = false;
}
