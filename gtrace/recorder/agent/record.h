/*
 * The format of a GIL and lock evidence file, version 2. This comment is the specification;
 * gtrace/evidence/gil_format.py mirrors it, and a test compares the two.
 *
 * One process writes one file (one file a thread would make ten thousand files of ten thousand
 * short threads). All numbers are little endian, all times nanoseconds of CLOCK_MONOTONIC, to a
 * fraction of a microsecond (clock.h).
 *
 * The file is a row of chunks of GT_CHUNK_BYTES. The first chunk starts with `gt_file_header`;
 * its rest is zero. Every other chunk starts with `gt_chunk_header`, followed by
 * GT_CHUNK_RECORDS places for records. A chunk without GT_CHUNK_MAGIC was allocated and never
 * used. A place that is zero was never written.
 *
 * A record is 8 bytes, (value << GT_KIND_BITS) | kind, and written at once, so it is whole or
 * absent, however the process ended. The value is the time, but for CALL and for VALUE, which
 * stands right behind a record that says more than a time, and was written before it.
 *
 *   VALUE               an address, or the name of a thread: native id | thread serial << 32.
 *   THREAD, VALUE       names a thread, when it is first seen. All records behind it in this chunk
 *                       are this thread's, up to the next THREAD. Serials count the threads of
 *                       a file from 1 and tell apart threads that had the same native id.
 *   THREAD_EXIT         the thread's last record, but for GIL events of late destructors, which
 *                       come behind a THREAD of their own.
 *   GIL_HOLDS           the thread held this GIL when recording began.
 *   GIL_WAIT            the thread found the GIL taken and begins to wait.
 *   GIL_ACQUIRE         it has the GIL; without a GIL_WAIT before it, the GIL was free.
 *   GIL_RELEASE         it let go of the GIL.
 *   GIL_FORCED_RELEASE  it let go while another thread's request to let go was pending: that
 *                       thread had waited a whole switch interval without any change of holder.
 *   LOCK_WAIT, VALUE    the thread found the semaphore at VALUE taken and begins to wait.
 *   LOCK_ACQUIRE, VALUE    it got the semaphore it waited for,
 *   LOCK_TIMEOUT, VALUE    or its time was up,
 *   LOCK_INTERRUPT, VALUE  or a signal interrupted the wait.
 *   LOCK_POST, VALUE    the thread posts a semaphore on which some thread waits. Semaphores that
 *                       share a hash may add a LOCK_POST on which nobody waits; none is missing.
 *                       Where waiter and poster raced, its time may be a little after the
 *                       LOCK_ACQUIRE.
 *
 *   CALL                the thread went, with its last GIL_RELEASE or GIL_FORCED_RELEASE, which is in
 *                       the same chunk, into a function of the C library that may block.
 *   TIMED_CALL, VALUE   the same at a time of its own.
 *   CALL_END, VALUE     it came back. A call without one lasted, but for GT_CALL_SLACK_NS, until the
 *                       thread's next call, GIL_WAIT or GIL_ACQUIRE; calls that do the same, with no
 *                       longer breaks between them, are one.
 *
 * The value of these is function | kind of descriptor << 8 | (descriptor + 1) << 16. The kind is said
 * by CALL_END alone, as asking for it takes time: of calls of GT_CALL_ASK_NS and more. Only calls of
 * threads that are away from the GIL are recorded. Version 1 has none of these three.
 *
 * A GIL is named by the address of its condition variable: the GIL_ records of the main GIL, at
 * `gil_address`, stand alone, those of other GILs have a VALUE behind them. A GIL_RELEASE is
 * stamped before the GIL becomes free and a GIL_ACQUIRE after it was taken, so holds of one GIL
 * never overlap. Records of one thread are in the order of their places; only where a signal
 * handler recorded, neighbours may be swapped. New kinds and header fields are only appended.
 */
#ifndef GT_RECORD_H
#define GT_RECORD_H

#include <stdint.h>

#define GT_MAGIC         "gtrcgil"
#define GT_VERSION       2u
#define GT_CHUNK_MAGIC   0x4b435447u /* "GTCK" */
#define GT_CHUNK_BYTES   4096u
#define GT_CHUNK_RECORDS 508u
#define GT_KIND_BITS     5
#define GT_CALL_SLACK_NS 50000u
#define GT_CALL_ASK_NS   20000u

enum gt_kind {
    GT_THREAD = 1,
    GT_THREAD_EXIT = 2,
    GT_GIL_HOLDS = 3,
    GT_GIL_WAIT = 4,
    GT_GIL_ACQUIRE = 5,
    GT_GIL_RELEASE = 6,
    GT_GIL_FORCED_RELEASE = 7,
    GT_LOCK_WAIT = 8,
    GT_LOCK_ACQUIRE = 9,
    GT_LOCK_TIMEOUT = 10,
    GT_LOCK_INTERRUPT = 11,
    GT_LOCK_POST = 12,
    GT_CALL = 13,
    GT_TIMED_CALL = 14,
    GT_CALL_END = 15,
    GT_VALUE = 31,
};

/* What functions of the C library do, many of which do the same. */
enum gt_function {
    GT_IN_READ = 1,
    GT_IN_WRITE = 2,
    GT_IN_RECV = 3,
    GT_IN_SEND = 4,
    GT_IN_ACCEPT = 5,
    GT_IN_CONNECT = 6,
    GT_IN_POLL = 7, /* select and epoll, too */
    GT_IN_SLEEP = 8,
    GT_IN_CHILD = 9, /* waits for a child process */
    GT_IN_SYNC = 10,
    GT_IN_FILE_LOCK = 11,
    GT_IN_OPEN = 12,
    GT_IN_COPY = 13, /* to the descriptor, from another */
    GT_IN_SIGNAL = 14,
    GT_IN_NAME_LOOKUP = 15,
    GT_IN_SEMAPHORE = 16, /* of an extension module */
    GT_IN_TERMINAL = 17,
};

enum gt_descriptor {
    GT_FD_UNKNOWN = 0,
    GT_FD_SOCKET = 1,
    GT_FD_PIPE = 2,
    GT_FD_FILE = 3,
    GT_FD_TERMINAL = 4,
    GT_FD_OTHER = 5,
};

enum gt_full {
    GT_NOT_FULL = 0,
    GT_FULL_SIZE = 1,  /* the file reached the size it may have */
    GT_FULL_DISK = 2,  /* the disk is full, or would soon be */
    GT_FULL_ERROR = 3, /* the file could not grow for another reason, see full_errno */
};

enum gt_level {
    GT_EXACT = 0,
    GT_LOCKS_ONLY = 1, /* no GIL evidence; `reason` says why */
};

typedef uint64_t gt_record;

typedef struct {
    char magic[8];
    uint32_t version;
    uint32_t chunk_bytes;
    uint32_t record_bytes;
    uint32_t pid;
    uint64_t started_ns;
    uint64_t stopped_ns; /* 0: still recording, or ended without a stop */
    uint64_t full_at_ns; /* 0: not full; from then on records were only counted, in `lost` */
    uint64_t lost;
    uint64_t gil_address; /* the main interpreter's GIL, 0 where level is not GT_EXACT */
    uint32_t full;        /* enum gt_full */
    uint32_t full_errno;
    uint32_t level;        /* enum gt_level */
    uint32_t unknown_gils; /* GIL events left out because there were too many GILs */
    char reason[160];      /* zero-terminated UTF-8 */
} gt_file_header;

typedef struct {
    uint32_t magic;
    uint32_t tid;    /* the thread that took the chunk first */
    uint32_t thread; /* and its serial */
    uint32_t filled; /* how many places threads that ended have filled; for the agent's own use */
    uint64_t started_ns;
    uint32_t next_free; /* for the agent's own use */
    uint32_t reserved;
} gt_chunk_header;

_Static_assert(sizeof(gt_record) == 8, "a record is 8 bytes");
_Static_assert(sizeof(gt_file_header) == 240, "the file header is 240 bytes");
_Static_assert(sizeof(gt_chunk_header) == 32, "the chunk header takes the room of four records");
_Static_assert(sizeof(gt_chunk_header) + GT_CHUNK_RECORDS * sizeof(gt_record) == GT_CHUNK_BYTES,
               "records fill a chunk to the end");
_Static_assert(GT_VALUE < 1 << GT_KIND_BITS, "a kind fits its bits");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file is little endian");

#endif
