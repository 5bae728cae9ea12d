"""Threads that compute in C code which lets the GIL go: they run on as many cores as there are.

The page must show, for each ``hash-i`` and ``zip-i``: more than half of its life is ``native``, reasons
hashing and compression, and there is next to no ``gil_wait``. Cores in use: near the number of threads
or of cores, whichever is less; more than 1 wherever there are two cores to be had. The main thread is in
``lock_wait``, reason thread join.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import threading
import zlib


def hash_often(data, rounds, results):
    for _ in range(rounds):
        results["sha256"] = hashlib.sha256(data).hexdigest()[:16]


def zip_often(data, rounds, results):
    for _ in range(rounds):
        results["zlib"] = len(zlib.compress(data, level=1))


def main():
    parser = argparse.ArgumentParser(description="threads that compute without the GIL")
    parser.add_argument("--threads", type=int, default=1, help="threads of each of the two kinds")
    parser.add_argument("--rounds", type=int, default=10, help="buffers of each thread")
    parser.add_argument("--megabytes", type=int, default=16, help="size of the buffer to hash")
    args = parser.parse_args()
    # Zipping takes several times as long as hashing.
    data = random.Random(0).randbytes(1 << 20) * args.megabytes
    work = (("hash", hash_often, data), ("zip", zip_often, data[: len(data) // 4]))
    results = {}
    threads = [
        threading.Thread(target=target, name=f"{kind}-{i}", args=(part, args.rounds, results))
        for i in range(args.threads)
        for kind, target, part in work
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("sha256:", results["sha256"], "zlib:", results["zlib"])


if __name__ == "__main__":
    main()
