/*
 * The file behind a region: creation, growth that can never end in SIGBUS, and the cut at the end.
 */
#ifndef GT_CHUNK_FILE_H
#define GT_CHUNK_FILE_H

#include "buffer.h"

/* Creates and maps a file whose header begins with `magic`, 8 bytes; NULL and errno where that cannot be. */
gt_region *gt_chunk_file_create(const char *path, const char *magic, uint32_t version, uint64_t max_bytes);

/* A chunk of its own for the calling thread, zeroed and with blocks on disk behind it; 0 when the
 * file is full, which the header then says. Safe in signal handlers; clobbers errno. */
uint32_t gt_chunk_take(gt_region *region, uint64_t time_ns);

/* For a file that seldom grows: closes the descriptor until it does, where the program may have only few. It
 * may not be allowed to open it again, as it may have become another user. */
void gt_chunk_file_rest(gt_region *region);

/* Chunks that exist and may hold records, the first (header) chunk included. */
uint32_t gt_chunks_used(gt_region *region);

/* Gives back the memory and the descriptor. No chunk is handed out any more; a thread that is just writing a
 * record writes it into memory that nobody reads. Returns how many chunks were used. */
uint32_t gt_chunk_file_leave(gt_region *region);

/* The same, and cuts the file to the chunks that were used. */
void gt_chunk_file_close(gt_region *region);

#endif
