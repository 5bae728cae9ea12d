"""What the agent costs, per operation: the same work with and without it, by turns, in one process.

    python benchmarks/agent_cost.py [--rounds N]

Each row is the median over the rounds: nanoseconds per operation without and with the agent, their
ratio, and the difference per GIL event, where the operation makes any (a release and a re-acquiring
are two). Close other programs before you believe a number.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from gtrace.recorder import agent


def read_byte(count: int) -> None:
    read, zero = os.read, ZERO
    for _ in range(count):
        read(zero, 1)


def stat_file(count: int) -> None:
    stat = os.stat
    for _ in range(count):
        stat("/")


def send_and_receive(count: int) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for _ in range(count):
            theirs.send(b"x")
            ours.recv(1)


def uncontended_lock(count: int) -> None:
    lock = threading.Lock()
    for _ in range(count):
        with lock:
            pass


def loop(count: int) -> None:
    total = 0
    for number in range(count):
        total += number


def loop_in(threads: int) -> Callable[[int], None]:
    def work(count: int) -> None:
        in_threads([lambda: loop(count // threads)] * threads)

    return work


def in_threads(works: list[Callable[[], None]]) -> None:
    running = [threading.Thread(target=work) for work in works]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def ping_pong(count: int) -> None:
    """Two threads that wake each other by turns."""
    mine, yours = threading.Lock(), threading.Lock()
    mine.acquire()
    yours.acquire()

    def serve() -> None:
        for _ in range(count):
            yours.release()
            mine.acquire()

    def answer() -> None:
        for _ in range(count):
            yours.acquire()
            mine.release()

    in_threads([serve, answer])


@dataclass(frozen=True)
class Operation:
    """Something that is done ``count`` times a round."""

    name: str
    work: Callable[[int], None]
    count: int
    gil_events: int
    """GIL events of one operation, 0 where it makes none or their number is not fixed."""


ZERO = os.open("/dev/zero", os.O_RDONLY)
OPERATIONS = (
    Operation("os.read of one byte", read_byte, 100_000, 2),
    Operation("os.stat", stat_file, 50_000, 2),
    Operation("send and recv of one byte", send_and_receive, 20_000, 4),
    Operation("uncontended lock", uncontended_lock, 300_000, 0),
    Operation("ping-pong", ping_pong, 3_000, 0),
    Operation("pure loop, 1 thread", loop_in(1), 3_000_000, 0),
    Operation("pure loop, 2 threads", loop_in(2), 3_000_000, 0),
    Operation("pure loop, 8 threads", loop_in(8), 3_000_000, 0),
)


def measure(operation: Operation) -> float:
    """Nanoseconds per operation."""
    begin = time.perf_counter_ns()
    operation.work(operation.count)
    return (time.perf_counter_ns() - begin) / operation.count


def measure_recorded(operation: Operation, path: str) -> float:
    agent.start(path, max_bytes=1 << 30)
    try:
        return measure(operation)
    finally:
        agent.stop()
        os.unlink(path)


def compare(operation: Operation, rounds: int) -> tuple[float, float, float]:
    """Medians without and with the agent, and the median of the rounds' ratios."""
    bare, recorded = [], []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds):
            both = [lambda: bare.append(measure(operation))]
            both.append(lambda: recorded.append(measure_recorded(operation, f"{folder}/gil.bin")))
            for run in both if turn % 2 else reversed(both):
                run()
    ratios = [with_agent / without for without, with_agent in zip(bare, recorded, strict=True)]
    return statistics.median(bare), statistics.median(recorded), statistics.median(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description="What the agent costs, per operation.")
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, median of {rounds} rounds")
    print(f"{'operation':28}{'bare ns':>11}{'agent ns':>11}{'ratio':>8}{'ns/GIL event':>14}")
    for operation in OPERATIONS:
        bare, recorded, ratio = compare(operation, rounds)
        each = f"{(recorded - bare) / operation.gil_events:.0f}" if operation.gil_events else "-"
        print(f"{operation.name:28}{bare:11.1f}{recorded:11.1f}{ratio:8.3f}{each:>14}", flush=True)


if __name__ == "__main__":
    main()
