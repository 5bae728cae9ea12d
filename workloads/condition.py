"""Threads that wait on a condition have let its lock go; ``notify`` wakes one, ``notify_all`` all of them.

The documentation of ``threading.Condition`` says: ``wait`` releases the lock, blocks until it is awakened
by a notification from another thread, and takes the lock again.

The page must show: every ``waiter-i`` is in ``lock_wait``, reason condition, and ``notifier`` wakes it.
``notifier`` is in ``sleep`` three times: with the condition's lock in its hands while all of them wait,
after one that it has notified is awake, and after it has notified all. One waiter's wait ends before the
second sleep, the others' not before that sleep is over. Cores in use: near 0.
"""

from __future__ import annotations

import argparse
import threading
import time

WAITERS = 3


def wait(condition, ready, woken):
    with condition:
        ready.release()
        condition.wait()
    woken.release()


def notify(condition, ready, woken, seconds):
    for _ in range(WAITERS):
        ready.acquire()
    with condition:
        time.sleep(seconds)
        condition.notify()
    woken.acquire()
    time.sleep(seconds)
    with condition:
        condition.notify_all()
    time.sleep(seconds)


def main():
    parser = argparse.ArgumentParser(description="threads that wait for a notification")
    parser.add_argument("--seconds", type=float, default=0.03, help="time between notifications")
    args = parser.parse_args()
    condition, ready, woken = threading.Condition(), threading.Semaphore(0), threading.Semaphore(0)
    threads = [
        threading.Thread(target=wait, name=f"waiter-{i}", args=(condition, ready, woken))
        for i in range(WAITERS)
    ]
    threads.append(
        threading.Thread(target=notify, name="notifier", args=(condition, ready, woken, args.seconds))
    )
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("woken:", WAITERS)


if __name__ == "__main__":
    main()
