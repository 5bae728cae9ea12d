"""A thread alone keeps the GIL, and so does a long call of C: a switch interval that is over changes nothing.

Claim: every switch interval (5 ms) the running thread has to give the GIL up. It is often told so. It is
asked to only when another thread waits, and follows only between two steps of Python code: a function
written in C that does not let the GIL go by itself keeps it until it returns. Source of the latter:
https://docs.python.org/3/library/sys.html#sys.setswitchinterval, "especially if long-running internal
functions or methods are used".

The page must show: ``alone-0`` is ``running`` all its life, many switch intervals long, without a break once
the main thread has gone to wait for it.
``caller-0`` is ``running`` in builtins.sum for many switch intervals at a time, while ``other-0`` is in
``gil_wait``; ``other-0`` is ``running`` for one at a time. The main thread is in ``lock_wait``, reason thread
join.
"""

from __future__ import annotations

import argparse
import threading


def count(limit):
    for _ in range(limit):
        pass


def count_until(done):
    while not done.is_set():
        count(10_000)


def add(calls, numbers, done):
    for _ in range(calls):
        sum(range(numbers))
    done.set()


def main():
    parser = argparse.ArgumentParser(description="long calls of C beside Python code")
    parser.add_argument("--calls", type=int, default=3)
    parser.add_argument("--numbers", type=int, default=4_000_000, help="how many each call adds up")
    parser.add_argument("--limit", type=int, default=4_000_000, help="how far the thread alone counts")
    args = parser.parse_args()
    done = threading.Event()
    alone = threading.Thread(target=count, name="alone-0", args=(args.limit,))
    alone.start()
    alone.join()
    threads = [
        threading.Thread(target=add, name="caller-0", args=(args.calls, args.numbers, done)),
        threading.Thread(target=count_until, name="other-0", args=(done,)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("calls:", args.calls)


if __name__ == "__main__":
    main()
