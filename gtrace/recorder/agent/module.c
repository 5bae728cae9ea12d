#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "elf_patch.h"
#include "frames.h"
#include "gil.h"
#include "hooks.h"
#include "insist.h"
#include "names.h"
#include "registry.h"
#include "site_format.h"
#include "sites.h"

static gt_region *recording; /* the file in use, or NULL */
static gt_file_header last_header;
static uint64_t last_records;

/* The process in which a thread starts or stops the agent, or 0. A forked child finds its parent's. */
static _Atomic pid_t in_use;

static bool begin_use(void) {
    pid_t own = getpid();
    pid_t user = atomic_load(&in_use);
    while (user != own)
        if (atomic_compare_exchange_weak(&in_use, &user, own))
            return true;
    PyErr_SetString(PyExc_RuntimeError, "another thread starts or stops the agent");
    return false;
}

static void end_use(void) {
    atomic_store(&in_use, 0);
}

/* A forked child may even have the number of its parent, in a namespace of its own. */
static gt_region *own_recording(void) {
    return recording == gt_region_current() && recording && recording->pid == getpid() ? recording : NULL;
}

static PyObject *refuse(const char *reason) {
    PyErr_SetString(PyExc_RuntimeError, reason);
    return NULL;
}

static PyObject *describe_level(const gt_file_header *header) {
    if (header->level == GT_EXACT)
        return PyUnicode_FromString("exact");
    return PyUnicode_FromFormat("locks only: %s", header->reason);
}

static void set_level(gt_file_header *header, const char *reason) {
    header->level = reason ? GT_LOCKS_ONLY : GT_EXACT;
    header->gil_address = gt_gil_main();
    if (reason)
        strncpy(header->reason, reason, sizeof header->reason - 1);
}

static PyObject *start_recording(const char *path, uint64_t max_bytes) {
    if (own_recording())
        return refuse("already recording");
    if (recording) /* the parent's */
        gt_hooks_forget_waiters();
    recording = NULL;
    const char *reason = gt_hooks_install();
    if (reason)
        return refuse(reason);
    reason = gt_gil_calibrate();
    gt_region *region = gt_region_open(path, max_bytes);
    if (!region) {
        int error = errno;
        gt_hooks_remove();
        errno = error;
        return PyErr_SetFromErrnoWithFilename(PyExc_OSError, path);
    }
    set_level(region->header, reason);
    recording = region;
    gt_region_begin(region);
    if (!reason)
        gt_gil_note_held(region);
    return describe_level(region->header);
}

static PyObject *start(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *path;
    unsigned long long max_bytes;
    if (!PyArg_ParseTuple(args, "O&K:start", PyUnicode_FSConverter, &path, &max_bytes))
        return NULL;
    PyObject *level = NULL;
    if (begin_use()) {
        level = start_recording(PyBytes_AS_STRING(path), max_bytes);
        end_use();
    }
    Py_DECREF(path);
    return level;
}

static PyObject *stop(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    if (!begin_use())
        return NULL;
    gt_region *region = own_recording();
    if (region) {
        gt_sites_close();
        last_records = gt_region_count(region);
        last_header = *region->header;
        gt_region_close(region);
    }
    recording = NULL;
    gt_hooks_remove();
    end_use();
    Py_RETURN_NONE;
}

static PyObject *status(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    gt_region *region = own_recording();
    if (region) {
        last_records = gt_region_count(region);
        last_header = *region->header;
    }
    return Py_BuildValue("{s:O, s:K, s:K, s:K, s:K, s:n, s:N}",        /**/
                         "recording", region ? Py_True : Py_False,     /**/
                         "records", (unsigned long long)last_records,  /**/
                         "lost", (unsigned long long)last_header.lost, /**/
                         "full_at_ns", (unsigned long long)last_header.full_at_ns, "gil_address",
                         (unsigned long long)last_header.gil_address, "patched_slots",
                         (Py_ssize_t)gt_patched_slots(), /**/
                         "level", describe_level(&last_header));
}

static PyObject *start_sites(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *path;
    unsigned long long max_bytes, threshold_ns;
    if (!PyArg_ParseTuple(args, "O&KK:start_sites", PyUnicode_FSConverter, &path, &max_bytes, &threshold_ns))
        return NULL;
    if (!begin_use()) {
        Py_DECREF(path);
        return NULL;
    }
    const char *reason = "the GIL is not recorded";
    if (own_recording() && recording->header->level == GT_EXACT)
        reason = gt_sites_open(PyBytes_AS_STRING(path), max_bytes, threshold_ns);
    end_use();
    Py_DECREF(path);
    if (reason)
        return refuse(reason);
    Py_RETURN_NONE;
}

static PyObject *own_frames(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    gt_frame frames[GT_SITE_FRAMES];
    const char *reason = gt_frames_refused();
    if (reason)
        return refuse(reason);
    gt_walk walk = gt_frames_own(frames, GT_SITE_FRAMES);
    PyObject *result = PyList_New(0);
    for (uint32_t i = 0; result && i < walk.count; i++) {
        PyObject *frame = Py_BuildValue("Oi", frames[i].code, (int)frames[i].offset);
        if (!frame || PyList_Append(result, frame) != 0)
            Py_CLEAR(result);
        Py_XDECREF(frame);
    }
    return result;
}

static PyObject *guard_names(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *file;
    if (!PyArg_ParseTuple(args, "O&:guard_names", PyUnicode_FSConverter, &file))
        return NULL;
    int guarded = gt_names_guard(PyBytes_AS_STRING(file));
    Py_DECREF(file);
    return PyBool_FromLong(guarded);
}

static PyObject *insist(PyObject *module, PyObject *number) {
    (void)module;
    long signal = PyLong_AsLong(number);
    return PyErr_Occurred() ? NULL : PyBool_FromLong(gt_insist((int)signal));
}

static PyObject *insist_no_more(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    gt_insist_no_more();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"guard_names", guard_names, METH_VARARGS, "guard_names(file) -> bool"},
    {"insist", insist, METH_O, "insist(signal) -> bool"},
    {"insist_no_more", insist_no_more, METH_NOARGS, "insist_no_more() -> None"},
    {"own_frames", own_frames, METH_NOARGS, "own_frames() -> list"},
    {"start", start, METH_VARARGS, "start(path, max_bytes) -> level"},
    {"start_sites", start_sites, METH_VARARGS, "start_sites(path, max_bytes, threshold_ns) -> None"},
    {"stop", stop, METH_NOARGS, "stop() -> None"},
    {"status", status, METH_NOARGS, "status() -> dict"},
    {NULL, NULL, 0, NULL},
};

static int prepare(PyObject *module) {
    static bool done;
    if (gt_registry_add(module) != 0)
        return -1;
    if (done)
        return 0;
#ifdef __GLIBC__
    /* pthread_exit() loads it, and aborts where no descriptor is left for that. Up to 3.13 the interpreter
     * ends threads so that want the GIL while it finalizes, as they do more often beside a recorder. */
    dlopen("libgcc_s.so.1", RTLD_LAZY);
#endif
    int error = gt_buffer_init();
    if (error) {
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    done = true;
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)prepare},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED}, /* or a free-threaded interpreter would switch its GIL on */
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_agent", .m_doc = "Records GIL and lock events of this process.",
    .m_methods = methods,  .m_slots = slots,
};

PyMODINIT_FUNC PyInit__agent(void) {
    return PyModuleDef_Init(&definition);
}
