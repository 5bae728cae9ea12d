"""From a Recording to its Timeline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from gtrace.evidence.calls import OPEN
from gtrace.evidence.threads import Registry
from gtrace.model import NS_PER_S, Evidence, State
from gtrace.recording import Process
from gtrace.timeline.amounts import amount_notes, counted, settled
from gtrace.timeline.cells import LOCK
from gtrace.timeline.cores import NATIVE, presence
from gtrace.timeline.facts import Clock, describe_run, read_clock
from gtrace.timeline.fold import Situation, fold
from gtrace.timeline.gil import GilHistory, gil_history
from gtrace.timeline.kinds import Names, find_kinds
from gtrace.timeline.labels import thread_labels
from gtrace.timeline.lanes import FOREIGN, Lanes, find_lanes
from gtrace.timeline.nesting import NO_CALL, UNRECORDED, nest
from gtrace.timeline.others import OTHERS, anew_notes, find_others
from gtrace.timeline.sites import lock_places, with_sites
from gtrace.timeline.standing import COLUMNS, find_standing, shifted
from gtrace.timeline.steps import Axis, Steps, make_steps
from gtrace.timeline.timeline import EVIDENCE_DTYPE, GIL_DTYPE, INTERVAL_COLUMNS, STATE_DTYPE, Timeline
from gtrace.timeline.wakeups import find_wakeups, no_wakeups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gtrace.evidence.scheduler import SchedulerEvents
    from gtrace.recording import Recording
    from gtrace.timeline.steps import Ints

JOIN: Final = "thread join"
_CATEGORIES: Final = ("thread", "function", "reason", "caller", "chain")


def build_timeline(recording: Recording) -> Timeline:
    """Says for every thread of ``recording`` what state it was in at each instant.

    What the evidence does not tell is ``unknown``; what is missing is in ``run.notes``. Raises
    RecordingError where a file of the recording can no longer be read.
    """
    clock = read_clock(recording)
    scheduler = recording.load_scheduler()
    built = [_build_process(process, clock, scheduler) for process in recording.processes]
    others = _build_others(recording, clock, scheduler)
    built.append(others)
    parts = [part for part in built if part is not None]
    firsts = np.cumsum([0, *(len(part.threads) for part in parts)])
    placed = list(zip(parts, firsts[:-1], strict=True))
    intervals = [part.intervals.assign(lane=part.intervals["lane"] + first) for part, first in placed]
    wakeups = [part.wakeups.assign(lane=part.wakeups["lane"] + first) for part, first in placed]
    standing = [shifted(part.standing, first) for part, first in placed if len(part.standing)]
    known_from = max((part.known_from for part in parts), default=0)
    seen = [part.handoffs for part in parts if part.handoffs is not None]
    run = describe_run(recording, clock, known_from)
    threads = pd.concat([p.threads for p in parts], ignore_index=True) if parts else _no_threads()
    together = _together(intervals)
    labels = thread_labels(threads, run.pids)
    more = amount_notes(threads.assign(name=labels), together) if parts else []
    more += [] if others is None else anew_notes(others.threads)
    return Timeline(
        run=replace(run, notes=(*run.notes, *more)),
        threads=threads,
        intervals=together,
        calls_known_from=known_from,
        joins=pd.concat([p.joins for p in parts], ignore_index=True) if parts else pd.DataFrame(),
        wakeups=pd.concat([no_wakeups(), *wakeups], ignore_index=True),
        standing=pd.concat(standing, ignore_index=True) if standing else pd.DataFrame(columns=[*COLUMNS]),
        locks=_of_all([part.locks for part in parts]),
        handoffs=sum(seen) if seen else None,
    )


@dataclass(frozen=True)
class _Part:
    """The timeline of one process, its lanes counted from 0."""

    threads: pd.DataFrame
    intervals: pd.DataFrame
    joins: pd.DataFrame
    standing: pd.DataFrame
    wakeups: pd.DataFrame
    locks: pd.DataFrame
    known_from: int
    handoffs: int | None


def _build_process(process: Process, clock: Clock, scheduler: SchedulerEvents | None) -> _Part | None:
    lanes = find_lanes(process, clock.zero, clock.end_of(process.pid), scheduler)
    if not lanes.records:
        return None
    evidence = process.load_gil()
    if evidence is not None and process.pid in clock.struck:
        evidence = replace(evidence, stopped_ns=clock.end_of(process.pid))
    gil = None if evidence is None else gil_history(lanes, evidence, clock.zero)
    known_from = _known_from(process, clock)
    joins = _joins(process, clock)
    situation = replace(
        _situation(process, lanes, clock, gil),
        presence=None if scheduler is None else presence(lanes, scheduler, clock.zero),
        native=np.array([record.key == NATIVE for record in lanes.records], dtype=bool),
    )
    folded = fold(situation)
    if gil is not None and process.sites is not None and not len(process.load_calls().table):
        folded = with_sites(folded, lanes, (process.sites, gil), clock.zero)
    folded = _joined(folded, joins, lanes)
    exact = gil is not None and gil.turns is not None
    counts = {
        "gil_acquisitions": gil.acquisitions if gil is not None and exact else -1,
        "gil_forced_releases": gil.forced_releases if gil is not None and exact else -1,
        **counted(lanes, process.registry.amounts, clock.zero),
    }
    named = _named(folded, lanes).assign(lock=_lock_addresses(folded, gil, process))
    handoffs = gil.handoffs if gil is not None and exact else None
    wakeups = no_wakeups() if gil is None else find_wakeups(lanes, gil)
    standing = find_standing(process, lanes, clock.zero)
    threads = lanes.frame().assign(**counts)
    locks = lock_places(named, process.sites, clock.zero).assign(pid=process.pid)
    return _Part(threads, settled(threads, named), joins, standing, wakeups, locks, known_from, handoffs)


def _build_others(recording: Recording, clock: Clock, scheduler: SchedulerEvents | None) -> _Part | None:
    """The threads of processes that the program started and nobody recorded, folded as if of one."""
    recorded = {process.pid for process in recording.processes}
    others = find_others(scheduler, recorded) if scheduler is not None and recorded else None
    if others is None:
        return None
    one = Process(OTHERS, Registry())
    part = _build_process(one, replace(clock, ends={OTHERS: clock.zero + clock.duration}), others.evidence)
    if part is None:
        return None
    threads, intervals = (t.assign(pid=t["tid"].map(others.pids)) for t in (part.threads, part.intervals))
    return replace(part, threads=threads, intervals=intervals)


def _of_all(tables: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([t for t in tables if len(t)] or [pd.DataFrame()], ignore_index=True)


def _lock_addresses(folded: pd.DataFrame, gil: GilHistory | None, process: Process) -> Ints:
    """The address that names the lock waited for; from 3.14 on it would be the thread's own, and is 0."""
    python = str(process.registry.process.get("python", "0"))
    version = tuple(int(part) for part in python.split(".")[:2])
    if gil is None or gil.waits.empty or version >= (3, 14):
        return np.zeros(len(folded), dtype=np.int64)
    lock = folded["lock"].to_numpy()
    return np.where(lock >= 0, gil.waits["address"].to_numpy()[np.maximum(lock, 0)], 0)


def _known_from(process: Process, clock: Clock) -> int:
    """From when the calls of a process are complete: a full buffer has lost the oldest."""
    table = process.load_calls().table
    if not len(table) or len(table) < process.registry.process.get("entries", len(table) + 1):
        return 0
    # calls stand in the order they ended: all that ended after the first is there
    return max(int(table["end_ns"].iloc[0]) - clock.zero, 0)


def _situation(process: Process, lanes: Lanes, clock: Clock, gil: GilHistory | None) -> Situation:
    table = process.load_calls().table
    end = np.where(table["end_ns"] == OPEN, clock.end_of(process.pid), table["end_ns"]) - clock.zero
    start = table["start_ns"].to_numpy() - clock.zero
    tids = table["tid"].to_numpy()
    # viztracer asks for a native id once a thread, and a fork gives the thread another
    tids = np.where(tids == process.registry.process.get("forked_from", -1), process.pid, tids)
    lane = lanes.of(tids, end)
    seen = lane >= 0
    lane, start, end = lane[seen], start[seen], end[seen]
    nesting = nest(lanes.axis, lane, start, end)
    returned = (table["end_ns"] != OPEN).to_numpy()[seen]
    return Situation(
        axis=lanes.axis,
        innermost=_without_foreign(nesting.innermost, lanes),
        kinds=find_kinds(
            Names.of(list(table["name"].cat.categories)),
            table["name"].cat.codes.to_numpy().astype(np.int64)[seen],
            end - start,
            nesting.parents,
        ),
        known=_known(lanes, _known_from(process, clock), _last(lanes, lane, np.where(returned, end, 0))),
        switch_interval_ns=int(process.registry.process.get("switch_interval", 0.005) * NS_PER_S),
        free_threaded=not process.registry.process.get("gil_enabled", True),
        gil=gil,
    )


def _without_foreign(innermost: Steps, lanes: Lanes) -> Steps:
    """A thread of C code is in C code between its calls, not in a Python function of an earlier time."""
    foreign = np.array([record.key == FOREIGN for record in lanes.records], dtype=bool)
    outside = (innermost.values == UNRECORDED) & foreign[lanes.axis.lanes(innermost.keys) % len(foreign)]  # noqa: PD011  ours
    return Steps(innermost.keys, np.where(outside, NO_CALL, innermost.values))


def _last(lanes: Lanes, lane: Ints, end: Ints) -> Ints:
    """For each lane the time its last call returned."""
    last = np.zeros(len(lanes.records), dtype=np.int64)
    np.maximum.at(last, lane, end)
    return last


def _known(lanes: Lanes, known_from: int, last_return: Ints) -> Steps:
    """1 where the calls of a lane are complete: not before the buffer's first, nor under another profiler."""
    axis, count = lanes.axis, len(lanes.records)
    begin = np.maximum(axis.starts, known_from)
    replaced = np.array([r.profiler_replaced for r in lanes.records], dtype=bool)
    every = np.arange(count, dtype=np.int64)
    keys = np.concatenate([axis.keys(every, begin), axis.keys(every[replaced], last_return[replaced])])
    values = np.concatenate([np.ones(count), np.zeros(int(replaced.sum()))]).astype(np.int64)
    return make_steps(axis, keys, values, 0)


def _joins(process: Process, clock: Clock) -> pd.DataFrame:
    tid_of = {record.key: record.tid for record in process.registry.threads}
    rows = [
        {
            "pid": process.pid,
            "time_ns": int(join["time"]) - clock.zero,
            "tid": int(join["tid"]),
            "joined_tid": tid_of.get(join["key"], -1),
            "timeout_s": join["timeout"],
            "end_ns": int(join["end"]) - clock.zero,
            "timed_out": join["outcome"] == "timed out",
            "outcome": str(join["outcome"]),
        }
        for join in process.registry.joins
    ]
    return pd.DataFrame(rows)


def _joined(folded: pd.DataFrame, joins: pd.DataFrame, lanes: Lanes) -> pd.DataFrame:
    """Names the waits for the end of a thread, and whose end let them go on; the registry knows both."""
    if joins.empty:
        return folded
    by_name = (folded["reason"] == JOIN) | (folded["reason"] == LOCK) & (folded["function"] == "")
    waits = np.flatnonzero((folded["state"] == State.LOCK_WAIT.value) & by_name)
    at, inside = _joins_around(folded.iloc[waits], joins, lanes)
    waits, at = waits[inside], at[inside]
    ended = (joins["outcome"] == "ended").to_numpy()[at]
    joined = lanes.of(joins["joined_tid"].to_numpy()[at], joins["end_ns"].to_numpy()[at])
    known, whose = waits[ended & (joined >= 0)], joined[ended & (joined >= 0)]
    named, let_go = np.zeros((2, len(folded)), dtype=bool)
    named[waits], let_go[known] = True, True
    blocker = folded["blocker"].to_numpy().copy()
    blocker[known] = whose
    inferred = (folded["evidence"] == Evidence.INFERRED.value).to_numpy()
    reason = folded["reason"].cat.set_categories(folded["reason"].cat.categories.union([JOIN]))
    return folded.assign(
        blocker=blocker,
        evidence=folded["evidence"].mask(let_go & inferred, Evidence.DERIVED.value),
        reason=reason.mask(named, JOIN),
    )


def _joins_around(waits: pd.DataFrame, joins: pd.DataFrame, lanes: Lanes) -> tuple[Ints, NDArray[np.bool_]]:
    """For each wait the last join its thread began before, and whether that join was still going on."""
    ends = joins["end_ns"].to_numpy()
    joiner = lanes.of(joins["tid"].to_numpy(), ends)
    begins = lanes.axis.keys(joiner, joins["time_ns"].to_numpy())
    order = np.argsort(begins, kind="stable")
    keys = lanes.axis.keys(waits["lane"].to_numpy(), waits["start_ns"].to_numpy())
    before = np.searchsorted(begins[order], keys, side="right") - 1
    at = order[np.maximum(before, 0)]
    return at, (before >= 0) & (keys < lanes.axis.keys(joiner, ends)[at])


def _named(folded: pd.DataFrame, lanes: Lanes) -> pd.DataFrame:
    """Adds process, native ids and thread names."""
    tids = np.array([record.tid for record in lanes.records], dtype=np.int64)
    names = pd.Categorical(lanes.frame()["name"])
    lane = folded["lane"].to_numpy()
    blocker = folded["blocker"].to_numpy()
    return folded.assign(
        pid=np.int64(lanes.pid),
        tid=tids[lane],
        thread=names[lane],
        blocker_tid=np.where(blocker >= 0, tids[blocker], -1),
    )


def _together(parts: list[pd.DataFrame]) -> pd.DataFrame:
    if not parts:
        return _no_intervals()
    for column in _CATEGORIES:
        united = pd.api.types.union_categoricals([part[column] for part in parts]).categories
        parts = [part.assign(**{column: part[column].cat.set_categories(united)}) for part in parts]
    return pd.concat(parts, ignore_index=True)[list(INTERVAL_COLUMNS)]


def _no_intervals() -> pd.DataFrame:
    types: dict[str, Any] = {"state": STATE_DTYPE, "gil": GIL_DTYPE, "evidence": EVIDENCE_DTYPE}
    types |= {"core": "int16", **dict.fromkeys(_CATEGORIES, "category")}
    return pd.DataFrame({name: pd.Series([], dtype=types.get(name, "int64")) for name in INTERVAL_COLUMNS})


def _no_threads() -> pd.DataFrame:
    nothing = np.zeros(0, dtype=np.int64)
    return Lanes(0, (), Axis.of(nothing, nothing), ()).frame()
