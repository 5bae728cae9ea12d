"""Two locks in opposite order: the check on timelines made by hand, and the workload by itself."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from timelines import EXACT_RUN, timeline

from gtrace.lab.claims import Observation, Outcome
from gtrace.lab.conduct import judge
from gtrace.lab.experiments.deadlock import EXPERIMENT

WORKLOAD = Path(__file__).parents[1] / "workloads" / "deadlock.py"
KILLED = replace(EXACT_RUN, exit_status=137)


def ring(count, run=EXACT_RUN, *, known=True):
    """``count`` philosophers that wait for each other's locks from 10 ms on."""
    lines = ["MainThread 0-100 lock_wait"]
    for i in range(count):
        lines += [f"philosopher-{i} 0-10 running", f"philosopher-{i} 10-100 lock_wait reason=lock"]
    rows = []
    for i in range(count):
        kept = {"time_ns": 95_000_000, "lane": i + 1, "kind": "Lock", "owner_lane": -1, "asking": False}
        kept |= {"where": "eat (deadlock.py:26)", "evidence": "derived"}
        rows.append({**kept, "role": "waits", "lock": (i + 1) % count, "name": "right"})
        rows.append({**kept, "role": "has", "lock": i, "name": "left"})
    made = timeline("\n".join(lines).replace("running", "unknown"), run)
    return replace(made, standing=pd.DataFrame(rows)) if known else made


ORDERED = timeline("""
    MainThread 0-100 lock_wait
    philosopher-0 0-10 running
    philosopher-1 0-10 unknown
""")


def judged(**others):
    made = {
        "itself": ring(2),
        "four": ring(4),
        "interrupted": ring(2),
        "killed": ring(2, KILLED, known=False),
        "ordered": ORDERED,
    }
    return judge(EXPERIMENT, {label: [Observation(t, "", 0)] for label, t in (made | others).items()})


def test_all_that_wait_in_a_cycle_and_none_in_the_same_order_is_as_told():
    found = judged()
    assert found.outcome is Outcome.HOLDS
    cycles = {row[0]: row[3:] for row in found.tables[0].rows}
    assert cycles["four"][0] == "philosopher-0 -> philosopher-1 -> philosopher-2 -> philosopher-3"
    assert cycles["killed"] == ("", "inferred: nobody was left to let go")


def test_threads_that_go_on_in_opposite_order_are_not():
    went_on = replace(ring(2), intervals=ring(2).intervals.assign(state="running"))
    assert judged(itself=went_on).outcome is Outcome.FAILS


def test_threads_that_wait_in_the_same_order_are_not():
    assert judged(ordered=ring(2)).outcome is Outcome.FAILS


@pytest.mark.parametrize("label", ["itself", "four", "interrupted"])
def test_a_cycle_that_was_not_found_is_not_passed_over(label):
    count = 4 if label == "four" else 2
    assert judged(**{label: ring(count, known=False)}).outcome is Outcome.NOT_MEASURED


def test_a_cycle_with_a_thread_missing_is_not_the_ring():
    whole = ring(4)
    rows = whole.standing[(whole.standing["lane"] != 2).to_numpy()]
    assert judged(four=replace(whole, standing=rows)).outcome is Outcome.NOT_MEASURED


def test_a_cycle_claimed_of_a_killed_run_is_a_claim_too_much():
    assert judged(killed=ring(2, KILLED)).outcome is Outcome.NOT_MEASURED


def test_without_a_gil_the_waits_are_enough():
    free = replace(EXACT_RUN, free_threaded=True)
    made = {label: ring(count, free, known=False) for label, count in (("itself", 2), ("four", 4))}
    found = judged(**made, interrupted=ring(2, free, known=False))
    assert found.outcome is Outcome.HOLDS
    assert "who had which was not seen" in found.measured


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "still waiting: philosopher-0 philosopher-1\n"),
        (["--threads", "3"], "still waiting: philosopher-0 philosopher-1 philosopher-2\n"),
        (["--order", "same"], "still waiting: nobody\n"),
    ],
)
def test_the_workload_runs_by_itself_and_says_what_happened(arguments, says):
    command = [sys.executable, str(WORKLOAD), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == says
