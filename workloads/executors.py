"""The same computing in a pool of threads, of processes, and of interpreters.

The documentation of ``concurrent.futures`` says: processes side-step the GIL, and so do interpreters
(3.14 and later), because each has a GIL of its own.

The page must show, with ``--pool threads``: two ``pool_i`` that take turns in ``running`` and ``gil_wait``
on one GIL, cores in use about 1. With ``--pool processes``: a process for each worker, its main thread in
``running`` for most of its life, cores in use about 2. With ``--pool interpreters``: two ``pool_i`` in
``running`` side by side, each with a GIL of its own number, cores in use about 2. The main thread is in
``lock_wait``, reason future.

The processes are forked, whatever the default is: a forked child is recorded like its parent, one that is
spawned, or that a fork server makes, is a program of its own and is not.
"""

from __future__ import annotations

import argparse
import multiprocessing
from concurrent import futures


def count_primes(start, stop):
    """Of the numbers in between; needs nothing from outside, an interpreter gets this function alone."""
    count = 0
    for number in range(max(start, 2), stop):
        divisor = 2
        while divisor * divisor <= number and number % divisor:
            divisor += 1
        count += divisor * divisor > number
    return count


def threads(workers):
    return futures.ThreadPoolExecutor(workers, thread_name_prefix="pool")


def processes(workers):
    return futures.ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork"))


def interpreters(workers):
    return futures.InterpreterPoolExecutor(workers, thread_name_prefix="pool")


POOLS = {"threads": threads, "processes": processes, "interpreters": interpreters}


def main():
    parser = argparse.ArgumentParser(description="computing in pools")
    parser.add_argument("--pool", choices=POOLS, default="threads", help="interpreters need Python 3.14")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--limit", type=int, default=150_000, help="the numbers below this are looked at")
    args = parser.parse_args()
    step = args.limit // args.tasks
    starts = [i * step for i in range(args.tasks)]
    with POOLS[args.pool](args.workers) as pool:
        counts = list(pool.map(count_primes, starts, [start + step for start in starts]))
    print("primes:", sum(counts))


if __name__ == "__main__":
    main()
