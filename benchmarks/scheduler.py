"""What scheduler evidence costs: the same work with and without it, by turns, each in a process of its own.

    python benchmarks/scheduler.py [--rounds N] [NAME ...]

Each row is the median over the rounds of the time of the work alone, without and with evidence, the
ratio of the two, the same ratio of its CPU time (on a busy machine the one to believe), the CPU time
added per switch, and the switches in a second. ``drain`` is the CPU time of the process that records as
a part of the work's time; the last columns are the records that were lost and how large the file was.
``pairs`` switches as fast as the kernel can and needs a C compiler. The last line is what starting and
stopping cost. Close other programs before you believe a number.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAIRS = ROOT / "tests" / "native" / "sched_pairs.c"

INSIDE = """
import json, os, resource, sys, threading, time
from gtrace.recorder import scheduler
path, pairs = sys.argv[1:]

def in_threads(*targets):
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

began = time.perf_counter()
if path:
    scheduler.start(path, max_bytes=1 << 30)
started, cpu = time.perf_counter(), time.process_time()
{work}
ended, cpu = time.perf_counter(), time.process_time() - cpu
scheduler.stop()
stopped = time.perf_counter()
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
status = scheduler.status() if path else {{"lost": 0}}
print(json.dumps({{
    "start_ms": (started - began) * 1e3, "work_s": ended - started, "cpu_s": cpu,
    "stop_ms": (stopped - ended) * 1e3,
    "switches": used[0].ru_nvcsw + used[0].ru_nivcsw, "lost": status["lost"],
    "drain_s": used[1].ru_utime + used[1].ru_stime,
    "mb": os.path.getsize(path) / 1e6 if path else 0,
}}))
"""

WORK = {
    "compute": """
for _ in range(60):
    sum(range(500_000))
""",
    "compute, 4 threads": """
in_threads(*[lambda: [sum(range(500_000)) for _ in range(15)]] * 4)
""",
    "lock ping-pong": """
here, there = threading.Semaphore(0), threading.Semaphore(0)
def play(mine, other):
    for _ in range(25_000):
        other.release()
        mine.acquire()
in_threads(lambda: play(here, there), lambda: play(there, here))
""",
    "pipe ping-pong": """
a, b = os.pipe(), os.pipe()
def play(source, target):
    for _ in range(25_000):
        os.write(target, b"x")
        os.read(source, 1)
in_threads(lambda: play(a[0], b[1]), lambda: play(b[0], a[1]))
""",
    "pairs": """
import ctypes
cores, results = sorted(os.sched_getaffinity(0))[:2], (ctypes.c_int64 * 24)()
cores = (ctypes.c_int * len(cores))(*cores)
ctypes.CDLL(pairs).play_pairs(cores, len(cores), ctypes.c_long(100_000), results)
""",
    "2,000 threads": """
for _ in range(500):
    in_threads(*[lambda: None] * 4)
""",
    "100 processes": """
for _ in range(100):
    if os.fork() == 0:
        os._exit(0)
    os.wait()
""",
}


@dataclass(frozen=True)
class Run:
    """One process; times in the units their names say."""

    start_ms: float
    work_s: float
    cpu_s: float
    stop_ms: float
    switches: int
    lost: int
    drain_s: float
    mb: float


def build_pairs(folder: str) -> str:
    out = os.path.join(folder, "pairs.so")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return ""
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-pthread", PAIRS, "-o", out], check=True)
    return out


def run(work: str, path: str, pairs: str) -> Run:
    command = [sys.executable, "-W", "ignore", "-c", INSIDE.format(work=work), path, pairs]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    if path:
        os.unlink(path)
    return Run(**json.loads(done.stdout))


def measure(work: str, rounds: int, folder: str, pairs: str) -> tuple[list[Run], list[Run]]:
    """Runs without and with evidence, taking turns at going first."""
    bare: list[Run] = []
    recorded: list[Run] = []
    path = os.path.join(folder, "scheduler.bin")
    for turn in range(rounds):
        for with_it in (bool(turn % 2), not turn % 2):
            (recorded if with_it else bare).append(run(work, path if with_it else "", pairs))
    return bare, recorded


def median(runs: list[Run], field: str) -> float:
    return statistics.median(getattr(run, field) for run in runs)


HEADS = ("bare s", 8), ("with s", 8), ("ratio", 6), ("cpu", 6), ("us/switch", 9), ("switches/s", 11)
MORE_HEADS = ("drain", 6), ("lost", 6), ("MB", 7)


def row(bare: list[Run], recorded: list[Run]) -> str:
    without, with_it = median(bare, "work_s"), median(recorded, "work_s")
    cpu, cpu_with = median(bare, "cpu_s"), median(recorded, "cpu_s")
    switches = median(recorded, "switches")
    drain = statistics.median(run.drain_s / run.work_s for run in recorded)
    return (
        f"{without:8.3f} {with_it:8.3f} {with_it / without:6.3f} {cpu_with / cpu:6.3f} "
        f"{(cpu_with - cpu) / switches * 1e6:9.2f} {switches / with_it:11,.0f} {drain:6.1%} "
        f"{sum(run.lost for run in recorded):6} {median(recorded, 'mb'):7.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(WORK))
    options = parser.parse_args()
    every: list[Run] = []
    print(f"{'work':20}", *(f"{head:>{width}}" for head, width in HEADS + MORE_HEADS))
    with tempfile.TemporaryDirectory() as folder:
        pairs = build_pairs(folder)
        for name in options.names or WORK:
            if name == "pairs" and not pairs:
                continue
            bare, recorded = measure(WORK[name], options.rounds, folder, pairs)
            print(f"{name:20} {row(bare, recorded)}", flush=True)
            every += recorded
    print(f"\nstart {median(every, 'start_ms'):.1f} ms, stop {median(every, 'stop_ms'):.1f} ms")


if __name__ == "__main__":
    main()
