"""What the threads' own clocks tell where no switches were recorded: how long each was on a core, in all.

An interval away from the GIL says ``blocked`` or ``native`` by what its call is known to do; the clocks
bound how much of a thread's time away was spent computing, and so decide what no call tells, or leave it
open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gtrace.model import NS_PER_S, Evidence, Gil, State
from gtrace.timeline.cells import NOT_KNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from gtrace.timeline.lanes import Lanes
    from gtrace.timeline.steps import Ints

UNKNOWN: Final = -1
MOST_NAMED: Final = 5
"""Threads named in the note; the others are in the table of threads."""
LEAST_NAMED_NS: Final = 1_000_000
"""Shorter than this is not worth a word."""
CLOSE: Final = 0.01
"""The part of a time, or ``LEAST_NAMED_NS`` if that is more, by which two figures may differ and agree."""
SOME_OF_IT: Final = "on a core for some of this time, its clock does not tell when"


def derived_evidence(why_none: str) -> str:
    """The quality of the scheduler's evidence where there are amounts in its place, given ``none: why``."""
    why = why_none.removeprefix("none: ")
    return f"derived: by each thread's own clock, how long it was on a core but not when: {why}"


def counted(lanes: Lanes, amounts: Sequence[dict[str, Any]], zero: int) -> dict[str, Ints]:
    """By lane ``cpu_ns``, on a core in all, and ``queue_ns``, waiting for one; -1 where nobody asked.

    ``amounts`` are the registry's; of several of one thread the last one counts.
    """
    tids = np.array([amount["tid"] for amount in amounts], dtype=np.int64)
    times = np.array([amount["time"] for amount in amounts], dtype=np.int64) - zero
    columns = {name: np.full(len(lanes.records), UNKNOWN, dtype=np.int64) for name in ("cpu_ns", "queue_ns")}
    for lane, amount in zip(lanes.of(tids, times).tolist(), amounts, strict=True):
        if lane >= 0:
            columns["cpu_ns"][lane] = amount["run"]
            columns["queue_ns"][lane] = amount.get("queue", UNKNOWN)
    return columns


def native_bounds(threads: pd.DataFrame, intervals: pd.DataFrame) -> tuple[Ints, Ints]:
    """The least and the most time in ns that each lane can have been on a core away from the GIL.

    Whoever holds the GIL or waits for it may be on a core, and need not be. -1 where its clock was not read,
    or where nothing is known of the GIL.
    """
    length = (intervals["end_ns"] - intervals["start_ns"]).to_numpy()
    lane = intervals["lane"].to_numpy()
    spent = {
        gil: np.bincount(lane, length * (intervals["gil"] == gil.value).to_numpy(), len(threads))
        for gil in Gil
    }
    cpu = threads["cpu_ns"].to_numpy()
    least = np.clip(cpu - spent[Gil.HOLDS] - spent[Gil.WAITS], 0, spent[Gil.AWAY])
    most = np.minimum(cpu, spent[Gil.AWAY])
    known = (cpu >= 0) & (sum(spent.values()) > 0)
    return tuple(np.where(known, bound, UNKNOWN).astype(np.int64) for bound in (least, most))  # type: ignore[return-value]


def settled(threads: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    """The intervals of which neither calls nor the agent tell what a thread did away from the GIL, decided.

    Who was on a core, or waited for one, for as long as these last together was ``native``; who was on
    none is ``blocked``, as they say; else they are ``unknown``. Whoever holds the GIL counts as on a core,
    as ever where no switches were recorded; what is told of who has no clock stays as it was.
    """
    open_ = _is(intervals, "state", State.BLOCKED) & _is(intervals, "evidence", Evidence.DERIVED)
    open_ &= _is(intervals, "gil", Gil.AWAY) & (intervals["reason"] == NOT_KNOWN).to_numpy()
    if not open_.any() or (threads["cpu_ns"] < 0).all():
        return intervals
    native, blocked = _decided(threads, intervals, open_)
    lane = intervals["lane"].to_numpy()
    left = open_ & (threads["cpu_ns"] >= 0).to_numpy()[lane] & ~native[lane] & ~blocked[lane]
    state, reason = intervals["state"], intervals["reason"]
    if SOME_OF_IT not in reason.cat.categories:
        reason = reason.cat.add_categories([SOME_OF_IT])
    state = state.mask(open_ & native[lane], State.NATIVE.value).mask(left, State.UNKNOWN.value)
    return intervals.assign(state=state, reason=reason.mask(left, SOME_OF_IT))


def _decided(
    threads: pd.DataFrame, intervals: pd.DataFrame, open_: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """By lane whether the time in question was all ``native``, and whether it was all ``blocked``."""

    def spent(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        length = (intervals["end_ns"] - intervals["start_ns"]).to_numpy()
        return np.bincount(intervals["lane"], length * chosen, len(threads)).astype(np.float64)

    cpu, queue = (threads[name].to_numpy() for name in ("cpu_ns", "queue_ns"))
    asked = spent(open_)
    close = np.maximum(asked * CLOSE, LEAST_NAMED_NS)
    computed = spent(_is(intervals, "gil", Gil.HOLDS) | _is(intervals, "state", State.NATIVE))
    wanted = spent(_is(intervals, "gil", Gil.WAITS))
    waited = spent(_is(intervals, "gil", Gil.AWAY) & ~open_ & ~_is(intervals, "state", State.NATIVE))
    most = np.maximum(cpu - computed, 0)
    queued = np.maximum(queue - wanted - waited, 0)
    blocked = (cpu >= 0) & (most <= close)
    native = (cpu >= 0) & ~blocked & (np.maximum(most - wanted, 0) + queued >= asked - close)
    return native, blocked


def _is(intervals: pd.DataFrame, column: str, value: State | Gil | Evidence) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (intervals[column] == value.value).to_numpy()
    return found


def amount_notes(threads: pd.DataFrame, intervals: pd.DataFrame) -> list[str]:
    """A sentence on the time the threads were on a core, and one on how much of that was without the GIL."""
    cpu = threads["cpu_ns"].to_numpy()
    if not (cpu >= 0).any():
        return []
    total = _seconds(cpu[cpu >= 0].sum())
    notes = [f"By their own clocks the threads were on a core for {total} in all; when, nobody recorded."]
    least, most = native_bounds(threads, intervals)
    busiest = [lane for lane in np.argsort(-least, kind="stable").tolist() if least[lane] >= LEAST_NAMED_NS]
    if busiest:
        named = ", ".join(
            f"{threads['name'].iloc[lane]} {_seconds(least[lane])} to {_seconds(most[lane])}"
            for lane in busiest[:MOST_NAMED]
        )
        others = ", and others" if len(busiest) > MOST_NAMED else ""
        notes.append(f"Of its time away from the GIL it was on a core, and so native: {named}{others}.")
    return notes


def _seconds(nanoseconds: float) -> str:
    return f"{nanoseconds / NS_PER_S:.3f} s"
