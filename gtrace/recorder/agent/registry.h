/*
 * The registry's hooks (threads.py) for plain threads, in C.
 *
 * Each thread passes through four hooks, in code that ran long ago if ever: in Python they touch so much
 * memory that a thread which does nothing takes a third longer. A plain thread is a `threading.Thread`
 * itself, not of a subclass, with names in ASCII. For all else, and whenever anything does not go as usual,
 * the hooks in Python are called, which do the same; that they do is held by a test.
 */
#ifndef GT_REGISTRY_H
#define GT_REGISTRY_H

#include <Python.h>

/* Adds the type PlainThreads; 0, or -1 with an exception. */
int gt_registry_add(PyObject *module);

#endif
