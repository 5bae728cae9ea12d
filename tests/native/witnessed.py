"""Runs one workload under the agent and the witness at once: ``witnessed.py WORKLOAD EVIDENCE REPORT``."""

from __future__ import annotations

import ctypes
import os
import queue
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from gtrace.recorder import agent


def run_threads(count, work):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def burn(turns=700_000):
    total = 0
    for number in range(turns):
        total += number * number
    return total


def cpu():
    run_threads(3, burn)


def io():
    def work():
        for _ in range(60):
            time.sleep(0.003)
            os.stat("/")

    run_threads(4, work)


def mixed():
    def work():
        for _ in range(10):
            burn(40_000)
            time.sleep(0.005)

    run_threads(4, work)


def lock():
    guard = threading.Lock()

    def work():
        for _ in range(40):
            with guard:
                burn(5_000)
                time.sleep(0.001)

    run_threads(4, work)


def pool():
    results = queue.Queue()
    with ThreadPoolExecutor(4) as executor:
        for _ in range(60):
            executor.submit(lambda: results.put(burn(10_000)))


def main():
    workload, evidence, report = sys.argv[1:]
    witness = ctypes.CDLL(None)
    agent.start(evidence, max_bytes=1 << 28)
    witness.witness_begin()
    {"cpu": cpu, "io": io, "mixed": mixed, "lock": lock, "pool": pool}[workload]()
    failed = witness.witness_report(os.fsencode(report))
    agent.stop()
    sys.exit(failed)


if __name__ == "__main__":
    main()
