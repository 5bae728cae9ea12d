/*
 * An object that the loader needs long for, which lets go of the GIL, and whose imports are bound when they
 * are first called.
 */
#include <Python.h>

#include <unistd.h>

#ifdef OTHER /* of the same size, its imports at the same places, and what binds them at others */
#define PAIRS (40000 - 3 * 4096 / (2 * 24))
__asm__(".text\n.skip 3 * 4096, 0x90\n");
char rest[4096] = {1};
#else
#define PAIRS 40000
#endif

/* The loader looks a symbol up again where the one before was another. */
struct pair {
    void *save, *restore;
} pairs[PAIRS] = {[0 ... PAIRS - 1] = {(void *)PyEval_SaveThread, (void *)PyEval_RestoreThread}};

int wait_a_little(void) {
    PyThreadState *state = PyEval_SaveThread();
    int result = usleep(1);
    PyEval_RestoreThread(state);
    return result;
}

/* Without the interpreter's leave: to be called by a thread that Python knows nothing of. */
int wait_without_python(void) {
    return usleep(1);
}
