"""From the program's end to the page, against what viztracer needs to save its own JSON, in one run.

    python benchmarks/end_to_end.py --calls 1000000 --rounds 3

Prints medians and ratios. The program makes the calls in ten threads and prints when it ends; what
comes after that until the command returns is what a user waits for.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = """
import sys, threading, time

def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def work(rounds):
    for _ in range(rounds):
        fib(18)

rounds = int(sys.argv[1]) // (10 * 8361)
threads = [threading.Thread(target=work, args=(rounds,), name=f"fib-{n}") for n in range(10)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(time.clock_gettime_ns(time.CLOCK_MONOTONIC), flush=True)
"""


def after_the_end(command: list[str]) -> tuple[float, int]:
    """Seconds from the program's last line to the command's end, and the largest process in MB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    ended = int(process.stdout.readline())
    process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[:4]} failed")
    return (time.clock_gettime_ns(time.CLOCK_MONOTONIC) - ended) / 1e9, usage.ru_maxrss // 1024


def main() -> None:
    """Runs both, alternating, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        script = Path(place) / "program.py"
        script.write_text(PROGRAM)
        tail = [str(script), str(options.calls)]
        entries = str(options.calls * 2)
        ours = ["--report", f"{place}/page.html", "-o", f"{place}/page.gtrace"]
        theirs = ["--tracer_entries", entries, "-o", f"{place}/result.json"]
        commands = {
            "gtrace run": [sys.executable, "-m", "gtrace", "run", "--quiet", *ours, *tail],
            "viztracer": [sys.executable, "-m", "viztracer", "--quiet", *theirs, "--", *tail],
        }
        seen: dict[str, list[tuple[float, int]]] = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                seen[name].append(after_the_end(command))
    peers = statistics.median(seconds for seconds, _ in seen["viztracer"])
    print(f"{options.calls} calls, {options.rounds} rounds, medians")
    print(f"{'command':12} {'end to done':>12} {'of viztracer':>13} {'peak of any process':>20}")
    for name, rows in seen.items():
        seconds = statistics.median(s for s, _ in rows)
        print(f"{name:12} {seconds:10.2f} s {seconds / peers:12.2f}x {max(m for _, m in rows):17} MB")


if __name__ == "__main__":
    main()
