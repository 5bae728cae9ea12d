"""A thread can take an RLock again that it holds; a Lock it cannot: it would wait for itself.

The documentation of ``threading.RLock`` says: once a thread has acquired it, the same thread may acquire
it again without blocking, and must release it once for each time.

The page must show: ``holder``, which takes an RLock twice, is in ``sleep``, and never in ``lock_wait`` for
it (but at first, reason event, until ``other`` comes).
``other`` is in ``lock_wait``, reason rlock, from before the first release to the last, which wakes it.
``itself``, which takes a Lock twice, is in ``lock_wait``, reason lock, until its patience ends; nobody
wakes it. Cores in use: near 0.
"""

from __future__ import annotations

import argparse
import threading
import time


def hold_twice(rlock, held, coming, seconds):
    with rlock:
        with rlock:
            held.set()
            coming.wait()
            time.sleep(seconds)
        time.sleep(seconds)


def take_once(rlock, held, coming):
    held.wait()
    coming.set()
    rlock.acquire()
    rlock.release()


def wait_for_itself(seconds):
    lock = threading.Lock()
    with lock:
        print("a Lock a second time:", lock.acquire(timeout=seconds))


def main():
    parser = argparse.ArgumentParser(description="locks taken by a thread that holds them")
    parser.add_argument("--seconds", type=float, default=0.03, help="how long locks are held, and waited for")
    args = parser.parse_args()
    rlock, held, coming = threading.RLock(), threading.Event(), threading.Event()
    threads = [
        threading.Thread(target=take_once, name="other", args=(rlock, held, coming)),
        threading.Thread(target=hold_twice, name="holder", args=(rlock, held, coming, args.seconds)),
        threading.Thread(target=wait_for_itself, name="itself", args=(args.seconds,)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
