"""Threads that compute take turns: each has the GIL for one switch interval, then another asks for it.

Claim: the switch interval is 5 ms, ``sys.getswitchinterval()`` tells it and ``sys.setswitchinterval()``
changes it. Source: https://docs.python.org/3/library/sys.html#sys.setswitchinterval, which says besides that
the value is "ideal", and that the actual one can be higher. It is often told as what happens every 5 ms.

The page must show: the ``turn-5ms-i`` (and so on) meet at a barrier (``lock_wait``), and from then on each
is ``running`` for about 5 milliseconds, then in ``gil_wait`` while the other one is. No hold that ends with
a ``gil_wait`` is shorter than the interval. The main thread is in ``lock_wait``, reason thread join. On a
free-threaded interpreter there are no turns, and the interval means nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time


def compute(barrier, seconds):
    barrier.wait()
    end = time.thread_time() + seconds
    number = 0
    while time.thread_time() < end:
        for _ in range(1_000):
            number = (number * 1_103_515_245 + 12_345) % 2_147_483_648


def take_turns(name, count, seconds):
    barrier = threading.Barrier(count)
    threads = [
        threading.Thread(target=compute, name=f"turn-{name}-{i}", args=(barrier, seconds))
        for i in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    parser = argparse.ArgumentParser(description="threads that compute, at several switch intervals")
    parser.add_argument(
        "--intervals", type=float, nargs="+", default=[0.001, 0.005, 0.02], help="switch intervals in seconds"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=20, help="how many of them there is work for")
    parser.add_argument("--least", type=float, default=0.05, help="seconds of work at the least")
    args = parser.parse_args()
    found = sys.getswitchinterval()
    told = []
    for interval in args.intervals:
        sys.setswitchinterval(interval)
        told.append([interval, sys.getswitchinterval()])
        seconds = max(args.turns * interval, args.least) / args.threads
        take_turns(f"{1_000 * interval:g}ms", args.threads, seconds)
    print(json.dumps({"found": found, "set": told}))


if __name__ == "__main__":
    main()
