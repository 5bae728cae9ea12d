"""What the recorder costs a program that does nothing: ``python benchmarks/startup.py [ROUNDS] [PYTHON...]``.

Runs ``python -c pass`` alone, with ``--light`` and with calls, in turns, so that whatever else the
machine does falls on all three alike. Prints the median of each in milliseconds, of the time on the
clock and of the time on a core, and what it is more than the bare interpreter.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gtrace.recorder import folder, launch

ROUNDS: Final = 21
REACH_MS: Final = 100


def run(python: str, environment: dict[str, str]) -> tuple[float, float]:
    """Milliseconds on the clock and on a core."""
    began = perf_counter()
    pid = os.posix_spawnp(python, [python, "-c", "pass"], environment)
    _, status, used = os.wait4(pid, 0)
    if status != 0:
        sys.exit(f"{python} failed: {status}")
    return (perf_counter() - began) * 1000, (used.ru_utime + used.ru_stime) * 1000


def environments(python: str, recording: Path) -> dict[str, dict[str, str]]:
    """What to run with, by name."""
    options = (launch.LaunchOptions(str(recording), python, calls) for calls in (False, True))
    light, calls = map(launch._environment, options)  # noqa: SLF001  (the same as gtrace run makes)
    return {"bare": dict(os.environ), "light": light, "calls": calls}


def measure(python: str, rounds: int) -> None:
    """Prints a line a way to run."""
    with tempfile.TemporaryDirectory() as parent:
        recording = Path(parent, "r.gtrace")
        ways = environments(python, recording)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, environment in ways.items():
                folder.create(recording, {})
                times[name].append(run(python, environment))
    bare = [statistics.median(column) for column in zip(*times["bare"], strict=True)]
    print(f"{python}: median of {rounds}; at most {REACH_MS} ms more is the aim")
    for name, rows in times.items():
        clock, core = (statistics.median(column) for column in zip(*rows, strict=True))
        more = f"+{clock - bare[0]:.1f}, +{core - bare[1]:.1f}"
        print(f"  {name:6} {clock:7.1f} ms, {core:6.1f} on a core   {more}")


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    for interpreter in [word for word in sys.argv[1:] if not word.isdigit()] or [sys.executable]:
        measure(interpreter, numbers[0] if numbers else ROUNDS)
