"""The main thread is one of two that wait for each other; an interrupt frees the other, SIGTERM ends both."""

import os
import signal
import sys
import threading
import time

first, second = threading.Lock(), threading.Lock()
ready = threading.Barrier(2)


def take(one, other):
    with one:
        ready.wait()
        with other:
            print("has both", flush=True)


def end_all():
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGTERM)


if "SIGTERM" in sys.argv:
    threading.Thread(target=end_all, daemon=True).start()
thread = threading.Thread(target=take, args=(second, first), name="worker")
thread.start()
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0 if "SIGTERM" in sys.argv else 0.3)
lines = [signal.getsignal(signal.SIGALRM) is signal.default_int_handler]
try:
    take(first, second)
except KeyboardInterrupt as interrupt:
    frames = interrupt.__traceback__
    while frames is not None:
        lines.append((frames.tb_frame.f_code.co_name, frames.tb_lineno))
        frames = frames.tb_next
thread.join()
print(lines, signal.getsignal(signal.SIGINT))
