/*
 * The format of a file of call sites, version 1. This comment is the specification;
 * gtrace/evidence/site_format.py mirrors it, and a test compares the two.
 *
 * One process writes one file. It starts with a chunk of GT_CHUNK_BYTES that holds the header of
 * record.h with GT_SITE_MAGIC; `lost` counts the sites that were left out. Behind it entries follow
 * each other up to the first that is zero. An entry begins with its kind and with its length in bytes, all
 * included, a multiple of 8. Both are written last and at once, so an entry is whole or absent,
 * however the process ended. All numbers are little endian.
 *
 *   PYTHON the first entry: which CPython this is, and so what line tables look like.
 *   CODE   a code object, when it is first seen: `gt_code_entry`, then its name, its file and its
 *          line table (co_linetable; none where it is too long). Names are CPython's own characters of 1, 2
 *          or 4 bytes each, as `name_width` and `file_width` say. Codes are numbered from 0 as they come.
 *   STACK  frames, when they are first seen so: `gt_stack_entry`, then `gt_stack_frame`s, innermost
 *          first. Stacks are numbered from 0 as they come.
 *   SITE   the thread took the GIL at `time_ns`, which is the time of its GIL_ACQUIRE, and there it
 *          stood since it had let go of it.
 *   STILL  at `time_ns`, when recording was ended, the thread with that ident stood there.
 *   MADE   at `time_ns` a lock was made there: the semaphore at that address. One that is made at the
 *          same place again is left out. From CPython 3.14 on locks are no semaphores: there are none.
 *
 * `subject` is the native id of SITE, the ident of STILL, the address of MADE.
 */
#ifndef GT_SITE_FORMAT_H
#define GT_SITE_FORMAT_H

#include <stdint.h>

#define GT_SITE_MAGIC       "gtrcsit"
#define GT_SITE_VERSION     1u
#define GT_SITE_FRAMES      32u
#define GT_MADE_FRAMES      8u
#define GT_SITE_TABLE_BYTES (1u << 20) /* line tables longer than this are left out */

enum gt_entry_kind {
    GT_PYTHON = 1,
    GT_CODE = 2,
    GT_STACK = 3,
    GT_SITE = 4,
    GT_STILL = 5,
    GT_MADE = 6,
};

typedef struct {
    uint32_t kind;
    uint32_t bytes;
} gt_entry;

typedef struct {
    gt_entry head;
    uint32_t version; /* PY_VERSION_HEX */
    uint32_t reserved;
} gt_python_entry;

typedef struct {
    gt_entry head;
    uint32_t first_line;
    uint32_t name_length; /* in characters */
    uint32_t file_length;
    uint32_t table_bytes;
    uint8_t name_width; /* bytes a character */
    uint8_t file_width;
    uint16_t reserved[3];
} gt_code_entry;

typedef struct {
    uint32_t code;
    int32_t offset; /* of the instruction, in bytes */
} gt_stack_frame;

typedef struct {
    gt_entry head;
    uint32_t count;
    uint32_t cut; /* 1: there were further frames around these */
} gt_stack_entry;

typedef struct {
    gt_entry head;
    uint64_t time_ns;
    uint64_t subject;
    uint32_t stack;
    uint32_t reserved;
} gt_site_entry;

_Static_assert(sizeof(gt_entry) == 8, "an entry begins with 8 bytes");
_Static_assert(sizeof(gt_python_entry) == 16, "a version takes 16 bytes");
_Static_assert(sizeof(gt_code_entry) == 32, "names begin at byte 32");
_Static_assert(sizeof(gt_stack_entry) == 16, "frames begin at byte 16");
_Static_assert(sizeof(gt_stack_frame) == 8, "a frame is 8 bytes");
_Static_assert(sizeof(gt_site_entry) == 32, "a site is 32 bytes");

#endif
