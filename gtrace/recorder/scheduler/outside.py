"""What whoever starts the traced process does for its scheduler evidence, before and after."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import time
from contextlib import suppress
from typing import Final

from gtrace.recorder import scheduler

DRAIN_PID: Final = struct.Struct("<24xI")
"""Where the header, specified in ``record.h``, has the process that writes the file."""
LAST_S: Final = 2.0
POLL_S: Final = 0.0005


def warm_up() -> None:
    """Have the kernel ready when the traced process asks for its switches; does nothing where it refuses.

    The first to ask in a second waits 15 ms, and on a busy machine much longer, until all cores have taken
    notice. To be called right behind the start of the process, whose interpreter needs that long to begin.
    """
    with suppress(scheduler.SchedulerUnavailable):
        scheduler.load().warm_up()


def settle(path: str, *, timeout_s: float) -> bool:
    """Wait until the recording ``path`` is complete; whether it is. Raises OSError where it cannot be read.

    After a process that was killed, its last records and the end are written within milliseconds. Where
    something it had started still runs after ``timeout_s``, the recording is ended for that, too.
    """
    with open(path, "rb") as file:
        if _is_unlocked(file.fileno(), timeout_s):
            return True
        (drain_pid,) = DRAIN_PID.unpack(file.read(DRAIN_PID.size))
        with suppress(ProcessLookupError, PermissionError):
            os.kill(drain_pid, signal.SIGTERM)
        return _is_unlocked(file.fileno(), LAST_S)


def _is_unlocked(fd: int, timeout_s: float) -> bool:
    """Whether the drain, which locks its file while it lives, leaves it within that time."""
    until = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(POLL_S)
        else:
            return True
