#define PY_SSIZE_T_CLEAN
/* The layout of frames is the interpreter's own business; it is compiled in, and tried at the start. */
#define Py_BUILD_CORE_MODULE 1
#include "frames.h"

#include <stddef.h>
#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter" /* in the interpreter's own headers */
#if PY_VERSION_HEX < 0x030b0000
#include <frameobject.h>
#elif PY_VERSION_HEX < 0x030e0000
#include <internal/pycore_frame.h>
#else
#include <internal/pycore_interpframe.h>
#endif
#if PY_VERSION_HEX >= 0x030d0000
#include <internal/pycore_runtime.h>
#endif
#pragma GCC diagnostic pop

#if PY_VERSION_HEX < 0x030b0000

typedef PyFrameObject frame_type;

static const frame_type *innermost(const PyThreadState *thread) {
    return thread->frame;
}

static const frame_type *outer(const frame_type *frame) {
    return frame->f_back;
}

static PyObject *code_of(const frame_type *frame) {
    return (PyObject *)frame->f_code;
}

static int32_t offset_of(const frame_type *frame) {
    return frame->f_lasti < 0 ? -1 : frame->f_lasti * 2;
}

static bool is_python(const frame_type *frame) {
    (void)frame;
    return true;
}

#else

typedef _PyInterpreterFrame frame_type;

static const frame_type *innermost(const PyThreadState *thread) {
#if PY_VERSION_HEX >= 0x030d0000
    return thread->current_frame;
#else
    return thread->cframe->current_frame;
#endif
}

static const frame_type *outer(const frame_type *frame) {
    return frame->previous;
}

static PyObject *code_of(const frame_type *frame) {
#if PY_VERSION_HEX >= 0x030e0000
    /* the lowest bits say how the reference is counted */
    uintptr_t bits;
    memcpy(&bits, &frame->f_executable, sizeof bits);
    return (PyObject *)(bits & ~(uintptr_t)7);
#elif PY_VERSION_HEX >= 0x030d0000
    return frame->f_executable;
#else
    return (PyObject *)frame->f_code;
#endif
}

static int32_t offset_of(const frame_type *frame) {
    const PyCodeObject *code = (const PyCodeObject *)code_of(frame);
#if PY_VERSION_HEX >= 0x030d0000
    const char *at = (const char *)frame->instr_ptr;
#else
    const char *at = (const char *)frame->prev_instr;
#endif
    return (int32_t)(at - code->co_code_adaptive);
}

/* Not one that C code put there as a mark, nor one whose first instructions are still to run, which
 * Python's own traceback does not show, either. */
static bool is_python(const frame_type *frame) {
#if PY_VERSION_HEX >= 0x030e0000
    if (frame->owner >= FRAME_OWNED_BY_INTERPRETER)
        return false;
#elif PY_VERSION_HEX >= 0x030c0000
    if (frame->owner == FRAME_OWNED_BY_CSTACK)
        return false;
#endif
    if (frame->owner == FRAME_OWNED_BY_GENERATOR)
        return true;
    const PyCodeObject *code = (const PyCodeObject *)code_of(frame);
    return offset_of(frame) >= code->_co_firsttraceable * (int)sizeof(_Py_CODEUNIT);
}

#endif

const char *gt_frames_refused(void) {
#ifdef Py_GIL_DISABLED
    return "a free-threaded interpreter has no GIL under which frames stand still";
#elif PY_VERSION_HEX >= 0x030d0000
    /* The interpreter itself says where its fields are. */
    size_t seen[] = {
        _PyRuntime.debug_offsets.interpreter_frame.previous,
        _PyRuntime.debug_offsets.interpreter_frame.executable,
        _PyRuntime.debug_offsets.interpreter_frame.instr_ptr,
        _PyRuntime.debug_offsets.interpreter_frame.owner,
        _PyRuntime.debug_offsets.thread_state.current_frame,
        _PyRuntime.debug_offsets.code_object.co_code_adaptive,
        _PyRuntime.debug_offsets.code_object.linetable,
    };
    size_t built_for[] = {
        offsetof(frame_type, previous),         offsetof(frame_type, f_executable),
        offsetof(frame_type, instr_ptr),        offsetof(frame_type, owner),
        offsetof(PyThreadState, current_frame), offsetof(PyCodeObject, co_code_adaptive),
        offsetof(PyCodeObject, co_linetable),
    };
    if (memcmp(seen, built_for, sizeof seen) != 0)
        return "gtrace was built for another interpreter than this one";
    return NULL;
#else
    return NULL;
#endif
}

gt_walk gt_frames_of(const PyThreadState *thread, gt_frame *frames, uint32_t room) {
    gt_walk walk = {0, false};
    for (const frame_type *frame = innermost(thread); frame; frame = outer(frame)) {
        PyObject *code = code_of(frame);
        if (!code || Py_TYPE(code) != &PyCode_Type || !is_python(frame))
            continue;
        if (walk.count == room) {
            walk.cut = true;
            break;
        }
        frames[walk.count].code = (PyCodeObject *)code;
        frames[walk.count].offset = offset_of(frame);
        walk.count++;
    }
    return walk;
}

static bool is_ending(void) {
#if PY_VERSION_HEX >= 0x030d0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

gt_walk gt_frames_own(gt_frame *frames, uint32_t room) {
    PyThreadState *thread = PyGILState_GetThisThreadState();
    if (!thread || is_ending() || thread->interp != PyInterpreterState_Main())
        return (gt_walk){0, false};
    return gt_frames_of(thread, frames, room);
}
