#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE
#include "registry.h"

#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "frames.h"

#define LINE_BYTES 1024

enum attribute {
    THREAD, /* the type of plain threads */
    KEYS,   /* dict: id of a thread -> its key */
    SITES,  /* dict: (id of a code object, offset) -> (code object, where that is, as JSON) */
    NEXT_KEY,
    BEFORE_START, /* the hooks in Python */
    BEGIN,
    END,
    AFTER_JOIN,
    ATTRIBUTES,
};

/* Of a registry; its journal is looked up each time, as a forked child has another one. */
static const char *const attributes[ATTRIBUTES] = {
    "thread_type", "keys", "sites", "next_key", "before_start", "begin", "end", "after_join",
};

typedef struct {
    PyObject ob_base;
    PyObject *registry;
    PyObject *of[ATTRIBUTES];
} plain_threads;

/* A line of the journal. What does not fit, or must not stand there as it is, spoils it. */
typedef struct {
    size_t used;
    bool spoilt;
    char text[LINE_BYTES];
} line;

enum name { STARTED, FLAG, TARGET, NAME, DAEMONIC, QUALNAME, JOURNAL, WRITE, NAMES };

static const char *const names[NAMES] = {
    "_started", "_flag", "_target", "_name", "_daemonic", "__qualname__", "journal", "write",
};
static PyObject *interned[NAMES];

/* New; NULL where an object has none of this name. */
static PyObject *get(PyObject *object, enum name name) {
    return object ? PyObject_GetAttr(object, interned[name]) : NULL;
}

/* The native id, as asking the kernel takes longer; 0 where it was not asked yet. */
static GT_TLS uint64_t own_tid;

static void forget_tid(void) {
    own_tid = 0;
}

static uint64_t tid(void) {
    if (!own_tid)
        own_tid = (uint64_t)syscall(SYS_gettid);
    return own_tid;
}

static void put(line *to, const char *text, size_t length) {
    if (length > LINE_BYTES - to->used) {
        to->spoilt = true;
        return;
    }
    memcpy(to->text + to->used, text, length);
    to->used += length;
}

#define PUT(to, literal) put(to, literal, sizeof literal - 1)

static void put_number(line *to, uint64_t number) {
    char digits[20], *first = digits + sizeof digits;
    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    put(to, first, (size_t)(digits + sizeof digits - first));
}

/* Takes `number` from the caller; NULL spoils the line. */
static void put_long(line *to, PyObject *number) {
    unsigned long long value = number ? PyLong_AsUnsignedLongLong(number) : 0;
    if (!number || (value == (unsigned long long)-1 && PyErr_Occurred()))
        to->spoilt = true;
    put_number(to, value);
    Py_XDECREF(number);
}

/* `event` is the beginning of the line, up to its first time. */
static void begin_line(line *to, const char *event) {
    to->used = 0;
    to->spoilt = false;
    put(to, event, strlen(event));
}

static bool is_ascii(PyObject *text) {
    return text && PyUnicode_CheckExact(text) && PyUnicode_IS_COMPACT_ASCII(text);
}

/* Text that is JSON already. */
static void put_json(line *to, PyObject *text) {
    if (is_ascii(text))
        put(to, PyUnicode_DATA(text), (size_t)PyUnicode_GET_LENGTH(text));
    else
        to->spoilt = true;
}

/* Takes `text` from the caller; what JSON would have to escape spoils the line. */
static void put_quoted(line *to, PyObject *text) {
    const char *characters = is_ascii(text) ? PyUnicode_DATA(text) : "\"";
    for (const char *c = characters; *c; c++)
        to->spoilt |= *c == '"' || *c == '\\' || (unsigned char)*c < ' ';
    to->spoilt |= is_ascii(text) && strlen(characters) != (size_t)PyUnicode_GET_LENGTH(text);
    PUT(to, "\"");
    put(to, characters, strlen(characters));
    PUT(to, "\"");
    Py_XDECREF(text);
}

/* Writes the line, if nothing spoilt it. */
static bool write_line(plain_threads *self, line *done) {
    PUT(done, "}\n");
    if (done->spoilt)
        return false;
    PyObject *journal = get(self->registry, JOURNAL);
    PyObject *write = get(journal, WRITE);
    PyObject *bytes = PyBytes_FromStringAndSize(done->text, (Py_ssize_t)done->used);
    PyObject *written = write && bytes ? PyObject_CallOneArg(write, bytes) : NULL;
    Py_XDECREF(journal);
    Py_XDECREF(write);
    Py_XDECREF(bytes);
    Py_XDECREF(written);
    return written != NULL;
}

/* Borrowed; NULL where it was not found before. The frame inside is that of Thread.start. */
static PyObject *known_site(plain_threads *self) {
    gt_frame frames[2];
    if (gt_frames_own(frames, 2).count != 2)
        return NULL;
    PyObject *key =
        Py_BuildValue("NN", PyLong_FromVoidPtr(frames[1].code), PyLong_FromLong(frames[1].offset));
    PyObject *known = key ? PyDict_GetItemWithError(self->of[SITES], key) : NULL;
    Py_XDECREF(key);
    return known ? PyTuple_GET_ITEM(known, 1) : NULL;
}

static bool is_plain(plain_threads *self, PyObject *thread) {
    return (PyObject *)Py_TYPE(thread) == self->of[THREAD];
}

/* A thread that is started a second time keeps its key: start() raises. */
static bool was_started(PyObject *thread) {
    PyObject *started = get(thread, STARTED);
    PyObject *flag = get(started, FLAG);
    bool is_new = flag == Py_False;
    Py_XDECREF(started);
    Py_XDECREF(flag);
    return !is_new;
}

/* New; NULL where it is no plain function. */
static PyObject *name_of_target(PyObject *thread) {
    PyObject *target = get(thread, TARGET);
    PyObject *name = target && PyFunction_Check(target) ? get(target, QUALNAME) : NULL;
    Py_XDECREF(target);
    return name;
}

/* New. */
static PyObject *new_key(plain_threads *self, PyObject *thread) {
    PyObject *id = PyLong_FromVoidPtr(thread);
    PyObject *key = id ? PyObject_CallNoArgs(self->of[NEXT_KEY]) : NULL;
    if (key && PyDict_SetItem(self->of[KEYS], id, key) != 0)
        Py_CLEAR(key);
    Py_XDECREF(id);
    return key;
}

/* New; 0 where the thread was started before it could be seen. */
static PyObject *key_of(plain_threads *self, PyObject *thread) {
    PyObject *id = PyLong_FromVoidPtr(thread);
    PyObject *key = id ? PyDict_GetItemWithError(self->of[KEYS], id) : NULL;
    Py_XDECREF(id);
    return key ? Py_NewRef(key) : PyErr_Occurred() ? NULL : PyLong_FromLong(0);
}

static bool note_start(plain_threads *self, PyObject *thread) {
    if (!is_plain(self, thread) || was_started(thread))
        return false;
    PyObject *site = known_site(self);
    if (!site)
        return false;
    line text;
    begin_line(&text, "{\"event\":\"start\",\"time\":");
    put_number(&text, gt_now());
    PUT(&text, ",\"parent\":");
    put_number(&text, tid());
    PUT(&text, ",\"target\":");
    put_quoted(&text, name_of_target(thread));
    PUT(&text, ",\"created\":");
    put_json(&text, site);
    if (text.spoilt) /* before it takes a key */
        return false;
    PUT(&text, ",\"key\":");
    put_long(&text, new_key(self, thread));
    return write_line(self, &text);
}

/* The key is that of the thread. */
static bool note_begin(plain_threads *self, PyObject *thread, PyObject *key) {
    PyObject *daemon = get(thread, DAEMONIC);
    if (!daemon)
        return false;
    line text;
    begin_line(&text, "{\"event\":\"begin\",\"time\":");
    put_number(&text, gt_now());
    PUT(&text, ",\"key\":");
    put_long(&text, Py_NewRef(key));
    PUT(&text, ",\"tid\":");
    put_number(&text, tid());
    PUT(&text, ",\"ident\":");
    put_number(&text, PyThread_get_thread_ident());
    PUT(&text, ",\"name\":");
    put_quoted(&text, get(thread, NAME));
    PUT(&text, ",\"daemon\":");
    if (daemon == Py_True)
        PUT(&text, "true");
    else if (daemon == Py_False)
        PUT(&text, "false");
    else
        text.spoilt = true;
    Py_XDECREF(daemon);
    return write_line(self, &text);
}

static bool note_end(plain_threads *self, PyObject *key) {
    line text;
    begin_line(&text, "{\"event\":\"end\",\"time\":");
    put_number(&text, gt_now());
    PUT(&text, ",\"key\":");
    put_long(&text, Py_NewRef(key));
    return write_line(self, &text);
}

/* Whether the function that calls us is on its way out with an exception. */
static bool is_raising(void) {
    PyObject *type, *value, *traceback;
    PyErr_GetExcInfo(&type, &value, &traceback);
    bool raising = value && value != Py_None;
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return raising;
}

/* Of a join without a limit that did not raise: the thread has ended. */
static bool note_join(plain_threads *self, PyObject *token) {
    PyObject *thread = PyTuple_GET_ITEM(token, 0);
    if (!is_plain(self, thread) || PyTuple_GET_ITEM(token, 1) != Py_None || is_raising())
        return false;
    line text;
    begin_line(&text, "{\"event\":\"join\",\"time\":");
    put_long(&text, Py_NewRef(PyTuple_GET_ITEM(token, 2)));
    PUT(&text, ",\"end\":");
    put_number(&text, gt_now());
    PUT(&text, ",\"tid\":");
    put_number(&text, tid());
    PUT(&text, ",\"key\":");
    put_long(&text, key_of(self, thread));
    PUT(&text, ",\"timeout\":null,\"outcome\":\"ended\"");
    return write_line(self, &text);
}

static PyObject *slowly(PyObject *hook, PyObject *argument) {
    PyErr_Clear();
    return PyObject_CallOneArg(hook, argument);
}

static PyObject *before_start(plain_threads *self, PyObject *thread) {
    return note_start(self, thread) ? Py_NewRef(Py_None) : slowly(self->of[BEFORE_START], thread);
}

static PyObject *begin(plain_threads *self, PyObject *thread) {
    PyObject *key = is_plain(self, thread) ? key_of(self, thread) : NULL;
    if (key && note_begin(self, thread, key))
        return key;
    Py_XDECREF(key);
    return slowly(self->of[BEGIN], thread);
}

static PyObject *end(plain_threads *self, PyObject *key) {
    return note_end(self, key) ? Py_NewRef(Py_None) : slowly(self->of[END], key);
}

static PyObject *before_join(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    (void)self;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "before_join(thread, timeout)");
        return NULL;
    }
    return Py_BuildValue("OOK", arguments[0], arguments[1], (unsigned long long)gt_now());
}

static PyObject *after_join(plain_threads *self, PyObject *token) {
    return note_join(self, token) ? Py_NewRef(Py_None) : slowly(self->of[AFTER_JOIN], token);
}

static PyObject *nothing(PyObject *self, PyObject *ignored) {
    (void)self;
    (void)ignored;
    Py_RETURN_NONE;
}

static PyObject *new_plain_threads(PyTypeObject *type, PyObject *args, PyObject *options) {
    PyObject *registry;
    if (!PyArg_ParseTuple(args, "O:PlainThreads", &registry) || options)
        return NULL;
    plain_threads *self = (plain_threads *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->registry = Py_NewRef(registry);
    for (int i = 0; i < ATTRIBUTES; i++)
        if (!(self->of[i] = PyObject_GetAttrString(registry, attributes[i])))
            break;
    bool is_whole =
        self->of[ATTRIBUTES - 1] && PyDict_CheckExact(self->of[KEYS]) && PyDict_CheckExact(self->of[SITES]);
    if (!is_whole)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static void free_plain_threads(PyObject *object) {
    plain_threads *self = (plain_threads *)object;
    PyTypeObject *type = Py_TYPE(object);
    for (int i = 0; i < ATTRIBUTES; i++)
        Py_XDECREF(self->of[i]);
    Py_XDECREF(self->registry);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"before_start", (PyCFunction)before_start, METH_O, "before_start(thread) -> None"},
    {"begin", (PyCFunction)begin, METH_O, "begin(thread) -> key"},
    {"end", (PyCFunction)end, METH_O, "end(key) -> None"},
    {"before_join", (PyCFunction)(void (*)(void))before_join, METH_FASTCALL,
     "before_join(thread, timeout) -> token"},
    {"after_join", (PyCFunction)after_join, METH_O, "after_join(token) -> None"},
    {"nothing", nothing, METH_O, "nothing(token) -> None"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The hooks of a registry, for plain threads."},
    {Py_tp_new, new_plain_threads},
    {Py_tp_dealloc, free_plain_threads},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "gtrace.recorder.agent._agent.PlainThreads",
    .basicsize = sizeof(plain_threads),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

static int prepare_once(void) {
    static bool follows_forks;
    for (int i = 0; i < NAMES; i++)
        if (!interned[i] && !(interned[i] = PyUnicode_InternFromString(names[i])))
            return -1;
    follows_forks = follows_forks || pthread_atfork(NULL, NULL, forget_tid) == 0;
    if (!follows_forks)
        PyErr_NoMemory();
    return follows_forks ? 0 : -1;
}

int gt_registry_add(PyObject *module) {
    if (prepare_once() != 0)
        return -1;
    PyObject *type = PyType_FromSpec(&spec);
    int result = type ? PyModule_AddObjectRef(module, "PlainThreads", type) : -1;
    Py_XDECREF(type);
    return result;
}
