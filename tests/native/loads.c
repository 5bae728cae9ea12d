/* Threads that Python knows nothing of: one loads an object and unloads it again, over and over, another asks
 * the loader all the time what it has loaded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *path;
static int rounds;
static pthread_t thread;

static void *load(void *unused) {
    (void)unused;
    for (int round = 0; round < rounds; round++) {
        void *object = dlopen(path, RTLD_LAZY);
        int (*call)(void) = object ? (int (*)(void))dlsym(object, "wait_without_python") : NULL;
        if (!call || call() != 0)
            abort();
        dlclose(object);
    }
    return NULL;
}

int start_loading(const char *object, int times) {
    path = strdup(object);
    rounds = times;
    return pthread_create(&thread, NULL, load, NULL);
}

static int look(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)info;
    (void)size;
    (void)unused;
    return 0;
}

static void *keep_asking(void *unused) {
    for (;;)
        dl_iterate_phdr(look, unused);
    return NULL;
}

int start_asking(void) {
    return pthread_create(&thread, NULL, keep_asking, NULL);
}

int end_loading(void) {
    return pthread_join(thread, NULL);
}
