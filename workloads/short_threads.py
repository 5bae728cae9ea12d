"""Threads that end within a switch interval are never switched: they run one after another.

Claim: a thread that needs less than the switch interval (5 ms) ends before anybody can make it give the GIL
up, so that starting it side by side with others shows no concurrency at all. It is often told to explain why
the output of small examples never mixes.

The page must show: each ``short-i`` is ``running`` once and ends, with no forced release of the GIL. The
``long-i``, which have the same work many times over, are ``running`` and in ``gil_wait`` by turns, and have
to give the GIL up. The main thread is in ``gil_wait`` and in ``lock_wait``, reason thread join. On a
free-threaded interpreter there is nothing to give up.
"""

from __future__ import annotations

import argparse
import threading


def compute(steps):
    number = 0
    for _ in range(steps):
        number = (number * 1_103_515_245 + 12_345) % 2_147_483_648


def run_all(kind, count, steps):
    threads = [threading.Thread(target=compute, name=f"{kind}-{i}", args=(steps,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    parser = argparse.ArgumentParser(description="threads that end within a switch interval, and others")
    parser.add_argument("--threads", type=int, default=100, help="short ones")
    parser.add_argument("--steps", type=int, default=1_500, help="work of each of them")
    parser.add_argument("--long", type=int, default=2, help="long threads")
    parser.add_argument("--times", type=int, default=300, help="how often a long one does that work")
    args = parser.parse_args()
    run_all("short", args.threads, args.steps)
    run_all("long", args.long, args.steps * args.times)
    print("threads:", args.threads + args.long)


if __name__ == "__main__":
    main()
