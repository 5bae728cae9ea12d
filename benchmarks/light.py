"""What `gtrace run` costs the program itself: its own work, bare and recorded, alternating, medians.

    python benchmarks/light.py --rounds 5 [--calls] [NAME...]

Prints a ratio a workload; with ``--calls`` calls are recorded too, and viztracer alone is the rival.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

WORKLOADS = Path(__file__).parents[1] / "workloads"
USUAL = (
    "cpu_bound", "daemon_threads", "io_bound", "lock_contention", "many_threads", "mixed", "native_release",
    "producer_consumer", "thread_pool",
)  # fmt: skip
"""The lab's own are left out: each is many runs in one, and some never end."""
TIMED = """
import runpy, sys, time
script, result = sys.argv[1:3]
sys.argv[1:] = []
begin = time.perf_counter()
runpy.run_path(script, run_name="__main__")
open(result, "w").write(str(time.perf_counter() - begin))
"""


def work_s(prefix: list[str], script: Path, place: Path) -> float:
    """Seconds the workload took by its own clock."""
    result = place / "seconds"
    timed = place / "timed.py"
    timed.write_text(TIMED)
    command = [*prefix, str(timed), str(script), str(result)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return float(result.read_text())


def main() -> None:
    """Runs every workload both ways and prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", action="store_true")
    parser.add_argument("names", nargs="*", default=USUAL, metavar="NAME", help="of workloads")
    options = parser.parse_args()
    gtrace = [sys.executable, "-m", "gtrace", "run", "--quiet", "--no-report"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        recorded = [*gtrace, "-o", str(place / "run.gtrace")] + ([] if options.calls else ["--light"])
        bare = [sys.executable]
        if options.calls:
            bare += ["-m", "viztracer", "--quiet", "-o", str(place / "viz.json"), "--"]
        print(f"{'workload':20} {'recorded / ' + ('viztracer' if options.calls else 'bare'):>20}")
        for script in (WORKLOADS / f"{name}.py" for name in options.names):
            pairs = [
                (work_s(bare, script, place), work_s(recorded, script, place)) for _ in range(options.rounds)
            ]
            ratio = statistics.median(r for _, r in pairs) / statistics.median(b for b, _ in pairs)
            spread = max(b for b, _ in pairs) / min(b for b, _ in pairs)
            print(f"{script.stem:20} {ratio:20.3f}   (the rival alone varies by {spread:.2f})", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
