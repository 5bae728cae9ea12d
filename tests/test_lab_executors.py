"""Pools, start methods and calls in threads: the checks on timelines made by hand, and the workloads."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from timelines import EXACT_RUN, FIRST_TID, timeline

from gtrace.lab.claims import Finding, Observation, Outcome
from gtrace.lab.conduct import judge
from gtrace.lab.experiments.executors import (
    COMPUTING,
    EXECUTORS,
    START_METHODS,
    TO_THREAD,
    Workers,
    pool,
)

WORKLOADS = Path(__file__).parents[1] / "workloads"

IN_TURNS = """
    main    0-40   lock_wait
    pool_0  0-10   running
    pool_0  10-20  gil_wait <- pool_1
    pool_0  20-30  running
    pool_1  0-10   gil_wait <- pool_0
    pool_1  10-20  running
    pool_1  20-30  gil_wait <- pool_0
    pool_1  30-40  running
"""
EACH_ITS_OWN = """
    main    0-30  lock_wait
    pool_0  0-30  running gil_number=1
    pool_1  2-29  running gil_number=2
"""
FORKED = """
    main     0-30  lock_wait
    child-1  0-30  running
    child-2  3-29  running
"""
ONE_BY_ONE = """
    main     0-60   lock_wait
    child-1  0-30   running
    child-2  30-60  running
"""


def observed(lines: str, *, free: bool = False) -> Observation:
    return Observation(timeline(lines, replace(EXACT_RUN, free_threaded=free)), "", 0)


def processes(lines: str, *, free: bool = False) -> Observation:
    """``main`` is the main thread of the first process, each ``child-`` that of a process of its own."""
    seen = observed(lines, free=free).timeline
    own = seen.threads["name"].str.startswith(("child-", "main"))
    pid = seen.threads["tid"].where(own, FIRST_TID)
    threads = seen.threads.assign(pid=pid)
    intervals = seen.intervals.assign(pid=pid.to_numpy()[seen.intervals["lane"]])
    pids = tuple(int(number) for number in pid.unique())
    return Observation(
        replace(seen, threads=threads, intervals=intervals, run=replace(seen.run, pids=pids)), "", 0
    )


def judged(
    threads: str = IN_TURNS,
    forked: str = FORKED,
    interpreters: str | None = EACH_ITS_OWN,
    *,
    free: bool = False,
) -> Finding:
    runs = {"threads": [observed(threads, free=free)], "processes": [processes(forked, free=free)]}
    if interpreters:
        runs["interpreters"] = [observed(interpreters, free=free)]
    return judge(EXECUTORS, runs)


def test_threads_in_turns_and_the_others_side_by_side_bear_it_out() -> None:
    found = judged()
    assert found.outcome is Outcome.HOLDS
    assert found.measured == (
        "Two threads computed 1.00 at once with one GIL; two processes computed 2.00 at once with 2 GILs;"
        " two interpreters computed 2.00 at once with 2 GILs."
    )
    assert [row[0] for row in found.tables[0].rows] == ["threads", "processes", "interpreters"]
    assert [row[-1] for row in found.tables[0].rows] == [1, 3, 1]


def test_before_3_14_there_are_no_interpreters_to_judge() -> None:
    found = judged(interpreters=None)
    assert found.outcome is Outcome.HOLDS
    assert found.measured.endswith("; there are no pools of interpreters before Python 3.14.")


def test_interpreters_on_one_gil_refute_it() -> None:
    shared = EACH_ITS_OWN.replace("gil_number=2", "gil_number=1")
    assert judged(interpreters=shared).outcome is Outcome.FAILS


def test_interpreters_in_turns_refute_it() -> None:
    assert judged(interpreters=IN_TURNS).outcome is Outcome.FAILS


def test_processes_one_after_the_other_refute_it() -> None:
    assert judged(forked=ONE_BY_ONE).outcome is Outcome.FAILS


def test_threads_side_by_side_refute_it_as_on_free_threaded_builds() -> None:
    abreast = IN_TURNS.replace("gil_wait", "running")
    assert judged(threads=abreast, free=True).outcome is Outcome.FAILS


def test_a_core_that_another_program_took_changes_nothing() -> None:
    found = judged(threads=IN_TURNS.replace("20-30  running", "20-30  preempted"))
    assert found.outcome is Outcome.HOLDS
    lost = Workers(observed(FORKED.replace("3-29  running", "3-29  preempted")).timeline, (1, 2))
    assert lost.at_once(COMPUTING) == pytest.approx(2)
    assert lost.cores_in_use == pytest.approx(2 * 30 / 56)


def test_how_a_worker_starts_and_waits_for_its_end_changes_nothing() -> None:
    late = """
        main    0-90   lock_wait
        pool_0  0-1    running
        pool_0  1-20   lock_wait
        pool_0  20-60  running
        pool_1  30-70  running
        pool_1  70-80  lock_wait
        pool_1  80-81  running
    """
    assert pool(observed(late)).at_once(COMPUTING) == pytest.approx(2)


def test_children_that_were_not_recorded_tell_nothing() -> None:
    found = judged(forked="main 0-30 lock_wait")
    assert found.outcome is Outcome.NOT_MEASURED
    assert "no child process was recorded" in found.measured


def test_one_core_tells_nothing() -> None:
    seen = observed(IN_TURNS)
    one_core = replace(seen, timeline=replace(seen.timeline, run=replace(seen.timeline.run, cores=1)))
    runs = {"threads": [one_core], "processes": [processes(FORKED)]}
    assert judge(EXECUTORS, runs).outcome is Outcome.NOT_MEASURED


def test_workers_that_sleep_tell_nothing() -> None:
    assert judged(threads=IN_TURNS.replace("running", "sleep")).outcome is Outcome.NOT_MEASURED


def test_waiting_for_the_gil_is_told_apart_from_other_waiting() -> None:
    workers = pool(observed(IN_TURNS + "    pool_0  30-90  lock_wait reason=queue"))
    assert workers.gil_wait_share == pytest.approx(30 / 70)


def started(default: str, fork_parent: int = 10, recorded: tuple[int, ...] = (10, 11)) -> Finding:
    lines = ["default: " + default, "parent: 10", f"fork: child 11 of {fork_parent}", "spawn: child 12 of 10"]
    output = "\n".join([*lines, "forkserver: child 14 of 13", ""])
    seen = timeline("main 0-10 running", replace(EXACT_RUN, pids=recorded))
    return judge(START_METHODS, {"each": [Observation(seen, output, 0)]})


def test_where_fork_is_the_default_children_are_copies() -> None:
    found = started("fork")
    assert found.outcome is Outcome.HOLDS
    assert found.tables[0].rows == (
        ("fork", "yes", "yes"),
        ("spawn", "yes", "no"),
        ("forkserver", "no", "no"),
    )


def test_where_the_fork_server_is_the_default_they_are_not() -> None:
    found = started("forkserver")
    assert found.outcome is Outcome.FAILS
    assert found.measured.startswith("The default here is forkserver; ")


@pytest.mark.parametrize("recorded", [(10,), (10, 11, 12), (10, 11, 14)])
def test_a_recording_of_other_children_tells_nothing(recorded: tuple[int, ...]) -> None:
    assert started("fork", recorded=recorded).outcome is Outcome.NOT_MEASURED


def test_a_fork_of_another_process_tells_nothing() -> None:
    assert started("fork", fork_parent=99).outcome is Outcome.NOT_MEASURED


def test_a_program_that_does_not_tell_its_default_tells_nothing() -> None:
    assert started("unheard-of").outcome is Outcome.NOT_MEASURED


SLEEP = """
    main       0-20  io_wait
    asyncio_0  0-20  sleep
    asyncio_1  0-20  sleep
"""
HASH = SLEEP.replace("sleep", "native")
COMPUTE = """
    main       0-5    io_wait
    main       5-20   gil_wait <- asyncio_0
    asyncio_0  0-10   running
    asyncio_0  10-20  gil_wait <- asyncio_1
    asyncio_1  0-10   gil_wait <- asyncio_0
    asyncio_1  10-20  running
"""


def in_threads(
    sleep: str = SLEEP, hashing: str = HASH, compute: str = COMPUTE, *, free: bool = False
) -> Finding:
    runs = {"sleep": sleep, "hash": hashing, "compute": compute}
    return judge(TO_THREAD, {work: [processes(lines, free=free)] for work, lines in runs.items()})


def test_calls_that_block_go_on_beside_the_loop_and_ones_that_compute_hold_it_up() -> None:
    found = in_threads()
    assert found.outcome is Outcome.HOLDS
    assert found.measured == (
        "Of two calls 2.00 slept at once, 2.00 hashed and 1.00 computed; meanwhile the event loop waited"
        " 0%, 0% and 75% of the time for the GIL."
    )


def test_one_run_side_by_side_shows_that_calls_can_be() -> None:
    late = processes(HASH.replace("asyncio_1  0-20", "asyncio_1  19-40"))
    runs = {
        "sleep": [processes(SLEEP)],
        "hash": [late, late, processes(HASH)],
        "compute": [processes(COMPUTE)],
    }
    assert judge(TO_THREAD, runs).outcome is Outcome.HOLDS
    assert judge(TO_THREAD, {**runs, "hash": [late, late]}).outcome is Outcome.FAILS


def test_calls_that_sleep_one_after_the_other_refute_it() -> None:
    late = SLEEP.replace("asyncio_1  0-20", "asyncio_1  20-40")
    assert in_threads(sleep=late).outcome is Outcome.FAILS


def test_an_event_loop_that_goes_on_while_calls_compute_refutes_it() -> None:
    assert (
        in_threads(compute=COMPUTE.replace("5-20   gil_wait <- asyncio_0", "5-20 io_wait")).outcome
        is Outcome.FAILS
    )


def test_an_event_loop_held_up_by_another_thread_is_not_held_up_by_the_calls() -> None:
    other = (
        COMPUTE.replace("5-20   gil_wait <- asyncio_0", "5-20  gil_wait <- other") + "    other 0-20 running"
    )
    assert in_threads(compute=other).outcome is Outcome.FAILS


def test_without_a_gil_calls_that_compute_go_on_beside_the_loop_and_refute_it() -> None:
    abreast = COMPUTE.replace("5-20   gil_wait <- asyncio_0", "5-20 io_wait").replace("gil_wait", "running")
    assert in_threads(compute=abreast, free=True).outcome is Outcome.FAILS


def test_threads_of_another_name_tell_nothing() -> None:
    assert in_threads(sleep=SLEEP.replace("asyncio_", "thread_")).outcome is Outcome.NOT_MEASURED


def said(workload: str, *arguments: str) -> list[str]:
    command = [sys.executable, WORKLOADS / f"{workload}.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()


KINDS = ["threads", "processes", *(["interpreters"] if sys.version_info >= (3, 14) else [])]


@pytest.mark.parametrize("kind", KINDS)
def test_every_pool_counts_the_same_primes(kind: str) -> None:
    assert said("executors", "--pool", kind, "--limit", "1000", "--tasks", "10") == ["primes: 168"]


def test_the_start_methods_workload_names_its_children() -> None:
    default, parent, fork = said("start_methods", "--methods", "fork")
    assert default.startswith("default: ")
    assert fork.startswith("fork: child ")
    assert fork.endswith(f" of {parent.removeprefix('parent: ')}")


@pytest.mark.parametrize("work", ["sleep", "compute", "hash"])
def test_the_calls_workload_counts_its_calls(work: str) -> None:
    (line,) = said("to_thread", "--work", work, "--amount", "1")
    assert line.startswith("calls: 2 ticks meanwhile: ")
