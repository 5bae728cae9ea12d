/*
 * The format of a scheduler evidence file, version 1. This comment is the specification;
 * gtrace/evidence/scheduler.py mirrors it, and a test compares the two.
 *
 * One file holds the context switches of a process and of all threads and processes that it starts
 * while recording. All numbers are little endian, all times nanoseconds of CLOCK_MONOTONIC.
 *
 * The file is a `gs_file_header` followed by records of 16 bytes up to its end. A record is a time
 * and a word (from the lowest bit: kind 5 bits, core 13, process 22, thread 22; the kernel gives
 * neither more cores nor longer ids). Records of one core are in the order of time; those of
 * different cores are mixed in blocks.
 *
 *   IN                  the thread came onto the core.
 *   OUT                 it left the core by its own will: it waits for something.
 *   PREEMPT             it left the core though it could go on: another thread got the core. A
 *                       thread that calls sched_yield() looks the same.
 *   FORK, PARENT        a thread begins (process and thread are its own); the PARENT right behind
 *                       has the process and thread that made it.
 *   EXIT                the thread ends. It is on the core until then; there is no OUT.
 *   NAME, TEXT, TEXT    the thread got a name: 16 bytes, zero-padded, in the times of two TEXTs.
 *   EXEC, TEXT, TEXT    its process became another program, of this name.
 *   LOST                at some moment since the last record of this core, records were lost; how
 *                       many is in the bits of process and thread, the process's the higher ones.
 *
 * What happened on a core that was offline when recording began is missing. New kinds and header
 * fields are only appended.
 */
#ifndef GS_RECORD_H
#define GS_RECORD_H

#include <stdint.h>

#define GS_MAGIC      "gtrcsch"
#define GS_VERSION    1u
#define GS_KIND_BITS  5
#define GS_CORE_BITS  13
#define GS_ID_BITS    22
#define GS_NAME_BYTES 16u

enum gs_kind {
    GS_IN = 1,
    GS_OUT = 2,
    GS_PREEMPT = 3,
    GS_FORK = 4,
    GS_EXIT = 5,
    GS_NAME = 6,
    GS_EXEC = 7,
    GS_LOST = 8,
    GS_PARENT = 30,
    GS_TEXT = 31,
};

enum gs_full {
    GS_NOT_FULL = 0,
    GS_FULL_SIZE = 1,  /* the file reached the size it may have */
    GS_FULL_DISK = 2,  /* the disk is full, or would soon be */
    GS_FULL_ERROR = 3, /* the file could not grow for another reason, see full_errno */
};

enum gs_end {
    GS_NOT_ENDED = 0,    /* still recording, or the drain was killed */
    GS_END_STOP = 1,     /* it was told to stop */
    GS_END_NO_TASKS = 2, /* every thread and process that was followed has ended */
};

typedef struct {
    char magic[8];
    uint32_t version;
    uint32_t header_bytes;
    uint32_t record_bytes;
    uint32_t pid;        /* the process that was recorded */
    uint32_t drain_pid;  /* the process that wrote this file; it holds a lock (flock) on it until it ends */
    uint32_t cores;      /* how many were observed */
    uint32_t ring_bytes; /* of each core's ring */
    uint32_t new_cores;  /* cores that came online while recording and were not observed */
    uint64_t started_ns; /* from here on all is recorded */
    uint64_t stopped_ns; /* up to here */
    uint64_t full_at_ns; /* 0: not full; what is later than this is not complete, and the rest was counted in
                            `lost` */
    uint64_t lost;       /* records, those that LOST speaks of included */
    uint32_t full;       /* enum gs_full */
    uint32_t full_errno;
    uint32_t end; /* enum gs_end */
    uint32_t reserved;
} gs_file_header;

typedef struct {
    uint64_t time_ns;
    uint64_t word;
} gs_record;

_Static_assert(sizeof(gs_record) == 16, "a record is 16 bytes");
_Static_assert(sizeof(gs_file_header) == 88, "the file header is 88 bytes");
_Static_assert(GS_KIND_BITS + GS_CORE_BITS + 2 * GS_ID_BITS <= 64, "a word holds it all");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file is little endian");

#endif
