"""Daemon threads, their locks, and Ctrl-C: the checks on timelines made by hand, and the workloads."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from timelines import EXACT_RUN, timeline

from gtrace.lab.claims import Observation, Outcome
from gtrace.lab.conduct import judge
from gtrace.lab.experiments.daemon_threads import CTRL_C, CTRL_C_ENDS, EXPERIMENT, LOCK

WORKLOADS = Path(__file__).parents[1] / "workloads"
FREE_RUN = replace(EXACT_RUN, free_threaded=True)

ENDS = """
MainThread   0-10   running
MainThread   10-100 lock_wait reason="thread join"
daemon-waits 2-100  lock_wait
daemon-ticks 3-100  blocked
worker-0     4-99   blocked
"""
HOLDS = """
MainThread      0-10   running
MainThread      10-100 lock_wait
daemon-has-it   2-100  blocked
daemon-wants-it 3-100  lock_wait reason=lock
worker-0        4-99   blocked
"""
INTERRUPTED = """
MainThread 0-600   blocked
MainThread 600-760 lock_wait
worker-0   10-600  lock_wait
worker-0   600-750 blocked
"""
LEFT = """
MainThread 0-600   blocked
MainThread 600-605 lock_wait
worker-0   10-600  lock_wait
worker-0   600-605 blocked
"""
TWICE = """
MainThread 0-600    blocked
MainThread 600-1200 lock_wait
worker-0   10-600   lock_wait
worker-0   600-1200 blocked
"""


def seen(text, output="", status=0, run=EXACT_RUN):
    made = timeline(text, run)
    made.threads["daemon"] = made.threads["name"].str.startswith("daemon-")
    return [Observation(made, output, status)]


def interrupted(text, output="main is interrupted\n", status=CTRL_C):
    return seen(text, output, status)


def judged_daemons(text, run=EXACT_RUN):
    return judge(EXPERIMENT, {"daemons": seen(text, run=run)}).outcome


@pytest.mark.parametrize("run", [EXACT_RUN, FREE_RUN])
def test_a_process_that_waits_for_its_worker_and_cuts_its_daemons_is_as_told(run):
    assert judged_daemons(ENDS, run) is Outcome.HOLDS


def test_a_process_that_waits_for_its_daemons_is_not():
    ended = ENDS.replace("daemon-ticks 3-100", "daemon-ticks 3-50")
    assert judged_daemons(ended) is Outcome.FAILS


def test_a_process_that_cuts_its_worker_is_not():
    assert judged_daemons(ENDS.replace("worker-0     4-99", "worker-0     4-100")) is Outcome.FAILS


def test_a_main_thread_that_does_not_wait_for_its_worker_is_not():
    busy = ENDS.replace('10-100 lock_wait reason="thread join"', "10-100 running")
    assert judged_daemons(busy) is Outcome.FAILS


@pytest.mark.parametrize("missing", ["daemon-", "worker-0"])
def test_without_the_threads_it_is_about_nothing_is_said(missing):
    left = "\n".join(line for line in ENDS.splitlines() if not line.startswith(missing))
    assert judged_daemons(left) is Outcome.NOT_MEASURED


def test_how_each_thread_ended_is_listed():
    (table,) = judge(EXPERIMENT, {"daemons": seen(ENDS)}).tables
    assert [row[:3] for row in table.rows][1:] == [
        ("daemon-waits", "daemon", "cut off at the end"),
        ("daemon-ticks", "daemon", "cut off at the end"),
        ("worker-0", "not a daemon", "ended by itself"),
    ]


def judged_lock(text, output="the worker ends\n"):
    return judge(LOCK, {"lock": seen(text, output)}).outcome


def test_a_lock_that_dies_with_its_daemon_is_not_given_back():
    assert judged_lock(HOLDS) is Outcome.FAILS


def test_a_daemon_whose_finally_ran_gave_its_lock_back():
    assert judged_lock(HOLDS, "given back\n") is Outcome.HOLDS


def test_a_lock_that_the_other_one_got_was_given_back():
    got_it = HOLDS.replace("3-100  lock_wait reason=lock", "3-60 lock_wait\ndaemon-wants-it 60-100 running")
    assert judged_lock(got_it) is Outcome.HOLDS


def test_a_daemon_that_ended_by_itself_shows_nothing():
    assert judged_lock(HOLDS.replace("has-it   2-100", "has-it   2-90")) is Outcome.NOT_MEASURED


def judged_interrupt(sleeping, joining=INTERRUPTED, twice=TWICE):
    runs = {"sleeping": sleeping, "joining": interrupted(joining), "twice": interrupted(twice)}
    return judge(CTRL_C_ENDS, runs)


def test_a_process_that_goes_on_until_its_worker_ends_is_not_ended_by_ctrl_c():
    found = judged_interrupt(interrupted(INTERRUPTED))
    assert found.outcome is Outcome.FAILS
    assert "left it behind" not in found.measured


def test_a_process_that_cuts_its_worker_is_ended_by_ctrl_c():
    assert judged_interrupt(interrupted(LEFT)).outcome is Outcome.HOLDS


def test_a_worker_left_behind_by_an_interrupted_join_is_told_of():
    found = judged_interrupt(interrupted(INTERRUPTED), joining=LEFT)
    assert (found.outcome, "left it behind" in found.measured) == (Outcome.FAILS, True)


@pytest.mark.parametrize(
    "sleeping", [interrupted(INTERRUPTED, "no Ctrl-C came\n"), interrupted(INTERRUPTED, status=0)]
)
def test_where_ctrl_c_did_not_come_nothing_is_said(sleeping):
    assert judged_interrupt(sleeping).outcome is Outcome.NOT_MEASURED


def test_a_worker_that_never_ends_and_has_ended_shows_nothing():
    assert judged_interrupt(interrupted(INTERRUPTED), twice=INTERRUPTED).outcome is Outcome.NOT_MEASURED


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("daemon_lock.py", ["main is done", "the worker ends"]),
        ("interrupted.py", ["waits for Ctrl-C", "no Ctrl-C came", "the worker has finished its work"]),
    ],
)
def test_the_workload_runs_by_itself_and_says_what_happened(script, says):
    command = [sys.executable, str(WORKLOADS / script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == says
