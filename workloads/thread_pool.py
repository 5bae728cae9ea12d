"""More tasks than threads: a pool works them off in rounds, the main thread waits for their results.

The page must show: exactly as many ``pool_i`` threads as the pool has workers (not as there are tasks),
each in ``sleep``, which stands for a task, for more than half of its life; the tasks of a pool of n take
about 1/n of their sum. The main thread is in ``lock_wait``, reason future, for more than half of its
life. A worker without a task is in ``lock_wait``, reason queue. Cores in use: near 0.
"""

from __future__ import annotations

import argparse
import threading
import time
from concurrent.futures import ThreadPoolExecutor


def task(number, seconds):
    time.sleep(seconds)
    return number * number, threading.get_native_id()


def main():
    parser = argparse.ArgumentParser(description="more tasks than threads")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--tasks", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=0.1, help="length of one task")
    args = parser.parse_args()
    with ThreadPoolExecutor(args.threads, thread_name_prefix="pool") as pool:
        futures = [pool.submit(task, number, args.seconds) for number in range(args.tasks)]
        results = [future.result() for future in futures]
    print("sum of squares:", sum(square for square, _ in results))
    print("native ids:", *sorted({native_id for _, native_id in results}))


if __name__ == "__main__":
    main()
