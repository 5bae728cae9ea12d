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
ENDING: Final = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
"""To be told to end twice at once means no more than to be told so once."""
PENDING: Final = "ShdPnd:"


class Witness:
    """A process of this one's group that does nothing: what is pending for it was sent to all of them."""

    def __init__(self, signals: Iterable[signal.Signals]) -> None:
        self._signals = [*signals]
        self._idle = _Idle(self._signals)
        self._seen: set[int] = set()
        self._seen_before: set[int] = set()

    def stop(self) -> None:
        """Ends it."""
        self._idle.stop()

    def has_seen(self, number: int, program: int) -> bool:
        """Whether a signal that came to this process went to ``program`` as well, being of this group.

        One that asks for an end has come once then, however often it was sent meanwhile.
        """
        with suppress(ProcessLookupError):
            if os.getpgid(program) != os.getpgrp():
                return False
        end = monotonic() + PATIENCE_S
        while number not in self._seen:
            if monotonic() > end:
                return False
            self._look()
        self._seen.remove(number)
        if number in ENDING:  # a sender may have signalled this process and then all
            signal.sigtimedwait([number], PATIENCE_S)
        return True

    def _look(self) -> None:
        """Takes what is pending: only another process in its place has nothing pending any more.

        What comes while there are two is pending for both.
        """
        if not self._idle.pending():
            return
        before, self._idle = self._idle, _Idle(self._signals)
        pending = before.pending()
        before.stop()
        self._seen |= pending - self._seen_before
        self._seen_before = pending & self._idle.pending()


class _Idle:
    """Reads from a pipe that nobody writes to, so that it ends with this process, however that ends."""

    def __init__(self, signals: list[signal.Signals]) -> None:
        self._signals = signals
        out, self._end = os.pipe()
        quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
        try:
            self._pid = os.posix_spawnp(
                "cat", ["cat"], {}, setsigmask=signals, file_actions=[(os.POSIX_SPAWN_DUP2, out, 0), *quiet]
            )
        except OSError:
            self._pid = 0  # nobody can tell: every signal counts as sent to this process alone
        finally:
            os.close(out)

    def stop(self) -> None:
        os.close(self._end)
        if self._pid:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)

    def pending(self) -> set[int]:
        try:
            with open(f"/proc/{self._pid}/status", encoding="ascii", errors="replace") as file:
                (mask,) = (int(line[len(PENDING) :], 16) for line in file if line.startswith(PENDING))
        except (OSError, ValueError):
            return set()
        return {int(number) for number in self._signals if mask >> (number - 1) & 1}
