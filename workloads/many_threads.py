"""Thousands of short threads, a few at a time: every one of them must be told apart.

The page must show one row for each: ``short-0``, ``short-1``, …, each with its own name, start and end,
also where the kernel gives a native id a second time. No thread ends before it starts, none is alive at
the end of the run, and no two with one native id are alive at once. Each does little but ``running``;
the main thread starts them, in ``lock_wait``, reasons thread start and thread join, in between. Cores in
use: at most about 1.
"""

from __future__ import annotations

import argparse
import threading


def count(numbers, totals):
    totals.append(sum([number for number in numbers if number % 3]))


def main():
    parser = argparse.ArgumentParser(description="thousands of short threads")
    parser.add_argument("--threads", type=int, default=2_000)
    parser.add_argument("--at-once", type=int, default=20)
    args = parser.parse_args()
    totals = []
    for first in range(0, args.threads, args.at_once):
        batch = [
            threading.Thread(target=count, name=f"short-{i}", args=(range(4_000 + i % 100), totals))
            for i in range(first, min(first + args.at_once, args.threads))
        ]
        for thread in batch:
            thread.start()
        for thread in batch:
            thread.join()
    print("threads:", len(totals), "sum:", sum(totals))


if __name__ == "__main__":
    main()
