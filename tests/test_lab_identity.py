"""Which threads there are: the checks on timelines made by hand, and the workload by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from timelines import EXACT_RUN, FIRST_TID, NS_PER_MS, timeline

from gtrace.lab.claims import Observation, Outcome
from gtrace.lab.conduct import judge
from gtrace.lab.experiments.identity import ENUMERATE, EXPERIMENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from gtrace.lab.claims import Finding
    from gtrace.timeline.timeline import Timeline

    Change = Callable[[list[dict[str, Any]]], object]

WORKLOAD = Path(__file__).parents[1] / "workloads" / "identity.py"
BEGAN_NS = 7_000_000_000
THREADS = """
    MainThread 0-100 lock_wait
    reader     10-60 lock_wait
    writer     12-90 lock_wait
"""
LOOKED_AT_MS = (5, 50, 70)


def seen(text: str = THREADS) -> Timeline:
    """The timeline of a process whose main thread has the id of the process, as the kernel has it."""
    made = timeline(text, replace(EXACT_RUN, pids=(FIRST_TID,), began_ns=BEGAN_NS))
    return replace(made, threads=made.threads.assign(pid=FIRST_TID))


def told(made: Timeline) -> list[dict[str, Any]]:
    """What a program prints at each instant that sees what the timeline has."""
    return [_told_at(made, at * NS_PER_MS) for at in LOOKED_AT_MS]


def _told_at(made: Timeline, time: int) -> dict[str, Any]:
    rows = [row for row in made.threads.to_dict("records") if row["start_ns"] <= time < row["end_ns"]]
    selves = [{"name": row["name"], "ident": row["ident"], "native_id": row["tid"]} for row in rows]
    threads = [{**one, "daemon": False, "alive": True} for one in selves]
    tids = [row["tid"] for row in rows]
    return {
        "time_ns": BEGAN_NS + time,
        "active_count": len(rows),
        "enumerate": threads[::-1],
        "main_thread": dict(threads[0]),
        "selves": selves,
        "tasks": tids,
        "ps": [*tids],
    }


def observed(made: Timeline, change: Change) -> Observation:
    answers = told(made)
    change(answers)
    return Observation(made, "".join(json.dumps(line) + "\n" for line in answers), 0)


def nothing(_answers: list[dict[str, Any]]) -> None:
    pass


def judged(change: Change = nothing) -> Finding:
    return judge(EXPERIMENT, {"seen": [observed(seen(), change)]})


def test_a_program_that_sees_what_the_timeline_has_is_what_is_claimed() -> None:
    found = judged()
    assert found.outcome is Outcome.HOLDS
    assert found.measured == (
        "With 1, then 3, then 2 threads the timeline agrees with active_count(), enumerate(),"
        " current_thread(), get_ident(), get_native_id(), main_thread(), /proc/self/task, ps -T."
    )
    assert {row[2] for row in found.tables[0].rows} == {"1, 3, 2"}


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("active_count()", lambda told: told[1].update(active_count=2)),
        ("enumerate()", lambda told: told[1]["enumerate"].pop()),
        ("enumerate()", lambda told: told[1]["enumerate"][0].update(name="other")),
        ("enumerate()", lambda told: told[1]["enumerate"][0].update(daemon=True)),
        ("enumerate()", lambda told: told[1]["enumerate"][0].update(alive=False)),
        ("enumerate()", lambda told: told[2]["enumerate"].append(told[1]["enumerate"][1])),
        ("current_thread(), get_ident(), get_native_id()", lambda told: told[1]["selves"][2].update(ident=1)),
        (
            "current_thread(), get_ident(), get_native_id()",
            lambda told: told[1]["selves"][1].update(native_id=1),
        ),
        ("main_thread()", lambda told: told[2]["main_thread"].update(native_id=FIRST_TID + 1)),
        ("/proc/self/task", lambda told: told[0]["tasks"].append(1)),
        ("ps -T", lambda told: told[2]["ps"].pop()),
    ],
)
def test_any_answer_that_differs_refutes_it(what: str, change: Change) -> None:
    found = judged(change)
    assert found.outcome is Outcome.FAILS
    assert found.measured.endswith(f", and not with {what}.")


def test_where_there_is_no_ps_nothing_is_said_of_it() -> None:
    found = judged(lambda told: [one.update(ps=None) for one in told])
    assert found.outcome is Outcome.HOLDS
    assert "ps" not in found.measured


def test_threads_of_a_child_process_are_not_the_programs() -> None:
    made = seen(
        "MainThread 0-100 lock_wait\nreader 10-60 lock_wait\nwriter 12-90 lock_wait\nchild 0-100 running"
    )
    child = (made.threads["name"] == "child").to_numpy()
    made = replace(made, threads=made.threads.assign(pid=made.threads["pid"].mask(child, 9)))
    output = "".join(json.dumps(line) + "\n" for line in told(seen()))
    assert judge(EXPERIMENT, {"seen": [Observation(made, output, 0)]}).outcome is Outcome.HOLDS


def test_a_native_thread_is_the_kernels_and_not_pythons() -> None:
    made = seen()
    native = (made.threads["name"] == "writer").to_numpy()
    made = replace(made, threads=made.threads.assign(kind=made.threads["kind"].mask(native, "native")))
    found = judge(EXPERIMENT, {"seen": [observed(made, nothing)]})
    assert found.outcome is Outcome.FAILS
    assert "agrees with main_thread(), /proc/self/task, ps -T, and not with active_count()" in found.measured


@pytest.mark.parametrize("output", ["", "Traceback …\n", '{"time_ns": 1}\n'])
def test_a_program_that_printed_no_instant_tells_nothing(output: str) -> None:
    observation = Observation(seen(), output, 1)
    assert judge(EXPERIMENT, {"seen": [observation]}).outcome is Outcome.NOT_MEASURED


def without_writer(answers: list[dict[str, Any]]) -> None:
    for one in answers:
        one["enumerate"] = [thread for thread in one["enumerate"] if thread["name"] != "writer"]


def judged_all(change: Change) -> Finding:
    return judge(ENUMERATE, {"seen": [observed(seen(), change)]})


def test_a_thread_that_enumerate_leaves_out_refutes_it() -> None:
    found = judged_all(without_writer)
    assert found.outcome is Outcome.FAILS
    assert found.measured == (
        "enumerate() named 2 of 3 threads that the kernel and the timeline have; not among them: writer,"
        " started by _thread."
    )


def test_a_list_of_all_would_make_it_hold() -> None:
    assert judged_all(nothing).outcome is Outcome.HOLDS


def test_where_the_kernel_has_others_than_the_timeline_nothing_is_known() -> None:
    assert judged_all(lambda told: told[0]["tasks"].append(1)).outcome is Outcome.NOT_MEASURED


def test_the_workload_prints_what_it_sees_at_three_instants() -> None:
    done = subprocess.run(
        [sys.executable, WORKLOAD, "--raw"], capture_output=True, text=True, timeout=60, check=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["active_count"] for line in lines] == [1, 4, 3]
    assert [len(line["enumerate"]) for line in lines] == [1, 4, 3]
    assert [len(line["tasks"]) for line in lines] == [1, 5, 4]
