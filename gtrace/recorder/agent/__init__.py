"""The agent: records who has the GIL and who waits for it or for a lock, in C, without slowing the program.

This is the only door to it; everything else here is C. What is recorded is specified in ``record.h``.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = [
    "AgentUnavailable",
    "guard_names",
    "insist",
    "insist_no_more",
    "plain_threads",
    "restart_in_child",
    "start",
    "start_sites",
    "status",
    "stop",
]

MACHINES: Final = ("x86_64", "aarch64")


class AgentUnavailable(Exception):  # noqa: N818 (a state of this machine, not a fault)
    """Nothing can be recorded here; the text says why."""


def start(path: str, *, max_bytes: int) -> str:
    """Record this process into the new file ``path``, of at most ``max_bytes`` (at least 8 KiB).

    Returns ``"exact"``, or ``"locks only: why"`` where the GIL cannot be observed. Raises
    AgentUnavailable where nothing can be recorded, also because the file cannot be created.
    """
    agent = _load()
    try:
        level: str = agent.start(os.path.abspath(path), max_bytes)
    except OSError as error:
        raise AgentUnavailable(f"cannot record into {path}: {error.strerror}") from error
    except RuntimeError as error:
        raise AgentUnavailable(str(error)) from error
    return level


def restart_in_child(path: str, *, max_bytes: int) -> str:
    """Record a forked child into a file of its own; until then nothing of it is recorded.

    To be called in the child, where ``os.register_at_fork(after_in_child=...)`` calls.
    """
    return start(path, max_bytes=max_bytes)


def start_sites(path: str, *, max_bytes: int, threshold_ns: int) -> None:
    """Note into the new file ``path`` where in the program threads are when they waited so long.

    To be called after ``start``; ``stop`` ends it. Raises AgentUnavailable where frames cannot be read
    here, or what is read is not what Python says.
    """
    agent = _load()
    try:
        if not _reads_frames_right(agent):
            raise AgentUnavailable("the frames read are not those that Python tells of")
        agent.start_sites(os.path.abspath(path), max_bytes, threshold_ns)
    except RuntimeError as error:
        raise AgentUnavailable(str(error)) from error


def _reads_frames_right(agent: Any) -> bool:
    """Reads the frames of this thread both ways, through C code and a generator."""
    return [*map(next, [_seen_from_generator(agent)])] == [True]


def _seen_from_generator(agent: Any) -> Iterator[bool]:
    yield _sees_callers(agent)


def _sees_callers(agent: Any) -> bool:
    own = [(id(code), offset) for code, offset in agent.own_frames()]
    frame: FrameType | None = sys._getframe()
    told: list[tuple[int, int]] = []
    while frame is not None and len(told) < len(own):
        told.append((id(frame.f_code), frame.f_lasti))
        frame = frame.f_back
    # the innermost has gone on in between
    return len(own) > 1 and own[0][0] == told[0][0] and own[1:] == told[1:]


def stop() -> None:
    """End the recording and put the interpreter's import table back. Does nothing where there is none."""
    try:
        _load().stop()
    except AgentUnavailable:
        return


def guard_names(file: str) -> bool:
    """Keep the extension module loaded from ``file`` from crashing at names that are not UTF-8.

    It gets them with escapes, until the process ends. False where that is not possible.
    """
    try:
        guarded: bool = _load().guard_names(file)
    except AgentUnavailable:
        return False
    return guarded


def insist(number: int) -> bool:
    """Have the signal come again until ``insist_no_more`` is called; False where that is not possible.

    For a signal that has a handler in Python by now, which would never run where the signal came right before
    a call that blocks.
    """
    try:
        done: bool = _load().insist(number)
    except AgentUnavailable:
        return False
    return done


def insist_no_more() -> None:
    """The handler of such a signal runs: it need not come again in this process."""
    try:
        _load().insist_no_more()
    except AgentUnavailable:
        return


def plain_threads(registry: Any) -> Any | None:
    """The hooks of a registry, as methods of the same names that are quick for plain threads; None without.

    They use the registry's own ``thread_type``, ``keys``, ``sites``, ``next_key`` and ``journal``, and its
    own hooks for all other threads.
    """
    try:
        agent = _load()
        hooks = agent.PlainThreads(registry) if _reads_frames_right(agent) else None
    except (AgentUnavailable, RuntimeError):
        return None
    return hooks


def status() -> dict[str, Any]:
    """The recording in progress, or the last one.

    ``recording`` (bool), ``records`` (of 8 bytes) and ``lost`` (events), ``full_at_ns``
    (CLOCK_MONOTONIC, 0 where not full), ``gil_address`` (0 where not known), ``patched_slots``,
    ``level`` as from ``start``.
    """
    result: dict[str, Any] = _load().status()
    return result


@cache
def _load() -> Any:
    machine = os.uname().machine if hasattr(os, "uname") else "?"
    if sys.implementation.name != "cpython":
        raise AgentUnavailable(f"the agent knows CPython, not {sys.implementation.name}")
    if not sys.platform.startswith("linux"):
        raise AgentUnavailable(f"the agent knows Linux, not {sys.platform}")
    if machine not in MACHINES:
        raise AgentUnavailable(f"the agent knows {' and '.join(MACHINES)}, not {machine}")
    try:
        from gtrace.recorder.agent import _agent
    except ImportError as error:
        fault = f" ({error})" if str(error.path).endswith(".so") else ""
        raise AgentUnavailable(
            f"the agent is not built for this interpreter{fault}; install a C compiler and gtrace again"
        ) from error
    return _agent
