#define _GNU_SOURCE
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define DISK_STEP_BYTES    (1ull << 20)
#define DISK_RESERVE_BYTES (64ull << 20) /* left to others on a big file system */
#define DISK_RESERVE_PART  16            /* and a sixteenth of a small one */

static bool disk_is_nearly_full(int fd) {
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0 || fs.f_blocks == 0)
        return false; /* some network file systems do not say */
    uint64_t block = (uint64_t)fs.f_bsize;
    uint64_t reserve = fs.f_blocks * block / DISK_RESERVE_PART;
    if (reserve > DISK_RESERVE_BYTES)
        reserve = DISK_RESERVE_BYTES;
    return fs.f_bavail * block < reserve + DISK_STEP_BYTES;
}

static int write_at(int fd, const void *bytes, size_t count, uint64_t place) {
    const char *next = bytes;
    while (count > 0) {
        ssize_t written = pwrite(fd, next, count, (off_t)place);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return errno ? errno : EIO;
        next += written;
        place += (uint64_t)written;
        count -= (size_t)written;
    }
    return 0;
}

static int write_header(gs_sink *sink) {
    return write_at(sink->fd, &sink->header, sizeof sink->header, 0);
}

void gs_sink_write_header(gs_sink *sink) {
    write_header(sink); /* what fails here fails with the records, too, and is counted there */
}

int gs_sink_open(gs_sink *sink, const char *path, uint64_t max_bytes) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    sink->fd = fd;
    sink->max_bytes = max_bytes;
    sink->written = sizeof sink->header;
    gs_file_header *header = &sink->header;
    header->version = GS_VERSION;
    header->header_bytes = sizeof *header;
    header->record_bytes = sizeof(gs_record);
    memcpy(header->magic, GS_MAGIC, sizeof header->magic);
    int error = flock(fd, LOCK_EX | LOCK_NB) == 0 || errno == ENOLCK || errno == EOPNOTSUPP ? 0 : errno;
    if (error == 0)
        error = disk_is_nearly_full(fd) ? ENOSPC : write_header(sink);
    if (error == 0)
        return 0;
    unlink(path);
    close(fd);
    errno = error;
    return -1;
}

/* How many of the gathered records may still be written. */
static size_t room(gs_sink *sink) {
    uint64_t bytes = sink->count * sizeof(gs_record);
    if (sink->written + bytes <= sink->max_bytes)
        return sink->count;
    return sink->written < sink->max_bytes ? (sink->max_bytes - sink->written) / sizeof(gs_record) : 0;
}

/* Of all records that did not fit the earliest counts, and cores are drained one after another: what
 * a later core had to say may be older. */
static void say_full(gs_sink *sink, uint64_t time_ns, int error) {
    gs_file_header *header = &sink->header;
    if (header->full_at_ns && header->full_at_ns <= time_ns)
        return;
    if (!header->full_at_ns) {
        bool disk = error == ENOSPC || error == EDQUOT;
        header->full_errno = (uint32_t)error;
        header->full = error == 0 ? GS_FULL_SIZE : disk ? GS_FULL_DISK : GS_FULL_ERROR;
    }
    header->full_at_ns = time_ns;
    gs_sink_write_header(sink);
}

/* 0 or an errno. A write that failed in its middle leaves whole records that are not counted twice:
 * the file is cut back to what was there before. */
static int append(gs_sink *sink, size_t count) {
    size_t bytes = count * sizeof(gs_record);
    if (sink->written + bytes > sink->checked) {
        if (disk_is_nearly_full(sink->fd))
            return ENOSPC;
        sink->checked = sink->written + bytes + DISK_STEP_BYTES;
    }
    int error = write_at(sink->fd, sink->records, bytes, sink->written);
    if (error == 0)
        sink->written += bytes;
    else if (ftruncate(sink->fd, (off_t)sink->written) != 0)
        return error; /* the reader passes over half a record */
    return error;
}

/* The earliest time among gathered records from `first` on that have one of their own. */
static uint64_t earliest(const gs_sink *sink, size_t first) {
    uint64_t time_ns = UINT64_MAX;
    for (size_t place = first; place < sink->count; place++) {
        const gs_record *record = &sink->records[place];
        if ((record->word & ((1u << GS_KIND_BITS) - 1)) < GS_PARENT && record->time_ns < time_ns)
            time_ns = record->time_ns;
    }
    return time_ns == UINT64_MAX ? gs_now() : time_ns;
}

void gs_sink_flush(gs_sink *sink) {
    size_t kept = 0;
    int error = 0;
    if (!sink->header.full_at_ns) {
        kept = room(sink);
        error = append(sink, kept);
        if (error != 0)
            kept = 0;
    }
    if (kept < sink->count)
        say_full(sink, earliest(sink, kept), error);
    sink->header.lost += sink->count - kept;
    sink->count = 0;
}

bool gs_sink_is_deleted(const gs_sink *sink) {
    struct stat found;
    return fstat(sink->fd, &found) == 0 && found.st_nlink == 0;
}

void gs_sink_close(gs_sink *sink, enum gs_end end, uint64_t stopped_ns) {
    gs_sink_flush(sink);
    sink->header.stopped_ns = stopped_ns;
    sink->header.end = end;
    gs_sink_write_header(sink);
    close(sink->fd);
}
