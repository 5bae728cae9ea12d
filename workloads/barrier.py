"""A barrier holds every thread until the last one comes, which lets all the others go.

The documentation of ``threading.Barrier`` says: the threads block until all of them have made their
``wait`` calls, and are then released simultaneously.

The page must show, for each ``walker-i``: a ``sleep``, the longer the greater i, and then, for all but the
last to come, ``lock_wait``, reason barrier, until that one's sleep is over; it wakes the others, and does
not wait itself. Cores in use: near 0.
"""

from __future__ import annotations

import argparse
import threading
import time


def walk(barrier, seconds, orders):
    time.sleep(seconds)
    orders[threading.current_thread().name] = barrier.wait()


def main():
    parser = argparse.ArgumentParser(description="threads that meet at a barrier")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=0.02, help="how much later each thread comes")
    args = parser.parse_args()
    barrier = threading.Barrier(args.threads)
    orders = {}
    walkers = [
        threading.Thread(target=walk, name=f"walker-{i}", args=(barrier, (i + 1) * args.seconds, orders))
        for i in range(args.threads)
    ]
    for walker in walkers:
        walker.start()
    for walker in walkers:
        walker.join()
    for name, order in sorted(orders.items()):
        print(name, "came", order + 1)


if __name__ == "__main__":
    main()
