"""What the kernel takes for the record of a switch or of a thread, by what it is asked for.

    python benchmarks/switch_cost.py [--rounds N] [--markdown] [switches] [threads]

``switches``: two threads of C hand a byte to and fro on one core. ``threads``: one starts and joins a thread
at a time. Each is done bare, and observed in every way in which the kernel can be asked, one thing changed
at a time; each round takes all ways in a new order. A row has the medians over the rounds: CPU time of a
switch (or of a thread, its birth and end), how much that is above the bare one of the same round, the CPU
time of the process that drains the rings, and how often it woke, per 1,000 switches or threads. Root and a C
compiler are needed for all rows. CPU time is told, because wall time is that of a busy machine.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
BARE = "bare"
WAYS = {
    BARE: "observe=0",
    "as gtrace": "",
    "events disabled: no records": "disabled=1",
    "no records of switches": "switch=0",
    "records without time and ids": "stamp=0",
    "records without ids": "sample=4",
    "the scheduler's own clock": "monotonic=0",
    "no births, ends and names": "task=0",
    "another kind of event": "config=0",
    "kernel not excluded": "exclude_kernel=0",
    "events of each thread, not inherited": "inherit=0",
    "events of one core": "cores=1",
    "two events a core": "events=2",
    "rings of 64 KiB": "ring=65536 watermark=16384",
    "woken for each 4 KiB": "watermark=4096",
    "nobody drains, overwritten": "overwrite=1",
    "nobody drains, backwards": "overwrite=2",
    "drained by who polls": "poll=1",
    "the whole system (root)": "wide=1",
}
WORK = {"switches": ("turns=3000", 0), "threads": ("threads=1 turns=200", 200)}
"""Options, and how many threads are started; switches are counted."""
ONLY_SWITCHES = ("inherit=0", "stamp=0")


@dataclass(frozen=True)
class Run:
    """One process; of each thing done."""

    cpu_ns: float
    drain_ns: float
    wakes: float


def build(folder: str) -> str:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        sys.exit("a C compiler is needed")
    out = f"{folder}/switch_cost"
    subprocess.run([compiler, "-std=gnu11", "-O2", "-pthread", str(SOURCE), "-o", out], check=True)
    return out


def run(program: str, work: str, way: str) -> Run | str:
    """What it took, or why the kernel would not."""
    options, threads = WORK[work]
    done = subprocess.run(
        [program, *options.split(), *way.split()], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        return done.stdout.strip() or f"ended with {done.returncode}"
    _, cpu, switches, _, _, drain, wakes = map(int, done.stdout.split())
    times = threads if work == "threads" else max(switches, 1)
    return Run(cpu / times, drain / times, wakes / times)


def measure(program: str, work: str, rounds: int) -> dict[str, list[Run | str]]:
    ways = {name: way for name, way in WAYS.items() if work == "switches" or way not in ONLY_SWITCHES}
    runs: dict[str, list[Run | str]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name in random.sample(list(ways), len(ways)):
            runs[name].append(run(program, work, ways[name]))
    return runs


def row(name: str, runs: list[Run | str], bare: list[Run | str]) -> tuple[str, ...]:
    pairs = [(a, b) for a, b in zip(runs, bare, strict=True) if isinstance(a, Run) and isinstance(b, Run)]
    if not pairs:
        return name, str(runs[0]), "", "", ""
    cpu, drain, wakes = (
        statistics.median(getattr(run, field) for run, _ in pairs)
        for field in ("cpu_ns", "drain_ns", "wakes")
    )
    more = statistics.median(run.cpu_ns - other.cpu_ns for run, other in pairs)
    above = "" if name == BARE else f"{more / 1e3:+.2f}"
    drained = ("", "") if name == BARE else (f"{drain / 1e3:.2f}", f"{wakes * 1e3:.1f}")
    return name, f"{cpu / 1e3:.2f}", above, *drained


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"of {', '.join(WORK)}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = build(folder)
        for work in options.works or WORK:
            runs = measure(program, work, options.rounds)
            rows = [row(name, found, runs[BARE]) for name, found in runs.items()]
            heads = (work, "CPU µs", "above bare", "drain µs", "wakes per 1,000")
            show(heads, rows, "| {} |" if options.markdown else "{}")


def show(heads: tuple[str, ...], rows: list[tuple[str, ...]], frame: str) -> None:
    between = " | " if "|" in frame else "  "
    lines = [heads, *rows]
    if "|" in frame:
        lines.insert(1, ("---", *["---:"] * (len(heads) - 1)))
    widths = [max(len(line[at]) for line in lines) for at in range(len(heads))]
    for line in lines:
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True)),
        ]
        print(frame.format(between.join(cells)), flush=True)
    print()


if __name__ == "__main__":
    main()
