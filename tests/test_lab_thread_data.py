"""What threads share: the checks on timelines made by hand, and the workloads by themselves."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from timelines import FIRST_TID, timeline

from gtrace.lab.claims import Finding, Observation, Outcome
from gtrace.lab.conduct import judge
from gtrace.lab.experiments.thread_data import CONTEXT, PLACES

if TYPE_CHECKING:
    from gtrace.timeline import Timeline

WORKLOADS = Path(__file__).parents[1] / "workloads"

MET = """
    worker-0  0-10   sleep
    worker-0  10-13  lock_wait reason=barrier <- worker-1
    worker-0  13-14  running
    worker-1  1-12   sleep
    worker-1  12-14  running
"""
READ = """\
worker-0: local variable: worker-0
worker-0: global variable: worker-1
worker-0: threading.local: worker-0
worker-0: threading.local at first: nothing
worker-1: local variable: worker-1
worker-1: global variable: worker-1
worker-1: threading.local: worker-1
worker-1: threading.local at first: nothing
"""


def judged_places(lines: str = MET, output: str = READ) -> Finding:
    return judge(PLACES, {"places": [Observation(timeline(lines), output, 0)]})


def test_own_names_in_own_places_and_one_name_in_the_global_hold() -> None:
    found = judged_places()
    assert found.outcome is Outcome.HOLDS
    assert found.measured == (
        "2 threads wrote their names and then read: 2 of them found their own in the local variable,"
        " 2 in threading.local, 1 in the global one."
    )
    assert found.tables[0].rows[-1] == ("global variable", "1 of 2", "worker-1", "worker-1")


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("worker-0: threading.local: worker-0", "worker-0: threading.local: worker-1"),
        ("worker-0: local variable: worker-0", "worker-0: local variable: worker-1"),
        ("worker-0: global variable: worker-1", "worker-0: global variable: worker-0"),
        ("worker-0: threading.local at first: nothing", "worker-0: threading.local at first: main"),
    ],
)
def test_another_name_in_any_place_refutes_it(line: str, other: str) -> None:
    assert judged_places(output=READ.replace(line, other)).outcome is Outcome.FAILS


def test_a_thread_that_read_before_all_had_written_tells_nothing() -> None:
    early = MET.replace("10-13  lock_wait", "10-11  lock_wait").replace("13-14", "11-14")
    found = judged_places(early)
    assert found.outcome is Outcome.NOT_MEASURED
    assert "a thread read before all of them had written" in found.measured


def test_threads_that_never_met_tell_nothing() -> None:
    assert judged_places(MET.replace("lock_wait", "blocked")).outcome is Outcome.NOT_MEASURED


def test_a_program_that_says_nothing_tells_nothing() -> None:
    assert judged_places(output="").outcome is Outcome.NOT_MEASURED


def one_thread_after_another() -> Timeline:
    """Main has the process's native id, as it has in every process."""
    seen = timeline("main 0-30 running\nreader-1 1-2 running\nreader-2 3-4 running")
    return replace(seen, threads=seen.threads.assign(pid=FIRST_TID))


def found_in_context(
    new: str, *, default: str = "flag: 0\n", inherit: str = "", tid: int = FIRST_TID + 1
) -> Finding:
    other = f"Thread(target=copy_context().run): set by main: {FIRST_TID + 2}\n"
    output = f"{default}Thread(target): {new}: {tid}\n{other}"
    runs = {"default": [Observation(one_thread_after_another(), output, 0)]}
    if inherit:
        again = f"flag: 1\nThread(target): {inherit}: 99\n{other}"
        runs["inherit"] = [Observation(timeline("main 0-9 io_wait"), again, 0)]
    return judge(CONTEXT, runs)


def test_a_thread_that_finds_nothing_starts_with_an_empty_context() -> None:
    found = found_in_context("nothing", default="flag: none\n")
    assert found.outcome is Outcome.HOLDS
    assert found.measured == "A new thread found nothing; there is no flag for it."


def test_the_flag_makes_a_thread_inherit_and_the_finding_says_so() -> None:
    found = found_in_context("nothing", inherit="set by main")
    assert found.outcome is Outcome.HOLDS
    assert found.measured == (
        "A new thread found nothing, with -X thread_inherit_context=1 what the thread that started it has"
        " set; thread_inherit_context is off by default."
    )
    assert found.tables[0].rows[0] == ("Thread(target)", "nothing", "set by main")


def test_a_thread_that_finds_its_starters_value_refutes_it_as_on_free_threaded_builds() -> None:
    found = found_in_context("set by main", default="flag: 1\n", inherit="set by main")
    assert found.outcome is Outcome.FAILS
    assert "is on by default" in found.measured


def test_a_reader_that_was_no_thread_of_its_own_tells_nothing() -> None:
    assert found_in_context("nothing", tid=FIRST_TID).outcome is Outcome.NOT_MEASURED
    assert found_in_context("nothing", tid=77).outcome is Outcome.NOT_MEASURED


def said(workload: str, *arguments: str) -> list[str]:
    command = [sys.executable, WORKLOADS / f"{workload}.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()


def test_the_places_workload_says_what_each_thread_read() -> None:
    lines = said("thread_data", "--threads", "2")
    assert len(lines) == 8
    assert "worker-1: threading.local: worker-1" in lines
    assert "worker-0: threading.local at first: nothing" in lines


def test_the_context_workload_says_what_each_thread_found() -> None:
    flag, *ways = said("context_inheritance")
    assert flag.startswith("flag: ")
    assert {way.rpartition(": ")[0] for way in ways} >= {
        "Thread(target=copy_context().run): set by main",
        "asyncio.to_thread: set by main",
    }


@pytest.mark.skipif(sys.version_info < (3, 14), reason="the flag is new in 3.14")
def test_with_the_flag_a_new_thread_finds_what_main_has_set() -> None:
    flag, first, *_ = said("context_inheritance", "--inherit")
    assert flag == "flag: 1"
    assert first.startswith("Thread(target): set by main: ")
