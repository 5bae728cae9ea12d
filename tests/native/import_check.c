/*
 * Redirects this program's own imports and puts them back, twice: calls reach the hook in between
 * and only then, and the pages of the table are protected afterwards as they were before.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "elf_patch.h"

static int signals, posts;
static int inside; /* an address in this object */

static int on_signal(pthread_cond_t *cond) {
    (void)cond;
    signals++;
    return 0;
}

static int on_post(sem_t *semaphore) {
    (void)semaphore;
    posts++;
    return 0;
}

static const gt_import signal_import[] = {{"pthread_cond_signal", (void *)on_signal}};
/* Of another C library than this one: who asks for it must not find it. */
extern int no_such_function(void) __attribute__((weak));

static int on_no_such_function(void) {
    return 0;
}

static const gt_import post_import[] = {{"sem_post", (void *)on_post},
                                        {"no_such_function", (void *)on_no_such_function},
                                        {"no_such_import", NULL}};
static const gt_imports imports[] = {{signal_import, 1}, {post_import, 3}};
static const gt_imports no_imports[] = {{post_import + 2, 1}, {NULL, 0}};

/* The protection of every page of this program, as text. */
static char *protections(const char *program) {
    static char buffers[2][8192];
    static int turn;
    char *found = buffers[turn ^= 1];
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps);
    *found = 0;
    while (fgets(line, sizeof line, maps))
        if (strstr(line, program) && strlen(found) + strlen(line) < sizeof buffers[0])
            strcat(found, line);
    fclose(maps);
    return found;
}

int main(int argc, char **argv) {
    (void)argc;
    const char *program = strrchr(argv[0], '/') + 1;
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    sem_t semaphore;
    CHECK(sem_init(&semaphore, 0, 0) == 0);
    const char *before = protections(program);
    for (int round = 1; round <= 2; round++) {
        CHECK(gt_patch_imports(&inside, imports) == NULL);
        CHECK(gt_patched_slots() >= 2);
        CHECK(!no_such_function);
        pthread_cond_signal(&cond);
        sem_post(&semaphore);
        CHECK(signals == round && posts == round);
        CHECK(gt_patch_imports(&inside, imports) == NULL); /* nothing the second time */
        gt_unpatch_imports();
        CHECK(gt_patched_slots() == 0);
        pthread_cond_signal(&cond);
        sem_post(&semaphore);
        CHECK(signals == round && posts == round);
        int value;
        CHECK(sem_getvalue(&semaphore, &value) == 0 && value == round);
        CHECK(strcmp(before, protections(program)) == 0);
    }
    CHECK(gt_patch_imports(&inside, no_imports) != NULL);
    CHECK(gt_patch_imports((void *)16, imports) != NULL);
    puts("all checks hold");
    return 0;
}
