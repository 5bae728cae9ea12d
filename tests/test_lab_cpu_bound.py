"""Threads that compute: the check on timelines made by hand, and the workload by itself."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from timelines import EXACT_RUN, timeline

from gtrace.lab.claims import Finding, Observation, Outcome
from gtrace.lab.conduct import judge
from gtrace.lab.experiments.cpu_bound import COUNTS, EXPERIMENT, PRICE, Group

if TYPE_CHECKING:
    from gtrace.timeline.timeline import RunInfo, Timeline

SCALING = Path(__file__).parents[1] / "workloads" / "scaling.py"
FREE_RUN = replace(EXACT_RUN, free_threaded=True)
WORK_MS = 80


def turns(count: int, start: int, cpu_ms: int = WORK_MS) -> list[str]:
    """``count`` threads that share ``cpu_ms`` of work in turns of a millisecond, the others waiting."""
    lines = []
    for turn in range(cpu_ms):
        for i in range(count):
            state = "running" if i == turn % count else "gil_wait"
            lines.append(f"by-{count}-{i} {start + turn}-{start + turn + 1} {state}")
    return lines


def abreast(count: int, start: int, cores: int) -> list[str]:
    """``count`` threads that share the work on ``cores`` cores, and wait for nothing but a core."""
    at_once = min(count, cores)
    lines = []
    for turn in range(WORK_MS // at_once):
        for i in range(count):
            state = "running" if (i - turn) % count < at_once else "preempted"
            lines.append(f"by-{count}-{i} {start + turn}-{start + turn + 1} {state}")
    return lines


def under_the_gil() -> Timeline:
    return timeline("\n".join(line for n, count in enumerate(COUNTS) for line in turns(count, 100 * n)))


def without_a_gil(cores: int = 2) -> Timeline:
    lines = [line for n, count in enumerate(COUNTS) for line in abreast(count, 100 * n, cores)]
    return timeline("\n".join(lines), replace(FREE_RUN, cores=cores))


def judged(seen: Timeline) -> Finding:
    return judge(EXPERIMENT, {"scaling": [Observation(seen, "", 0)]})


def judged_price(*lines: str, run: RunInfo = EXACT_RUN) -> Finding:
    return judge(PRICE, {"two": [Observation(timeline("\n".join(lines), run), "", 0)]})


def with_gil(seen: Timeline) -> Timeline:
    return replace(seen, run=replace(seen.run, free_threaded=False))


def test_threads_that_take_turns_are_no_faster() -> None:
    found = judged(under_the_gil())
    assert found.outcome is Outcome.HOLDS
    assert found.measured == (
        "Two threads used 1.00 cores, eight 1.00; each of the two waited 50% of its time for the GIL,"
        " and they were 1.00 times as fast as one."
    )


def test_threads_side_by_side_under_a_gil_refute_it() -> None:
    assert judged(with_gil(without_a_gil())).outcome is Outcome.FAILS


def test_without_a_gil_threads_are_as_fast_as_the_cores() -> None:
    found = judged(without_a_gil(cores=4))
    assert found.outcome is Outcome.HOLDS
    assert found.tables[0].rows == (
        (1, 1.0, "0%", 1.0),
        (2, 2.0, "0%", 2.0),
        (4, 4.0, "0%", 4.0),
        (8, 4.0, "0%", 4.0),
    )


def test_without_a_gil_threads_that_take_turns_refute_it() -> None:
    seen = under_the_gil()
    assert judged(replace(seen, run=replace(seen.run, free_threaded=True))).outcome is Outcome.FAILS


def test_one_core_without_a_gil_tells_nothing() -> None:
    assert judged(without_a_gil(cores=1)).outcome is Outcome.NOT_MEASURED


def test_a_core_that_another_program_took_changes_nothing() -> None:
    seen = under_the_gil()
    rows = seen.intervals
    lost = (rows["state"] == "running").to_numpy() & (rows["start_ns"] % 3_000_000 == 0).to_numpy()
    rows = rows.assign(state=rows["state"].mask(lost, "preempted"))
    found = judged(replace(seen, intervals=rows))
    assert found.outcome is Outcome.HOLDS
    assert "used 1.00 cores" in found.measured


def test_a_thread_kept_from_a_core_before_it_has_the_gil_does_not_count() -> None:
    seen = under_the_gil()
    rows = seen.intervals
    waiting = (rows["state"] == "gil_wait") & (rows["lane"] == 2)
    starting = (waiting & (rows["start_ns"] % 4_000_000 == 0)).to_numpy()
    rows = rows.assign(
        state=rows["state"].mask(starting, "preempted"), gil=rows["gil"].mask(starting, "away")
    )
    assert "Two threads used 1.00 cores" in judged(replace(seen, intervals=rows)).measured


def test_threads_that_sleep_tell_nothing() -> None:
    seen = under_the_gil()
    rows = seen.intervals
    asleep = replace(seen, intervals=rows.assign(state=rows["state"].mask(rows["lane"] > 0, "sleep")))
    assert judged(asleep).outcome is Outcome.NOT_MEASURED


def test_a_run_without_the_threads_tells_nothing() -> None:
    assert judged(timeline("main 0-10 running")).outcome is Outcome.NOT_MEASURED


def test_the_chart_has_the_cores_and_the_speed_for_each_number_of_threads() -> None:
    (chart,) = judged(under_the_gil()).charts
    assert [curve.name for curve in chart.curves] == ["cores in use", "speed"]
    assert [[point[0] for point in curve.points] for curve in chart.curves] == [[*COUNTS], [*COUNTS]]


def test_equal_cpu_time_is_no_price() -> None:
    found = judged_price(*turns(1, 0), *turns(2, 100))
    assert found.outcome is Outcome.FAILS
    assert "1.00 times the CPU time of one; they waited 0.08 s for the GIL and passed it on 79 times" in (
        found.measured
    )


def test_half_as_much_cpu_time_again_is_a_price() -> None:
    assert judged_price(*turns(1, 0), *turns(2, 100, WORK_MS * 3 // 2)).outcome is Outcome.HOLDS


def test_without_a_gil_there_are_no_waits_for_it_to_tell() -> None:
    found = judged_price(*abreast(1, 0, 2), *abreast(2, 100, 2), run=FREE_RUN)
    assert found.outcome is Outcome.FAILS
    assert found.measured == "The same work took two threads 1.00 times the CPU time of one."


def test_the_time_nobody_had_the_gil_is_that_of_the_threads_own_handoffs() -> None:
    seen = timeline("\n".join([*turns(1, 0), *turns(2, 100)]))
    wakeups = pd.DataFrame(
        {
            "lane": [1, 2, 1, 0, 1],
            "time_ns": [1, 2, 3, 4, 5],
            "latency_ns": [10_000, 30_000, 50_000, 900_000, 900_000],
            "cause": ["gil", "gil", "gil", "gil", "lock"],
        }
    )
    observation = Observation(replace(seen, wakeups=wakeups), "", 0)
    assert Group.of(observation, 2).gap_seconds == pytest.approx(30e-6)


def test_the_workload_does_the_same_work_with_any_number_of_threads() -> None:
    command = [sys.executable, SCALING, "--threads", "1", "3", "--limit", "10"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    one, three = done.stdout.splitlines()
    assert one.removeprefix("steps, 1 threads: ") == three.removeprefix("steps, 3 threads: ") == "61"
