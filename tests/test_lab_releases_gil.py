"""Whether a blocking call let the GIL go is told by where its thread was, with the GIL or without."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from timelines import EXACT_RUN, INFERRED_RUN, timeline

from gtrace.lab.claims import CannotTell, Observation, Outcome
from gtrace.lab.conduct import judge, not_here
from gtrace.lab.experiments.releases_gil import EXPERIMENT, STALLS, by_call, check, waits
from gtrace.lab.interpreter import Interpreter

WORKLOAD = Path(__file__).parents[1] / "workloads" / "blocking_calls.py"
COUNTS = """
    counter 0-41  running
    counter 41-60 gil_wait
    counter 60-80 running
"""
SLEEPS = "time.sleep 0-1 running\ntime.sleep 1-20 sleep\ntime.sleep 20-21 gil_wait\n"
RECEIVES = "socket.recv 20-21 running\nsocket.recv 21-40 io_wait\n"
KEEPS = f'"{STALLS}" 40-41 running\n"{STALLS}" 41-60 stalled\n'
CALLS = f"time.sleep\nsocket.recv\n{STALLS}\n"


def observed(text: str, calls: str = CALLS) -> Observation:
    return Observation(timeline(COUNTS + text), calls, 0)


GOOD = observed(SLEEPS + RECEIVES + KEEPS)


def test_the_claim_holds_where_every_call_is_off_its_core_without_the_gil() -> None:
    finding = check({"blocking": [GOOD, GOOD]})
    assert finding.outcome is Outcome.HOLDS
    assert finding.figures[0].values == (100, 100, 100, 100)
    assert finding.tables[0].rows == (
        ("time.sleep", "lets it go", 19, 100, 0, 100),
        ("socket.recv", "lets it go", 19, 100, 0, 100),
        (STALLS, "keeps it", 19, 0, 100, 0),
    )
    assert "All 2 calls" in finding.measured
    assert "kept it for 19 ms" in finding.measured


def test_a_call_that_blocks_with_the_gil_refutes_the_claim_by_its_name() -> None:
    careless = "socket.recv 20-21 running\nsocket.recv 21-40 stalled\n"
    finding = check({"blocking": [observed(SLEEPS + careless + KEEPS)] * 2})
    assert finding.outcome is Outcome.FAILS
    assert finding.measured.startswith("socket.recv kept the GIL")


def test_a_call_that_keeps_the_gil_for_a_part_of_its_wait_keeps_it() -> None:
    half = "socket.recv 20-21 running\nsocket.recv 21-31 io_wait\nsocket.recv 31-40 stalled\n"
    assert check({"blocking": [observed(SLEEPS + half + KEEPS)]}).outcome is Outcome.FAILS


def test_what_one_run_of_several_shows_is_not_the_calls_doing() -> None:
    careless = "socket.recv 20-21 running\nsocket.recv 21-40 stalled\n"
    assert check({"blocking": [observed(SLEEPS + careless + KEEPS), GOOD]}).outcome is Outcome.HOLDS


@pytest.mark.parametrize("state", ["sleep", "io_wait", "lock_wait", "blocked"])
def test_why_a_call_waits_does_not_matter_where_it_is_away(state: str) -> None:
    wait = f"socket.recv 20-21 running\nsocket.recv 21-40 {state}\n"
    assert check({"blocking": [observed(SLEEPS + wait + KEEPS)]}).outcome is Outcome.HOLDS


def test_another_cores_work_and_a_lost_core_are_no_wait_of_the_call() -> None:
    busy = "socket.recv 20-21 running\nsocket.recv 21-30 io_wait\nsocket.recv 30-35 native\n"
    busy += "socket.recv 35-40 preempted gil=away\n"
    found = {wait.call: wait for wait in waits(observed(SLEEPS + busy + KEEPS))}
    assert (found["socket.recv"].away, found["socket.recv"].kept) == (9_000_000, 0)


@pytest.mark.parametrize(
    ("text", "calls", "why"),
    [
        (SLEEPS + KEEPS, CALLS, "no thread called socket.recv"),
        (SLEEPS + "socket.recv 20-40 running\n" + KEEPS, CALLS, "socket.recv was not seen to block"),
        (SLEEPS + RECEIVES, "time.sleep\nsocket.recv\n", "was not seen to keep it"),
        (SLEEPS + RECEIVES + f'"{STALLS}" 40-60 sleep\n', CALLS, "was not seen to keep it"),
    ],
)
def test_without_its_evidence_or_its_counter_example_nothing_is_told(text: str, calls: str, why: str) -> None:
    with pytest.raises(CannotTell, match=why):
        by_call([observed(text, calls)])


def test_a_call_that_found_what_it_would_wait_for_is_judged_by_the_other_run() -> None:
    at_once = observed(SLEEPS + "socket.recv 20-40 running\n" + KEEPS)
    assert check({"blocking": [at_once, GOOD]}).outcome is Outcome.HOLDS
    careless = "socket.recv 20-21 running\nsocket.recv 21-40 stalled\n"
    assert check({"blocking": [at_once, observed(SLEEPS + careless + KEEPS)]}).outcome is Outcome.FAILS


def test_without_the_scheduler_nobody_knows_who_blocked_with_the_gil() -> None:
    seen = replace(GOOD, timeline=replace(GOOD.timeline, run=INFERRED_RUN))
    assert judge(EXPERIMENT, {"blocking": [seen]}).outcome is Outcome.NOT_MEASURED
    assert judge(EXPERIMENT, {"blocking": [GOOD]}).outcome is Outcome.HOLDS
    assert GOOD.timeline.run.evidence == EXACT_RUN.evidence


def test_without_a_gil_there_is_nothing_to_let_go() -> None:
    python = Interpreter("python3.14t", (3, 14, 0), "cpython", True, "Linux", 2)
    assert not_here(EXPERIMENT, python) == "there is no GIL"


def test_the_workload_names_each_call_once_it_has_blocked() -> None:
    done = subprocess.run(
        [sys.executable, WORKLOAD, "--seconds", "0.001"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    calls = done.stdout.splitlines()
    assert len(calls) == len(set(calls)) > 20
    assert {"time.sleep", "socket.recv", "Lock.acquire", "Popen.wait", STALLS} <= set(calls)
