"""What the threads' own clocks tell where no switches were recorded: how long each was on a core, in all.

An interval away from the GIL says ``blocked`` or ``native`` by what its call is known to do; the clocks
bound how much of a thread's time away was spent computing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gtrace.model import NS_PER_S, Gil

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from gtrace.timeline.lanes import Lanes
    from gtrace.timeline.steps import Ints

UNKNOWN: Final = -1
MOST_NAMED: Final = 5
"""Threads named in the note; the others are in the table of threads."""
LEAST_NAMED_NS: Final = 1_000_000
"""Shorter than this is not worth a word."""


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
