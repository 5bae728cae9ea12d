"""What `gtrace run` costs the program itself: its own work, bare and recorded, alternating.

    python benchmarks/light.py --rounds 5 [--calls | --no-scheduler] [NAME...]

Prints two ratios a workload: of the medians, and of the fastest rounds, which other programs disturbed
least. With ``--calls`` calls are recorded too, and viztracer alone is the rival; with ``--no-scheduler``
neither calls nor what the kernel knows.
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
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--calls", action="store_const", const=[], dest="leave_out", default=["--light"])
    what.add_argument(
        "--no-scheduler", action="store_const", const=["--light", "--no-scheduler"], dest="leave_out"
    )
    parser.add_argument("names", nargs="*", default=USUAL, metavar="NAME", help="of workloads")
    options = parser.parse_args()
    gtrace = [sys.executable, "-m", "gtrace", "run", "--quiet", "--no-report"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        recorded = [*gtrace, "-o", str(place / "run.gtrace"), *options.leave_out]
        bare = [sys.executable]
        if not options.leave_out:
            bare += ["-m", "viztracer", "--quiet", "-o", str(place / "viz.json"), "--"]
        rival = "bare" if options.leave_out else "viztracer"
        print(f"{'workload':20} {'recorded / ' + rival:>20}   of the fastest   spread of the rival")
        for script in (WORKLOADS / f"{name}.py" for name in options.names):
            times: dict[str, list[float]] = {"bare": [], "recorded": []}
            ways = [(bare, times["bare"]), (recorded, times["recorded"])]
            for turn in range(options.rounds):
                for prefix, kept in ways if turn % 2 else reversed(ways):
                    kept.append(work_s(prefix, script, place))
            medians, fastest = (of(times["recorded"]) / of(times["bare"]) for of in (statistics.median, min))
            spread = max(times["bare"]) / min(times["bare"])
            print(f"{script.stem:20} {medians:20.3f} {fastest:16.3f} {spread:21.2f}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
