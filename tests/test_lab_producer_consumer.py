"""A bounded queue: the check on timelines made by hand, and the workload by itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from timelines import timeline

from gtrace.lab.claims import Finding, Observation, Outcome
from gtrace.lab.conduct import judge
from gtrace.lab.experiments.producer_consumer import EXPERIMENT

WORKLOAD = Path(__file__).parents[1] / "workloads" / "producer_consumer.py"

FULL = """
    producer-0  0-2    running
    producer-0  2-10   lock_wait reason=queue caller="produce (q.py:20)" <- consumer-0
    consumer-0  0-1    lock_wait reason=queue caller="consume (q.py:26)" <- producer-0
    consumer-0  1-10   sleep
"""
EMPTY = """
    producer-0  0-10  sleep
    consumer-0  0-8   lock_wait reason=queue caller="consume (q.py:26)" <- producer-0
    consumer-0  8-10  running
"""


def judged(full: str = FULL, empty: str = EMPTY) -> Finding:
    runs = {"slow consumers": full, "slow producer": empty}
    return judge(EXPERIMENT, {label: [Observation(timeline(lines), "", 0)] for label, lines in runs.items()})


def test_the_fast_side_waits_and_the_slow_side_wakes_it() -> None:
    found = judged()
    assert found.outcome is Outcome.HOLDS
    assert found.measured == (
        "With slow consumers the producer waited 80% of its time in put, woken by consumers; with a slow"
        " producer they waited 80% in get, woken by it."
    )
    assert found.tables[0].rows[0] == ("slow consumers", "put, for room", "80%", "100%", "10%")


def test_each_case_alone_can_refute_it() -> None:
    assert judged(full=EMPTY).outcome is Outcome.FAILS
    assert judged(empty=FULL).outcome is Outcome.FAILS


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ('reason=queue caller="produce', 'reason=lock caller="produce'),
        ('caller="produce (q.py:20)" <- consumer-0', 'caller="produce (q.py:20)" <- producer-0'),
        ('caller="produce (q.py:20)"', 'caller="somewhere (q.py:20)"'),
        ("consumer-0  1-10   sleep", "consumer-0  1-10   running"),
    ],
)
def test_another_reason_waker_place_or_occupation_refutes_it(line: str, other: str) -> None:
    assert line in FULL
    assert judged(full=FULL.replace(line, other)).outcome is Outcome.FAILS


def test_a_queue_that_nobody_waited_for_tells_nothing() -> None:
    assert judged(full=FULL.replace("lock_wait", "blocked")).outcome is Outcome.NOT_MEASURED


def test_waits_whose_ends_nobody_saw_tell_nothing() -> None:
    unseen = re.sub(r" <- \S+", "", FULL)
    found = judged(full=unseen)
    assert found.outcome is Outcome.NOT_MEASURED
    assert found.measured.startswith("slow consumers: the timeline does not show who woke whom")


def test_a_run_without_a_producer_tells_nothing() -> None:
    assert judged(full=FULL.replace("producer-0", "someone")).outcome is Outcome.NOT_MEASURED


@pytest.mark.parametrize("slow", ["consumer", "producer"])
def test_the_workload_moves_every_item(slow: str) -> None:
    command = [sys.executable, WORKLOAD, "--slow", slow, "--items", "10", "--seconds", "0.001"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "items: 10 sum: 45\n"
