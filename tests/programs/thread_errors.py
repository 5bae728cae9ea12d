"""Fails and shows its stack in each kind of thread."""

import _thread
import functools
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor


def fail():
    return 1 / 0


def stack():
    traceback.print_stack()


class Failing(threading.Thread):
    def run(self):
        fail()


def started(thread):
    thread.start()
    thread.join()
    return thread


def raw(function):
    """Runs it in a thread that threading knows nothing of, until its error is reported too."""
    reported = _thread.allocate_lock()
    hook = sys.unraisablehook

    def report(arguments):
        hook(arguments)
        print(arguments.err_msg, arguments.object, traceback.format_tb(arguments.exc_traceback))
        reported.release()

    sys.unraisablehook = report
    reported.acquire()
    _thread.start_new_thread(function, ())
    reported.acquire()
    sys.unraisablehook = hook


def stack_and_fail():
    stack()
    print(sys._getframe().f_back)
    fail()


started(threading.Thread(target=fail, name="target"))
started(threading.Thread(target=stack, name="stack"))
started(threading.Timer(0.001, fail)).name = "timer"
ended = started(Failing(name="subclass"))
raw(stack_and_fail)
with ThreadPoolExecutor(1) as pool:
    for task in (fail, stack):
        try:
            pool.submit(task).result()
        except ZeroDivisionError:
            traceback.print_exc()


class Uninitialized(threading.Thread):
    def __init__(self):
        """Forgets its base."""


forgetful = Uninitialized.start, Uninitialized.join
for mistake in (
    ended.start,
    threading.Thread().join,
    threading.current_thread().join,
    *[functools.partial(method, Uninitialized()) for method in forgetful],
):
    try:
        mistake()
    except RuntimeError:
        traceback.print_exc()
threading.excepthook = lambda args: print(args.exc_type, traceback.format_tb(args.exc_traceback))
started(threading.Thread(target=fail, name="own hook"))
