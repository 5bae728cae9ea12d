"""What waits for the GIL, and threads off the core, are to blame on: convoys, hogs, busy machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gtrace.analysis.naming import brief, is_native, own_function, placed, pool_name
from gtrace.analysis.rules import MOSTLY
from gtrace.model import NS_PER_S, RUN_STATES, Gil, Source, State
from gtrace.timeline.blockers import blocker_lanes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gtrace.timeline import Timeline

HOG_INTERVALS: Final = 4
"""A wait for the GIL of so many switch intervals: somebody did not let go when asked."""


@dataclass(frozen=True)
class Convoy:
    """Threads that mostly wait for I/O, and what each return from it cost them."""

    threads: int
    returns: int
    """Waits for the GIL of these threads."""
    mean_s: float
    share: float
    """Of these threads' time, what went into waiting for the GIL."""
    waited_s: float
    for_others_s: float
    """Of that what was for threads that are none of these: where it is little they wait for each other."""
    holders: tuple[str, ...]
    """The fewest of those that account for most of ``for_others_s``."""


@dataclass(frozen=True)
class Hog:
    """Waits for the GIL that lasted because one holder did not let go when asked."""

    waited_s: float
    longest_s: float
    thread: str
    function: str
    """Python's own functions let go when asked: of such a one it was C code in it."""
    own: str
    """The program's function it is or was called in, for most of the waits; empty where none is known."""


@dataclass(frozen=True)
class Blame:
    """Whom most waits for the GIL were for; shares are of all waits for the GIL."""

    function: str
    """In words, with the program's function it was called in; empty where hardly any is known."""
    share: float
    threads: str
    """The thread, or where none accounts for ``MOSTLY`` the pool."""
    threads_share: float


@dataclass(frozen=True)
class Crowding:
    """What became of the time in which threads were off the core against their will; in seconds."""

    by_others_s: float
    """The part in which not all cores were busy with the program's own threads."""
    behind_s: float
    """Waits of other threads for the GIL of one that was off the core."""


def find_convoy(timeline: Timeline, seconds: NDArray[np.float64]) -> Convoy | None:
    """What the GIL costs the threads that are mostly away from it, for I/O or asleep."""
    intervals = timeline.intervals
    lane, count = intervals["lane"].to_numpy(), len(timeline.threads)
    away = rows_in(intervals, State.IO_WAIT, State.SLEEP, State.BLOCKED)
    # a thread that was made to let go waits as well, and has not come back from anywhere
    released = (intervals["gil"] == Gil.AWAY.value).to_numpy()
    back = np.append(False, released[:-1] & (lane[1:] == lane[:-1]))[: len(lane)]
    waits = rows_in(intervals, State.GIL_WAIT) & back
    ran = (intervals["gil"] == Gil.HOLDS.value).to_numpy()
    life, idle, waited, own = (
        np.bincount(lane[rows], weights=seconds[rows], minlength=count)
        for rows in (np.ones(len(lane), dtype=bool), away, waits, ran)
    )
    # without the GIL in their way they would be idle more than they run
    paying = (idle + waited > life / 2) & (waited > own) & (idle > own)
    chosen = waits & paying[lane]
    if not chosen.any():
        return None
    holder = blocker_lanes(timeline.threads, intervals[chosen])
    outside = (holder >= 0) & ~paying[holder]
    for_each: NDArray[np.float64] = np.bincount(
        holder[outside], weights=seconds[chosen][outside], minlength=count
    ).astype(np.float64)
    return Convoy(
        threads=int(paying.sum()),
        returns=int(chosen.sum()),
        mean_s=float(seconds[chosen].mean()),
        share=float(waited[paying].sum() / life[paying].sum()),
        waited_s=float(seconds[chosen].sum()),
        for_others_s=float(for_each.sum()),
        holders=tuple(timeline.threads["name"].astype(str).iloc[_main_part(for_each)]),
    )


def _main_part(sums: NDArray[np.float64]) -> NDArray[np.int64]:
    """The places of the largest of ``sums`` that together are more than ``MOSTLY`` of all."""
    order = np.argsort(-sums, kind="stable")
    enough = np.searchsorted(np.cumsum(sums[order]), MOSTLY * sums.sum(), side="right") + 1
    return order[:enough] if sums.any() else order[:0]


def find_hog(timeline: Timeline, seconds: NDArray[np.float64], holds: pd.DataFrame) -> Hog | None:
    """The holds of the GIL behind the longest waits, where they outlast what asking should take.

    Time off the core is none of the holder's doing, and does not count; where it is not known, only a
    C function is called a hog.
    """
    limit = HOG_INTERVALS * timeline.run.switch_interval_s
    waits = timeline.intervals[rows_in(timeline.intervals, State.GIL_WAIT) & (seconds > limit)]
    long = holds["ran_ns"].to_numpy() > limit * NS_PER_S
    if not timeline.run.evidence.get(Source.SCHEDULER.value, "").startswith("exact"):
        long &= holds["function"].isin([f for f in holds["function"].unique() if is_native(f)]).to_numpy()
    waited = _waited_while_running(timeline, holds, waits)
    waited = np.where(long & (waited > limit), waited, 0.0)
    if not waited.any():
        return None
    function, _ = _most(holds["function"].to_numpy(), waited)
    guilty = (holds["function"] == function).to_numpy() & (waited > 0)
    length = ((holds["end_ns"] - holds["start_ns"]) / NS_PER_S).to_numpy()
    row = int(np.argmax(np.where(guilty, length, 0.0)))
    return Hog(
        waited_s=float(waited[guilty].sum()),
        longest_s=float(length[row]),
        thread=str(holds["thread"].iloc[row]),
        function=function,
        own=_own(holds[guilty], waited[guilty])[0],
    )


def _waited_while_running(
    timeline: Timeline, holds: pd.DataFrame, waits: pd.DataFrame
) -> NDArray[np.float64]:
    """For each of ``holds`` what ``waits`` lasted while its thread was on a core."""
    intervals, span = timeline.intervals, int(timeline.run.duration) + 1
    ran = intervals[rows_in(intervals, State.RUNNING) & (intervals["gil"] == Gil.HOLDS.value).to_numpy()]
    begins = (holds["lane"] * span + holds["start_ns"]).to_numpy()
    hold = np.searchsorted(begins, (ran["lane"] * span + ran["start_ns"]).to_numpy(), side="right") - 1
    sums = np.bincount(hold, weights=waited_during(timeline, ran, waits), minlength=len(holds))
    return sums.astype(np.float64)


def find_blame(timeline: Timeline, holds: pd.DataFrame) -> Blame | None:
    """Whom the waits for the GIL were for, most of all."""
    waits = timeline.intervals[rows_in(timeline.intervals, State.GIL_WAIT)]
    waited = waited_during(timeline, holds, waits)
    if not waited.any():
        return None
    total, functions = float(waited.sum()), holds["function"].to_numpy()
    known = functions != ""
    threads, of_threads = _threads_to_blame(timeline, holds, waited)
    if waited[known].sum() <= waited[~known].sum():
        return Blame("", 0.0, threads, of_threads / total)
    function, of_function = _most(functions[known], waited[known])
    inside = functions == function
    own, of_own = _own(holds[inside], waited[inside])
    if own and of_own >= MOSTLY * of_function:
        return Blame(placed(function, own), of_own / total, threads, of_threads / total)
    return Blame(brief(function), of_function / total, threads, of_threads / total)


def _own(holds: pd.DataFrame, waited: NDArray[np.float64]) -> tuple[str, float]:
    """The function of the program in which most of ``waited`` was for these holds, and how much that was."""
    chains, number = np.unique(holds["chain"].to_numpy().astype(object), return_inverse=True)
    return _most(np.array([own_function(chain) for chain in chains], dtype=object)[number], waited)


def _threads_to_blame(
    timeline: Timeline, holds: pd.DataFrame, waited: NDArray[np.float64]
) -> tuple[str, float]:
    """The thread whose holds most of ``waited`` was for, or its pool, and how much that was."""
    lane = holds["lane"].to_numpy()
    sums = np.bincount(lane, weights=waited, minlength=len(timeline.threads)).astype(np.float64)
    names = timeline.threads["name"].astype(str).to_numpy()
    pools = np.array([pool_name(name) for name in names], dtype=object)
    pool, of_pool = _most(pools, sums)
    members = int(((pools == pool) & (sums > 0)).sum())
    if members == 1 or sums.max() >= MOSTLY * sums.sum():
        return str(names[sums.argmax()]), float(sums.max())
    return f"the {members} threads {pool}", of_pool


def _most(names: NDArray[np.object_], weights: NDArray[np.float64]) -> tuple[str, float]:
    """The name with most of ``weights``, and how much that is."""
    sums = pd.Series(weights).groupby(names).sum()
    place = int(sums.to_numpy().argmax())
    return str(sums.index[place]), float(sums.iloc[place])


def find_crowding(timeline: Timeline) -> Crowding:
    """Who had the cores that threads were taken off, and who waited behind these threads."""
    intervals = timeline.intervals
    preempted = rows_in(intervals, State.PREEMPTED)
    holding = preempted & (intervals["gil"] == Gil.HOLDS.value).to_numpy()
    waits = intervals[rows_in(intervals, State.GIL_WAIT)]
    return Crowding(
        by_others_s=_left_to_others(timeline, preempted),
        behind_s=float(waited_during(timeline, intervals[holding], waits).sum()),
    )


def _left_to_others(timeline: Timeline, preempted: NDArray[np.bool_]) -> float:
    """Seconds of preempted threads while a core did something else than this program."""
    intervals = timeline.intervals
    ran = rows_in(intervals, *RUN_STATES)
    start, end = intervals["start_ns"].to_numpy(), intervals["end_ns"].to_numpy()
    times = np.concatenate([start[ran], end[ran], start[preempted], end[preempted]])
    order = np.argsort(times, kind="stable")
    change = np.repeat([1, -1, 1, -1], [ran.sum(), ran.sum(), preempted.sum(), preempted.sum()])[order]
    of_run = order < 2 * ran.sum()
    busy, waiting = np.cumsum(np.where(of_run, change, 0)), np.cumsum(np.where(of_run, 0, change))
    left = np.where(busy < timeline.run.cores, waiting, 0)
    return float((left[:-1] * np.diff(times[order])).sum() / NS_PER_S)


def waited_during(timeline: Timeline, spans: pd.DataFrame, waits: pd.DataFrame) -> NDArray[np.float64]:
    """For each of ``spans`` the seconds that all ``waits`` of its process together lasted meanwhile."""
    # processes are laid one behind the other, so that none waits for another's GIL
    shift = timeline.threads["pid"].factorize()[0] * (int(timeline.run.duration) + 1)
    starts, ends = (np.sort(waits[c].to_numpy() + shift[waits["lane"]]) for c in ("start_ns", "end_ns"))
    during = [
        _time_since(starts, times) - _time_since(ends, times)
        for times in (spans[c].to_numpy() + shift[spans["lane"]] for c in ("start_ns", "end_ns"))
    ]
    return np.asarray((during[1] - during[0]) / NS_PER_S)


def rows_in(intervals: pd.DataFrame, *states: State) -> NDArray[np.bool_]:
    """Which rows are in one of ``states``."""
    chosen: NDArray[np.bool_] = intervals["state"].isin([state.value for state in states]).to_numpy()
    return chosen


def _time_since(edges: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int64]:
    """At each time how long ago all the ``edges`` before it were, summed."""
    before = np.searchsorted(edges, times)
    sums = np.append(0, np.cumsum(edges))
    return np.asarray(before * times - sums[before])
