"""What the agent costs, per operation: the same work with and without it, by turns, in one process.

    python benchmarks/agent_cost.py [--rounds N] [--clock wall|cpu] [PYTHON...]

A row an operation, a column an interpreter (this one, unless some are named; each a command, quoted where
it has arguments, with gtrace and its agent importable), as a Markdown table. Where an operation makes a
fixed number of GIL events (a release and a re-acquiring are two) a cell is nanoseconds per event, else the
ratio of the times with and without the agent: the median of the rounds, each of which compares the medians
of a dozen goes of a millisecond or a few, and in parentheses the same of the fastest goes. Close other
programs before you believe a number; where that is not possible, believe the fastest, or the processor's
clock, which leaves out what others did.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from gtrace.recorder import agent

CLOCKS = {"wall": time.perf_counter_ns, "cpu": time.process_time_ns}


def read_byte(count: int) -> None:
    read, zero = os.read, ZERO
    for _ in range(count):
        read(zero, 1)


def stat_file(count: int) -> None:
    stat = os.stat
    for _ in range(count):
        stat("/")


def send_and_receive(count: int) -> None:
    send, receive = THEIRS.send, OURS.recv
    for _ in range(count):
        send(b"x")
        receive(1)


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
    """Something that is done ``count`` times in a go, which takes a millisecond or a few."""

    name: str
    work: Callable[[int], None]
    count: int
    gil_events: int
    """GIL events of one operation, 0 where it makes none or their number is not fixed."""


ZERO = os.open("/dev/zero", os.O_RDONLY)
OURS, THEIRS = socket.socketpair()
OPERATIONS = (
    Operation("`os.read` of one byte", read_byte, 2_000, 2),
    Operation("`os.stat`", stat_file, 1_000, 2),
    Operation("`send` and `recv` of one byte", send_and_receive, 500, 4),
    Operation("uncontended `Lock`", uncontended_lock, 20_000, 0),
    Operation("two threads wake each other", ping_pong, 200, 0),
    Operation("a Python loop in 1 thread", loop_in(1), 50_000, 0),
    Operation("in 2 threads", loop_in(2), 500_000, 0),
    Operation("in 8 threads", loop_in(8), 500_000, 0),
)
GOES = 12
"""Of each operation in a round, after one that is not counted."""


@dataclass(frozen=True)
class Cost:
    """Of one operation: nanoseconds per GIL event, or a ratio."""

    median: float
    fastest: float


@dataclass(frozen=True)
class Round:
    """Nanoseconds per operation, of each go; the two were measured one right after the other."""

    bare: list[float]
    recorded: list[float]


def cost(rounds: list[Round], gil_events: int) -> Cost:
    """Medians over the rounds, so that a machine that slows down meanwhile does so for both ways."""

    def of(statistic: Callable[[list[float]], float]) -> float:
        pairs = [(statistic(each.bare), statistic(each.recorded)) for each in rounds]
        if gil_events:
            return statistics.median((recorded - bare) / gil_events for bare, recorded in pairs)
        return statistics.median(recorded / bare for bare, recorded in pairs)

    return Cost(of(statistics.median), of(min))


def measure(operation: Operation, clock: Callable[[], int]) -> list[float]:
    operation.work(operation.count)
    times = []
    for _ in range(GOES):
        begin = clock()
        operation.work(operation.count)
        times.append((clock() - begin) / operation.count)
    return times


def measure_recorded(operation: Operation, clock: Callable[[], int]) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        agent.start(os.path.join(folder, "gil.bin"), max_bytes=1 << 30)
        try:
            return measure(operation, clock)
        finally:
            agent.stop()


def bare_first(operation: Operation, clock: Callable[[], int]) -> Round:
    bare = measure(operation, clock)
    return Round(bare, measure_recorded(operation, clock))


def recorded_first(operation: Operation, clock: Callable[[], int]) -> Round:
    recorded = measure_recorded(operation, clock)
    return Round(measure(operation, clock), recorded)


def costs_here(clock: str, rounds: int) -> list[Cost]:
    """Of all operations, each bare and recorded by turns, in the order of OPERATIONS."""
    found: list[list[Round]] = [[] for _ in OPERATIONS]
    for turn in range(rounds):
        compare = bare_first if turn % 2 else recorded_first
        for operation, kept in zip(OPERATIONS, found, strict=True):
            kept.append(compare(operation, CLOCKS[clock]))
    return [cost(kept, operation.gil_events) for operation, kept in zip(OPERATIONS, found, strict=True)]


def costs_in(python: str, options: argparse.Namespace) -> tuple[str, list[Cost]]:
    """The version of an interpreter and its costs, measured in a process of its own."""
    arguments = [__file__, "--inside", "--rounds", str(options.rounds), "--clock", options.clock]
    output = subprocess.run(
        [*shlex.split(python), *arguments], check=True, stdout=subprocess.PIPE, encoding="utf-8"
    ).stdout
    found = json.loads(output)
    return found["version"], [Cost(**cost) for cost in found["costs"]]


def cell(operation: Operation, cost: Cost) -> str:
    if operation.gil_events:
        return f"{cost.median:.0f} ns ({cost.fastest:.0f} ns)"
    return f"{cost.median:.2f} ({cost.fastest:.2f})"


def table(columns: Sequence[tuple[str, list[Cost]]]) -> str:
    """As Markdown."""
    rows = [["operation", *(version for version, _ in columns)], ["---"] + ["--:"] * len(columns)]
    for place, operation in enumerate(OPERATIONS):
        rows.append([operation.name, *(cell(operation, costs[place]) for _, costs in columns)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="What the agent costs, per operation.")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("pythons", nargs="*", default=[shlex.quote(sys.executable)], metavar="PYTHON")
    options = parser.parse_args()
    if options.inside:
        costs = [asdict(cost) for cost in costs_here(options.clock, options.rounds)]
        print(json.dumps({"version": sys.version.split()[0], "costs": costs}))
        return
    print(f"{os.cpu_count()} cores, {options.rounds} rounds, {options.clock} clock\n", flush=True)
    print(table([costs_in(python, options) for python in options.pythons]))


if __name__ == "__main__":
    main()
