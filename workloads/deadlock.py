"""Threads in a ring: each has a lock and wants that of the next one, so that all wait for ever.

Claim: threads that take two locks in opposite order can wait for each other for ever; taken in the same
order everywhere, they cannot. Often told, with two threads as with dining philosophers; a circular wait is
one of the four conditions of a deadlock in Coffman, Elphick and Shoshani, "System Deadlocks" (1971).

The page must show: each ``philosopher-i`` takes its first lock at once, and from then on is in ``lock_wait``
to the end of the run, of Ctrl-C with ``--end interrupt``. The verdict names the cycle: who waits for which
lock in which line, and who has it. With ``--order same`` all of them end, and there is no cycle. With
``--end kill`` a command kills the program where it stands: it is seen, and said to be inferred, that all
threads wait and none is left to let them go; of who had which lock nothing is claimed.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import threading


def eat_in_any_order(left, right, ready):
    with left:
        ready.wait()
        with right:
            print("never")


def eat_in_the_same_order(left, right, _ready):
    with left, right:
        pass


def main():
    parser = argparse.ArgumentParser(description="threads that wait for each other's locks")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--order", choices=("opposite", "same"), default="opposite")
    parser.add_argument("--seconds", type=float, default=0.2, help="how long main waits for them")
    parser.add_argument("--end", choices=("itself", "interrupt", "kill"), default="itself")
    args = parser.parse_args()
    # in a background job of a shell Ctrl-C would be ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    locks, ready = [threading.Lock() for _ in range(args.threads)], threading.Barrier(args.threads)
    pairs = [(locks[i], locks[(i + 1) % args.threads]) for i in range(args.threads)]
    if args.order == "same":
        pairs = [sorted(pair, key=locks.index) for pair in pairs]
    eat = eat_in_the_same_order if args.order == "same" else eat_in_any_order
    philosophers = [
        threading.Thread(target=eat, name=f"philosopher-{i}", args=(*pair, ready), daemon=True)
        for i, pair in enumerate(pairs)
    ]
    for philosopher in philosophers:
        philosopher.start()
    if args.end == "kill":
        subprocess.Popen(["/bin/sh", "-c", f"sleep {args.seconds}; kill -9 {os.getpid()}"])
    for philosopher in philosophers:
        philosopher.join(args.seconds / args.threads if args.end == "itself" else None)
    waiting = [philosopher.name for philosopher in philosophers if philosopher.is_alive()]
    print("still waiting:", " ".join(waiting) or "nobody", flush=True)


if __name__ == "__main__":
    main()
