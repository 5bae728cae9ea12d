"""The same work by one thread, then by two, by four, by eight: under the GIL it takes as long each time.

Claim: threads that compute do not scale under the GIL, and on a free-threaded interpreter they do, up to
the number of cores. Source: https://docs.python.org/3/library/threading.html, "only one thread can execute
Python code at once". It is often told besides that two threads are slower than one, for the switching.

The page must show: the threads ``by-N-i`` share the work among N. They wait for each other at a barrier
(``lock_wait``), and from then on each is ``running`` or in ``gil_wait`` and next to nothing else. For each N
all of them together are ``running`` no longer than the group lasts, so about 1 core is in use, and of N
threads that compute N - 1 are in ``gil_wait``. On a free-threaded interpreter there is no ``gil_wait``, and
as many cores are in use as there are threads or cores. The main thread is in ``lock_wait``, reason thread
join.
"""

from __future__ import annotations

import argparse
import threading


def steps_to_one(number):
    """Collatz: halve what is even, triple what is odd and add one."""
    steps = 0
    while number > 1:
        number = 3 * number + 1 if number % 2 else number // 2
        steps += 1
    return steps


def add_steps(numbers, totals, barrier):
    barrier.wait()
    totals.append(sum(map(steps_to_one, numbers)))


def compute(count, limit):
    """The steps of all numbers below ``limit``, by ``count`` threads: each takes every count-th number."""
    totals, barrier = [], threading.Barrier(count)
    threads = [
        threading.Thread(
            target=add_steps, name=f"by-{count}-{i}", args=(range(1 + i, limit, count), totals, barrier)
        )
        for i in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(totals)


def main():
    parser = argparse.ArgumentParser(description="the same work by more and more threads")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--limit", type=int, default=20_000, help="the numbers below this are looked at")
    args = parser.parse_args()
    # or else the first group would pay for what the interpreter learns of a function as it runs
    sum(map(steps_to_one, range(1, args.limit // 10)))
    for count in args.threads:
        print(f"steps, {count} threads:", compute(count, args.limit))


if __name__ == "__main__":
    main()
