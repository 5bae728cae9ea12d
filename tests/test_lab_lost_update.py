"""Lost updates: the checks on timelines made by hand, and the workload by itself."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from timelines import EXACT_RUN, timeline

from gtrace.lab.claims import Finding, Observation, Outcome
from gtrace.lab.conduct import judge
from gtrace.lab.experiments.lost_update import INCREMENT, LOST_UPDATE, Adding

WORKLOAD = Path(__file__).parents[1] / "workloads" / "lost_update.py"
FREE_RUN = replace(EXACT_RUN, free_threaded=True)
AT_ONCE, STEP, CALLER = '"add_at_once (l.py:29)"', '"step (l.py:25)"', '"add_what_a_call_returns (l.py:40)"'

SWITCHED = f"""
    adder-0  0-5    running {AT_ONCE}
    adder-0  5-10   gil_wait {AT_ONCE} <- adder-1
    adder-0  10-15  running {AT_ONCE}
    adder-1  1-5    gil_wait {AT_ONCE} <- adder-0
    adder-1  5-10   running {AT_ONCE}
"""
ALONE = f"""
    adder-0  0-5   running {AT_ONCE}
    adder-1  5-10  running {AT_ONCE}
"""
ABREAST = f"""
    adder-0  0-10  running {AT_ONCE}
    adder-1  1-9   running {AT_ONCE}
"""


def seen(lines: str, *, lost: int, added: int = 100, free: bool = False) -> Observation:
    said = f"added: {added} counter: {added - lost} lost: {lost}\n"
    return Observation(timeline(lines, FREE_RUN if free else EXACT_RUN), said, 0)


def judged_increment(lines: str, *, lost: int, free: bool = False) -> Finding:
    return judge(INCREMENT, {"nothing": [seen(lines, lost=lost, free=free)]})


def test_switches_without_a_loss_refute_that_increments_get_lost() -> None:
    found = judged_increment(SWITCHED, lost=0)
    assert found.outcome is Outcome.FAILS
    assert found.measured == (
        "Of 100 updates none were lost, though one adder waited for the other's GIL 2 times."
    )


def test_a_loss_in_increments_bears_it_out() -> None:
    assert judged_increment(SWITCHED, lost=7).outcome is Outcome.HOLDS


def test_increments_that_were_never_switched_tell_nothing() -> None:
    assert judged_increment(ALONE, lost=0).outcome is Outcome.NOT_MEASURED


def test_without_a_gil_increments_side_by_side_get_lost() -> None:
    found = judged_increment(ABREAST, lost=40, free=True)
    assert found.outcome is Outcome.HOLDS
    assert found.measured == "Of 100 updates 40 were lost, with the adders side by side."
    assert judged_increment(ABREAST, lost=0, free=True).outcome is Outcome.FAILS


def test_without_a_gil_increments_one_after_the_other_tell_nothing() -> None:
    assert judged_increment(ALONE, lost=0, free=True).outcome is Outcome.NOT_MEASURED


def test_a_program_that_did_not_come_to_its_end_tells_nothing() -> None:
    unfinished = Observation(timeline(SWITCHED), "", 1)
    assert judge(INCREMENT, {"nothing": [unfinished]}).outcome is Outcome.NOT_MEASURED


SWITCHED_IN_A_CALL = f"""
    adder-0  0-5    running {STEP}
    adder-0  5-10   gil_wait {STEP} <- adder-1
    adder-0  10-15  running {CALLER}
    adder-1  1-5    gil_wait {STEP} <- adder-0
    adder-1  5-10   running {STEP}
"""
SLEPT = """
    adder-0  0-1   running f
    adder-0  1-2   native time.sleep
    adder-0  2-5   sleep time.sleep
    adder-0  5-6   gil_wait time.sleep <- adder-1
    adder-0  6-7   running f
    adder-1  1-2   running f
    adder-1  2-5   sleep time.sleep
    adder-1  5-6   running f
    adder-1  6-9   sleep time.sleep
    adder-1  9-10  running time.sleep
"""
"""Both read 0; adder-1 writes 1 and reads it; adder-0 writes 1; adder-1 writes 2: one of three is lost."""
LOCKED = """
    adder-0  0-1   running f
    adder-0  1-4   sleep time.sleep
    adder-0  4-5   running f
    adder-1  1-5   lock_wait reason=lock <- adder-0
    adder-1  5-8   sleep time.sleep
    adder-1  8-9   running f
"""


def judged(
    call: str = SWITCHED_IN_A_CALL,
    sleep: str = SLEPT,
    lock: str = LOCKED,
    lost: tuple[int, int, int] = (30, 1, 0),
) -> Finding:
    return judge(
        LOST_UPDATE,
        {
            "call": [seen(call, lost=lost[0])],
            "sleep": [seen(sleep, lost=lost[1], added=3)],
            "lock": [seen(lock, lost=lost[2], added=2)],
        },
    )


def test_switches_between_read_and_write_explain_the_losses_and_a_lock_mends_them() -> None:
    found = judged()
    assert found.outcome is Outcome.HOLDS
    assert found.measured == (
        "With a call between read and write, where 2 switches were seen, 30% of the updates were lost;"
        " with a sleep 1 of 3, and the timeline's sleeps, replayed, lose 1; under a lock 0%, and the adders"
        " waited 0.00 s for it."
    )


def test_a_loss_that_no_switch_explains_refutes_it() -> None:
    assert judged(call=SWITCHED_IN_A_CALL.replace("step", "other")).outcome is Outcome.FAILS


def test_a_switch_between_read_and_write_that_loses_nothing_refutes_it() -> None:
    assert judged(lost=(0, 1, 0)).outcome is Outcome.FAILS


def test_no_switch_and_no_loss_in_calls_tells_nothing() -> None:
    calls = SWITCHED_IN_A_CALL.replace("step", "other")
    assert judged(call=calls, lost=(0, 1, 0)).outcome is Outcome.NOT_MEASURED


def test_sleeps_that_replay_to_another_counter_refute_it() -> None:
    assert judged(lost=(30, 2, 0)).outcome is Outcome.FAILS
    one_after_the_other = LOCKED.replace("lock_wait reason=lock", "gil_wait")
    assert judged(sleep=one_after_the_other, lost=(30, 1, 0)).outcome is Outcome.FAILS


def test_a_loss_under_a_lock_refutes_it() -> None:
    assert judged(lost=(30, 1, 1)).outcome is Outcome.FAILS


def test_sleeps_side_by_side_under_a_lock_refute_it() -> None:
    assert judged(lock=SLEPT).outcome is Outcome.FAILS


def test_a_lock_nobody_waited_for_tells_nothing() -> None:
    assert judged(lock=LOCKED.replace("lock_wait", "blocked")).outcome is Outcome.NOT_MEASURED


def test_without_a_gil_adders_side_by_side_explain_the_loss() -> None:
    runs = {
        "call": [seen(ABREAST, lost=30, free=True)],
        "sleep": [seen(SLEPT.replace("gil_wait", "native"), lost=1, added=3, free=True)],
        "lock": [seen(LOCKED, lost=0, added=2, free=True)],
    }
    assert judge(LOST_UPDATE, runs).outcome is Outcome.HOLDS
    runs["call"] = [seen(ALONE, lost=30, free=True)]
    assert judge(LOST_UPDATE, runs).outcome is Outcome.FAILS


def test_a_sleep_lasts_until_its_thread_has_the_gil_again() -> None:
    windows = Adding.of(seen(SLEPT, lost=1, added=3)).sleeps
    assert sorted((start // 1_000_000, end // 1_000_000) for start, end in windows) == [
        (1, 6),
        (2, 5),
        (6, 9),
    ]


@pytest.mark.parametrize("between", ["nothing", "call", "sleep"])
def test_the_workload_says_how_many_updates_were_lost(between: str) -> None:
    added, counter, lost = run_workload("--between", between, "--rounds", "20")
    assert added == 40
    assert counter == added - lost


def test_the_workload_loses_nothing_under_a_lock() -> None:
    assert run_workload("--between", "lock", "--rounds", "20") == (40, 40, 0)


def run_workload(*arguments: str) -> tuple[int, int, int]:
    command = [sys.executable, WORKLOAD, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    added, counter, lost = re.findall(r"\d+", done.stdout)
    return int(added), int(counter), int(lost)
