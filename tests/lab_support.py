"""A small lab for tests: an experiment, a recorder that need not wait for it, and results of all kinds."""

from __future__ import annotations

import sys
from dataclasses import replace

from evidence_text import write_recording

from gtrace.lab.claims import (
    Chart,
    Curve,
    Experiment,
    Figure,
    Finding,
    Outcome,
    Run,
    Table,
)
from gtrace.lab.interpreter import Interpreter
from gtrace.lab.looking import lanes_named, seconds_in, spread
from gtrace.lab.results import Result, Results
from gtrace.model import State

PYTHON = Interpreter(sys.executable, (3, 13, 0), "cpython", False, "Linux-6.1-x86_64", 2)
WITHOUT_GIL = replace(PYTHON, free_threaded=True)
TWO_THREADS = """
process python=3.13.0
main begin 0
w1 begin 5 parent=main
main GIL_HOLDS 0
main GIL_RELEASE 10
w1 GIL_ACQUIRE 10
w1 GIL_RELEASE 60
main GIL_ACQUIRE 60
w1 end 60
main IN 0 core=0
main OUT 10
w1 IN 10 core=0
w1 OUT 60
main IN 60
main OUT 100
stop 100
"""


def recorder(text=TWO_THREADS, output="", status=0):
    """A recorder for which every run leaves the recording ``text`` describes; it notes what it was asked."""

    def record(run, python, recording, out):
        record.asked.append((run.label, python, recording.name))
        write_recording(recording, text)
        out.write_text(output, encoding="utf-8")
        return status

    record.asked = []
    return record


def worker_ran(observations):
    """Holds where the worker ran for 50 ms in every repeat."""
    timelines = [observation.timeline for observation in observations["two"]]
    ran = tuple(seconds_in(one, lanes_named(one, "w1"), State.RUNNING) for one in timelines)
    outcome = Outcome.HOLDS if all(abs(seconds - 0.05) < 1e-9 for seconds in ran) else Outcome.FAILS
    return Finding(outcome, f"It ran {spread(ran)} s.", (Figure("ran", ran, "s"),))


EXPERIMENT = Experiment(
    "worker", "A worker runs.", "often told", (Run("two", "cpu_bound", ("--threads", "1"), 2),), worker_ran,
    needs=("gil", "scheduler"),
)  # fmt: skip


FINDING = Finding(
    Outcome.FAILS,
    "It took 2.0 (1.0 to 3.0) s \N{MICRO SIGN} </script> \udc80.",
    (Figure("time", (1.0, 2.5), "s"), Figure("count", (3.0,))),
    (Table("Atlas", ("call", "away", "share"), (("math.sin", None, 0.25), ("sleep", True, 7))),),
    (Chart("Sweep", "interval", "time", (Curve("a", ((0.1, 1.0, 0.5, 2.0),)), Curve("b", ())), "x"),),
)


def lab(version=(3, 13, 0), *results, free_threaded=False):
    facts = replace(PYTHON, release=version, free_threaded=free_threaded)
    return Results(facts, "0.1.0", results, 1_790_000_000.0)


def result(name="claim", page=""):
    return Result(name, "A claim.", "a page", FINDING, page, ("A note.",), ("python workloads/a.py",), 1.5)
