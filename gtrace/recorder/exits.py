"""Saves what is only in memory when the program leaves by a way that skips ``atexit``."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

TERMINATIONS: Final = (signal.SIGTERM, signal.SIGHUP)
"""Signals sent to ask a program to end; unlike SIGKILL they leave time to save."""


def install(
    save: Callable[[], None], save_before_exec: Callable[[], None], resume: Callable[[], None]
) -> None:
    """Calls ``save`` before ``os._exit`` and death by SIGTERM or SIGHUP.

    ``save_before_exec`` is called before ``exec``, and ``resume`` where the program goes on after
    all, because ``exec`` failed.
    """
    _before_exit(save)
    for name in ("execv", "execve"):
        _before_exec(name, save_before_exec, resume)
    for number in TERMINATIONS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _saving_death(save))


def _before_exit(save: Callable[[], None]) -> None:
    leave = os._exit

    def _exit(status: int) -> Any:
        save()
        leave(status)

    _exit.__doc__ = leave.__doc__
    _put("_exit", _exit)


def _before_exec(name: str, save: Callable[[], None], resume: Callable[[], None]) -> None:
    replace: Callable[..., Any] = getattr(os, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        save()
        try:
            return replace(*args, **kwargs)
        finally:
            resume()

    call.__name__ = call.__qualname__ = name
    call.__doc__ = replace.__doc__
    _put(name, call)


def _put(name: str, function: Callable[..., Any]) -> None:
    """In ``os`` and in the module of the platform that it copies from."""
    import posix

    setattr(os, name, function)
    setattr(posix, name, function)


def _saving_death(save: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
    """A handler that saves and then dies of the same signal, so that the status stays the program's."""

    def handler(number: int, _frame: FrameType | None) -> None:
        save()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    return handler
