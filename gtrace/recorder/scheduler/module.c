#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drain.h"

#define START_SECONDS 10
#define STOP_SECONDS  10

/* Longer than the kernel's timer slack, so that the thread leaves the core. */
#define STEP_ASIDE_NS 100000

static struct {
    gs_control *control; /* shared with the drain; stays for the next recording: status() may be looking */
    pid_t pid;           /* the process that started it */
    _Atomic pid_t drain; /* 0 when nothing is recorded */
} recording;

static gs_file_header last_header;
static uint64_t last_records;

/* The process in which a thread starts or stops the drain, or 0. A forked child finds its parent's. */
static _Atomic pid_t in_use;

static bool begin_use(void) {
    pid_t own = getpid();
    pid_t user = atomic_load(&in_use);
    while (user != own)
        if (atomic_compare_exchange_weak(&in_use, &user, own))
            return true;
    PyErr_SetString(PyExc_RuntimeError, "another thread starts or stops the scheduler evidence");
    return false;
}

static void end_use(void) {
    atomic_store(&in_use, 0);
}

/* Whether the drain is no more. It stays to be reaped by stop(). */
static bool has_ended(pid_t drain) {
    siginfo_t ended = {0};
    return waitid(P_PID, (id_t)drain, &ended, WEXITED | WNOHANG | WNOWAIT | __WCLONE) == 0 &&
           ended.si_pid == drain;
}

/* A forked child shares its parent's control and may even have its number, in a namespace of its own. */
static bool is_forked;

static void note_fork(void) {
    is_forked = true;
}

static bool follow_forks(void) {
    static bool follows;
    follows = follows || pthread_atfork(NULL, NULL, note_fork) == 0;
    return follows;
}

static bool is_own(void) {
    return recording.drain && !is_forked && recording.pid == getpid();
}

/* Waits while the state is `state`; false when that takes longer than `seconds`, or the drain has ended. */
static bool wait_while(gs_control *control, pid_t drain, enum gs_state state, int seconds) {
    const struct timespec step = {0, 100000000};
    for (int turn = 0; turn < seconds * 10 && atomic_load(&control->state) == state; turn++) {
        syscall(SYS_futex, &control->state, FUTEX_WAIT, state, &step, NULL, 0);
        if (has_ended(drain))
            break;
    }
    return atomic_load(&control->state) != state;
}

/* A process that gives no signal when it ends, so that the program's wait() does not see it. None
 * of the program's handlers for forks run in it: nothing of the program does. */
static pid_t fork_unseen(gs_control *control, const gs_plan *plan, gs_rings *room) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t drain = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
    if (drain == 0)
        gs_drain_run(control, plan, room);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return drain;
}

/* The drain has ended, or is made to. */
static void reap(pid_t drain, bool ended) {
    if (!ended)
        kill(drain, SIGKILL);
    while (waitpid(drain, NULL, __WCLONE) < 0 && errno == EINTR) {
    }
}

static PyObject *refuse(int step, int error, const char *path) {
    errno = error;
    if (step == GS_STEP_FILE)
        return PyErr_SetFromErrnoWithFilename(PyExc_OSError, path);
    static const char *const names[] = {"", "process", "open", "map"};
    PyObject *args = Py_BuildValue("(is)", error, names[step]);
    if (args)
        PyErr_SetObject(PyExc_OSError, args);
    Py_XDECREF(args);
    return NULL;
}

/* A forked child would share its parent's, and gets one of its own. NULL and errno where there is no memory.
 */
static gs_control *fresh_control(pid_t pid) {
    if (recording.control && !is_forked && recording.pid == pid) {
        memset(recording.control, 0, sizeof *recording.control);
        return recording.control;
    }
    void *pages = mmap(NULL, sizeof(gs_control), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    is_forked = false;
    recording.drain = 0;
    recording.pid = pid;
    recording.control = pages;
    return pages;
}

static PyObject *start_recording(const gs_plan *plan, gs_rings *room) {
    gs_control *control = fresh_control(plan->pid);
    if (!control)
        return PyErr_SetFromErrno(PyExc_OSError);
    pid_t drain = fork_unseen(control, plan, room);
    int error = errno;
    bool answered = false;
    Py_BEGIN_ALLOW_THREADS;
    answered = drain > 0 && wait_while(control, drain, GS_STARTING, START_SECONDS);
    Py_END_ALLOW_THREADS;
    if (answered && atomic_load(&control->state) == GS_RECORDING) {
        recording.drain = drain;
        const struct timespec moment = {0, STEP_ASIDE_NS};
        nanosleep(&moment, NULL); /* the calling thread's first records say where it is */
        Py_RETURN_NONE;
    }
    int step = answered ? (int)control->step : GS_STEP_PROCESS;
    if (drain > 0) {
        error = answered ? control->error : ECHILD;
        reap(drain, answered);
    }
    return refuse(step, error, plan->path);
}

/* An array of the integers in a tuple; NULL and an exception where it holds anything else. */
static int *to_array(PyObject *tuple) {
    Py_ssize_t count = PyTuple_GET_SIZE(tuple);
    int *numbers = PyMem_Malloc((size_t)(count + 1) * sizeof *numbers);
    if (!numbers)
        PyErr_NoMemory();
    for (Py_ssize_t at = 0; numbers && at < count; at++) {
        numbers[at] = (int)PyLong_AsLong(PyTuple_GET_ITEM(tuple, at));
        if (PyErr_Occurred()) {
            PyMem_Free(numbers);
            return NULL;
        }
    }
    return numbers;
}

static PyObject *start_scope(gs_plan *plan, PyObject *cores, PyObject *tids) {
    gs_rings room = {0};
    int *core_list = to_array(cores);
    int *tid_list = core_list ? to_array(tids) : NULL;
    PyObject *result = NULL;
    if (tid_list) {
        plan->scope =
            (gs_scope){core_list, (size_t)PyTuple_GET_SIZE(cores), tid_list, (size_t)PyTuple_GET_SIZE(tids)};
        /* the drain allocates nothing: another thread may have held the allocator's lock when it was made */
        room.rings = PyMem_Calloc(plan->scope.core_count + 1, sizeof *room.rings);
        room.events = PyMem_Calloc(plan->scope.core_count * plan->scope.tid_count + 1, sizeof *room.events);
        result = room.rings && room.events ? start_recording(plan, &room) : PyErr_NoMemory();
    }
    PyMem_Free(room.events);
    PyMem_Free(room.rings);
    PyMem_Free(tid_list);
    PyMem_Free(core_list);
    return result;
}

static PyObject *start(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *path, *cores, *tids;
    unsigned long long max_bytes;
    unsigned long ring_bytes;
    if (!PyArg_ParseTuple(args, "O&KkO!O!:start", PyUnicode_FSConverter, &path, &max_bytes, &ring_bytes,
                          &PyTuple_Type, &cores, &PyTuple_Type, &tids))
        return NULL;
    PyObject *result = NULL;
    if (begin_use()) {
        gs_plan plan = {
            .path = PyBytes_AS_STRING(path),
            .max_bytes = max_bytes,
            .ring_bytes = ring_bytes,
            .pid = getpid(),
        };
        if (is_own())
            PyErr_SetString(PyExc_RuntimeError, "already recording");
        else if (!follow_forks())
            PyErr_NoMemory();
        else
            result = start_scope(&plan, cores, tids);
        end_use();
    }
    Py_DECREF(path);
    return result;
}

static void look(void) {
    last_header = recording.control->header;
    last_records = atomic_load(&recording.control->records);
}

static PyObject *stop(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    if (!begin_use())
        return NULL;
    if (is_own()) {
        gs_control *control = recording.control;
        Py_BEGIN_ALLOW_THREADS;
        atomic_store(&control->stop, 1);
        kill(recording.drain, SIGUSR1);
        reap(recording.drain, wait_while(control, recording.drain, GS_RECORDING, STOP_SECONDS));
        Py_END_ALLOW_THREADS;
        look();
        recording.drain = 0;
    }
    end_use();
    Py_RETURN_NONE;
}

static PyObject *status(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    bool own = is_own();
    bool ended = own && has_ended(recording.drain);
    if (own)
        look();
    return Py_BuildValue("{s:O, s:i, s:K, s:K, s:K, s:I, s:I}",                           /**/
                         "recording", own && !ended ? Py_True : Py_False,                 /**/
                         "followed_by", recording.drain && !own ? (int)recording.pid : 0, /**/
                         "records", (unsigned long long)last_records,                     /**/
                         "lost", (unsigned long long)last_header.lost,                    /**/
                         "full_at_ns", (unsigned long long)last_header.full_at_ns,        /**/
                         "cores", (unsigned int)last_header.cores,                        /**/
                         "ring_bytes", (unsigned int)last_header.ring_bytes);
}

static PyObject *warm_up(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    Py_BEGIN_ALLOW_THREADS;
    gs_rings_warm_up();
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

/* The GIL is kept: a thread that asks at its end must not wait for another turn. */
static PyObject *own_times(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    char text[96];
    unsigned long long run, queue, turns;
    int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    close(fd);
    text[bytes < 0 ? 0 : bytes] = 0;
    if (sscanf(text, "%llu %llu %llu", &run, &queue, &turns) < 3 || turns == 0)
        Py_RETURN_NONE;
    return Py_BuildValue("KK", run, queue);
}

static PyMethodDef methods[] = {
    {"start", start, METH_VARARGS, "start(path, max_bytes, ring_bytes, cores, tids) -> None"},
    {"stop", stop, METH_NOARGS, "stop() -> None"},
    {"warm_up", warm_up, METH_NOARGS, "warm_up() -> None"},
    {"own_times", own_times, METH_NOARGS, "own_times() -> (run_ns, queue_ns) | None"},
    {"status", status, METH_NOARGS, "status() -> dict"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED}, /* or a free-threaded interpreter would switch its GIL on */
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_scheduler", .m_doc = "Records context switches of this process.",
    .m_methods = methods,  .m_slots = slots,
};

PyMODINIT_FUNC PyInit__scheduler(void) {
    return PyModuleDef_Init(&definition);
}
