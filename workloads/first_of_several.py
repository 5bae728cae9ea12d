"""Several threads compute, and one waits for the first of them to end, in six ways one after the other.

Claim: a loop that asks ``is_alive()`` burns a core, and takes the GIL from the very threads it waits for; a
semaphore, an event, a queue or ``concurrent.futures.wait`` waits for nothing. Often told.

The page must show: ``poll-waiter`` is ``running`` or in ``gil_wait`` all its life, and the ``poll-worker-i``
wait for the GIL while it has it. Every other ``...-waiter`` is in ``lock_wait`` (``poll-sleep-waiter``: in
``sleep``) and next to never ``running``. On a free-threaded interpreter nobody waits for a GIL, and
``poll-waiter`` still keeps a core busy.
"""

from __future__ import annotations

import argparse
import queue
import threading
import time
from concurrent import futures

STEP = 2_000


class Workers:
    """Threads that compute; the first has the least to do, and when it is done all of them stop."""

    def __init__(self, way, count, steps, announce):
        self.first_is_done = False
        self.steps = steps
        self.threads = [
            threading.Thread(target=self.work, name=f"{way}-worker-{i}", args=(i, announce))
            for i in range(count)
        ]

    def start(self):
        for thread in self.threads:
            thread.start()

    def work(self, number, announce):
        done = 0
        while not self.first_is_done and (number or done < self.steps):
            sum(i * i for i in range(STEP))
            done += 1
        if not self.first_is_done:
            self.first_is_done = True
            announce(number)


def poll(way, count, steps):
    workers = Workers(way, count, steps, lambda _number: None)
    workers.start()
    while all(thread.is_alive() for thread in workers.threads):
        pass
    return workers


def poll_and_sleep(way, count, steps):
    workers = Workers(way, count, steps, lambda _number: None)
    workers.start()
    while all(thread.is_alive() for thread in workers.threads):
        time.sleep(0.01)
    return workers


def by_semaphore(way, count, steps):
    done = threading.Semaphore(0)
    workers = Workers(way, count, steps, lambda _number: done.release())
    workers.start()
    done.acquire()
    return workers


def by_event(way, count, steps):
    done = threading.Event()
    workers = Workers(way, count, steps, lambda _number: done.set())
    workers.start()
    done.wait()
    return workers


def by_queue(way, count, steps):
    done = queue.SimpleQueue()
    workers = Workers(way, count, steps, done.put)
    workers.start()
    done.get()
    return workers


def by_futures(way, count, steps):
    results = [futures.Future() for _ in range(count)]
    workers = Workers(way, count, steps, lambda number: results[number].set_result(number))
    workers.start()
    futures.wait(results, return_when=futures.FIRST_COMPLETED)
    return workers


WAYS = {
    "poll": poll,
    "poll-sleep": poll_and_sleep,
    "semaphore": by_semaphore,
    "event": by_event,
    "queue": by_queue,
    "futures": by_futures,
}


def main():
    parser = argparse.ArgumentParser(description="ways to wait for the first of several threads")
    parser.add_argument("--way", choices=WAYS, nargs="+", default=[*WAYS])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=400, help="what the first worker has to do")
    args = parser.parse_args()
    for way in args.way:
        found = []
        waiter = threading.Thread(
            target=lambda way=way, found=found: found.append(WAYS[way](way, args.workers, args.steps)),
            name=f"{way}-waiter",
        )
        waiter.start()
        waiter.join()
        for thread in found[0].threads:
            thread.join()
        print(f"{way}: the first has ended", flush=True)


if __name__ == "__main__":
    main()
