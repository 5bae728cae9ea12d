"""The part of a run that a page holds, where it cannot or shall not hold all of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gtrace.model import State, TimeNs
from gtrace.report.columns import Columns, pack
from gtrace.report.escape import script_json

if TYPE_CHECKING:
    import numpy.typing as npt

    from gtrace.timeline.timeline import Timeline

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]

MOST_BYTES: Final = 40_000_000
"""Of a page: beyond it, browsers take seconds to open it, and mail refuses it."""
OVERHEAD_BYTES: Final = 2_250_000
"""Of a page besides its intervals, what they name, and its threads: the plotting library, and itself."""
THREAD_BYTES: Final = 250
"""What a page says of a thread, besides its name and where it was made."""
MARGIN: Final = 0.985
"""A part shortened by the ratio of sizes may pack a little worse than the whole did."""
OVERVIEW_CELLS: Final = 480


@dataclass(frozen=True)
class Span:
    """A stretch of the run."""

    begin: TimeNs
    end: TimeNs


@dataclass(frozen=True)
class Part:
    """What a page holds: ``span`` is None where that is the whole run."""

    timeline: Timeline
    packed: Columns
    span: Span | None
    shortened: bool = False
    """Whether all that was asked for would have passed ``MOST_BYTES``."""


def fitting_part(timeline: Timeline, asked: Span | None, most_bytes: int = MOST_BYTES) -> Part:
    """Every interval of ``asked`` (None: of the run), or of as much from its begin on as a page can hold."""
    span, shortened = asked, False
    while True:
        held = timeline if span is None else cut(timeline, span)
        packed = pack(held)
        size = OVERHEAD_BYTES + len(packed.blob) + len(script_json(packed.header)) + _thread_bytes(held)
        if size <= most_bytes or len(held.intervals) <= len(held.threads):
            return Part(held, packed, span, shortened)
        span, shortened = _shorter(held, span, MARGIN * most_bytes / size), True


def _thread_bytes(held: Timeline) -> int:
    texts = held.threads[["name", "target", "created"]].to_numpy().ravel()
    return THREAD_BYTES * len(held.threads) + sum(len(str(text)) for text in texts)


def _shorter(held: Timeline, span: Span | None, share: float) -> Span:
    begin = span.begin if span else TimeNs(0)
    starts = held.intervals["start_ns"].to_numpy("int64")
    at = int(len(starts) * min(share, MARGIN))
    return Span(begin, TimeNs(max(int(np.partition(starts, at)[at]), begin + 1)))


def cut(timeline: Timeline, span: Span) -> Timeline:
    """What happened within ``span``: threads keep their own times, intervals end at its edges."""
    intervals, threads = timeline.intervals, timeline.threads
    inside = (intervals["end_ns"] > span.begin).to_numpy() & (intervals["start_ns"] < span.end).to_numpy()
    rows = intervals[inside]
    kept = np.unique(rows["lane"].to_numpy("int64"))
    place = np.full(len(threads), -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    wakeups, joins = timeline.wakeups, timeline.joins
    if not wakeups.empty:
        wakeups = wakeups[wakeups["time_ns"].between(span.begin, span.end).to_numpy()]
        wakeups = wakeups.assign(lane=place[wakeups["lane"].to_numpy("int64")])
    if not joins.empty:
        joins = joins[(joins["end_ns"] > span.begin).to_numpy() & (joins["time_ns"] < span.end).to_numpy()]
    return replace(
        timeline,
        threads=threads.iloc[kept].reset_index(drop=True),
        intervals=rows.assign(
            lane=place[rows["lane"].to_numpy("int64")],
            start_ns=rows["start_ns"].clip(lower=span.begin),
            end_ns=rows["end_ns"].clip(upper=span.end),
        ).reset_index(drop=True),
        wakeups=wakeups,
        joins=joins,
        standing=timeline.standing.iloc[:0],
    )


def overview(timeline: Timeline) -> dict[str, Any]:
    """Time in each state, summed over the threads, in equal cells of the whole run; ns, a list a state."""
    intervals = timeline.intervals
    edges = np.linspace(0, int(timeline.run.duration), OVERVIEW_CELLS + 1)
    cells = []
    for state in State:
        rows = intervals[(intervals["state"] == state.value).to_numpy()]
        until = _time_until(rows["start_ns"].to_numpy("int64"), edges)
        until -= _time_until(rows["end_ns"].to_numpy("int64"), edges)
        cells.append(np.diff(until).round().astype("int64").tolist())
    return {"cells": cells, "most": max(1, int(np.sum(cells, axis=0).max()))}


def _time_until(instants: Ints, edges: Floats) -> Floats:
    """For each edge the sum of what lies between it and the instants before it."""
    instants = np.sort(instants)
    before = np.searchsorted(instants, edges)
    sums = np.concatenate((np.zeros(1), np.cumsum(instants, dtype=np.float64)))
    sum_before: Floats = before * edges - sums[before]
    return sum_before
