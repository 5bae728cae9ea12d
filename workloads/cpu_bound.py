"""Threads that only compute: under the GIL two of them take as long as one that does the work of both.

The page must show, for each ``counter-i``: its whole life is ``running`` or ``gil_wait`` (with the calls
alone as evidence some of it may be ``unknown``), with no ``sleep`` and no ``io_wait``; the counters take
turns, so that their ``running`` together is no more than the duration of the run. Cores in use: about 1,
however many threads there are; on a free-threaded interpreter as many as there are threads, and no
``gil_wait``. The main thread is in ``lock_wait``, reason thread join.
"""

from __future__ import annotations

import argparse
import threading


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


def main():
    parser = argparse.ArgumentParser(description="threads that only compute")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, default=250_000, help="the numbers below this are looked at")
    args = parser.parse_args()
    counts = {}
    counters = [
        threading.Thread(
            target=count_primes, name=f"counter-{i}", args=(range(i, args.limit, args.threads), counts)
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
