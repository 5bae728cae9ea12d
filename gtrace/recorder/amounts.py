"""How long each thread was on a core, by its own clock: where the kernel does not record its switches."""

from __future__ import annotations

import os
from _thread import get_native_id
from time import clock_gettime_ns, monotonic_ns, thread_time_ns

from gtrace.recorder.scheduler import own_times, thread_times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from gtrace.recorder.journal import Journal, NoJournal

TASKS: Final = "/proc/self/task"
THREAD_CPU_TIME: Final = 0b110
"""The lowest bits of the number of a thread's own clock, as the kernel numbers them."""


class Clocks:
    """Writes what the threads' clocks have counted; the first thread's count begins when this is made."""

    def __init__(self) -> None:
        self._first = get_native_id()
        self._run = thread_time_ns()
        self._queue = _queue_of(own_times())

    def record_own(self, journal: Journal | NoJournal) -> None:
        """Of the calling thread, at its end.

        Nothing here lets the GIL go: a thread that ends must not wait for another turn.
        """
        self._record(journal, get_native_id(), thread_time_ns(), own_times())

    def record_all(self, journal: Journal | NoJournal) -> None:
        """Of each thread that is still there."""
        try:
            tids = [int(name) for name in os.listdir(TASKS)]
        except OSError:
            return
        for tid in tids:
            try:
                run = clock_gettime_ns(~tid << 3 | THREAD_CPU_TIME)
            except OSError:
                continue  # it has ended, and said so itself
            self._record(journal, tid, run, thread_times(tid))

    def _record(
        self, journal: Journal | NoJournal, tid: int, run: int, times: tuple[int, int] | None
    ) -> None:
        # of the kernel's figures the time on a core is that of the last switch; the clock's is up to date
        is_first = tid == self._first
        run -= self._run if is_first else 0
        queue = _queue_of(times) - (self._queue if is_first else 0)
        waited = "" if times is None else f',"queue":{max(queue, 0)}'
        journal.append_json(
            f'{{"event":"amount","time":{monotonic_ns()},"tid":{tid},"run":{max(run, 0)}{waited}}}'
        )


def _queue_of(times: tuple[int, int] | None) -> int:
    return 0 if times is None else times[1]
