"""The switch interval: the checks on timelines made by hand, and the workloads by themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from timelines import timeline

from gtrace.lab.claims import Observation, Outcome
from gtrace.lab.conduct import judge, not_here
from gtrace.lab.experiments import convoy, short_threads
from gtrace.lab.experiments.switch_interval import EXPERIMENT, FORCED, INTERVALS_S, turns
from gtrace.lab.interpreter import Interpreter

if TYPE_CHECKING:
    from collections.abc import Callable

    from gtrace.lab.claims import Experiment, Finding

WORKLOADS = Path(__file__).parents[1] / "workloads"
TOLD = json.dumps({"found": 0.005, "set": [[interval, interval] for interval in INTERVALS_S]})


def turns_of(milliseconds: Callable[[float], float]) -> str:
    """Two threads by turns at each interval; a turn is as long as ``milliseconds`` of the interval says."""
    lines, now = [], 0.0
    for interval in INTERVALS_S:
        name, length = f"turn-{1_000 * interval:g}ms", milliseconds(1_000 * interval)
        for turn in range(8):
            for i in range(2):
                state = "running" if turn % 2 == i else "gil_wait"
                lines.append(f"{name}-{i} {now}-{now + length} {state}")
            now += length
    return "\n".join(lines)


def judged(text: str, told: str = TOLD) -> Finding:
    return judge(EXPERIMENT, {"turns": [Observation(timeline(text), told, 0)]})


def test_turns_of_one_interval_each_are_what_is_claimed() -> None:
    found = judged(turns_of(lambda interval: interval))
    assert found.outcome is Outcome.HOLDS
    assert found.measured == (
        "It is 5 ms, and reads as it was set; the middle turn of two threads that compute was 1.0 ms at 1 ms,"
        " 5.0 ms at 5 ms, 20.0 ms at 20 ms."
    )


def test_what_the_machine_adds_to_each_turn_changes_nothing() -> None:
    assert judged(turns_of(lambda interval: interval + 1.5)).outcome is Outcome.HOLDS


@pytest.mark.parametrize(
    "length", [lambda _: 5.0, lambda interval: 2 * interval, lambda interval: interval / 2]
)
def test_turns_that_do_not_grow_as_the_interval_does_refute_it(length: Callable[[float], float]) -> None:
    assert judged(turns_of(length)).outcome is Outcome.FAILS


def test_another_default_refutes_it() -> None:
    told = TOLD.replace('"found": 0.005', '"found": 0.01')
    found = judged(turns_of(lambda interval: interval), told)
    assert found.outcome is Outcome.FAILS
    assert found.measured.startswith("It is 10 ms, and reads as it was set")


def test_a_value_that_reads_otherwise_than_it_was_set_refutes_it() -> None:
    told = TOLD.replace("[0.02, 0.02]", "[0.02, 0.005]")
    found = judged(turns_of(lambda interval: interval), told)
    assert found.outcome is Outcome.FAILS
    assert "reads otherwise than it was set" in found.measured


def test_threads_that_nobody_asks_tell_nothing() -> None:
    alone = turns_of(lambda interval: interval).replace("gil_wait", "sleep")
    assert judged(alone).outcome is Outcome.NOT_MEASURED


def test_a_program_that_printed_something_else_tells_nothing() -> None:
    assert judged(turns_of(lambda interval: interval), "Killed").outcome is Outcome.NOT_MEASURED


def test_a_turn_is_forced_where_its_thread_still_wants_the_gil() -> None:
    seen = turns(
        timeline("""
            w1 0-2   running
            w1 2-3   preempted
            w1 3-5   running
            w1 5-9   gil_wait <- w2
            w1 9-10  running
            w1 10-12 sleep
            w2 0-5   gil_wait <- w1
            w2 5-9   running
        """),
        "w",
    )
    rows = seen[["lane", "start_ns", "end_ns", "forced", "ran_ns"]].itertuples(index=False)
    assert [
        (row.lane, row.start_ns / 1e6, row.end_ns / 1e6, row.forced, row.ran_ns / 1e6) for row in rows
    ] == [
        (0, 0, 5, True, 4),
        (0, 9, 10, False, 1),
        (1, 5, 9, False, 4),
    ]


LONG_CALLS = """
    alone-0  0-100   running
    caller-0 100-140 running builtins.sum
    caller-0 140-146 gil_wait <- other-0
    caller-0 146-186 running builtins.sum
    other-0  100-140 gil_wait <- caller-0
    other-0  140-146 running
    other-0  146-186 gil_wait <- caller-0
    other-0  186-190 running
"""
SHORT_TURNS = """
    alone-0  0-5     running
    caller-0 5-10    running builtins.sum
    caller-0 10-15   gil_wait <- other-0
    other-0  5-10    gil_wait <- caller-0
    other-0  10-15   running
    other-0  15-20   gil_wait <- caller-0
"""


def judged_forced(text: str) -> Finding:
    return judge(FORCED, {"calls": [Observation(timeline(text), "", 0)]})


def test_a_long_call_and_a_thread_alone_keep_the_gil() -> None:
    found = judged_forced(LONG_CALLS)
    assert found.outcome is Outcome.FAILS
    assert found.measured == (
        "A thread in long calls of C ran 8 switch intervals without giving the GIL up while another waited, a"
        " thread alone 20; Python code never had to sooner than after 1.20 intervals."
    )


def test_turns_that_end_with_the_interval_would_make_it_hold() -> None:
    assert judged_forced(SHORT_TURNS).outcome is Outcome.HOLDS


def test_time_off_the_core_does_not_make_a_turn_long() -> None:
    kept_off = SHORT_TURNS.replace("5-10    running builtins.sum", "5-6 running\ncaller-0 6-10 preempted")
    assert judged_forced(kept_off).outcome is Outcome.HOLDS


def test_a_turn_that_ends_before_the_interval_is_told() -> None:
    sooner = LONG_CALLS.replace("140-146 running", "140-142 running\nother-0 142-146 gil_wait")
    assert "Python code had to after 0.40 intervals" in judged_forced(sooner).measured


def beside(returns_ms: Callable[[float], float], speed: Callable[[float], float]) -> Finding:
    """The judgement on threads that need so long to go on, and do so many thousand steps a second."""
    lines, printed, now = [], [], 0.0
    for interval in convoy.INTERVALS_MS:
        wait, begin = returns_ms(interval), now
        for _ in range(4):
            lines.append(f"io-{interval:g}ms {now}-{now + 2} sleep")
            lines.append(f"io-{interval:g}ms {now + 2}-{now + 2 + wait} gil_wait <- cpu-{interval:g}ms")
            now += 2 + wait
        lines.append(f"cpu-{interval:g}ms {begin}-{now} running")
        printed.append(f"{interval:g}ms: 4 returns, {round(speed(interval) * (now - begin))} steps")
    observation = Observation(timeline("\n".join(lines)), "\n".join(printed), 0)
    return judge(convoy.EXPERIMENT, {"sweep": [observation]})


def test_returns_that_take_the_switch_interval_are_what_is_claimed() -> None:
    found = beside(lambda interval: interval + 0.1, lambda interval: 800 if interval < 1 else 1000)
    assert found.outcome is Outcome.HOLDS
    assert found.measured == (
        "To go on after a wait took the thread 0.2 ms at 0.1 ms, 5.1 ms at 5 ms, 100.1 ms at 100 ms of switch"
        " interval; beside it the other computed 0.80 times as fast at 0.1 ms as at 5 ms."
    )


@pytest.mark.parametrize("returns", [lambda _: 0.1, lambda interval: interval / 2, lambda _: 100.0])
def test_returns_that_do_not_follow_the_interval_refute_it(returns: Callable[[float], float]) -> None:
    assert beside(returns, lambda _: 1000).outcome is Outcome.FAILS


def test_both_curves_of_the_convoy_are_one_at_the_default() -> None:
    (chart,) = beside(lambda interval: interval, lambda interval: 1000 + interval).charts
    assert len(chart.curves) == 2
    for curve in chart.curves:
        assert [x for x, *_ in curve.points] == list(convoy.INTERVALS_MS)
        assert curve.points[3] == (5.0, 1.0, 1.0, 1.0)


def test_a_thread_that_never_waits_for_the_gil_tells_nothing() -> None:
    lines = [f"{kind}-{ms:g}ms 0-9 running" for ms in convoy.INTERVALS_MS for kind in ("cpu", "io")]
    observation = Observation(timeline("\n".join(lines)), "", 0)
    assert judge(convoy.EXPERIMENT, {"sweep": [observation]}).outcome is Outcome.NOT_MEASURED


SHORT = """
    short-0 0-1   running
    short-1 1-2   running
    short-2 2-30  running
    long-0  30-36 running
    long-0  36-42 gil_wait <- long-1
    long-1  30-36 gil_wait <- long-0
    long-1  36-42 running
"""


def judged_short(*forced: int) -> Finding:
    """The judgement where the threads of ``SHORT`` had to give the GIL up so often."""
    seen = timeline(SHORT)
    seen = replace(seen, threads=seen.threads.assign(gil_forced_releases=list(forced)))
    return judge(short_threads.EXPERIMENT, {"threads": [Observation(seen, "", 0)]})


def test_short_threads_that_are_never_switched_are_what_is_claimed() -> None:
    found = judged_short(0, 0, 5, 1, 0)
    assert found.outcome is Outcome.HOLDS
    assert found.measured == (
        "Of 3 short threads 2 never had the GIL for a switch interval, and had to give it up 0 times; threads"
        " with more to do had to 1 times."
    )


def test_a_short_thread_that_is_switched_refutes_it() -> None:
    assert judged_short(0, 1, 0, 1, 0).outcome is Outcome.FAILS


def test_where_no_thread_at_all_is_switched_nothing_is_known() -> None:
    assert judged_short(0, 0, 0, 0, 0).outcome is Outcome.NOT_MEASURED


def test_where_switches_were_not_seen_nothing_is_known() -> None:
    assert judged_short(-1, -1, -1, -1, -1).outcome is Outcome.NOT_MEASURED


@pytest.mark.parametrize(
    "experiment", [EXPERIMENT, FORCED, convoy.EXPERIMENT, short_threads.EXPERIMENT], ids=lambda e: e.name
)
def test_without_a_gil_there_is_nothing_to_measure(experiment: Experiment) -> None:
    free = Interpreter("python3.13t", (3, 13, 0), "cpython", True, "Linux", 2)
    assert not_here(experiment, free) == "there is no GIL"


def printed(workload: str, *arguments: str) -> list[str]:
    command = [sys.executable, WORKLOADS / f"{workload}.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()


def test_the_workload_reads_the_interval_it_set() -> None:
    (line,) = printed("switch_interval", "--intervals", "0.001", "0.05", "--turns=1", "--least=0.001")
    told = json.loads(line)
    assert told["found"] == pytest.approx(0.005)
    assert [answered for _, answered in told["set"]] == pytest.approx([0.001, 0.05])


def test_the_workload_of_long_calls_does_them() -> None:
    assert printed("long_calls", "--calls=2", "--numbers=10", "--limit=10") == ["calls: 2"]


def test_the_workload_of_the_convoy_counts_returns_and_steps() -> None:
    (line,) = printed("convoy", "--intervals", "0.001", "--least=2", "--total=0")
    name, steps = convoy.LINE.fullmatch(line).groups()
    assert name == "1ms"
    assert int(steps) % 1_000 == 0


def test_the_workload_of_short_threads_runs_all_of_them() -> None:
    assert printed("short_threads", "--threads=3", "--steps=10") == ["threads: 5"]
