"""Joining and stopping: the checks on timelines made by hand, and the workloads by themselves."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from timelines import EXACT_RUN, FIRST_TID, PID, timeline

from gtrace.lab.claims import Observation, Outcome
from gtrace.lab.conduct import judge
from gtrace.lab.experiments.joining import EXPERIMENT, STOPPING

WORKLOADS = Path(__file__).parents[1] / "workloads"
FREE_RUN = replace(EXACT_RUN, free_threaded=True)

WORK = """
MainThread 0-5     running
MainThread 5-200   lock_wait reason="thread join"
MainThread 200-210 running
worker-0   1-100   blocked
worker-1   2-150   blocked
worker-2   3-200   blocked
"""
SAYS = """worker-2: join gave None, alive: True
worker-2: join gave None, alive: False
worker-1: join gave None, alive: False
worker-0: join gave None, alive: False
all have ended
"""
# lane of the joined thread, begin and end in ms, timeout in seconds, outcome
JOINS = (
    (3, 5, 30, 0.025, "timed out"),
    (3, 30, 200, None, "ended"),
    (2, 201, 202, None, "ended"),
    (1, 202, 203, None, "ended"),
)
STOPS = """
MainThread 0-200   blocked
MainThread 200-210 lock_wait reason="thread join"
MainThread 210-220 running
asked      1-209   blocked
not-asked  2-220   blocked
"""
STOPS_SAYS = "ways to stop a thread: []\nasked is alive: False\n"


def with_joins(text, joins, run=EXACT_RUN):
    rows = [
        {
            "pid": PID,
            "time_ns": int(begin * 1e6),
            "tid": FIRST_TID,
            "joined_tid": FIRST_TID + lane,
            "timeout_s": timeout,
            "end_ns": int(end * 1e6),
            "timed_out": outcome == "timed out",
            "outcome": outcome,
        }
        for lane, begin, end, timeout, outcome in joins
    ]
    return replace(timeline(text, run), joins=pd.DataFrame(rows))


def judged(joins=JOINS, output=SAYS, text=WORK, run=EXACT_RUN):
    return judge(EXPERIMENT, {"joining": [Observation(with_joins(text, joins, run), output, 0)]}).outcome


def changed(number, join):
    return (*JOINS[:number], join, *JOINS[number + 1 :])


@pytest.mark.parametrize("run", [EXACT_RUN, FREE_RUN])
def test_joins_that_return_at_the_end_or_the_timeout_are_as_told(run):
    assert judged(run=run) is Outcome.HOLDS


def test_a_join_that_returns_before_its_thread_ends_is_not():
    assert judged(changed(1, (3, 30, 150, None, "ended"))) is Outcome.FAILS


def test_a_join_that_runs_out_early_is_not():
    assert judged(changed(0, (3, 5, 10, 0.025, "timed out"))) is Outcome.FAILS


def test_a_thread_that_is_alive_after_a_join_without_a_timeout_is_not():
    alive = SAYS.replace("worker-1: join gave None, alive: False", "worker-1: join gave None, alive: True")
    assert judged(output=alive) is Outcome.FAILS


def test_an_is_alive_that_does_not_tell_of_the_timeout_is_not():
    assert judged(output=SAYS.replace("alive: True", "alive: False")) is Outcome.FAILS


def test_a_join_that_answers_is_not():
    assert judged(output=SAYS.replace("gave None, alive: True", "gave False, alive: True")) is Outcome.FAILS


def test_joins_that_are_over_before_the_last_thread_are_not_for_all():
    longer = WORK.replace("worker-0   1-100", "worker-0   1-240").replace("200-210", "200-260")
    assert judged(text=longer) is Outcome.FAILS


@pytest.mark.parametrize(
    "other",
    [
        {"joins": JOINS[1:]},
        {"joins": ()},
        {"joins": changed(2, (1, 201, 202, None, "ended"))},
        {"output": ""},
        {"joins": changed(0, (3, 5, 30, None, "ended"))},
    ],
    ids=["one too few", "none", "another thread", "says nothing", "none ran out"],
)
def test_where_words_and_evidence_do_not_belong_together_nothing_is_said(other):
    assert judged(**other) is Outcome.NOT_MEASURED


def judged_stopping(text=STOPS, output=STOPS_SAYS):
    made = with_joins(text, ((1, 200, 210, None, "ended"),))
    return judge(STOPPING, {"stopping": [Observation(made, output, 0)]})


def test_a_thread_that_ends_when_asked_and_one_that_does_not_are_as_told():
    found = judged_stopping()
    assert found.outcome is Outcome.HOLDS
    (figure,) = found.figures
    assert list(figure.values) == [pytest.approx(0.009)]


def test_a_thread_that_goes_on_though_it_was_asked_is_not():
    assert judged_stopping(STOPS.replace("1-209", "1-220")).outcome is Outcome.FAILS


def test_a_thread_that_ends_though_nobody_asked_it_is_not():
    assert judged_stopping(STOPS.replace("2-220", "2-215")).outcome is Outcome.FAILS


def test_a_method_that_stops_threads_would_be_told_of():
    found = judged_stopping(output=STOPS_SAYS.replace("[]", "['stop']"))
    assert (found.outcome, "['stop']" in found.measured) == (Outcome.FAILS, True)


@pytest.mark.parametrize(
    ("script", "last"),
    [("joining.py", "all have ended"), ("stopping.py", "threads left: ['MainThread', 'not-asked']")],
)
def test_the_workload_runs_by_itself_and_says_what_happened(script, last):
    command = [sys.executable, str(WORKLOADS / script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == last
