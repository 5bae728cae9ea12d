"""Kills a busy run with SIGKILL at random moments: each time there is a page, complete up to the kill.

    python benchmarks/kill.py --times 50

Prints how far before each kill the last GIL event was, and fails where a page or an event is missing.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gtrace

PROGRAM = """
import os, threading, time
def work():
    while True:
        sum(range(2000))
        time.sleep(0.0005)
for n in range(4):
    threading.Thread(target=work, name=f"busy-{n}").start()
print(os.getpid(), flush=True)
"""
MOST_MISSING_S = 0.05


def kill_once(place: Path, wait_s: float) -> float:
    """Seconds between the last GIL event recorded and the kill."""
    page, recording = place / "page.html", place / "run.gtrace"
    page.unlink(missing_ok=True)
    command = [sys.executable, "-m", "gtrace", "run", "--quiet", "-o", recording, "--report", page]
    process = subprocess.Popen([*command, "-c", PROGRAM], stdout=subprocess.PIPE)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    time.sleep(wait_s)
    killed = time.monotonic_ns()
    os.kill(pid, signal.SIGKILL)
    status = process.wait()
    if status != 128 + signal.SIGKILL or not page.exists():
        sys.exit(f"killed after {wait_s:.3f} s: exit status {status}, page: {page.exists()}")
    evidence = gtrace.load(recording).processes[0].load_gil()
    assert evidence is not None
    return (killed - int(evidence.events["time_ns"].max())) / 1e9


def main() -> None:
    """Kills as often as asked and prints what was missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    options = parser.parse_args()
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as place:
        missing = [kill_once(Path(place), chance.uniform(0.0, 0.6)) for _ in range(options.times)]
    print(f"{options.times} kills, {options.times} pages")
    print(f"last event before the kill: median {statistics.median(missing) * 1000:.2f} ms,", end=" ")
    print(f"longest {max(missing) * 1000:.2f} ms")
    if max(missing) > MOST_MISSING_S:
        sys.exit("evidence is missing")


if __name__ == "__main__":
    main()
