"""How true the states are: what is known of each thread beforehand, what gtrace says, and the difference.

    python benchmarks/accuracy.py [--calls] [--rounds N] [--perf] [SCENARIO ...]

Each row is one quantity of one thread, in ms or as a count, the median over the rounds: what the program
and the kernel counted in the same run (CPU clock, schedstat, getrusage; where only bounds are known, the
least and the most), what gtrace says, and how far that is from it. A thread that is let go waits in the
kernel's queue for a core before it goes on: the bounds of a wait are as far apart as it did so.

With ``--perf`` one more run is recorded by ``perf sched`` too (which needs root), and the time each thread
was on a core, from its birth to its death, is laid beside the sum of its switches; perf does not count the
first time. The last line counts the figures within 1 ms or 1 %, and 10 µs a switch: the kernel charges a
switch, 0.6 to 7 µs, to one of the threads; here it belongs to none.
A run from which the machine's host took cores is made again. Close other programs before you believe it.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from accuracy_support import PROGRAM, SCENARIOS, Figure, Seen, figures, observe, undisturbed  # noqa: E402

MS = 1_000_000
FIELDS = 8
"""Of a line of perf's summary, behind the thread."""


def main() -> None:
    parser = argparse.ArgumentParser(description="how true the states are")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--calls", action="store_true", help="record the calls, too")
    parser.add_argument("--perf", action="store_true", help="compare with perf sched")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    options = () if args.calls else ("--light",)
    agree = total = 0
    for scenario in args.scenarios or SCENARIOS:
        print(f"\n{scenario}")
        print(f"  {'thread':8} {'quantity':34} {'known':>21} {'gtrace':>10} {'difference':>11}")
        for row in measure(scenario, args.rounds, options):
            print_row(row)
            agree += sum(figure.agrees for figure in row)
            total += len(row)
        if args.perf:
            print_perf(scenario, options)
    print(f"\n{agree} of {total} figures are within 1 ms or 1 % of what is known (and 10 µs a switch)")


def measure(scenario: str, rounds: int, options: tuple[str, ...]) -> list[list[Figure]]:
    """For each quantity of each thread its figure in every round."""
    rows: dict[tuple[str, str], list[Figure]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            place = Path(folder) / str(number)
            place.mkdir()
            for seen in undisturbed(scenario, place, *options):
                for figure in figures(seen):
                    rows.setdefault((figure.thread, figure.what), []).append(figure)
    return [rows[key] for key in sorted(rows, key=lambda key: key[0])]


def print_row(row: list[Figure]) -> None:
    first = row[0]
    unit = 1 if first.what.endswith(" switches") else MS
    form = ".0f" if unit == 1 else ".2f"
    least, most = (statistics.median(figure.known[side] for figure in row) / unit for side in (0, 1))
    known = f"{least:{form}}" if least == most else f"{least:{form}} to {most:{form}}"
    seen = statistics.median(figure.seen for figure in row) / unit
    difference = statistics.median(figure.difference for figure in row) / unit
    doubt = "" if all(figure.agrees for figure in row) else f"  {sum(not f.agrees for f in row)} disagree"
    print(f"  {first.thread:8} {first.what:34} {known:>21} {seen:10{form}} {difference:+11{form}}{doubt}")


def print_perf(scenario: str, options: tuple[str, ...]) -> None:
    """One more run, which ``perf sched`` records as well."""
    perf = shutil.which("perf")
    if perf is None:
        print("  perf is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        data, recording = Path(folder) / "perf.data", Path(folder) / "seen.gtrace"
        traced = [sys.executable, "-m", "gtrace", "run", *options, "--no-report", "-o", recording]
        command = [perf, "sched", "record", "-o", data, "--", *traced, PROGRAM, scenario]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        if done.returncode or not data.exists():
            print(f"  perf sched record failed: {done.stderr.strip().splitlines()[-1:]}")
            return
        by_perf = perf_summary(perf, data)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        threads = observe(recording, "\n".join(lines))
    for seen in sorted(threads, key=lambda seen: seen.witness.thread):
        print_beside_perf(seen, by_perf.get(seen.witness.tid))


def print_beside_perf(seen: Seen, by_perf: tuple[int, float] | None) -> None:
    name = seen.witness.thread
    if by_perf is None:
        print(f"  {name:8} perf sched has not seen it")
        return
    stretches, ms = by_perf
    table = seen.on_core
    own = float((table["end_ns"] - table["start_ns"]).sum()) / MS
    print(f"  {name:8} {'on a core, perf sched':34} {ms:21.2f} {own:10.2f} {own - ms:+11.2f}")
    times = f"{stretches:21} {len(table):10} {len(table) - stretches:+11}"
    print(f"  {name:8} {'times on a core, perf sched':34} {times}")


def perf_summary(perf: str, data: Path) -> dict[int, tuple[int, float]]:
    """By native id how often a thread was put on a core, and for how many ms, as perf says."""
    command = [perf, "sched", "timehist", "-i", data, "--summary"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = {}
    for line in done.stdout.splitlines():
        # comm[tid/pid]  parent  sched-in  run-time  min-run  avg-run  max-run  stddev  migrations
        thread, bracket, numbers = line.rpartition("]")
        fields = numbers.split()
        if bracket and len(fields) == FIELDS:
            tid = int(thread.rpartition("[")[2].partition("/")[0])
            found[tid] = int(fields[1]), float(fields[2])
    return found


if __name__ == "__main__":
    main()
