"""What the rules of the verdict look at, worked out once from a timeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gtrace.analysis.contention import (
    find_blame,
    find_convoy,
    find_crowding,
    find_hog,
    rows_in,
    waited_during,
)
from gtrace.analysis.deadlock import Deadlock, find_deadlocks, standstill
from gtrace.analysis.holds import hold_table
from gtrace.analysis.locks import WorstLock, find_worst_lock
from gtrace.analysis.naming import brief
from gtrace.analysis.rules import MOSTLY, NOTICED
from gtrace.model import NS_PER_S, RUN_STATES, Gil, Source, State
from gtrace.timeline.cells import LOCK, UNPROVEN
from gtrace.timeline.labels import labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gtrace.analysis.contention import Blame, Convoy, Crowding, Hog
    from gtrace.timeline import Timeline

    Rows = NDArray[np.bool_]

PASSIVE: Final = ("thread join", "future")
"""Waits for other threads to be done: the cause, if there is one, is in those threads."""
LOCKS: Final = ("lock", "rlock", "semaphore")
"""Waits for something another thread has, as against waits for something it has yet to do."""
CROWDED: Final = 0.05
"""The share of active time off the core from which it is worth asking who had it."""


@dataclass(frozen=True)
class Longest:
    """Of each kind of wait the one that most time was spent on: reason and function."""

    lock: str
    handover: str
    """Of the waits for other threads' work."""
    idle: str
    """Of the waits for I/O, or for a time."""
    blocked: str
    """Of those for a reason that is not known: the call."""
    stall: str
    """Of those with the GIL: thread and call."""


@dataclass(frozen=True)
class Elsewhere:
    """What other processes than the first one ran."""

    processes: int
    """That ran at all."""
    anew: int
    """Of these the ones that were started anew: nobody recorded them."""
    ran_s: float
    anew_s: float
    share: float
    """Of all that ran."""


@dataclass(frozen=True)
class Facts:
    """Seconds summed over all threads; ``active`` and ``state`` leave out ``PASSIVE`` waits.

    They leave out as well what threads of native libraries wait for: their pools are idle between calls.
    """

    threads: int
    """Threads that ran Python code."""
    native_threads: int
    """Threads of native libraries that ran at all."""
    native_s: float
    """What these ran, together."""
    elsewhere: Elsewhere
    """What processes run that nobody recorded is not the program's time."""
    wall: float
    cores: int
    switch_interval: float
    state: dict[State, float]
    own: dict[State, float]
    """Of ``state`` the part of threads that run Python code."""
    active: float
    undecided: float
    """Time in Python code beside other threads, where nothing tells who had the GIL."""
    held: float
    blame: Blame | None
    locks: float
    """Of ``lock_wait`` the part for locks proper."""
    unnamed_locks: float
    """Of ``lock_wait`` the part of which only the agent's word is known: a lock, a queue, an event."""
    longest: Longest
    worst_lock: WorstLock | None
    """Of ``locks`` the one that took most of them, where the agent tells one lock from another."""
    stalled_others: float
    """What other threads waited for the GIL of a thread that stalled."""
    crowding: Crowding | None
    """Where threads were off the core against their will for ``CROWDED`` of the time or more."""
    convoy: Convoy | None
    hog: Hog | None
    deadlocks: tuple[Deadlock, ...]
    stuck: tuple[str, ...]
    """The threads of a killed program, where all of them waited for locks to its end."""
    gil_known: bool
    calls_known: bool
    free_threaded: bool

    def share(self, *states: State) -> float:
        """What part of the threads' active time went into ``states``."""
        return sum(self.state[state] for state in states) / self.active if self.active else 0.0

    def of_active(self, seconds: float) -> float:
        """``seconds`` as a part of the threads' active time."""
        return seconds / self.active if self.active else 0.0

    @property
    def computed_elsewhere(self) -> bool:
        """Whether other processes did most of what was computed, and that was not next to nothing."""
        return self.elsewhere.share >= MOSTLY and self.elsewhere.ran_s >= NOTICED * self.wall

    @property
    def unexplained(self) -> float:
        """What part of the threads' active time is of unknown state, or a wait for nobody knows what."""
        unknown = self.state[State.UNKNOWN] + self.state[State.BLOCKED] + self.unnamed_locks
        return self.of_active(unknown)

    @property
    def cores_used(self) -> float:
        ran = self.state[State.RUNNING] + self.state[State.NATIVE]
        return ran / self.wall if self.wall else 0.0


def find_facts(timeline: Timeline) -> Facts:
    """The facts of ``timeline``."""
    timeline = labelled(timeline)
    intervals, run = timeline.intervals, timeline.run
    seconds = ((intervals["end_ns"] - intervals["start_ns"]) / NS_PER_S).to_numpy()
    helper, child = _beside(timeline)
    active = ~_passive(intervals, helper) & ~child
    unnamed, proper, handed = _locks(intervals, rows_in(intervals, State.LOCK_WAIT) & active)
    ran = rows_in(intervals, *RUN_STATES)
    holds = hold_table(timeline)
    state = {s: float(seconds[rows_in(intervals, s) & active].sum()) for s in State}
    return Facts(
        threads=int((timeline.threads["kind"] == "python").sum()),
        native_threads=int(intervals["lane"][helper & ran].nunique()),
        native_s=float(seconds[helper & ran].sum()),
        elsewhere=_elsewhere(timeline, seconds, ran),
        wall=run.duration / NS_PER_S,
        cores=run.cores,
        switch_interval=run.switch_interval_s,
        state=state,
        own={s: float(seconds[rows_in(intervals, s) & active & ~helper].sum()) for s in State},
        active=float(seconds[active].sum()),
        undecided=float(seconds[_undecided(intervals)].sum()),
        held=float(seconds[(intervals["gil"] == Gil.HOLDS.value).to_numpy()].sum()),
        blame=find_blame(timeline, holds),
        locks=float(seconds[proper].sum()),
        unnamed_locks=float(seconds[unnamed].sum()),
        longest=_longest(intervals, np.where(active, seconds, 0.0), (proper, handed)),
        worst_lock=find_worst_lock(timeline, np.where(proper, seconds, 0.0)),
        stalled_others=_stalled_others(timeline),
        crowding=find_crowding(timeline) if _is_crowded(state) else None,
        convoy=find_convoy(timeline, seconds),
        hog=find_hog(timeline, seconds, holds),
        deadlocks=find_deadlocks(timeline),
        stuck=standstill(timeline),
        gil_known=run.evidence.get(Source.GIL.value, "").startswith("exact"),
        calls_known=run.evidence.get(Source.CALLS.value, "").startswith("exact"),
        free_threaded=run.free_threaded,
    )


def _is_crowded(state: dict[State, float]) -> bool:
    return state[State.PREEMPTED] >= CROWDED * sum(state.values()) > 0


def _beside(timeline: Timeline) -> tuple[Rows, Rows]:
    """The intervals of threads of native libraries, and of processes that nobody recorded."""
    native = (timeline.threads["kind"] == "native").to_numpy()[timeline.intervals["lane"]]
    recorded = timeline.intervals["pid"].isin(timeline.run.pids).to_numpy()
    return native & recorded, native & ~recorded


def _elsewhere(timeline: Timeline, seconds: NDArray[np.float64], ran: Rows) -> Elsewhere:
    pid, recorded = timeline.intervals["pid"], timeline.run.pids
    other = ran & (pid != (recorded[0] if recorded else 0)).to_numpy()
    anew = other & ~pid.isin(recorded).to_numpy()
    took, all_took = float(seconds[other].sum()), float(seconds[ran].sum())
    return Elsewhere(
        processes=int(pid[other].nunique()),
        anew=int(pid[anew].nunique()),
        ran_s=took,
        anew_s=float(seconds[anew].sum()),
        share=took / all_took if all_took else 0.0,
    )


def _passive(intervals: pd.DataFrame, helper: Rows) -> Rows:
    """Waits that say nothing: for threads to be done, and of idle pools of native libraries."""
    passive: Rows = rows_in(intervals, State.LOCK_WAIT) & intervals["reason"].isin(PASSIVE).to_numpy()
    return passive | helper & ~rows_in(intervals, *RUN_STATES, State.PREEMPTED)


def _locks(intervals: pd.DataFrame, locked: Rows) -> tuple[Rows, Rows, Rows]:
    """Of the waits for locks those of which only the agent tells, those for locks proper, and the others."""
    nameless = ((intervals["function"] == "") & (intervals["caller"] == "")).to_numpy()
    unnamed = locked & nameless & (intervals["reason"] == LOCK).to_numpy()
    proper = locked & intervals["reason"].isin(LOCKS).to_numpy() & ~unnamed
    return unnamed, proper, locked & ~proper & ~unnamed


def _undecided(intervals: pd.DataFrame) -> Rows:
    return rows_in(intervals, State.UNKNOWN) & (intervals["reason"] == UNPROVEN).to_numpy()


def _longest(intervals: pd.DataFrame, seconds: NDArray[np.float64], locks: tuple[Rows, Rows]) -> Longest:
    by_reason, by_function = ["reason", "caller"], ["function", "caller"]
    proper, handed = locks
    return Longest(
        lock=_top(intervals, seconds, proper, by_reason),
        handover=_top(intervals, seconds, handed, by_reason),
        idle=_top(intervals, seconds, rows_in(intervals, State.IO_WAIT, State.SLEEP), by_reason),
        blocked=_top(intervals, seconds, rows_in(intervals, State.BLOCKED), by_function),
        stall=_top(intervals, seconds, rows_in(intervals, State.STALLED), ["thread", "function"]),
    )


def _stalled_others(timeline: Timeline) -> float:
    intervals = timeline.intervals
    stalls, waits = (intervals[rows_in(intervals, state)] for state in (State.STALLED, State.GIL_WAIT))
    return float(waited_during(timeline, stalls, waits).sum())


def _top(intervals: pd.DataFrame, seconds: NDArray[np.float64], rows: Rows, keys: list[str]) -> str:
    """``a in b`` for the pair of key values with most seconds."""
    rows = rows & (seconds > 0)
    if not rows.any():
        return ""
    chosen = intervals[rows]
    totals = pd.Series(seconds[rows], index=chosen.index)
    sums = totals.groupby([chosen[key] for key in keys], observed=True).sum()
    pair: tuple[str, ...] = sums.index[int(sums.to_numpy().argmax())]
    # where only the agent tells, the function that waits is also the program's own
    return " in ".join(dict.fromkeys(brief(part) for part in pair if part))
