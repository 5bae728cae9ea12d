"""Waits, outside the traced process, until a recording that nobody stopped is complete."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import time
from contextlib import suppress
from typing import Final

DRAIN_PID: Final = struct.Struct("<24xI")
"""Where the header, specified in ``record.h``, has the process that writes the file."""
LAST_S: Final = 2.0
POLL_S: Final = 0.0005


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
