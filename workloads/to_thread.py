"""``asyncio.to_thread`` lets the event loop go on during calls that block, less so during ones that compute.

The documentation says: due to the GIL it can typically only make I/O-bound functions non-blocking.

The page must show threads ``asyncio_0`` and ``asyncio_1``, and the event loop in the main thread, in
``io_wait`` (poll) between its ticks. With ``--work sleep`` the threads are in ``sleep`` side by side. With
``--work compute`` they take turns in ``running`` and ``gil_wait``, and the main thread is in ``gil_wait``
for them after each tick (on a free-threaded interpreter all run side by side). With ``--work hash`` they
are in ``native`` side by side.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import time


def sleep(amount):
    time.sleep(amount / 100)


def compute(amount):
    total = 0
    for number in range(amount * 150_000):
        total += number % 7
    return total


def hash_password(amount):
    return hashlib.pbkdf2_hmac("sha256", b"password", b"salt", amount * 20_000).hex()


WORK = {"sleep": sleep, "compute": compute, "hash": hash_password}


async def tick(seconds, ticks):
    while True:
        await asyncio.sleep(seconds)
        ticks.append(time.monotonic())


async def run(work, threads, amount):
    ticks = []
    ticking = asyncio.create_task(tick(0.001, ticks))
    await asyncio.gather(*(asyncio.to_thread(work, amount) for _ in range(threads)))
    ticking.cancel()
    return ticks


def main():
    parser = argparse.ArgumentParser(description="calls in threads beside an event loop")
    parser.add_argument("--work", choices=WORK, default="sleep")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--amount", type=int, default=20, help="how much work each call is, 20 is about 0.2 s"
    )
    args = parser.parse_args()
    ticks = asyncio.run(run(WORK[args.work], args.threads, args.amount))
    print("calls:", args.threads, "ticks meanwhile:", len(ticks))


if __name__ == "__main__":
    main()
