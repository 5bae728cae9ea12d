"""What a thread writes to a local variable or a ``threading.local`` is its own; a global is everybody's.

The documentation of ``threading.local`` says: the values are different for separate threads. Each
``worker-i`` writes its name to all three places, meets the others at a barrier, and reads them again.

The page must show, for each ``worker-i``: it meets the others in ``lock_wait``, reason barrier, except for
the last one to come, so that all of them have written before any of them reads. Every worker reads its
own name from its local variable and its ``threading.local``, and all of them read one and the same name
from the global. The main thread is in ``lock_wait``, reason thread join. Cores in use: near 0.
"""

from __future__ import annotations

import argparse
import threading
import time

shared = "nobody"
own = threading.local()


def write_and_read(name, everybody, seconds, seen):
    global shared  # noqa: PLW0603  it is what this is about
    before = getattr(own, "name", "nothing")
    local = shared = own.name = name
    time.sleep(seconds)
    everybody.wait()
    seen[name] = {
        "local variable": local,
        "global variable": shared,
        "threading.local": own.name,
        "threading.local at first": before,
    }


def main():
    parser = argparse.ArgumentParser(description="places that threads write to and read from")
    parser.add_argument("--threads", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.01, help="time between writing and meeting")
    args = parser.parse_args()
    own.name = "main"
    everybody = threading.Barrier(args.threads)
    seen = {}
    names = [f"worker-{i}" for i in range(args.threads)]
    workers = [
        threading.Thread(target=write_and_read, name=name, args=(name, everybody, args.seconds, seen))
        for name in names
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for name in names:
        for place, value in seen[name].items():
            print(f"{name}: {place}: {value}")


if __name__ == "__main__":
    main()
