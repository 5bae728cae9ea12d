"""Threads that wait for I/O: the checks on timelines made by hand, and the workloads by themselves."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from timelines import EXACT_RUN, timeline

from gtrace.lab.claims import Observation, Outcome
from gtrace.lab.conduct import judge
from gtrace.lab.experiments.io_overlap import COUNTS, EXPERIMENT, FILES, KINDS

if TYPE_CHECKING:
    from gtrace.lab.claims import Finding
    from gtrace.timeline.timeline import RunInfo

WORKLOADS = Path(__file__).parents[1] / "workloads"
WAIT_MS = 60
FREE_RUN = replace(EXACT_RUN, free_threaded=True)


def answers(step_ms: int, *, serial: str = "") -> str:
    """Groups of threads that each wait once, a thread starting to wait ``step_ms`` after the one before.

    Those of the kind ``serial`` start when the one before has its answer.
    """
    lines = []
    for kind in KINDS:
        step = WAIT_MS if kind == serial else step_ms
        state = "sleep" if kind == "sleep" else "io_wait"
        for count in COUNTS:
            for i in range(count):
                asked = 10 + step * i
                lines.append(f"{kind}-{count}-{i} 0-{asked} lock_wait")
                lines.append(f"{kind}-{count}-{i} {asked}-{asked + WAIT_MS} {state}")
    return "\n".join(lines)


def judged(text: str, run: RunInfo = EXACT_RUN) -> Finding:
    return judge(EXPERIMENT, {"answers": [Observation(timeline(text, run), "", 0)]})


def judged_files(text: str, run: RunInfo = EXACT_RUN) -> Finding:
    return judge(FILES, {"reads": [Observation(timeline(text, run), "", 0)]})


def test_waits_that_begin_together_overlap_whatever_they_are_for() -> None:
    found = judged(answers(0))
    assert found.outcome is Outcome.HOLDS
    assert found.measured == (
        "Of 16 threads that wait once, so many waited at once: 16.0 of sleep, 16.0 of socket, 16.0 of pipe;"
        " the longest of these groups took 1.00 times as long as one wait."
    )
    assert found.tables[0].rows == tuple((kind, 16.0, 1.0) for kind in KINDS)


def test_waits_of_threads_that_start_a_little_later_each_still_overlap() -> None:
    assert judged(answers(1)).outcome is Outcome.HOLDS


@pytest.mark.parametrize("kind", KINDS)
def test_waits_of_one_kind_that_come_one_after_another_refute_it(kind: str) -> None:
    found = judged(answers(0, serial=kind))
    assert found.outcome is Outcome.FAILS
    assert f"1.0 of {kind}" in found.measured


def test_without_a_gil_waits_overlap_as_well() -> None:
    assert judged(answers(0), FREE_RUN).outcome is Outcome.HOLDS
    assert judged(answers(0, serial="socket"), FREE_RUN).outcome is Outcome.FAILS


def test_threads_that_wait_for_the_gil_instead_tell_nothing() -> None:
    assert judged(answers(0).replace("io_wait", "gil_wait")).outcome is Outcome.NOT_MEASURED


def test_the_chart_rises_with_the_threads() -> None:
    (chart,) = judged(answers(0)).charts
    assert len(chart.curves) == 3
    for curve in chart.curves:
        assert [(x, y) for x, y, *_ in curve.points] == [(count, pytest.approx(count)) for count in COUNTS]


READS = """
    disk-0   0-2    running
    disk-0   2-30   io_wait
    disk-0   30-40  native
    memory-0 50-90  lock_wait
    memory-0 90-92  running
    memory-0 92-110 native
    memory-0 110-190 preempted
"""


def test_reads_from_memory_are_copies_and_no_waits() -> None:
    found = judged_files(READS)
    assert found.outcome is Outcome.FAILS
    assert found.measured == (
        "Threads that read files the kernel has in memory waited 0% of the time, and 90% of it they copied"
        " without the GIL; for files that the kernel was asked to forget they waited 70% of the time."
    )


def test_reads_from_memory_that_wait_would_make_it_hold() -> None:
    assert judged_files(READS.replace("110 native", "110 io_wait")).outcome is Outcome.HOLDS


def test_without_a_gil_nothing_is_said_of_it() -> None:
    found = judged_files(READS.replace("native", "running"), FREE_RUN)
    assert found.outcome is Outcome.FAILS
    assert "GIL" not in found.measured


def test_threads_that_never_read_tell_nothing() -> None:
    assert judged_files("disk-0 0-9 running\nmemory-0 0-9 lock_wait").outcome is Outcome.NOT_MEASURED


def printed(workload: str, *arguments: str) -> str:
    command = [sys.executable, WORKLOADS / f"{workload}.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_the_workload_of_answers_names_each_group() -> None:
    lines = printed("slow_answers", "--threads", "1", "3", "--seconds", "0.01").splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        f"{kind}, {count} threads" for kind in KINDS for count in (1, 3)
    ]


def test_the_workload_of_files_reads_each_as_often_as_asked() -> None:
    assert printed("file_reads", "--threads=2", "--mebibytes=1", "--rounds=3") == "MiB read: 8\n"
