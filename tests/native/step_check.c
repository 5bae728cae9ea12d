/*
 * A signal at any instruction: the processor traps behind each one that writes a record, and at one of them,
 * each in its turn, the handler writes so many records that the thread begins another chunk. No record of
 * either is lost, torn or written over, and nothing that came before any place is touched.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "check.h"

#define TRAP_FLAG 0x100u
#define BURST     700 /* more than a chunk holds */
#define MARK      0x7fff12345678u

static gt_region *region;
static long steps, burst_at;

static void on_trap(int number) {
    (void)number;
    if (steps++ == burst_at)
        for (int i = 0; i < BURST; i++)
            gt_write(region, gt_record_of(gt_now(), GT_GIL_ACQUIRE));
}

static void set_trap_flag(uint64_t flag) {
    uint64_t flags;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    flags = (flags & ~(uint64_t)TRAP_FLAG) | flag;
    __asm__ volatile("pushq %0; popfq" : : "r"(flags) : "memory", "cc");
}

/* Instructions of one pair of records, the handler's burst being behind the one of number `place`. */
static long write_stepwise(long place) {
    steps = 0;
    burst_at = place;
    set_trap_flag(TRAP_FLAG);
    gt_write_with(region, gt_record_of(gt_now(), GT_LOCK_WAIT), MARK);
    gt_write(region, gt_record_of(gt_now(), GT_GIL_RELEASE));
    set_trap_flag(0);
    return steps;
}

static long count(gt_record *records, enum gt_kind kind) {
    long found = 0;
    for (uint32_t i = 0; i < GT_CHUNK_RECORDS; i++)
        if ((records[i] & ((1u << GT_KIND_BITS) - 1)) == kind)
            found++;
    return found;
}

/* Each LOCK_WAIT has its VALUE, and no VALUE is alone. */
static void check_pairs(gt_record *records) {
    for (uint32_t i = 0; i < GT_CHUNK_RECORDS; i++) {
        enum gt_kind kind = records[i] & ((1u << GT_KIND_BITS) - 1);
        if (kind == GT_LOCK_WAIT)
            CHECK(records[i + 1] == gt_record_of(MARK, GT_VALUE));
        if (kind == GT_VALUE)
            CHECK(i && ((records[i - 1] & 31) == GT_LOCK_WAIT || (records[i - 1] & 31) == GT_THREAD));
    }
}

static void check_round(const char *path, long place, long *instructions) {
    CHECK((region = gt_region_open(path, 1 << 20)) != NULL);
    gt_region_begin(region);
    gt_write(region, gt_record_of(gt_now(), GT_GIL_HOLDS));
    *instructions = write_stepwise(place);
    long waits = 0, releases = 0, acquires = 0;
    for (uint32_t chunk = 1; chunk < 8; chunk++) {
        gt_record *records = (gt_record *)((char *)region->header + chunk * GT_CHUNK_BYTES + 32);
        check_pairs(records);
        waits += count(records, GT_LOCK_WAIT);
        releases += count(records, GT_GIL_RELEASE);
        acquires += count(records, GT_GIL_ACQUIRE);
    }
    CHECK(region->header->lost == 0);
    CHECK(waits == 1 && releases == 1);
    CHECK(acquires == (place < *instructions ? BURST : 0));
    gt_region_close(region);
    remove(path);
}

int main(int argc, char **argv) {
    CHECK(argc > 1);
    CHECK(gt_buffer_init() == 0);
    signal(SIGTRAP, on_trap);
    long instructions = 1, place = 0;
    for (; place < instructions; place++)
        check_round(argv[1], place, &instructions);
    CHECK(place > 20); /* or nothing was stepped through */
    printf("all checks hold at %ld instructions\n", place);
    return 0;
}
