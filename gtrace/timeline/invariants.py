"""What must hold of every timeline; a timeline that breaks one is a fault of gtrace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gtrace.errors import InvariantError
from gtrace.model import Gil, State

if TYPE_CHECKING:
    import pandas as pd

    from gtrace.timeline.timeline import Timeline


def check(timeline: Timeline) -> None:
    """Raises InvariantError where a timeline contradicts itself.

    The intervals of a thread begin at its start, end at its end, and neither overlap nor leave a
    gap, so that its states add up to its lifetime. At most one thread of a process holds the GIL
    at an instant. Who waits for the GIL is not the one who blocks itself.
    """
    _check_lanes(timeline)
    _check_states(timeline.intervals)
    _check_holders(timeline.intervals)


def _check_lanes(timeline: Timeline) -> None:
    intervals, threads = timeline.intervals, timeline.threads
    lane, start, end = (intervals[c].to_numpy() for c in ("lane", "start_ns", "end_ns"))
    _require(bool((start < end).all()), "an interval has no length")
    _require(bool((np.diff(lane) >= 0).all()), "intervals are not sorted by lane")
    same = lane[1:] == lane[:-1]
    _require(bool((start[1:][same] == end[:-1][same]).all()), "intervals of a thread overlap or leave a gap")
    grouped = intervals.groupby("lane").agg(start=("start_ns", "min"), end=("end_ns", "max"))
    _require(list(grouped.index) == list(threads.index), "a thread has no interval")
    _require(bool((grouped["start"] == threads["start_ns"]).all()), "a thread begins before its intervals")
    _require(bool((grouped["end"] == threads["end_ns"]).all()), "a thread ends after its intervals")


def _check_states(intervals: pd.DataFrame) -> None:
    state, gil = intervals["state"], intervals["gil"]
    waits = (gil == Gil.WAITS.value).to_numpy()
    _require(
        bool((waits == (state == State.GIL_WAIT.value).to_numpy()).all()),
        "a wait for the GIL and the state gil_wait are not the same",
    )
    runs_away = (state == State.RUNNING.value) & (gil == Gil.AWAY.value)
    _require(not runs_away.any(), "a thread runs Python code away from the GIL")
    away = state.isin([State.NATIVE.value, State.SLEEP.value, State.IO_WAIT.value, State.LOCK_WAIT.value])
    held = (gil == Gil.HOLDS.value).to_numpy()
    _require(not (held & away.to_numpy()).any(), "a thread holds the GIL in a state that has let it go")
    blocker, tid = intervals["blocker_tid"].to_numpy(), intervals["tid"].to_numpy()
    _require(not ((blocker == tid) & waits).any(), "a thread waits for itself")


def _check_holders(intervals: pd.DataFrame) -> None:
    order = ["pid", "gil_number", "start_ns"]
    held = intervals[(intervals["gil"] == Gil.HOLDS.value).to_numpy()].sort_values(order)
    pid, gil, start, end = (held[c].to_numpy() for c in ("pid", "gil_number", "start_ns", "end_ns"))
    overlap = (pid[1:] == pid[:-1]) & (gil[1:] == gil[:-1]) & (start[1:] < end[:-1])
    _require(not overlap.any(), "two threads hold the GIL at once")


def _require(holds: bool, fault: str) -> None:  # noqa: FBT001  an assertion, not a switch
    if not holds:
        raise InvariantError(fault)
