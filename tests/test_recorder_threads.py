"""Which threads there were, who started them and who waited for their end: told by programs that know."""

from __future__ import annotations

import functools
import os
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from launching import PROGRAMS, Ended, recorded

from gtrace.evidence.threads import Registry, read_registry
from gtrace.recorder import launch


class Recorded(NamedTuple):
    ended: Ended
    processes: list[Registry]
    """The first process first."""
    folder: Path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Records a program, each in its way but once."""

    @functools.cache
    def record(program, *arguments, calls=True):
        folder = tmp_path_factory.mktemp("recorded") / "r.gtrace"
        ended = recorded(folder, PROGRAMS / program, *arguments, calls=calls)
        found = [read_registry(path) for path in folder.glob("threads.*.jsonl")]
        return Recorded(ended, sorted(found, key=lambda registry: registry.process["time"]), folder)

    return record


@pytest.mark.parametrize("calls", [True, False])
def test_every_kind_of_thread_is_known_by_name_target_and_parent(run, calls):
    (found,) = run("kinds.py", calls=calls).processes
    main, *others = found.threads
    names = [thread.name for thread in others]
    targets = {thread.names[0]: thread.target for thread in others}

    assert main.name == "MainThread"
    assert main.tid == found.process["pid"]
    assert {thread.parent for thread in others} == {main.tid}
    assert names[:5] == ["renamed", "Joins", "Starts", "property", names[4]]
    assert [name for name in names if name.startswith("pool_")]
    assert targets["Renames"] == "Renames.run"
    assert targets["Joins"] == "Event.wait"
    assert targets["wait_and_tell"] == "wait_and_tell"
    assert "print" in targets.values()
    assert not [name for name in names if name.startswith("Dummy")]
    assert found.damaged == 0


def test_a_thread_alive_at_the_end_has_no_end_and_the_others_have(run):
    (found,) = run("kinds.py").processes
    alive = {thread.name for thread in found.threads if thread.end_ns is None}

    assert alive == {"MainThread", "daemon"}
    assert all(thread.begin_ns <= thread.end_ns for thread in found.threads if thread.end_ns is not None)
    assert {thread.name for thread in found.threads if thread.daemon} == {"daemon", "wait_and_tell"}


def test_a_join_says_who_waited_for_whom_and_what_came_of_it(run):
    (found,) = run("kinds.py").processes
    keys = {thread.names[0]: thread.key for thread in found.threads}
    joins = [(join["key"], join["timeout"], join["outcome"]) for join in found.joins]

    for name in ("Joins", "Starts"):
        assert (keys[name], 0.001, "timed out") in joins
        assert (keys[name], None, "ended") in joins
    assert {join["tid"] for join in found.joins} == {found.process["pid"]}
    assert all(join["time"] <= join["end"] for join in found.joins)


def test_a_thread_is_said_to_be_started_by_the_program_and_not_by_the_library(run):
    (found,) = run("kinds.py").processes

    assert all("kinds.py:" in thread.created for thread in found.threads if thread.parent != -1)


def test_native_ids_that_come_again_are_threads_of_their_own(run):
    (found,) = run("descriptors.py").processes
    counted = Counter(thread.tid for thread in found.threads)

    assert len(found.threads) == 1201
    assert {thread.name.strip() for thread in found.threads} == {"MainThread", *map(str, range(1200))}
    assert len({thread.key for thread in found.threads}) == 1201
    assert sum(counted.values()) == 1201


def test_every_forked_process_is_recorded_on_its_own(run):
    (first, *children) = run("forks.py").processes
    names = [sorted(thread.name for thread in child.threads if thread.parent != -1) for child in children]

    assert len(children) == 6
    assert {child.process["parent_pid"] for child in children} > {first.process["pid"]}
    assert sorted(map(tuple, names)) == [
        (),
        ("of child 0",),
        ("of child 1",),
        ("of child 1",),
        ("of child 2",),
        ("of child 2",),
    ]
    assert all(child.stop is not None for child in children)


@pytest.mark.parametrize(
    ("program", "arguments"),
    [("leaves.py", ("at once", "7")), ("killed.py", ("SIGTERM",)), ("uncaught.py", ())],
)
def test_the_end_is_seen_and_calls_are_saved_where_the_program_leaves_early(run, program, arguments):
    _, (found,), folder = run(program, *arguments)

    assert found.stop is not None
    assert len(list(folder.glob("calls.*.json"))) == 1


def test_what_was_recorded_before_a_sudden_death_is_there(run):
    (found,) = run("killed.py", "SIGKILL").processes

    assert [thread.name for thread in found.threads] == ["MainThread", "waits"]
    assert found.stop is None


def test_what_came_before_an_exec_and_after_a_failed_one_is_there(run):
    assert len(list(run("exec_again.py").folder.glob("calls.*.json"))) == 1

    (found,) = run("exec_fails.py").processes
    assert "after exec" in [thread.name for thread in found.threads]


def test_hostile_names_arrive_and_cost_no_calls(run):
    ended, (found,), _ = run("names.py")

    assert ended.stdout == "unharmed\n"
    assert {"</script><img onerror=alert(1)>", "x" * 5000} <= {thread.name for thread in found.threads}
    assert found.notes == []


def test_a_program_that_may_not_write_is_recorded_as_far_as_it_may(run):
    ended, (found,), _ = run("limits.py")

    assert ended.stdout == "unharmed\n"
    assert len(found.threads) > 1
    assert found.stop["journal_lost"] > 0
    assert [note for note in found.notes if note.startswith("Calls")]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there tools do not replace each other")
def test_a_profiler_of_the_program_is_noted(run):
    (found,) = run("profilers.py").processes

    assert {thread.name for thread in found.threads if thread.profiler_replaced} >= {"MainThread"}


def test_the_process_is_described(run):
    (found,) = run("uncaught.py").processes

    assert found.process["executable"] == sys.executable
    assert found.process["python"] == sys.version.split()[0]
    assert found.process["cores"] == len(os.sched_getaffinity(0))
    assert found.process["viztracer"]


def test_a_buffer_for_calls_fits_the_memory_a_process_may_use(monkeypatch):
    monkeypatch.setattr(launch.resource, "getrlimit", lambda _: (1 << 30, 1 << 30))

    assert launch.buffer_entries() * launch.NODE_BYTES <= 1 << 28


def test_without_memory_for_calls_the_rest_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "buffer_entries", lambda: 1 << 50)
    recorded(tmp_path / "r.gtrace", PROGRAMS / "kinds.py")
    (path,) = (tmp_path / "r.gtrace").glob("threads.*.jsonl")
    found = read_registry(path)

    assert found.process["calls"] == "none: there is no memory for them"
    assert len(found.threads) > 1
