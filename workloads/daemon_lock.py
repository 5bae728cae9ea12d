"""A daemon thread is cut off while it has a lock: nobody lets it go, and its ``finally`` never runs.

Claim: a daemon thread gives back what it has when the program ends. The documentation says the opposite,
https://docs.python.org/3/library/threading.html: "Daemon threads are abruptly stopped at shutdown. Their
resources (such as open files, database transactions, etc.) may not be released properly."

The page must show: ``daemon-has-it`` is in ``sleep`` inside the lock until the run ends and
``daemon-wants-it`` in ``lock_wait`` for as long; both are alive at the end (their ``end_s`` is null). The
process ends with ``worker-0``, with exit status 0, and "given back" is not printed.
"""

from __future__ import annotations

import argparse
import threading
import time


def keep(lock, taken):
    with lock:
        taken.set()
        try:
            while True:
                time.sleep(0.01)
        finally:
            print("given back", flush=True)


def want(lock, taken):
    taken.wait()
    with lock:
        print("never")


def work(seconds):
    time.sleep(seconds)
    print("the worker ends", flush=True)


def main():
    parser = argparse.ArgumentParser(description="a daemon thread that has a lock when the program ends")
    parser.add_argument("--seconds", type=float, default=0.2, help="how long the worker works")
    args = parser.parse_args()
    lock, taken = threading.Lock(), threading.Event()
    threading.Thread(target=keep, name="daemon-has-it", args=(lock, taken), daemon=True).start()
    threading.Thread(target=want, name="daemon-wants-it", args=(lock, taken), daemon=True).start()
    threading.Thread(target=work, name="worker-0", args=(args.seconds,)).start()
    print("main is done", flush=True)


if __name__ == "__main__":
    main()
