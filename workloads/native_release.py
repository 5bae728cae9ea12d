"""Threads that compute in C code which lets the GIL go: they run on as many cores as there are.

The page must show, for each ``packer-i``: more than half of its life is ``native``, reasons compression
and hashing, and there is next to no ``gil_wait``. Cores in use: near the number of threads or of cores,
whichever is less. The main thread is in ``lock_wait``, reason thread join.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import threading
import zlib


def pack(data, rounds, results):
    """Hashes are several times as fast as compression, so they get several times as much."""
    for _ in range(rounds):
        digest = hashlib.sha256(data).hexdigest()
        size = len(zlib.compress(data[: len(data) // 4], level=1))
    results[threading.current_thread().name] = digest[:16], size


def main():
    parser = argparse.ArgumentParser(description="threads that compute without the GIL")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=8, help="buffers of each thread")
    parser.add_argument("--megabytes", type=int, default=16, help="size of a buffer")
    args = parser.parse_args()
    data = random.Random(0).randbytes(1 << 20) * args.megabytes
    results = {}
    packers = [
        threading.Thread(target=pack, name=f"packer-{i}", args=(data, args.rounds, results))
        for i in range(args.threads)
    ]
    for packer in packers:
        packer.start()
    for packer in packers:
        packer.join()
    for name in sorted(results):
        print(name, *results[name])


if __name__ == "__main__":
    main()
