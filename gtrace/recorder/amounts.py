"""How long each thread was on a core, by its own clock: where the kernel does not record its switches."""

from __future__ import annotations

import os
from _thread import get_native_id
from time import monotonic_ns, thread_time_ns

from gtrace.recorder.scheduler import thread_times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from gtrace.recorder.journal import Journal, NoJournal

TASKS: Final = "/proc/self/task"


class Clocks:
    """Writes what the threads' clocks have counted; the first thread's count begins when this is made."""

    def __init__(self) -> None:
        self._first = get_native_id()
        self._run = thread_time_ns()
        times = thread_times(self._first)
        self._queue = 0 if times is None else times[1]

    def record_own(self, journal: Journal | NoJournal) -> None:
        """Of the calling thread, at its end.

        A clock is read without letting the GIL go: a thread that ends must not wait for another turn.
        """
        self._record(journal, get_native_id(), thread_time_ns(), "")

    def record_all(self, journal: Journal | NoJournal) -> None:
        """Of each thread that is still there, and how long it waited in the kernel's queue for a core."""
        own = get_native_id()
        try:
            names = os.listdir(TASKS)
        except OSError:
            return
        for name in names:
            times = thread_times(int(name))
            if times is None:
                continue
            run, queue = times
            tid = int(name)
            queue -= self._queue if tid == self._first else 0
            # for a thread that runs the kernel's figure lags behind its clock by up to a tick
            self._record(journal, tid, thread_time_ns() if tid == own else run, f',"queue":{queue}')

    def _record(self, journal: Journal | NoJournal, tid: int, run: int, more: str) -> None:
        run -= self._run if tid == self._first else 0
        journal.append_json(
            f'{{"event":"amount","time":{monotonic_ns()},"tid":{tid},"run":{max(run, 0)}{more}}}'
        )
