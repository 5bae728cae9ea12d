"""Saves what is only in memory when the program leaves by a way that skips ``atexit``."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _thread
import os
import posix

from gtrace.recorder import agent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, Final

TERMINATIONS: Final = (_signal.SIGTERM, _signal.SIGHUP)
"""Signals sent to ask a program to end; unlike SIGKILL they leave time to save."""


def install(
    save: Callable[[], None], save_before_exec: Callable[[], None], resume: Callable[[], None]
) -> None:
    """Calls ``save`` before ``os._exit`` and death by SIGTERM or SIGHUP.

    ``save_before_exec`` is called before ``exec``, and ``resume`` where the program goes on after
    all, because ``exec`` failed.
    """
    _replace("_exit", _saves_what_it_ends(save), _nothing)
    for name in ("execv", "execve"):
        _replace(name, _saves_what_it_replaces(save_before_exec), resume)
    for number in TERMINATIONS:
        if _signal.getsignal(number) == _signal.SIG_DFL:
            handler = _SavingDeath(_signal.SIG_DFL)
            handler.save = save
            _signal.signal(number, handler)
            agent.insist(number)


class _SavingDeath(int):
    """A handler that saves and then dies of the same signal, so that the status stays the program's.

    It is the number of ``SIG_DFL``, and ``signal.getsignal`` says just that: to the program the
    signal does what it does by default.
    """

    save: Callable[[], None]
    dying = 0
    """The process that dies: a child that it forked meanwhile does not."""

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        agent.insist_no_more()
        own = os.getpid()
        # timeout(1) sends its signal twice: the second must not cost what is being saved
        if _SavingDeath.dying == own:
            return
        if Saving.process == own:
            Saving.asked = number
            return
        _SavingDeath.dying = own
        self.save()
        _die(number)


def _die(number: int) -> None:
    _signal.signal(number, _signal.SIG_DFL)
    os.kill(os.getpid(), number)


class Saving:
    """While it lasts, a signal to die waits: the process may be on its way out by itself, and save."""

    process = 0
    asked = 0

    def __enter__(self) -> None:
        Saving.process, Saving.asked = os.getpid(), 0

    def __exit__(self, *_: object) -> None:
        Saving.process = 0
        if Saving.asked:
            _die(Saving.asked)


class Postponed:
    """Keeps SIGTERM and SIGHUP waiting while the interpreter forks.

    In the child the interpreter forgets the signals that have come but were not handled yet, and
    would outlive one that, without us, ends it at once.
    """

    def __init__(self) -> None:
        self._masks: dict[int, set[int]] = {}

    def begin(self) -> None:
        ours = [n for n in TERMINATIONS if isinstance(_signal.getsignal(n), _SavingDeath)]
        if ours:
            self._masks[_thread.get_ident()] = _signal.pthread_sigmask(_signal.SIG_BLOCK, ours)

    def end(self) -> None:
        mask = self._masks.pop(_thread.get_ident(), None)
        if mask is not None:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)


def _saves_what_it_ends(save: Callable[[], None]) -> Callable[..., None]:
    def before(status: object = None, *_rest: object) -> None:
        if isinstance(status, int):
            save()

    return before


def _saves_what_it_replaces(save: Callable[[], None]) -> Callable[..., None]:
    def before(path: Any = None, *_rest: object, **_options: object) -> None:
        # a search along PATH tries many files that are not there
        if isinstance(path, int) or (
            isinstance(path, (str, bytes, os.PathLike)) and os.access(path, os.X_OK)
        ):
            save()

    return before


def _replace(name: str, before: Callable[..., None], after: Callable[[], None]) -> None:
    """Puts a callable that calls ``before`` with the same arguments in the place of ``os.NAME``.

    A function of ours would be a line in the traceback when the real one fails. A class is called
    by C alone: its ``__new__`` is ours, its ``__init__`` the real function, and ``__del__`` comes
    where that one raised.
    """

    def new(cls: type, *args: Any, **options: Any) -> object:
        before(*args, **options)
        return object.__new__(cls)

    def delete(_self: object) -> None:
        after()

    function = getattr(posix, name)
    members = {"__new__": new, "__init__": function, "__del__": delete, "__doc__": function.__doc__}
    stand_in = type(name, (), {**members, "__module__": "posix"})
    setattr(os, name, stand_in)
    setattr(posix, name, stand_in)


def _nothing() -> None:
    pass
