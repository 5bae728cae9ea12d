"""A thread that waits for short times beside one that computes: each return costs a switch interval.

Claim: threads that wait for I/O suffer beside one that computes. Whenever such a thread comes back it has to
ask for the GIL, and the other keeps it for what the switch interval says (the convoy effect); a shorter
interval mends it, at the price of throughput. Source: https://github.com/python/cpython/issues/52194, and
David Beazley, Understanding the Python GIL (2010).

The page must show: each ``io-5ms`` (and so on) sleeps (``sleep``) and is then in ``gil_wait`` for about 5
milliseconds, with ``cpu-5ms`` as the holder. That one is ``running``, and in ``gil_wait`` for short times
only. The main thread is in ``lock_wait``, reason thread join. On a free-threaded interpreter there is no
``gil_wait``.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time

STEP = 1_000


def compute(done, steps):
    number = 0
    while not done.is_set():
        for _ in range(STEP):
            number = (number * 1_103_515_245 + 12_345) % 2_147_483_648
        steps.append(STEP)


def answer(done, rounds, seconds):
    for _ in range(rounds):
        time.sleep(seconds)
    done.set()


def side_by_side(interval, rounds, seconds):
    """The steps that the computing thread did until the other one had come back so many times."""
    sys.setswitchinterval(interval)
    done, steps, name = threading.Event(), [], f"{1_000 * interval:g}ms"
    threads = [
        threading.Thread(target=compute, name=f"cpu-{name}", args=(done, steps)),
        threading.Thread(target=answer, name=f"io-{name}", args=(done, rounds, seconds)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(steps)


def main():
    parser = argparse.ArgumentParser(description="a thread that waits beside one that computes")
    parser.add_argument(
        "--intervals", type=float, nargs="+", default=[0.0001, 0.0005, 0.001, 0.005, 0.02, 0.1],
        help="switch intervals in seconds",
    )  # fmt: skip
    parser.add_argument("--seconds", type=float, default=0.002, help="length of one wait")
    parser.add_argument("--least", type=int, default=3, help="returns at each switch interval, or more:")
    parser.add_argument("--total", type=float, default=0.15, help="as many as fit into so many seconds")
    args = parser.parse_args()
    for interval in args.intervals:
        rounds = max(args.least, round(args.total / (interval + args.seconds)))
        steps = side_by_side(interval, rounds, args.seconds)
        print(f"{1_000 * interval:g}ms: {rounds} returns, {steps} steps")


if __name__ == "__main__":
    main()
