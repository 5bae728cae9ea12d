"""Threads that wait on a condition have let its lock go; ``notify`` wakes one, ``notify_all`` all of them.

The documentation of ``threading.Condition`` says: ``wait`` releases the lock, blocks until it is awakened
by a notification from another thread, and takes the lock again.

The page must show: every ``waiter-i`` is in ``lock_wait``, reason condition, and ``notifier`` wakes it.
``notifier`` is in ``sleep`` three times: with the condition's lock in its hands while all of them wait,
after it has notified one, and after it has notified all. One waiter's wait ends in the second sleep or
soon after it began, the others' not before that sleep is over. Cores in use: near 0.
"""

from __future__ import annotations

import argparse
import threading
import time


def wait(condition, ready):
    with condition:
        ready.release()
        condition.wait()


def notify(condition, ready, waiters, seconds):
    for _ in range(waiters):
        ready.acquire()
    with condition:
        time.sleep(seconds)
        condition.notify()
    time.sleep(seconds)
    with condition:
        condition.notify_all()
    time.sleep(seconds)


def main():
    parser = argparse.ArgumentParser(description="threads that wait for a notification")
    parser.add_argument("--waiters", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.03, help="time between notifications")
    args = parser.parse_args()
    condition, ready = threading.Condition(), threading.Semaphore(0)
    threads = [
        threading.Thread(target=wait, name=f"waiter-{i}", args=(condition, ready))
        for i in range(args.waiters)
    ]
    threads.append(
        threading.Thread(target=notify, name="notifier", args=(condition, ready, args.waiters, args.seconds))
    )
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("woken:", args.waiters)


if __name__ == "__main__":
    main()
