"""Forks beside a thread, from a forked child, and from a thread; nothing may be printed twice."""

import os
import sys
import threading
import warnings

warnings.simplefilter("ignore")  # 3.12 warns of each fork beside threads
print("in the buffer of both", end=" ")
sys.stdout.flush()
print("in the buffer of one")


def wait_for(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def child(depth):
    pid = os.fork()
    if pid:
        return wait_for(pid)
    sys.stdout.flush() if depth == 0 else None
    thread = threading.Thread(target=int, name=f"of child {depth}")
    thread.start()
    thread.join()
    code = child(depth + 1) if depth < 2 else threading.active_count()
    os._exit(code + 1)


sys.stdout.flush()
go = threading.Event()
beside = threading.Thread(target=go.wait, name="beside")
beside.start()
print(child(0))
go.set()
beside.join()
codes = []
forking = threading.Thread(target=lambda: codes.append(child(1)), name="forking")
forking.start()
forking.join()
print(codes)
pid = os.fork()
if pid == 0:
    print("a child that ends like a program")
    sys.exit(5)
print(wait_for(pid))
