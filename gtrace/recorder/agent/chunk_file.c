#define _GNU_SOURCE
#include "chunk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define GROWTH_CHUNKS      256u             /* 1 MiB */
#define BATCH_CHUNKS       16u              /* made ready at once: one by one takes five times as long */
#define DISK_RESERVE_BYTES (64ull << 20)    /* left to others on a big file system */
#define DISK_RESERVE_PART  16               /* and a sixteenth of a small one */
#define ADDRESS_PART       32u              /* of what the process may map: the rest is the program's */
#define MIN_CHUNKS         2u               /* the header and one to write to */
#define LEFT               (-2)             /* a descriptor that is not to be opened again */
#define HIGH_DESCRIPTOR    960              /* below 1024, which is all that select() can take */
#define MANY_DESCRIPTORS   256u             /* where one more is not missed */
#define NO_MORE_CHUNKS     (UINT32_MAX / 2) /* far from both the limit and overflow */

static bool disk_is_nearly_full(int fd) {
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0 || fs.f_blocks == 0)
        return false; /* some network file systems do not say */
    uint64_t block = (uint64_t)fs.f_bsize;
    uint64_t reserve = fs.f_blocks * block / DISK_RESERVE_PART;
    if (reserve > DISK_RESERVE_BYTES)
        reserve = DISK_RESERVE_BYTES;
    return fs.f_bavail * block < reserve + (uint64_t)GROWTH_CHUNKS * GT_CHUNK_BYTES;
}

/* The largest file this process may write. Beyond it the kernel sends SIGXFSZ. */
static uint64_t size_allowed(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return limit.rlim_cur;
}

static uint64_t address_space_allowed(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return limit.rlim_cur;
}

static bool is_our_file(const gt_region *region, int fd) {
    struct stat found;
    return fd >= 0 && fstat(fd, &found) == 0 && found.st_dev == region->device &&
           found.st_ino == region->inode;
}

/* Out of the way: programs count on getting the lowest free number. */
static int moved_high(int fd) {
    struct rlimit limit;
    if (fd < 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return fd;
    rlim_t floor = limit.rlim_cur > HIGH_DESCRIPTOR ? HIGH_DESCRIPTOR : limit.rlim_cur * 15 / 16;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, (int)floor);
    if (high < 0)
        return fd;
    close(fd);
    return high;
}

/* The descriptor, opened again if the program closed it (daemons close all they see). */
static int usable_fd(gt_region *region) {
    int fd = atomic_load(&region->fd);
    if (is_our_file(region, fd))
        return fd;
    if (fd == LEFT) {
        errno = EBADF;
        return -1;
    }
    int again = moved_high(open(region->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (again < 0)
        return -1;
    if (!is_our_file(region, again)) {
        close(again);
        errno = ENOENT;
        return -1;
    }
    if (atomic_compare_exchange_strong(&region->fd, &fd, again))
        return again;
    close(again);
    return fd;
}

static int write_zeros(int fd, off_t start, size_t bytes) {
    static char zeros[BATCH_CHUNKS * GT_CHUNK_BYTES];
    while (bytes > 0) {
        ssize_t written = pwrite(fd, zeros, bytes, start);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return errno ? errno : EIO;
        start += written;
        bytes -= (size_t)written;
    }
    return 0;
}

static int allocate(int fd, uint64_t start, uint64_t bytes) {
    int result;
    do {
        result = fallocate(fd, 0, (off_t)start, (off_t)bytes);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

/* Puts blocks behind the chunks before `end` and more, where the file system allows that; 0 or an
 * errno. Several threads may do so at once for the same blocks. */
static int grow(gt_region *region, int fd, uint32_t end) {
    uint32_t allocated = atomic_load(&region->allocated_chunks);
    if (end <= allocated)
        return 0;
    uint32_t more = allocated + GROWTH_CHUNKS - allocated % GROWTH_CHUNKS;
    if (more < end)
        more = end;
    if (more > region->chunk_limit)
        more = region->chunk_limit;
    if ((uint64_t)more * GT_CHUNK_BYTES > size_allowed())
        return EFBIG;
    if (disk_is_nearly_full(fd))
        return ENOSPC;
    uint64_t start = (uint64_t)allocated * GT_CHUNK_BYTES;
    int error = allocate(fd, start, (uint64_t)more * GT_CHUNK_BYTES - start);
    if (error == EOPNOTSUPP || error == ENOSYS)
        return 0; /* the zeros will have to do */
    if (error != 0)
        return error;
    while (allocated < more && !atomic_compare_exchange_weak(&region->allocated_chunks, &allocated, more)) {
    }
    return 0;
}

/* Touches the pages, so that hooks do not fault one by one, and a write that would end in SIGBUS shows
 * here as an error; 0 or an errno. */
static int populate(const gt_region *region, uint32_t first, uint32_t end) {
    char *start = (char *)region->header + (size_t)first * GT_CHUNK_BYTES;
    if (madvise(start, (size_t)(end - first) * GT_CHUNK_BYTES, MADV_POPULATE_WRITE) == 0)
        return 0;
    return errno == EFAULT || errno == ENOMEM ? errno : 0; /* EINVAL: before Linux 5.14 */
}

/* Chunks that nobody else has: blocks behind them, and their pages in memory, which zeros that are
 * written put there for a fifth of what faults would take. 0 or an errno. */
static int make_ready(gt_region *region, uint32_t first, uint32_t end) {
    int fd = usable_fd(region);
    if (fd < 0)
        return errno;
    int error = grow(region, fd, end);
    if (error == 0)
        error = write_zeros(fd, (off_t)first * GT_CHUNK_BYTES, (size_t)(end - first) * GT_CHUNK_BYTES);
    return error == 0 ? populate(region, first, end) : error;
}

static uint32_t say_full(gt_region *region, uint64_t time_ns, int error) {
    gt_file_header *header = region->header;
    uint64_t not_full = 0;
    if (__atomic_compare_exchange_n(&header->full_at_ns, &not_full, time_ns, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST)) {
        bool disk = error == ENOSPC || error == EDQUOT;
        header->full_errno = (uint32_t)error;
        header->full = error == 0 ? GT_FULL_SIZE : disk ? GT_FULL_DISK : GT_FULL_ERROR;
    }
    return 0;
}

static uint64_t batch_of(uint32_t next, uint32_t end) {
    return next | (uint64_t)end << 32;
}

static uint32_t end_of(uint64_t batch) {
    return (uint32_t)(batch >> 32);
}

static uint32_t within_limit(const gt_region *region, uint32_t chunk) {
    return chunk < region->chunk_limit ? chunk : region->chunk_limit;
}

/* The first chunk of a new batch. The others are for all, but where another thread was faster to offer
 * its own: then nobody ever uses them. */
static uint32_t take_batch(gt_region *region, uint64_t used_up, uint64_t time_ns) {
    uint32_t first = atomic_fetch_add(&region->next_chunk, BATCH_CHUNKS);
    if (first >= NO_MORE_CHUNKS)
        return 0;
    if (first >= region->chunk_limit)
        return say_full(region, time_ns, 0);
    uint32_t end = within_limit(region, first + BATCH_CHUNKS);
    int error = make_ready(region, first, end);
    if (error != 0)
        return say_full(region, time_ns, error);
    atomic_compare_exchange_strong(&region->batch, &used_up, batch_of(first + 1, end));
    return first;
}

uint32_t gt_chunk_take(gt_region *region, uint64_t time_ns) {
    if (__atomic_load_n(&region->header->full_at_ns, __ATOMIC_RELAXED))
        return 0;
    uint64_t batch = atomic_load(&region->batch);
    while ((uint32_t)batch < end_of(batch))
        if (atomic_compare_exchange_weak(&region->batch, &batch, batch + 1))
            return (uint32_t)batch;
    int cancelable; /* the hook's caller may have a mutex, and none of its own functions can be cancelled */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelable);
    atomic_fetch_add(&region->growing, 1);
    uint32_t chunk = take_batch(region, batch, time_ns);
    atomic_fetch_sub(&region->growing, 1);
    pthread_setcancelstate(cancelable, NULL);
    return chunk;
}

/* Chunks handed out, those included that then could not be allocated, and in `batch` those offered. */
static uint32_t handed_out(const gt_region *region, uint32_t next, uint64_t batch) {
    uint32_t all = within_limit(region, next);
    return end_of(batch) == all ? (uint32_t)batch : all;
}

static uint64_t file_bytes(int fd) {
    struct stat found;
    return fd >= 0 && fstat(fd, &found) == 0 ? (uint64_t)found.st_size : 0;
}

uint32_t gt_chunks_used(gt_region *region) {
    uint64_t batch = atomic_load(&region->batch);
    uint32_t used = handed_out(region, atomic_load(&region->next_chunk), batch);
    uint64_t existing = file_bytes(usable_fd(region)) / GT_CHUNK_BYTES;
    return used < existing ? used : (uint32_t)existing;
}

static int map_file(gt_region *region, int fd, uint64_t max_bytes) {
    uint64_t part = address_space_allowed() / ADDRESS_PART;
    uint64_t limit = (max_bytes < part ? max_bytes : part) / GT_CHUNK_BYTES;
    if (limit >= NO_MORE_CHUNKS)
        limit = NO_MORE_CHUNKS - 1;
    if (limit < MIN_CHUNKS)
        limit = MIN_CHUNKS;
    void *start = MAP_FAILED;
    for (; limit >= MIN_CHUNKS; limit /= 2) { /* less, under a limit on the address space */
        size_t bytes = (size_t)limit * GT_CHUNK_BYTES;
        start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
        if (start != MAP_FAILED || errno != ENOMEM)
            break;
    }
    if (start == MAP_FAILED)
        return -1;
    region->header = start;
    region->chunk_limit = (uint32_t)limit;
    region->mapped_bytes = (size_t)limit * GT_CHUNK_BYTES;
    return 0;
}

static int create(gt_region *region, uint64_t max_bytes) {
    int fd = moved_high(open(region->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (fd < 0)
        return -1;
    struct stat created;
    int error = fstat(fd, &created) == 0 ? 0 : errno;
    atomic_store(&region->fd, fd);
    region->device = created.st_dev;
    region->inode = created.st_ino;
    if (error == 0 && map_file(region, fd, max_bytes) != 0)
        error = errno;
    uint32_t end = within_limit(region, BATCH_CHUNKS);
    if (error == 0)
        error = make_ready(region, 0, end);
    if (error == 0) {
        atomic_store(&region->next_chunk, BATCH_CHUNKS);
        atomic_store(&region->batch, batch_of(1, end)); /* the first is the header's */
        return 0;
    }
    if (region->header)
        munmap(region->header, region->mapped_bytes);
    unlink(region->path);
    close(fd);
    errno = error;
    return -1;
}

gt_region *gt_chunk_file_create(const char *path, const char *magic, uint32_t version, uint64_t max_bytes) {
    gt_region *region = calloc(1, sizeof *region + strlen(path) + 1);
    if (!region)
        return NULL;
    strcpy(region->path, path);
    region->pid = getpid();
    if (create(region, max_bytes) != 0) {
        free(region);
        return NULL;
    }
    gt_file_header *header = region->header;
    header->version = version;
    header->chunk_bytes = GT_CHUNK_BYTES;
    header->pid = (uint32_t)region->pid;
    memcpy(header->magic, magic, sizeof header->magic);
    return region;
}

void gt_chunk_file_rest(gt_region *region) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= MANY_DESCRIPTORS)
        return;
    int fd = atomic_exchange(&region->fd, -1);
    if (is_our_file(region, fd))
        close(fd);
}

static uint32_t unmap(gt_region *region) {
    uint64_t batch = atomic_exchange(&region->batch, 0);
    uint32_t next = atomic_exchange(&region->next_chunk, NO_MORE_CHUNKS);
    while (atomic_load(&region->growing)) /* its descriptor must stay open, and its pages the file's */
        sched_yield();
    uint32_t used = within_limit(region, next);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t used_bytes = ((size_t)used * GT_CHUNK_BYTES + page - 1) & ~(page - 1);
    /* A thread may still be inside a hook: leave it pages to write to, but not the file's. */
    mmap(region->header, used_bytes, PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (used_bytes < region->mapped_bytes)
        munmap((char *)region->header + used_bytes, region->mapped_bytes - used_bytes);
    return handed_out(region, next, batch);
}

uint32_t gt_chunk_file_leave(gt_region *region) {
    int fd = atomic_exchange(&region->fd, LEFT);
    if (is_our_file(region, fd))
        close(fd);
    atomic_store(&region->growing, 0); /* those threads are the parent's */
    return unmap(region);
}

void gt_chunk_file_close(gt_region *region) {
    uint32_t used = unmap(region); /* from here on nobody makes it grow */
    int fd = usable_fd(region);
    atomic_store(&region->fd, LEFT);
    if (fd < 0)
        return;
    off_t used_bytes = (off_t)used * GT_CHUNK_BYTES;
    if (file_bytes(fd) > (uint64_t)used_bytes && ftruncate(fd, used_bytes) != 0) {
        /* A longer file than needed: the chunks behind are empty and readers pass over them. */
    }
    close(fd);
}
