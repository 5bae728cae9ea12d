"""Daemon threads are cut off when the last other thread ends, not when the main thread does.

The page must show: ``worker-0``, no daemon, outlives the last line of the main thread, which is then in
``lock_wait``, reason thread join, until the worker ends. Both daemons are alive at the end of the run
(their ``end_s`` is null): ``daemon-waits`` is in ``lock_wait``, reason event, for more than half of its
life, on an event that nobody sets; ``daemon-ticks`` is in ``sleep`` for more than half of its own and is
cut off in the middle of one. The process ends with ``worker-0``, with exit status 0, and nothing waits
for the daemons. Cores in use: near 0.
"""

from __future__ import annotations

import argparse
import threading
import time


def wait_forever(never):
    never.wait()
    print("this line is never reached")


def tick(seconds):
    while True:
        time.sleep(seconds)


def work(seconds):
    time.sleep(seconds)
    print(threading.current_thread().name, "ends last", flush=True)


def main():
    parser = argparse.ArgumentParser(description="daemon threads that are alive at the end")
    parser.add_argument("--seconds", type=float, default=0.8, help="how long the worker works")
    args = parser.parse_args()
    threading.Thread(target=wait_forever, name="daemon-waits", args=(threading.Event(),), daemon=True).start()
    threading.Thread(target=tick, name="daemon-ticks", args=(args.seconds / 5,), daemon=True).start()
    threading.Thread(target=work, name="worker-0", args=(args.seconds,)).start()
    print("main is done", flush=True)


if __name__ == "__main__":
    main()
