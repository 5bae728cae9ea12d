"""Who held the GIL when, who let whom go on, and how many threads did what at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gtrace.model import RUN_STATES, Gil, State
from gtrace.timeline.blockers import blocker_lanes

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from gtrace.timeline import Timeline

    Ints = npt.NDArray[np.int64]

HOLD_COLUMNS: Final = ("pid", "gil_number", "lane", "start_ns", "end_ns", "function")


@dataclass(frozen=True)
class Arrow:
    """From the lane that let another one go on, at its last instant before, to that one, at its first."""

    from_lane: int
    from_ns: int
    to_lane: int
    to_ns: int


def holds(timeline: Timeline) -> pd.DataFrame:
    """One row a turn with a GIL, columns ``HOLD_COLUMNS``, by GIL and in the order of time.

    A turn lasts over changes of state, such as being preempted; ``function`` took most of it.
    """
    intervals = timeline.intervals
    held = intervals[(intervals["gil"] == Gil.HOLDS.value).to_numpy()]
    held = held.sort_values(["pid", "gil_number", "start_ns"], kind="stable")
    if held.empty:
        return pd.DataFrame({name: held[name] for name in HOLD_COLUMNS})
    same = np.ones(len(held) - 1, dtype=bool)
    for name in ("pid", "gil_number", "lane"):
        column = held[name].to_numpy()
        same &= column[1:] == column[:-1]
    starts, ends = held["start_ns"].to_numpy(), held["end_ns"].to_numpy()
    turn = np.cumsum(np.append(True, ~(same & (starts[1:] == ends[:-1])))) - 1
    # of each turn the first, the last and the longest of its intervals
    order = np.lexsort((ends - starts, turn))
    last = np.flatnonzero(np.append(turn[1:] != turn[:-1], True))
    first = np.append(0, last[:-1] + 1)
    table = held.iloc[first][["pid", "gil_number", "lane", "start_ns"]].reset_index(drop=True)
    # a name with a lone surrogate fits no string type of pandas
    functions = pd.Series(held["function"].astype(object).to_numpy()[order[last]], dtype=object)
    return table.assign(end_ns=ends[last], function=functions)


def handoffs(timeline: Timeline, turns: pd.DataFrame) -> list[Arrow]:
    """For each turn with a GIL that its thread had to wait for: from whom it came."""
    own = (turns["pid"].to_numpy(), turns["gil_number"].to_numpy(), turns["lane"].to_numpy())
    starts, ends = turns["start_ns"].to_numpy(), turns["end_ns"].to_numpy()
    if len(starts) < 2:  # noqa: PLR2004 - it takes two
        return []
    passed = (own[0][1:] == own[0][:-1]) & (own[1][1:] == own[1][:-1]) & (own[2][1:] != own[2][:-1])
    waited = _ends_of(timeline, State.GIL_WAIT)
    return [
        Arrow(int(own[2][i]), int(ends[i]) - 1, int(own[2][i + 1]), int(starts[i + 1]))
        for i in np.flatnonzero(passed).tolist()
        if (int(own[2][i + 1]), int(starts[i + 1])) in waited
    ]


def _ends_of(timeline: Timeline, state: State) -> set[tuple[int, int]]:
    chosen = timeline.intervals[(timeline.intervals["state"] == state.value).to_numpy()]
    return set(zip(chosen["lane"].tolist(), chosen["end_ns"].tolist(), strict=True))


def wakeups(timeline: Timeline) -> list[Arrow]:
    """For each wait for a lock, condition or thread whose cause is known: who ended it."""
    intervals, threads = timeline.intervals, timeline.threads
    waits = (intervals["state"] == State.LOCK_WAIT.value) & (intervals["blocker_tid"] >= 0)
    chosen = intervals[waits.to_numpy()]
    wakers = blocker_lanes(threads, chosen)
    starts, ends = threads["start_ns"].tolist(), threads["end_ns"].tolist()
    arrows = []
    woken = zip(chosen["lane"].tolist(), chosen["end_ns"].tolist(), strict=True)
    for waker, (lane, end) in zip(wakers.tolist(), woken, strict=True):
        # a thread that was joined is gone when the other goes on
        before = min(end, ends[waker]) - 1 if waker >= 0 else -1
        if waker >= 0 and waker != lane and before >= starts[waker] and end < ends[lane]:
            arrows.append(Arrow(waker, before, lane, end))
    return arrows


def count_at_once(intervals: pd.DataFrame, states: Iterable[State]) -> tuple[Ints, Ints]:
    """How many threads are in one of ``states``: the times (ns) at which that changes, and to what."""
    chosen = intervals[intervals["state"].isin([state.value for state in states]).to_numpy()]
    times = np.concatenate([chosen["start_ns"].to_numpy("int64"), chosen["end_ns"].to_numpy("int64")])
    steps = np.repeat(np.array([1, -1]), len(chosen))
    changes, place = np.unique(times, return_inverse=True)
    counts = np.cumsum(np.bincount(place, weights=steps, minlength=len(changes))).astype(np.int64)
    kept = np.append(True, counts[1:] != counts[:-1])[: len(counts)]
    return changes[kept], counts[kept]


CORES_IN_USE: Final = RUN_STATES
"""States of a thread that uses a core."""
