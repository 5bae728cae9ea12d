"""Tells a signal that was sent to the whole process group from one that was sent to this process alone.

The program has the first already: to pass it on would give it the same signal twice, as with ``timeout``,
``kill %1`` in a shell, or a service manager that ends all it started.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

PATIENCE_S: Final = 0.02
"""The kernel signals one process of a group after the other, and some senders this one before all of them."""
PENDING: Final = "ShdPnd:"


class Witness:
    """A process of this one's group that does nothing: what is pending for it was sent to all of them.

    It reads from a pipe that nobody writes to, so that it ends with this process, however that ends.
    """

    def __init__(self, signals: Iterable[signal.Signals]) -> None:
        self._signals = [*signals]
        self._pid = 0
        self._start()

    def _start(self) -> None:
        out, self._end = os.pipe()
        try:
            self._pid = os.posix_spawnp(
                "cat",
                ["cat"],
                {},
                setsigmask=self._signals,
                file_actions=[(os.POSIX_SPAWN_DUP2, out, 0), *_quiet(1), *_quiet(2)],
            )
        except OSError:
            self._pid = 0  # nobody is there to tell: every signal counts as sent to this process alone
        finally:
            os.close(out)

    def stop(self) -> None:
        """Ends it; does nothing a second time."""
        os.close(self._end)
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0

    def has_seen(self, number: int, program: int) -> bool:
        """Whether a signal that came to this process went to ``program`` as well, being of this group.

        What is pending is forgotten then, here and for this process.
        """
        with suppress(ProcessLookupError):
            if not self._pid or os.getpgid(program) != os.getpgrp():
                return False
        end = monotonic() + PATIENCE_S
        while not self._is_pending(number):
            if monotonic() > end:
                return False
        signal.sigtimedwait([number], PATIENCE_S)  # of a sender that signals this process and then all
        self.stop()
        self._start()
        return True

    def _is_pending(self, number: int) -> bool:
        try:
            with open(f"/proc/{self._pid}/status", encoding="ascii", errors="replace") as file:
                (mask,) = (line[len(PENDING) :] for line in file if line.startswith(PENDING))
        except (OSError, ValueError):
            return False
        return bool(int(mask, 16) >> (number - 1) & 1)


def _quiet(descriptor: int) -> list[tuple[int, int, str, int, int]]:
    return [(os.POSIX_SPAWN_OPEN, descriptor, os.devnull, os.O_WRONLY, 0)]
