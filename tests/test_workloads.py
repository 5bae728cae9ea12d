"""Every workload shows what its docstring says, by shares and orders that hold on any machine."""

from __future__ import annotations

import ast
import functools
import itertools
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import gtrace
from gtrace.cli.measuring import record
from gtrace.lab.catalog import EXPERIMENTS
from gtrace.lab.claims import Run
from gtrace.model import State

if TYPE_CHECKING:
    import pandas as pd

WORKLOADS = Path(__file__).parents[1] / "workloads"

PROMISES = {
    "cpu_bound": {"running", "gil_wait", "lock_wait"},
    "daemon_threads": {"lock_wait", "sleep"},
    "io_bound": {"sleep", "io_wait", "lock_wait"},
    "lock_contention": {"sleep", "lock_wait"},
    "many_threads": {"running", "lock_wait"},
    "mixed": {"sleep", "gil_wait", "lock_wait"},
    "native_release": {"native", "lock_wait"},
    "producer_consumer": {"sleep", "lock_wait"},
    "thread_pool": {"sleep", "lock_wait"},
}
"""The states each workload's docstring is about."""


class Thread(NamedTuple):
    """One row of the summary's threads."""

    row: dict[str, Any]

    @property
    def life_s(self) -> float:
        return sum(self.row["states_s"].values())

    def seconds(self, *states: str) -> float:
        return sum(self.row["states_s"][state] for state in states)

    def share(self, *states: str) -> float:
        """Of its life, but for the time in which others had its core: on a busy machine that is much."""
        return self.seconds(*states) / (self.life_s - self.seconds("preempted"))


class Recorded(NamedTuple):
    summary: dict[str, Any]
    intervals: pd.DataFrame
    lines: list[str]

    @property
    def threads(self) -> dict[str, Thread]:
        return {row["name"]: Thread(row) for row in self.summary["threads"]}

    def named(self, prefix: str) -> list[Thread]:
        return [thread for name, thread in self.threads.items() if name.startswith(prefix)]

    @property
    def main(self) -> Thread:
        return next(t for t in self.threads.values() if t.row["tid"] == t.row["pid"])

    @property
    def has_gil(self) -> bool:
        return not self.summary["python"]["free_threaded"]

    def exact(self, source: str) -> bool:
        return self.summary["evidence"][source] == "exact"

    def of(self, name: str, *states: str) -> pd.DataFrame:
        """The intervals of one thread in some states."""
        rows = self.intervals
        return rows[(rows["thread"] == name) & rows["state"].isin(states)]

    def seconds_by_reason(self, name: str, state: str) -> dict[str, int]:
        rows = self.of(name, state)
        lengths = rows["end_ns"] - rows["start_ns"]
        return dict(lengths.groupby(rows["reason"].astype(str)).sum())

    def main_reason(self, name: str, state: str) -> str:
        """The reason for most of the time one thread is in one state."""
        lengths = self.seconds_by_reason(name, state)
        return max(lengths, key=lambda reason: lengths[reason])


@functools.cache
def run(workload: str, *arguments: str) -> Recorded:
    """Records a workload as the lab does; what the summary says, the intervals, and what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        recording, printed = Path(folder, "run.gtrace"), Path(folder, "printed")
        assert record(Run(workload, workload, arguments), sys.executable, recording, printed) == 0
        timeline = gtrace.build_timeline(gtrace.load(recording))
        lines = printed.read_text("utf-8").splitlines()
        return Recorded(gtrace.summarize(timeline), timeline.intervals, lines)


def assert_joins(recorded: Recorded) -> None:
    """The main thread's ``lock_wait`` is for the ends of the other threads."""
    assert recorded.main.seconds("lock_wait") > 0
    assert recorded.main_reason(recorded.main.row["name"], "lock_wait") == "thread join"


def assert_takes_turns(recorded: Recorded, threads: list[Thread]) -> None:
    """Under the GIL threads never run side by side; without it they may."""
    if recorded.has_gil:
        assert total(threads, "running") <= recorded.summary["wall_s"] * 1.001


def test_io_bound_waits_overlap_and_fill_the_workers_lives() -> None:
    recorded = run("io_bound", "--requests=4")
    workers = recorded.named("worker-")
    assert len(workers) == 4
    assert all(worker.share("sleep") > 0.5 for worker in workers)
    assert sum(worker.seconds("sleep") for worker in workers) > recorded.summary["wall_s"]
    assert max(w.row["start_s"] for w in workers) < min(w.row["end_s"] for w in workers)
    assert_joins(recorded)


def test_io_bound_native_ids_are_those_the_program_prints() -> None:
    recorded = run("io_bound", "--requests=4")
    printed = dict(line.split() for line in recorded.lines if line.startswith("worker-"))
    assert len(printed) == 4
    assert printed == {w.row["name"]: str(w.row["tid"]) for w in recorded.named("worker-")}


@pytest.mark.parametrize(("wait", "reason"), [("socket", "socket recv"), ("pipe", "poll")])
def test_io_bound_on_sockets_and_pipes_waits_for_io(wait: str, reason: str) -> None:
    recorded = run("io_bound", "--threads=2", "--requests=4", f"--wait={wait}")
    workers = recorded.named("worker-")
    assert len(workers) == 2
    for worker in workers:
        assert worker.share("io_wait") > 0.5
        assert worker.seconds("sleep") == 0
        assert recorded.main_reason(worker.row["name"], "io_wait") == reason


def test_cpu_bound_threads_take_turns_and_never_sleep() -> None:
    recorded = run("cpu_bound", "--limit=150000")
    counters = recorded.named("counter-")
    assert len(counters) == 2
    for counter in counters:
        assert counter.seconds("sleep", "io_wait", "native") == 0
        assert counter.seconds("running") > 0
        assert counter.share("running", "gil_wait", "unknown") > 0.8
    assert max(c.row["start_s"] for c in counters) < min(c.row["end_s"] for c in counters)
    assert_takes_turns(recorded, counters)
    assert_joins(recorded)


def test_mixed_threads_sleep_beside_one_that_computes() -> None:
    recorded = run("mixed", "--rounds=3", "--seconds=0.05")
    computing = recorded.threads["cpu-0"]
    waiting = recorded.named("io-")
    assert len(waiting) == 3
    assert computing.seconds("sleep", "io_wait") == 0
    assert computing.seconds("running") > max(thread.seconds("running") for thread in waiting)
    for thread in waiting:
        # who has the GIL may have no core: of waits for it any number is right on a busy machine
        assert thread.share("sleep", "gil_wait") > 0.5
        assert thread.seconds("sleep") > 0.1
        if recorded.has_gil and recorded.exact("gil"):
            assert thread.seconds("gil_wait") > 0
            assert computing.row["tid"] in set(recorded.of(thread.row["name"], "gil_wait")["blocker_tid"])
    assert_takes_turns(recorded, [computing, *waiting])
    assert_joins(recorded)


def test_lock_contention_waits_longer_for_the_lock_than_it_holds_it() -> None:
    recorded = run("lock_contention", "--rounds=6")
    by_acquire, by_with = recorded.named("acquire-"), recorded.named("with-")
    assert len(by_acquire) == len(by_with) == 2
    assert total(by_acquire, "lock_wait") > total(by_acquire, "sleep") > 0
    assert total(by_with, "sleep") > 0
    assert total(by_with, "sleep") < sum(thread.life_s for thread in by_with) / 2
    if recorded.exact("gil"):
        assert total(by_with, "lock_wait") > total(by_with, "sleep")
    waiting = by_acquire + by_with if recorded.exact("gil") else by_acquire
    assert {recorded.main_reason(t.row["name"], "lock_wait") for t in waiting} == {"lock"}


def total(threads: list[Thread], *states: str) -> float:
    """Seconds all of them were in these states. One thread alone may have been held up by the machine."""
    return sum(thread.seconds(*states) for thread in threads)


def test_producer_waits_for_room_where_consumers_are_slow() -> None:
    recorded = run("producer_consumer")
    assert recorded.threads["producer-0"].share("lock_wait") > 0.5
    assert recorded.main_reason("producer-0", "lock_wait") == "queue"
    consumers = recorded.named("consumer-")
    assert len(consumers) == 2
    assert all(consumer.share("sleep") > 0.5 for consumer in consumers)
    assert_joins(recorded)


def test_consumers_wait_for_items_where_the_producer_is_slow() -> None:
    recorded = run("producer_consumer", "--items=30", "--slow=producer")
    assert recorded.threads["producer-0"].share("sleep") > 0.5
    consumers = recorded.named("consumer-")
    assert len(consumers) == 2
    for consumer in consumers:
        assert consumer.share("lock_wait") > 0.5
        assert recorded.main_reason(consumer.row["name"], "lock_wait") == "queue"


def test_native_release_computes_side_by_side_without_the_gil() -> None:
    recorded = run("native_release", "--rounds=4")
    packers = recorded.named("packer-")
    assert len(packers) == 2
    for packer in packers:
        assert packer.share("native") > 0.5
        assert packer.seconds("native") > packer.seconds("gil_wait")
        lengths = recorded.seconds_by_reason(packer.row["name"], "native")
        assert lengths["compression"] > 0
        assert lengths["hashing"] > 0
    # a busy machine may never have two cores for them
    one, other = (recorded.of(packer.row["name"], "native", "preempted") for packer in packers)
    assert overlap_ns(one, other) > 0
    assert_joins(recorded)


def overlap_ns(one: pd.DataFrame, other: pd.DataFrame) -> int:
    """How long both are in one of their intervals."""
    return sum(
        max(0, min(a.end_ns, b.end_ns) - max(a.start_ns, b.start_ns))
        for a, b in itertools.product(one.itertuples(), other.itertuples())
    )


def test_daemon_threads_are_alive_at_the_end_and_the_worker_is_not() -> None:
    recorded = run("daemon_threads")
    threads = recorded.threads
    assert recorded.summary["exit_status"] == 0
    assert {name for name, thread in threads.items() if thread.row["daemon"]} == {
        "daemon-waits",
        "daemon-ticks",
    }
    assert threads["daemon-waits"].row["end_s"] is None
    assert threads["daemon-ticks"].row["end_s"] is None
    assert threads["worker-0"].row["end_s"] is not None
    assert recorded.lines == ["main is done", "worker-0 ends last"]


def test_daemon_threads_wait_as_they_say() -> None:
    recorded = run("daemon_threads")
    assert recorded.threads["daemon-waits"].share("lock_wait") > 0.5
    assert recorded.main_reason("daemon-waits", "lock_wait") == "event"
    assert recorded.threads["daemon-ticks"].share("sleep") > 0.5
    assert recorded.threads["worker-0"].share("sleep") > 0.5
    assert_joins(recorded)


def test_thread_pool_has_as_many_threads_as_workers_and_main_waits_for_futures() -> None:
    recorded = run("thread_pool")
    pool = recorded.named("pool_")
    assert {thread.row["name"] for thread in pool} == {f"pool_{i}" for i in range(4)}
    assert all(thread.share("sleep") > 0.5 for thread in pool)
    assert recorded.main.share("lock_wait") > 0.5
    assert recorded.main_reason(recorded.main.row["name"], "lock_wait") == "future"
    printed = {int(word) for word in recorded.lines[-1].removeprefix("native ids:").split()}
    assert printed
    assert printed <= {thread.row["tid"] for thread in pool}


def test_many_threads_are_told_apart_though_native_ids_come_again() -> None:
    recorded = run("many_threads", "--threads=400")
    threads = recorded.named("short-")
    assert len(recorded.summary["threads"]) == 401
    assert {thread.row["name"] for thread in threads} == {f"short-{i}" for i in range(400)}
    assert all(thread.row["start_s"] <= thread.row["end_s"] for thread in threads)
    by_id = sorted((t.row["tid"], t.row["start_s"], t.row["end_s"]) for t in threads)
    for (tid, _, end), (other, start, _) in itertools.pairwise(by_id):
        assert tid != other or end <= start
    assert_takes_turns(recorded, [recorded.main, *threads])


def test_every_workload_is_covered() -> None:
    by_the_lab = {each.workload for experiment in EXPERIMENTS for each in experiment.runs}
    assert {path.stem for path in WORKLOADS.glob("*.py")} == PROMISES.keys() | by_the_lab


@pytest.mark.parametrize("workload", PROMISES)
def test_a_docstring_names_the_states_it_promises(workload: str) -> None:
    text = ast.get_docstring(ast.parse((WORKLOADS / f"{workload}.py").read_text("utf-8"))) or ""
    named = {state.value for state in State if f"``{state.value}``" in text}
    assert PROMISES[workload] <= named
    assert "The page must show" in text


@pytest.mark.parametrize("workload", PROMISES)
def test_a_workload_needs_nothing_but_the_standard_library(workload: str) -> None:
    tree = ast.parse((WORKLOADS / f"{workload}.py").read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {
        name.partition(".")[0]
        for node in imports
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
    }
    assert names <= sys.stdlib_module_names
