"""Threads that need one lock and hold it across a sleep: one sleeps, all others wait for it.

The page must show: at any time one thread is in ``sleep`` with the lock held. With n threads, each
``acquire-i`` is in ``lock_wait``, reason lock, about n - 1 times as long as in ``sleep``; certainly
longer. The ``with-i`` threads do the same by a ``with`` statement, of which there is no call to see:
their ``lock_wait`` needs evidence of the GIL and locks, without it the page must not claim that they
slept longer than they did. Cores in use: near 0.
"""

from __future__ import annotations

import argparse
import threading
import time


def by_with(lock, rounds, seconds):
    for _ in range(rounds):
        with lock:
            time.sleep(seconds)
        step_aside()


def by_acquire(lock, rounds, seconds):
    for _ in range(rounds):
        lock.acquire()
        try:
            time.sleep(seconds)
        finally:
            lock.release()
        step_aside()


def step_aside():
    """Locks are not fair: whoever comes back at once would get it again, before those who waited."""
    time.sleep(0.001)


def main():
    parser = argparse.ArgumentParser(description="threads that need one lock")
    parser.add_argument("--threads", type=int, default=2, help="threads of each of the two kinds")
    parser.add_argument("--rounds", type=int, default=10, help="how often each thread takes the lock")
    parser.add_argument("--seconds", type=float, default=0.02, help="how long it holds it")
    args = parser.parse_args()
    lock = threading.Lock()
    threads = [
        threading.Thread(target=target, name=f"{kind}-{i}", args=(lock, args.rounds, args.seconds))
        for i in range(args.threads)
        for kind, target in (("with", by_with), ("acquire", by_acquire))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("taken:", len(threads) * args.rounds)


if __name__ == "__main__":
    main()
