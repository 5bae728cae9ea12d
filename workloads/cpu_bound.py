"""Threads that only compute: under the GIL two of them take as long as one that does the work of both.

The page must show, for each ``counter-i``: its whole life is ``running`` or ``gil_wait`` (with the calls
alone as evidence some of it may be ``unknown``), with no ``sleep`` and no ``io_wait``; the counters take
turns, so that their ``running`` together is no more than the duration of the run. Cores in use: about 1,
however many threads there are; on a free-threaded interpreter as many as there are threads, and no
``gil_wait``. The main thread is in ``lock_wait``, reason thread join.
"""

from __future__ import annotations

import argparse
import itertools
import threading

BLOCK = 1_000


def is_prime(number):
    if number < 2:
        return False
    divisor = 2
    while divisor * divisor <= number:
        if number % divisor == 0:
            return False
        divisor += 1
    return True


def count_primes(numbers, counts):
    counts[threading.current_thread().name] = sum(1 for number in numbers if is_prime(number))


def share(limit, part, parts):
    """Every ``parts``-th block of the numbers, so that all parts are equally hard."""
    starts = range(part * BLOCK, limit, parts * BLOCK)
    return itertools.chain.from_iterable(range(start, min(start + BLOCK, limit)) for start in starts)


def main():
    parser = argparse.ArgumentParser(description="threads that only compute")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, default=250_000, help="the numbers below this are looked at")
    args = parser.parse_args()
    counts = {}
    counters = [
        threading.Thread(
            target=count_primes, name=f"counter-{i}", args=(share(args.limit, i, args.threads), counts)
        )
        for i in range(args.threads)
    ]
    for counter in counters:
        counter.start()
    for counter in counters:
        counter.join()
    print("primes:", sum(counts.values()))


if __name__ == "__main__":
    main()
