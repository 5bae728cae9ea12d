"""More threads on one lock get no more done: a lock that is held all the time is busy with one already.

Often told: locks limit how far threads scale. The same number of steps, each a sleep with a lock held, is
done by 1, 2, 4 and 8 threads; once with one lock for all of them, once with a lock for each.

The page must show, for the n threads ``shared-n-i``: one of them is in ``sleep`` at any time, the others
are in ``lock_wait``, reason lock; they need as long for all steps together as one thread does. The n
threads ``own-n-i`` are in ``sleep`` side by side and never in ``lock_wait``; they need an n-th of the time.
Cores in use: near 0.
"""

from __future__ import annotations

import argparse
import threading
import time


def step_through(lock, steps, seconds):
    for _ in range(steps):
        with lock:
            time.sleep(seconds)


def run(name, locks, steps, seconds):
    threads = [
        threading.Thread(
            target=step_through, name=f"{name}-{len(locks)}-{i}", args=(lock, steps // len(locks), seconds)
        )
        for i, lock in enumerate(locks)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    parser = argparse.ArgumentParser(
        description="steps under one lock or under many, by more and more threads"
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--steps", type=int, default=40, help="done by all threads together")
    parser.add_argument("--seconds", type=float, default=0.002, help="length of one step")
    args = parser.parse_args()
    for count in args.threads:
        run("shared", [threading.Lock()] * count, args.steps, args.seconds)
        run("own", [threading.Lock() for _ in range(count)], args.steps, args.seconds)
    print("steps:", 2 * sum(args.steps // count * count for count in args.threads))


if __name__ == "__main__":
    main()
