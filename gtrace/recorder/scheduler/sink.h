/*
 * The evidence file: records are gathered and appended; what does not fit is counted.
 */
#ifndef GS_SINK_H
#define GS_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "record.h"

#define GS_SINK_RECORDS 4096u

typedef struct {
    gs_file_header header;
    gs_record records[GS_SINK_RECORDS];
    size_t count;     /* records gathered */
    uint64_t written; /* bytes in the file */
    uint64_t max_bytes;
    uint64_t checked; /* bytes for which the disk was found to have room */
    int fd;
} gs_sink;

static inline uint64_t gs_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t gs_word(enum gs_kind kind, uint32_t core, uint32_t pid, uint32_t tid) {
    const uint64_t id = (1u << GS_ID_BITS) - 1;
    return (uint64_t)kind | (uint64_t)(core & ((1u << GS_CORE_BITS) - 1)) << GS_KIND_BITS |
           (pid & id) << (GS_KIND_BITS + GS_CORE_BITS) |
           (tid & id) << (GS_KIND_BITS + GS_CORE_BITS + GS_ID_BITS);
}

/* Creates the file and locks it; 0, or -1 and errno. */
int gs_sink_open(gs_sink *sink, const char *path, uint64_t max_bytes);

void gs_sink_flush(gs_sink *sink);
void gs_sink_write_header(gs_sink *sink);

/* Whether the file was deleted, so that nobody will ever read it. */
bool gs_sink_is_deleted(const gs_sink *sink);

/* Says in the file how the recording ended, and closes it. */
void gs_sink_close(gs_sink *sink, enum gs_end end, uint64_t stopped_ns);

static inline void gs_sink_put(gs_sink *sink, uint64_t time_ns, uint64_t word) {
    if (sink->count == GS_SINK_RECORDS)
        gs_sink_flush(sink);
    sink->records[sink->count++] = (gs_record){time_ns, word};
}

#endif
