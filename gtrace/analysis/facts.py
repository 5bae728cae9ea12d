"""What the rules of the verdict look at, worked out once from a timeline."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gtrace.analysis.deadlock import Deadlock, find_deadlocks, standstill
from gtrace.analysis.holds import hold_table
from gtrace.model import NS_PER_S, Gil, Source, State
from gtrace.timeline.cells import UNPROVEN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gtrace.timeline import Timeline

PASSIVE: Final = ("thread join", "future")
"""Waits for other threads to be done: the cause, if there is one, is in those threads."""
LOCKS: Final = ("lock", "rlock", "semaphore")
"""Waits for something another thread has, as against waits for something it has yet to do."""
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
    holder: str


@dataclass(frozen=True)
class Hog:
    """Waits for the GIL that lasted because one holder did not let go when asked."""

    waited_s: float
    longest_s: float
    thread: str
    function: str
    is_native: bool


@dataclass(frozen=True)
class Facts:
    """Seconds summed over all threads; ``active`` and ``state`` leave out ``PASSIVE`` waits."""

    threads: int
    wall: float
    cores: int
    switch_interval: float
    state: dict[State, float]
    active: float
    undecided: float
    """Time in Python code beside other threads, where nothing tells who had the GIL."""
    held: float
    holder: str
    """The thread that held the GIL longest, and in which function most of it."""
    locks: float
    """Of ``lock_wait`` the part for locks proper."""
    top_lock: str
    top_handover: str
    """The waits for locks, and for other threads' work, that took longest: reason and function."""
    top_stall: str
    convoy: Convoy | None
    hog: Hog | None
    deadlocks: tuple[Deadlock, ...]
    stuck: tuple[str, ...]
    """The threads of a killed program, where all of them waited for locks to its end."""
    gil_known: bool
    free_threaded: bool

    def share(self, *states: State) -> float:
        """What part of the threads' active time went into ``states``."""
        return sum(self.state[state] for state in states) / self.active if self.active else 0.0

    def of_active(self, seconds: float) -> float:
        """``seconds`` as a part of the threads' active time."""
        return seconds / self.active if self.active else 0.0

    @property
    def cores_used(self) -> float:
        ran = self.state[State.RUNNING] + self.state[State.NATIVE]
        return ran / self.wall if self.wall else 0.0


def find_facts(timeline: Timeline) -> Facts:
    """The facts of ``timeline``."""
    intervals, run = timeline.intervals, timeline.run
    seconds = ((intervals["end_ns"] - intervals["start_ns"]) / NS_PER_S).to_numpy()
    locked = _is(intervals, State.LOCK_WAIT)
    passive = locked & intervals["reason"].isin(PASSIVE).to_numpy()
    proper = locked & intervals["reason"].isin(LOCKS).to_numpy()
    held = (intervals["gil"] == Gil.HOLDS.value).to_numpy()
    undecided = _is(intervals, State.UNKNOWN) & (intervals["reason"] == UNPROVEN).to_numpy()
    by_reason = ["reason", "caller"]
    return Facts(
        threads=int((timeline.threads["kind"] == "python").sum()),
        wall=run.duration / NS_PER_S,
        cores=run.cores,
        switch_interval=run.switch_interval_s,
        state={s: float(seconds[_is(intervals, s) & ~passive].sum()) for s in State},
        active=float(seconds[~passive].sum()),
        undecided=float(seconds[undecided].sum()),
        held=float(seconds[held].sum()),
        holder=_top(intervals, seconds, held, ["thread", "function"]),
        locks=float(seconds[proper].sum()),
        top_lock=_top(intervals, seconds, proper, by_reason),
        top_handover=_top(intervals, seconds, locked & ~proper & ~passive, by_reason),
        top_stall=_top(intervals, seconds, _is(intervals, State.STALLED), ["thread", "function"]),
        convoy=_convoy(timeline, seconds),
        hog=_hog(timeline, seconds),
        deadlocks=find_deadlocks(timeline),
        stuck=standstill(timeline),
        gil_known=run.evidence.get(Source.GIL.value, "").startswith("exact"),
        free_threaded=run.free_threaded,
    )


def _is(intervals: pd.DataFrame, state: State) -> NDArray[np.bool_]:
    chosen: NDArray[np.bool_] = (intervals["state"] == state.value).to_numpy()
    return chosen


def _top(
    intervals: pd.DataFrame, seconds: NDArray[np.float64], rows: NDArray[np.bool_], keys: list[str]
) -> str:
    """``a in b`` for the pair of key values with most seconds."""
    if not rows.any():
        return ""
    chosen = intervals[rows]
    totals = pd.Series(seconds[rows], index=chosen.index)
    sums = totals.groupby([chosen[key] for key in keys], observed=True).sum()
    pair: tuple[str, ...] = sums.index[int(sums.to_numpy().argmax())]
    return " in ".join(brief(part) for part in pair if part)


def brief(function: str) -> str:
    """``f (file.py:12)`` without the folders of the file."""
    return re.sub(r" \((?:.*/)?([^/]+:\d+)\)$", r" (\1)", function)


def _convoy(timeline: Timeline, seconds: NDArray[np.float64]) -> Convoy | None:
    """What the GIL costs the threads that are mostly away from it, for I/O or asleep."""
    intervals = timeline.intervals
    lane, count = intervals["lane"].to_numpy(), len(timeline.threads)
    away = _is(intervals, State.IO_WAIT) | _is(intervals, State.SLEEP) | _is(intervals, State.BLOCKED)
    # a thread that was made to let go waits as well, and has not come back from anywhere
    released = (intervals["gil"] == Gil.AWAY.value).to_numpy()
    back = np.append(False, released[:-1] & (lane[1:] == lane[:-1]))[: len(lane)]
    waits = _is(intervals, State.GIL_WAIT) & back
    ran = (intervals["gil"] == Gil.HOLDS.value).to_numpy()
    life, idle, waited, own = (
        np.bincount(lane[rows], weights=seconds[rows], minlength=count)
        for rows in (np.ones(len(lane), dtype=bool), away, waits, ran)
    )
    paying = (idle + waited > life / 2) & (waited > own) & (idle > 0)
    chosen = waits & paying[lane]
    if not chosen.any():
        return None
    blockers = pd.Series(seconds[chosen]).groupby(intervals["blocker_tid"].to_numpy()[chosen]).sum()
    return Convoy(
        threads=int(paying.sum()),
        returns=int(chosen.sum()),
        mean_s=float(seconds[chosen].mean()),
        share=float(waited[paying].sum() / life[paying].sum()),
        holder=_thread_name(timeline, int(blockers.index[int(blockers.to_numpy().argmax())])),
    )


def _hog(timeline: Timeline, seconds: NDArray[np.float64]) -> Hog | None:
    """The holds of the GIL behind the longest waits, where they outlast what asking should take."""
    limit = HOG_INTERVALS * timeline.run.switch_interval_s
    waits = timeline.intervals[_is(timeline.intervals, State.GIL_WAIT) & (seconds > limit)]
    holds = hold_table(timeline)
    length = ((holds["end_ns"] - holds["start_ns"]) / NS_PER_S).to_numpy()
    holds, length = holds[length > limit], length[length > limit]
    waited = _waited_during(timeline, holds, waits)
    if not waited.any():
        return None
    by_function = pd.Series(waited).groupby(holds["function"].to_numpy()).sum()
    function = str(by_function.index[int(by_function.to_numpy().argmax())])
    guilty = (holds["function"] == function).to_numpy() & (waited > 0)
    row = int(np.argmax(np.where(guilty, length, 0.0)))
    return Hog(
        waited_s=float(waited[guilty].sum()),
        longest_s=float(length[row]),
        thread=str(holds["thread"].iloc[row]),
        function=function,
        is_native=bool(function) and not re.search(r" \(.*:\d+\)$", function),
    )


def _waited_during(timeline: Timeline, holds: pd.DataFrame, waits: pd.DataFrame) -> NDArray[np.float64]:
    """For each hold the seconds that all ``waits`` of its process together lasted meanwhile."""
    # processes are laid one behind the other, so that none waits for another's GIL
    shift = timeline.threads["pid"].factorize()[0] * (int(timeline.run.duration) + 1)
    starts, ends = (np.sort(waits[c].to_numpy() + shift[waits["lane"]]) for c in ("start_ns", "end_ns"))
    during = [
        _time_since(starts, times) - _time_since(ends, times)
        for times in (holds[c].to_numpy() + shift[holds["lane"]] for c in ("start_ns", "end_ns"))
    ]
    return np.asarray((during[1] - during[0]) / NS_PER_S)


def _time_since(edges: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int64]:
    """At each time how long ago all the ``edges`` before it were, summed."""
    before = np.searchsorted(edges, times)
    sums = np.append(0, np.cumsum(edges))
    return np.asarray(before * times - sums[before])


def _thread_name(timeline: Timeline, tid: int) -> str:
    found = timeline.threads.loc[timeline.threads["tid"] == tid, "name"]
    return str(found.iloc[-1]) if len(found) else "another thread"
