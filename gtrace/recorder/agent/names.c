#include <Python.h>

#include "elf_patch.h"
#include "names.h"

/* What was escaped, by name: the other module keeps no copy of what it is given. */
static PyObject *escaped_names;

static const char *known_as(PyObject *name) {
    if (!escaped_names && !(escaped_names = PyDict_New()))
        return NULL;
    PyObject *known = PyDict_GetItemWithError(escaped_names, name);
    if (known)
        return PyBytes_AS_STRING(known);
    PyObject *escaped = PyUnicode_AsEncodedString(name, "utf-8", "backslashreplace");
    if (!escaped)
        return NULL;
    int failed = PyDict_SetItem(escaped_names, name, escaped);
    Py_DECREF(escaped); /* the dictionary has it */
    return failed ? NULL : PyBytes_AS_STRING(escaped);
}

static const char *utf8_or_escaped(PyObject *name) {
    const char *text = PyUnicode_AsUTF8(name);
    if (!text) {
        PyErr_Clear();
        text = known_as(name);
    }
    if (!text)
        PyErr_Clear();
    return text ? text : "?";
}

/* The module asks in the middle of things, also while an exception is on its way. */
static const char *on_as_utf8(PyObject *name) {
    if (PyUnicode_Check(name) && PyUnicode_IS_ASCII(name))
        return PyUnicode_AsUTF8(name);
#if PY_VERSION_HEX >= 0x030c0000
    PyObject *raised = PyErr_GetRaisedException();
    const char *text = utf8_or_escaped(name);
    PyErr_SetRaisedException(raised);
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    const char *text = utf8_or_escaped(name);
    PyErr_Restore(type, value, traceback);
#endif
    return text;
}

static const gt_import imports[] = {{"PyUnicode_AsUTF8", (void *)on_as_utf8}};

int gt_names_guard(const char *file) {
    gt_imports list = {imports, 1};
    return gt_patch_for_good(file, (gt_imports[]){list, {NULL, 0}});
}
