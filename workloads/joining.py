"""join waits for the end of a thread or for its time to run out, and ``is_alive`` tells which it was.

Claim: ``join()`` waits until the thread ends, ``join(timeout)`` no longer than that, and both give None:
"you must call is_alive() after join() to decide whether a timeout happened". Joining several threads one
after the other waits for all of them. Source: https://docs.python.org/3/library/threading.html.

The page must show: ``MainThread`` in ``lock_wait``, reason thread join, until the last ``worker-i`` ends;
the workers in ``sleep``. The table of joins has the one that ran out, then those that ended.
"""

from __future__ import annotations

import argparse
import threading
import time


def say(worker, answer):
    print(f"{worker.name}: join gave {answer}, alive: {worker.is_alive()}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="join, with and without a timeout")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.1, help="how long the first worker works")
    args = parser.parse_args()
    workers = [
        threading.Thread(target=time.sleep, name=f"worker-{i}", args=((1 + i / 2) * args.seconds,))
        for i in range(args.workers)
    ]
    for worker in workers:
        worker.start()
    last = workers[-1]
    say(last, last.join(args.seconds / 4))
    for worker in reversed(workers):
        say(worker, worker.join())
    print("all have ended", flush=True)


if __name__ == "__main__":
    main()
