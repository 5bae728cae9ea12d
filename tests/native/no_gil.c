/*
 * For LD_PRELOAD: an interpreter that, as seen by extensions, never lets go of its GIL. Calibration
 * sees what it would see without any GIL.
 */
typedef struct _ts PyThreadState;

extern PyThreadState *PyThreadState_Get(void);

PyThreadState *PyEval_SaveThread(void) {
    return PyThreadState_Get();
}

void PyEval_RestoreThread(PyThreadState *state) {
    (void)state;
}
