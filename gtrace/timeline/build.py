"""From a Recording to its Timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gtrace.evidence.calls import OPEN
from gtrace.model import NS_PER_S, Evidence, State
from gtrace.timeline.facts import Clock, describe_run, read_clock
from gtrace.timeline.fold import Situation, fold_calls
from gtrace.timeline.kinds import Names, find_kinds
from gtrace.timeline.lanes import Lanes, find_lanes
from gtrace.timeline.nesting import nest
from gtrace.timeline.steps import Axis, make_steps
from gtrace.timeline.timeline import INTERVAL_COLUMNS, Timeline

if TYPE_CHECKING:
    from gtrace.recording import Process, Recording
    from gtrace.timeline.steps import Ints, Steps

_CATEGORIES: Final = ("thread", "function", "reason", "caller")


def build_timeline(recording: Recording) -> Timeline:
    """Says for every thread of ``recording`` what state it was in at each instant.

    What the evidence does not tell is ``unknown``; what is missing is in ``run.notes``.
    """
    clock = read_clock(recording)
    threads, intervals, joins, known_from, first = [], [], [], 0, 0
    for process in recording.processes:
        lanes = find_lanes(process, clock.zero, clock.end_of(process.pid))
        if not lanes.records:
            continue
        known = _known_from(process, clock)
        folded = _fold_process(process, lanes, clock, known)
        joined = _joins(process, clock)
        intervals.append(_named(_joined(folded, joined, lanes), lanes, first))
        threads.append(lanes.frame())
        joins.append(joined)
        known_from = max(known_from, known)
        first += len(lanes.records)
    return Timeline(
        run=describe_run(recording, clock, known_from),
        threads=pd.concat(threads, ignore_index=True) if threads else _no_threads(),
        intervals=_together(intervals),
        calls_known_from=known_from,
        joins=pd.concat(joins, ignore_index=True) if joins else pd.DataFrame(),
    )


def _known_from(process: Process, clock: Clock) -> int:
    """From when the calls of a process are complete: a full buffer has lost the oldest."""
    table = process.load_calls().table
    if not len(table) or len(table) < process.registry.process.get("entries", len(table) + 1):
        return 0
    # calls stand in the order they ended: all that ended after the first is there
    return max(int(table["end_ns"].iloc[0]) - clock.zero, 0)


def _fold_process(process: Process, lanes: Lanes, clock: Clock, known_from: int) -> pd.DataFrame:
    table = process.load_calls().table
    end = np.where(table["end_ns"] == OPEN, clock.end_of(process.pid), table["end_ns"]) - clock.zero
    start = table["start_ns"].to_numpy() - clock.zero
    tids = table["tid"].to_numpy()
    forked_from = process.registry.process.get("forked_from", -1)
    # viztracer asks for a native id once a thread, and a fork gives the thread another
    tids = np.where(tids == forked_from, process.pid, tids)
    lane = lanes.of(tids, end)
    seen = lane >= 0
    names = Names.of(list(table["name"].cat.categories))
    axis = lanes.axis
    nesting = nest(axis, lane[seen], start[seen], end[seen])
    name = table["name"].cat.codes.to_numpy().astype(np.int64)[seen]
    kinds = find_kinds(names, name, (end - start)[seen], nesting.parents)
    returned = (table["end_ns"] != OPEN).to_numpy()[seen]
    situation = Situation(
        axis,
        nesting.innermost,
        kinds,
        _known(lanes, known_from, _last_return(lanes, lane[seen], np.where(returned, end[seen], 0))),
        int(process.registry.process.get("switch_interval", 0.005) * NS_PER_S),
        not process.registry.process.get("gil_enabled", True),
    )
    return fold_calls(situation)


def _last_return(lanes: Lanes, lane: Ints, end: Ints) -> Ints:
    """For each lane the time its last call returned."""
    last = np.zeros(len(lanes.records), dtype=np.int64)
    np.maximum.at(last, lane, end)
    return last


def _known(lanes: Lanes, known_from: int, last_return: Ints) -> Steps:
    """1 where the calls of a lane are complete: not before the buffer's first, nor after a profiler took over."""
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
    """Names the thread whose end let a join go on; that much the registry knows."""
    if joins.empty:
        return folded
    done = joins[joins["outcome"] == "ended"]
    tids, ends = done["tid"].to_numpy(), done["end_ns"].to_numpy()
    joiner = lanes.of(tids, ends)
    joined = lanes.of(done["joined_tid"].to_numpy(), ends)
    waits = folded.index[(folded["state"] == State.LOCK_WAIT.value) & (folded["reason"] == "thread join")]
    keys = lanes.axis.keys(folded["lane"].to_numpy()[waits], folded["start_ns"].to_numpy()[waits])
    begins = lanes.axis.keys(joiner, done["time_ns"].to_numpy())
    order = np.argsort(begins, kind="stable")
    at = np.searchsorted(begins[order], keys, side="right") - 1
    found = order[np.maximum(at, 0)]
    inside = (at >= 0) & (keys < lanes.axis.keys(joiner, ends)[found]) & (joined[found] >= 0)
    folded = folded.copy()
    folded.loc[waits[inside], "blocker"] = joined[found[inside]]
    folded.loc[waits[inside], "evidence"] = Evidence.DERIVED.value
    return folded


def _named(folded: pd.DataFrame, lanes: Lanes, first: int) -> pd.DataFrame:
    """Adds process, native ids and thread names; lanes are counted over all processes."""
    tids = np.array([record.tid for record in lanes.records], dtype=np.int64)
    names = lanes.frame()["name"].astype("category")
    lane = folded["lane"].to_numpy()
    blocker = folded["blocker"].to_numpy()
    return folded.assign(
        pid=np.int64(lanes.pid),
        tid=tids[lane],
        thread=pd.Categorical.from_codes(names.cat.codes.to_numpy()[lane], dtype=names.dtype),
        blocker_tid=np.where(blocker >= 0, tids[blocker], -1),
        lane=lane + first,
    )


def _together(parts: list[pd.DataFrame]) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame({name: [] for name in INTERVAL_COLUMNS})
    for column in _CATEGORIES:
        united = pd.api.types.union_categoricals([part[column] for part in parts]).categories
        parts = [part.assign(**{column: part[column].cat.set_categories(united)}) for part in parts]
    return pd.concat(parts, ignore_index=True)[list(INTERVAL_COLUMNS)]


def _no_threads() -> pd.DataFrame:
    nothing = np.zeros(0, dtype=np.int64)
    return Lanes(0, (), Axis.of(nothing, nothing), ()).frame()
