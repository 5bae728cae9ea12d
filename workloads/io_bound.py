"""Threads that wait for slow answers: their waits overlap, n of them take the time of one.

The page must show, for each ``worker-i``: nearly its whole life, and certainly more than half of it, is
``sleep`` (with ``--wait socket`` or ``--wait pipe``: ``io_wait``); next to no ``running`` and no
``gil_wait``. The workers wait side by side: their waits add up to almost n times the duration of the
run. The main thread is in ``lock_wait``, reason thread join. Cores in use: near 0. Native ids are the
ones printed here.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import socket
import threading
import time


def sleep(seconds):
    time.sleep(seconds)


def read_socket(seconds):
    """The other side never answers; the socket gives up after its timeout."""
    near, far = socket.socketpair()
    with near, far:
        near.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            near.recv(1)


def poll_pipe(seconds):
    """Nobody ever writes; select gives up after its timeout."""
    reading, writing = os.pipe()
    select.select([reading], [], [], seconds)
    os.close(reading)
    os.close(writing)


WAITS = {"sleep": sleep, "socket": read_socket, "pipe": poll_pipe}


def fetch(wait, requests, seconds):
    for _ in range(requests):
        wait(seconds)


def main():
    parser = argparse.ArgumentParser(description="threads that wait for slow answers")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--requests", type=int, default=8, help="waits of each thread")
    parser.add_argument("--seconds", type=float, default=0.1, help="length of one wait")
    parser.add_argument("--wait", choices=WAITS, default="sleep")
    args = parser.parse_args()
    workers = [
        threading.Thread(
            target=fetch, name=f"worker-{i}", args=(WAITS[args.wait], args.requests, args.seconds)
        )
        for i in range(args.threads)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for worker in workers:
        print(worker.name, worker.native_id)
    print("answers:", args.threads * args.requests)


if __name__ == "__main__":
    main()
