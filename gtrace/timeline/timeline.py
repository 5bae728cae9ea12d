"""The Timeline: two tables and what is known about the run they describe."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pandas as pd

from gtrace.model import Evidence, Gil, State

if TYPE_CHECKING:
    from gtrace.model import TimeNs

INTERVAL_COLUMNS: Final = (
    "pid", "tid", "thread", "start_ns", "end_ns", "state", "gil", "core",
    "function", "reason", "blocker_tid", "evidence", "lane", "caller", "lock", "gil_number", "chain",
)  # fmt: skip
STATE_DTYPE: Final = pd.CategoricalDtype([s.value for s in State])
GIL_DTYPE: Final = pd.CategoricalDtype([g.value for g in Gil])
EVIDENCE_DTYPE: Final = pd.CategoricalDtype([e.value for e in Evidence])


@dataclass(frozen=True)
class RunInfo:
    """What is known about the run as a whole."""

    command: tuple[str, ...]
    python_version: str
    implementation: str
    free_threaded: bool
    executable: str
    cwd: str
    platform: str
    cores: int
    switch_interval_s: float
    started_at: float
    """Wall clock at the start, seconds since the epoch."""
    duration: TimeNs
    exit_status: int | None
    """The program's exit status (128+n for signal n); None where nobody saw its end."""
    gtrace_version: str
    viztracer_version: str | None
    evidence: dict[str, str]
    """Per source ``exact``, ``derived``, ``inferred``, or ``none: why``."""
    lost: dict[str, int]
    """Events lost per source."""
    notes: tuple[str, ...] = ()
    """What the reader must know to read the page right, each a full sentence."""
    pids: tuple[int, ...] = ()
    began_ns: int = 0
    """CLOCK_MONOTONIC where the recording began: what the program timed itself minus this is a ``TimeNs``."""


@dataclass(frozen=True)
class Timeline:
    """Every thread of a run, in exactly one state from its start to its end.

    ``threads`` has one row a thread, its index is the lane (0, 1, …; order of start), columns
    ``pid tid ident name daemon parent_tid target created start_ns end_ns ended gil_acquisitions
    gil_forced_releases cpu_ns queue_ns kind`` (counts are -1 where not known; ``kind`` is ``python``, or
    ``native`` for a thread that never entered Python, of a native library or of a child process;
    ``cpu_ns``, on a core, and ``queue_ns``, waiting for one, are read from clocks where no switches were
    recorded, else -1).
    ``end_ns`` is the end of the recording where ``ended`` is false (the thread was alive then). ``ident`` and
    ``parent_tid`` are -1, ``target`` and ``created`` empty where not known.

    ``intervals`` has the columns of ``INTERVAL_COLUMNS``; times are int64 ns since the recording
    began; ``state gil evidence thread function reason`` are categories (``gil`` is missing where
    there is no GIL or it is not known; ``function`` and ``reason`` are empty strings where there
    is none); ``core`` is -1 and ``blocker_tid`` -1 where not known; ``lane`` is the row of
    ``threads``. ``function`` is the innermost call (in a ``running`` interval the one that took most
    of it), ``caller`` the innermost Python function around it that is not the standard library's
    own waiting code; ``lock`` is the address of the lock waited for (0: none, or not known), and
    ``gil_number`` tells the GILs of subinterpreters apart (0 is the first). ``chain`` has the calls
    around ``function`` and itself at the end, outermost first, ``;`` between them, the innermost 12
    where they are more; it is a category too. Rows are sorted by
    (lane, start_ns); the intervals of a lane neither overlap nor leave a gap and reach from the
    thread's start to its end.

    ``calls_known_from`` is the time in ns from which the calls are complete.
    """

    run: RunInfo
    threads: pd.DataFrame
    intervals: pd.DataFrame
    calls_known_from: int = 0
    joins: pd.DataFrame = field(default_factory=pd.DataFrame)
    """One row a join: ``pid time_ns tid joined_tid timeout_s end_ns timed_out outcome``."""
    wakeups: pd.DataFrame = field(default_factory=pd.DataFrame)
    """One row a wake-up: ``lane time_ns latency_ns cause`` (see ``gtrace.timeline.wakeups``)."""
    standing: pd.DataFrame = field(default_factory=pd.DataFrame)
    """How threads stood to locks when the program was asked to end, a row each, columns ``time_ns lane
    role kind lock name where owner_lane asking evidence``.

    ``role`` is ``waits`` (without a limit of time) or ``has``; ``kind`` is ``Lock``, ``RLock``, or
    ``thread`` for a wait for the end of one. ``lock`` is a number of its own, ``name`` what the
    program calls it at ``where`` it waits for it or took it. ``owner_lane`` is the thread that has it, -1
    where the lock does not say; ``asking`` tells the thread that was about to end the program. Empty where
    nobody waited.
    """
    locks: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Where locks that were waited for were created, a row each: ``pid lock since_ns where``, by time.

    ``lock`` is the address that intervals name, of this lock from ``since_ns`` on until another row takes
    it; a lock that was there before the recording has none.
    """
    handoffs: int | None = None
    """How often a GIL went from one thread to another; None where the agent did not see it."""

    def __repr__(self) -> str:
        command = " ".join(self.run.command) or "python"
        return f"<Timeline of {command!r}: {len(self.threads)} threads, {len(self.intervals)} intervals>"
