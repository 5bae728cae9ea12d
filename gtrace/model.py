"""The words of gtrace: states, kinds of evidence, and the types of ids and times.

Imported inside the traced process too, so it needs nothing but the standard library.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NewType

RawNs = NewType("RawNs", int)
"""Nanoseconds on CLOCK_MONOTONIC, as recorded."""

TimeNs = NewType("TimeNs", int)
"""Nanoseconds since the recording began."""

Pid = NewType("Pid", int)
NativeId = NewType("NativeId", int)
"""The kernel's thread id (``threading.get_native_id()``); reused after a thread ends."""

NO_THREAD: Final = NativeId(-1)
NO_CORE: Final = -1
NS_PER_S: Final = 1_000_000_000


class State(str, Enum):
    """What a thread does at an instant: its relation to the GIL times what the core does."""

    RUNNING = "running"
    NATIVE = "native"
    GIL_WAIT = "gil_wait"
    LOCK_WAIT = "lock_wait"
    IO_WAIT = "io_wait"
    SLEEP = "sleep"
    BLOCKED = "blocked"
    STALLED = "stalled"
    PREEMPTED = "preempted"
    UNKNOWN = "unknown"


MEANING: Final[dict[State, str]] = {
    State.RUNNING: "holds the GIL and is on a core: Python code, or C code that keeps the GIL",
    State.NATIVE: "on a core in C code that released the GIL",
    State.GIL_WAIT: "wants the GIL, another thread has it",
    State.LOCK_WAIT: "waits for a lock, condition, event, semaphore, queue or the end of a thread",
    State.IO_WAIT: "waits for a socket, file, pipe, poll or child process",
    State.SLEEP: "sleeps until a time it chose itself",
    State.BLOCKED: "off the core by its own will, reason not known",
    State.STALLED: "blocks while it keeps the GIL: every other thread stands still",
    State.PREEMPTED: "the operating system gave its core to someone else",
    State.UNKNOWN: "before the first evidence, or where the evidence does not say",
}
"""One line per state, worded for the reader of a page."""

RUN_STATES: Final = (State.RUNNING, State.NATIVE)
WAIT_STATES: Final = tuple(s for s in State if s not in (*RUN_STATES, State.UNKNOWN))


class Gil(str, Enum):
    """What a thread has to do with the GIL; missing where there is none or it is not known."""

    HOLDS = "holds"
    WAITS = "waits"
    AWAY = "away"


class Evidence(str, Enum):
    """How an interval is known."""

    EXACT = "exact"
    DERIVED = "derived"
    INFERRED = "inferred"


EVIDENCE_MEANING: Final[dict[Evidence, str]] = {
    Evidence.EXACT: "seen, by the agent or the scheduler",
    Evidence.DERIVED: "worked out from one source and the calls",
    Evidence.INFERRED: "worked out from the calls alone",
}


class Source(str, Enum):
    """The sources of evidence; each is optional."""

    CALLS = "calls"
    GIL = "gil"
    SCHEDULER = "scheduler"
    THREADS = "threads"
    SITES = "sites"
    """Where threads stood that waited long; calls, where recorded, tell that and more."""
