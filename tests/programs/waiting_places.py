"""Waits at lines that are marked: in generators, below C code, in callbacks, pools and forked children."""

import ctypes
import os
import queue
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

LONG = 0.02
lock, inbox = threading.Lock(), queue.Queue()
held, done = threading.Event(), threading.Event()


def sleeper():
    time.sleep(LONG)  # at: sleep


def holder():
    with lock:
        held.set()
        time.sleep(2 * LONG)


def waiter():
    with lock:  # at: lock
        pass


def getter():
    inbox.get()  # at: queue


def watcher():
    done.wait()  # at: event


def generator():
    yield 1
    time.sleep(LONG)  # at: generator


def key(item):
    time.sleep(LONG)  # at: C code
    return item


def called_back():
    time.sleep(LONG)  # at: callback
    return 0


def pooled():
    time.sleep(LONG)  # at: pool


def reader(end):
    os.read(end, 1)  # at: pipe


def in_child():
    time.sleep(LONG)  # at: forked child


def main():
    sleeper()
    if "killed" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    child = os.fork()
    if not child:
        in_child()
        os._exit(0)
    os.waitpid(child, 0)
    ends = os.pipe()
    threads = [threading.Thread(target=work) for work in (holder, waiter, getter, watcher)]
    threads.append(threading.Thread(target=reader, args=(ends[0],)))
    threads[0].start()
    held.wait()
    for thread in threads[1:]:
        thread.start()
    list(generator())
    sorted([1], key=key)
    ctypes.CFUNCTYPE(ctypes.c_int)(called_back)()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(pooled).result()
    inbox.put(1)
    done.set()
    os.write(ends[1], b"x")
    for thread in threads:
        thread.join()
    last = threading.Thread(target=time.sleep, args=(LONG,))
    last.start()
    last.join()  # at: join


main()
