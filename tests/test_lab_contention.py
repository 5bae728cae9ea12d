"""Locks that several threads want: the checks on timelines made by hand, and the workloads by themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from timelines import timeline

from gtrace.lab.claims import Finding, Observation, Outcome
from gtrace.lab.conduct import judge
from gtrace.lab.experiments.contention import COUNTS, MEET, NOTIFY, REENTRANT, THROUGHPUT

if TYPE_CHECKING:
    from gtrace.lab.claims import Experiment

WORKLOADS = Path(__file__).parents[1] / "workloads"
STEP_MS = 10


def under_one_lock(count: int) -> list[str]:
    """In each of eight steps one thread sleeps with the lock, the others wait for it."""
    return [
        f"shared-{count}-{i} {STEP_MS * step}-{STEP_MS * (step + 1)}"
        + (" sleep" if step % count == i else f" lock_wait reason=lock <- shared-{count}-{step % count}")
        for step in range(8)
        for i in range(count)
    ]


def with_own_locks(count: int) -> list[str]:
    """The eight steps are shared out, and done side by side."""
    return [f"own-{count}-{i} 0-{STEP_MS * 8 // count} sleep" for i in range(count)]


def shared_and_own() -> str:
    return "\n".join(line for n in COUNTS for line in (*under_one_lock(n), *with_own_locks(n)))


def throughput(lines: str) -> Finding:
    return judge(THROUGHPUT, {"steps": [Observation(timeline(lines), "", 0)]})


def test_one_at_a_time_under_one_lock_and_all_at_once_under_their_own() -> None:
    found = throughput(shared_and_own())
    assert found.outcome is Outcome.HOLDS
    assert found.measured == (
        "Of eight threads under one lock 1.00 were at work at once and 7.0 waited for it: they got 1.00 times"
        " as much done as one. With a lock for each 8.00 were at work, and got 8.00 times as much done."
    )
    (chart,) = found.charts
    assert [curve.name for curve in chart.curves] == ["one lock for all", "a lock for each"]
    assert [point[:2] for point in chart.curves[1].points] == [(1, 500), (2, 1000), (4, 2000), (8, 4000)]


def test_threads_at_work_side_by_side_under_one_lock_refute_it() -> None:
    both = shared_and_own().replace("10-20 lock_wait", "10-20 sleep")
    assert throughput(both).outcome is Outcome.FAILS


def test_threads_that_never_waited_for_the_lock_refute_it() -> None:
    assert throughput(shared_and_own().replace("lock_wait", "blocked")).outcome is Outcome.FAILS


def test_own_locks_that_do_not_help_refute_it() -> None:
    shared = [line for count in COUNTS for line in under_one_lock(count)]
    in_turns = [line.replace("shared-", "own-") for line in shared]
    assert throughput("\n".join([*shared, *in_turns])).outcome is Outcome.FAILS


def test_a_group_that_is_not_there_tells_nothing() -> None:
    assert throughput("\n".join(under_one_lock(1))).outcome is Outcome.NOT_MEASURED
    assert throughput(shared_and_own().replace("sleep", "blocked")).outcome is Outcome.NOT_MEASURED


TWICE = """
    other   0-1    running
    other   1-20   lock_wait reason=rlock <- holder
    other   20-21  running
    holder  0-10   sleep
    holder  10-11  running
    holder  11-20  sleep
    holder  20-21  running
    itself  0-10   lock_wait _thread.lock.acquire caller="wait_for_itself (r.py:40)" reason=lock
"""
REFUSED = "a Lock a second time: False\n"


def twice(lines: str = TWICE, output: str = REFUSED) -> Finding:
    return judge(REENTRANT, {"twice": [Observation(timeline(lines), output, 0)]})


def test_who_holds_an_rlock_takes_it_again_and_others_wait_for_the_last_release() -> None:
    found = twice()
    assert found.outcome is Outcome.HOLDS
    assert found.measured == (
        "The thread that took an RLock twice waited 0.00 s for it; another waited 0.02 s, until the last"
        " release; a thread that took a Lock twice waited 0.01 s for itself, in vain."
    )


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("holder  10-11  running", "holder  10-11  lock_wait reason=rlock <- other"),
        (
            "holder  10-11  running",
            'holder  10-11  lock_wait "hold_twice (r.py:20)" caller="hold_twice (r.py:20)" reason=lock',
        ),
        ("lock_wait reason=rlock <- holder", "lock_wait reason=rlock <- itself"),
        ('caller="wait_for_itself (r.py:40)"', 'caller="wait_for_itself (r.py:40)" <- holder'),
    ],
)
def test_other_waits_or_wakers_refute_it(line: str, other: str) -> None:
    assert line in TWICE
    assert twice(TWICE.replace(line, other)).outcome is Outcome.FAILS


def test_a_wait_that_ends_with_the_first_release_refutes_it() -> None:
    early = TWICE.replace("other   1-20 ", "other   1-10 ").replace("other   20-21", "other   10-21")
    found = twice(early)
    assert found.outcome is Outcome.FAILS
    assert "not until the last release" in found.measured


def test_a_wait_inside_the_event_is_none_for_the_rlock() -> None:
    for function in ('"Event.set (threading.py:5)"', "_thread.lock.__enter__"):
        inside = f'holder  10-11  lock_wait {function} caller="hold_twice (r.py:20)" reason=lock'
        assert twice(TWICE.replace("holder  10-11  running", inside)).outcome is Outcome.HOLDS


def test_a_short_wait_at_the_barriers_door_changes_nothing() -> None:
    door = "walker-0  10-11  lock_wait reason=barrier <- walker-1\n    walker-0  11-31  lock_wait"
    assert met(MET.replace("walker-0  10-31  lock_wait", door)).outcome is Outcome.HOLDS


def test_a_lock_taken_twice_refutes_it() -> None:
    assert twice(output="a Lock a second time: True\n").outcome is Outcome.FAILS


def test_a_run_without_the_waits_or_the_sleeps_tells_nothing() -> None:
    assert twice(TWICE.replace("lock_wait", "blocked")).outcome is Outcome.NOT_MEASURED
    assert twice(TWICE.replace("11-20  sleep", "11-20  running")).outcome is Outcome.NOT_MEASURED


def test_a_thread_that_came_after_the_first_release_tells_nothing() -> None:
    late = TWICE.replace("other   0-1 ", "other   0-11 ").replace("other   1-20", "other   11-20")
    assert twice(late).outcome is Outcome.NOT_MEASURED


NOTIFIED = """
    waiter-0  0-11   lock_wait reason=condition <- notifier
    waiter-1  0-21   lock_wait reason=condition <- notifier
    waiter-2  0-21   lock_wait reason=condition <- notifier
    notifier  0-10   sleep
    notifier  10-11  running
    notifier  11-20  sleep
    notifier  20-21  running
    notifier  21-30  sleep
"""


def notified(lines: str) -> Finding:
    return judge(NOTIFY, {"notify": [Observation(timeline(lines), "", 0)]})


def test_notify_wakes_one_and_notify_all_the_rest() -> None:
    found = notified(NOTIFIED)
    assert found.outcome is Outcome.HOLDS
    assert found.measured == (
        "3 of 3 threads waited while another held the condition's lock; 1 went on after notify and 2 after"
        " notify_all; 3 were woken by the notifier."
    )


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("waiter-1  0-21", "waiter-1  0-12"),
        ("waiter-0  0-11", "waiter-0  0-22"),
        ("waiter-0  0-11", "waiter-0  0-9"),
        ("waiter-1  0-21", "waiter-1  11-21"),
        (
            "waiter-2  0-21   lock_wait reason=condition <- notifier",
            "waiter-2  0-21   lock_wait reason=condition",
        ),
    ],
)
def test_other_times_or_wakers_of_the_waits_refute_it(line: str, other: str) -> None:
    assert line in NOTIFIED
    assert notified(NOTIFIED.replace(line, other)).outcome is Outcome.FAILS


def test_waits_for_something_else_tell_nothing() -> None:
    assert notified(NOTIFIED.replace("=condition", "=event")).outcome is Outcome.NOT_MEASURED


MET = """
    walker-0  0-10   sleep
    walker-0  10-31  lock_wait reason=barrier <- walker-2
    walker-1  0-20   sleep
    walker-1  20-31  lock_wait reason=barrier <- walker-2
    walker-2  0-30   sleep
    walker-2  30-31  running
"""


CAME = "walker-0 came 1\nwalker-1 came 2\nwalker-2 came 3\n"


def met(lines: str) -> Finding:
    return judge(MEET, {"meet": [Observation(timeline(lines), CAME, 0)]})


def test_all_wait_for_the_last_which_wakes_them() -> None:
    found = met(MET)
    assert found.outcome is Outcome.HOLDS
    assert found.measured == (
        "2 of 2 threads that came earlier waited until the last one came and woke them, and were on their way"
        " 1.0 ms later."
    )


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("walker-0  10-31", "walker-0  10-29"),
        (
            "walker-1  20-31  lock_wait reason=barrier <- walker-2",
            "walker-1  20-31  lock_wait reason=barrier <- walker-0",
        ),
        ("walker-1  20-31  lock_wait reason=barrier", "walker-1  20-31  lock_wait reason=lock"),
    ],
)
def test_a_thread_that_goes_early_or_is_woken_by_another_refutes_it(line: str, other: str) -> None:
    assert line in MET
    assert met(MET.replace(line, other)).outcome is Outcome.FAILS


def test_another_last_one_than_the_timeline_shows_refutes_it() -> None:
    other = "walker-0 came 3\nwalker-1 came 2\nwalker-2 came 1\n"
    found = judge(MEET, {"meet": [Observation(timeline(MET), other, 0)]})
    assert found.outcome is Outcome.FAILS


def test_threads_that_never_came_tell_nothing() -> None:
    assert met(MET.replace("sleep", "running")).outcome is Outcome.NOT_MEASURED


@pytest.mark.parametrize(
    ("experiment", "run", "lines"),
    [(REENTRANT, "twice", TWICE), (NOTIFY, "notify", NOTIFIED), (MEET, "meet", MET)],
)
def test_waits_whose_ends_nobody_saw_tell_nothing(experiment: Experiment, run: str, lines: str) -> None:
    unseen = re.sub(r" <- \S+", "", lines)
    found = judge(experiment, {run: [Observation(timeline(unseen), REFUSED + CAME, 0)]})
    assert found.outcome is Outcome.NOT_MEASURED
    assert "does not show who woke whom" in found.measured


def test_one_repeat_that_does_not_bear_it_out_refutes_it() -> None:
    right, wrong = (Observation(timeline(lines), CAME, 0) for lines in (MET, MET.replace("10-31", "10-29")))
    assert judge(MEET, {"meet": [right, wrong]}).outcome is Outcome.FAILS


@pytest.mark.parametrize(
    ("workload", "arguments", "output"),
    [
        ("lock_throughput", ("--threads", "1", "2", "--steps", "4"), "steps: 16\n"),
        ("rlock", ("--seconds", "0.01"), REFUSED),
        ("condition", ("--seconds", "0.01"), "woken: 3\n"),
    ],
)
def test_the_workloads_say_what_they_did(workload: str, arguments: tuple[str, ...], output: str) -> None:
    command = [sys.executable, WORKLOADS / f"{workload}.py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == output


def test_the_barrier_workload_says_in_which_order_its_threads_came() -> None:
    command = [sys.executable, WORKLOADS / "barrier.py", "--seconds", "0.01"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    names, _, numbers = zip(*(line.split() for line in done.stdout.splitlines()), strict=True)
    assert names == ("walker-0", "walker-1", "walker-2", "walker-3")
    assert sorted(numbers) == ["1", "2", "3", "4"]
