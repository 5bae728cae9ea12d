"""The calls of each thread, so nested that every viewer can draw them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gtrace.evidence.calls import OPEN
from gtrace.timeline.facts import read_clock
from gtrace.timeline.lanes import find_lanes

if TYPE_CHECKING:
    import numpy.typing as npt

    from gtrace.recording import Process, Recording
    from gtrace.timeline.facts import Clock
    from gtrace.timeline.lanes import Lanes

    Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LaneCalls:
    """The calls of one lane in the order they began, callers before what they call.

    Times are int64 ns since the recording began. Of two calls one is inside the other or they do
    not overlap; a call that had not returned ends with the recording. ``names`` are places in ``texts``.
    """

    lane: int
    starts: Ints
    ends: Ints
    names: Ints
    texts: tuple[str, ...]


def find_calls(recording: Recording) -> list[LaneCalls]:
    """The calls of ``recording`` by the lanes of its timeline; none where calls were not recorded."""
    clock = read_clock(recording)
    found: list[LaneCalls] = []
    first = 0
    for process in recording.processes:
        lanes = find_lanes(process, clock.zero, clock.end_of(process.pid))
        if lanes.records:
            found += _calls_of(process, lanes, clock, first)
        first += len(lanes.records)
    return found


def _calls_of(process: Process, lanes: Lanes, clock: Clock, first: int) -> list[LaneCalls]:
    table = process.load_calls().table
    end = np.where(table["end_ns"] == OPEN, clock.end_of(process.pid), table["end_ns"]) - clock.zero
    tids = table["tid"].to_numpy()
    # viztracer asks for a native id once a thread, and a fork gives the thread another
    tids = np.where(tids == process.registry.process.get("forked_from", -1), process.pid, tids)
    lane = lanes.of(tids, end)
    start = table["start_ns"].to_numpy() - clock.zero
    names = table["name"].cat.codes.to_numpy().astype(np.int64)
    texts = tuple(map(str, table["name"].cat.categories))
    by_lane = np.argsort(lane, kind="stable")
    bounds = np.searchsorted(lane[by_lane], np.arange(len(lanes.records) + 1))
    found = []
    for own in np.flatnonzero(np.diff(bounds)).tolist():
        rows = by_lane[bounds[own] : bounds[own + 1]]
        rows = rows[order_of_entry(start[rows], end[rows])]
        ends = nested_ends(start[rows], end[rows])
        found.append(LaneCalls(first + own, start[rows], ends, names[rows], texts))
    return found


def order_of_entry(starts: Ints, ends: Ints) -> Ints:
    """The rows in the order the calls began, where they come in the order they ended.

    Of calls that began in the same nanosecond the one that ended last is the outermost.
    """
    return np.lexsort((-np.arange(len(starts)), -ends, starts))


def nested_ends(starts: Ints, ends: Ints) -> Ints:
    """``ends``, none later than that of the call around it.

    Calls come in the order they began. Clocks are read and rounded for each call by itself, so that
    a call can seem to outlast its caller by some nanoseconds: viewers drop such calls.
    """
    nested = ends.tolist()
    around: list[int] = []
    for i, start in enumerate(starts.tolist()):
        while around and around[-1] <= start:
            around.pop()
        if around and nested[i] > around[-1]:
            nested[i] = around[-1]
        around.append(nested[i])
    return np.array(nested, dtype=np.int64)
