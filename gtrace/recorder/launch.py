"""Starts the program in a process of its own with the recorder in it, and stands aside until it ends."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic, monotonic_ns
from typing import Final

import gtrace
from gtrace.errors import LaunchError
from gtrace.model import NS_PER_S
from gtrace.recorder.group import Witness
from gtrace.recorder.scheduler import outside

STARTUP: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup")
ROOT: Final = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FORWARDED: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
SENT_BY_KERNEL: Final = 0x80
"""``si_code`` of a signal from the terminal: the whole foreground group has it already."""
PATIENCE_S: Final = 0.1
SETTLE_S: Final = 0.5
"""How long something that outlives the program may go on being recorded."""
NODE_BYTES: Final = 96
LEAST_CALLS: Final = 1_000_000
MOST_CALLS: Final = 5_000_000
"""Half a gigabyte of the program's memory, and half a minute to fold: of longer runs the end is kept."""


@dataclass(frozen=True)
class LaunchOptions:
    """How to record."""

    recording: str
    python: str
    calls: bool = True
    switch_interval_s: float | None = None
    max_bytes: int = 2 << 30
    """How large the agent's file of one process may grow."""
    output: str | None = None
    """The file that takes what the program writes to stdout and stderr; None: it keeps ours."""
    site_threshold_s: float = 0.001
    """Note where a thread is when it waited so long; 0: never."""
    scheduler: bool = True
    interrupt_after_s: float | None = None
    """Send the program SIGINT after so long, and again after as long, until it ends."""


@dataclass(frozen=True)
class Outcome:
    """How the program ended, and when its end was seen (CLOCK_MONOTONIC)."""

    pid: int
    exit_status: int
    signal: int | None
    ended_ns: int
    interrupted: bool = False
    """Ctrl-C came meanwhile: whatever the program made of it, the user wants an end."""


def run_program(arguments: list[str], options: LaunchOptions) -> Outcome:
    """Runs ``python arguments…`` with the recorder; gives its exit status, 128+n for signal n.

    Signals sent to this process alone are passed on; what is sent to the whole group, as Ctrl-C is, reaches
    the program by itself.
    """
    environment = _environment(options)
    _see_children()
    watched = {*FORWARDED, signal.SIGCHLD}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    witness = Witness(FORWARDED)
    try:
        pid = os.posix_spawnp(
            options.python,
            [options.python, *arguments],
            environment,
            setsigmask=mask,
            setsigdef=[signal.SIGPIPE],
            file_actions=_redirection(options.output),
        )
    except OSError as error:
        witness.stop()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        raise LaunchError(
            f"cannot start the interpreter: {options.python}: {error.strerror}; name one with --python"
        ) from error
    try:
        outside.warm_up()
        outcome = _wait(pid, watched, witness, options.interrupt_after_s)
        _settle(options.recording)
    finally:
        witness.stop()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return outcome


def _see_children() -> None:
    """Where SIGCHLD is ignored, as who started this may have left it, a child's end cannot be seen."""
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _settle(recording: str) -> None:
    """Waits for the last of the scheduler's records, which a killed process leaves to be written."""
    for name in os.listdir(recording):
        if name.startswith("scheduler."):
            with suppress(OSError):
                outside.settle(os.path.join(recording, name), timeout_s=SETTLE_S)


def _environment(options: LaunchOptions) -> dict[str, str]:
    before = os.environ.get("PYTHONPATH")
    launch = {
        "recording": os.path.abspath(options.recording),
        "root": ROOT,
        "version": gtrace.__version__,
        "pythonpath": before,
        "calls": options.calls,
        "scheduler": options.scheduler,
        "entries": buffer_entries(),
        "switch_interval": options.switch_interval_s,
        "max_bytes": options.max_bytes,
        "site_threshold_ns": round(options.site_threshold_s * NS_PER_S),
    }
    path = STARTUP if not before else STARTUP + os.pathsep + before
    return {**os.environ, "PYTHONPATH": path, "GTRACE_LAUNCH": json.dumps(launch)}


def _redirection(output: str | None) -> list[tuple[int, ...] | tuple[int, int, str, int, int]]:
    if output is None:
        return []
    mode = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    return [(os.POSIX_SPAWN_OPEN, 1, output, mode, 0o600), (os.POSIX_SPAWN_DUP2, 1, 2)]


def _wait(
    pid: int, watched: set[signal.Signals], witness: Witness, interrupt_after_s: float | None
) -> Outcome:
    patience = math.inf if interrupt_after_s is None else interrupt_after_s
    interrupt_at = monotonic() + patience
    interrupted = False
    while True:
        try:
            info = _next_signal(watched, interrupt_at - monotonic())
        except KeyboardInterrupt:  # in a process of many threads another one took the signal
            if not witness.has_seen(signal.SIGINT, pid):
                os.kill(pid, signal.SIGINT)
            interrupted = True
            continue
        if info is not None and info.si_signo != signal.SIGCHLD:
            interrupted |= info.si_signo == signal.SIGINT
            if not witness.has_seen(info.si_signo, pid) and info.si_code != SENT_BY_KERNEL:
                os.kill(pid, info.si_signo)
            continue
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return replace(_outcome(pid, status), interrupted=interrupted)
        if monotonic() >= interrupt_at:
            os.kill(pid, signal.SIGINT)
            interrupt_at += patience


def _next_signal(watched: set[signal.Signals], patience_s: float) -> signal.struct_siginfo | None:
    """The next signal; None after ``patience_s``, or where one may have been lost to another thread."""
    if len(os.listdir("/proc/self/task")) != 1:  # a thread that does not block it may take it
        patience_s = min(patience_s, PATIENCE_S)
    if patience_s == math.inf:
        return signal.sigwaitinfo(watched)
    return signal.sigtimedwait(watched, max(patience_s, 0.0))


def _outcome(pid: int, status: int) -> Outcome:
    ended = monotonic_ns()
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return Outcome(pid, 128 + number, number, ended)
    return Outcome(pid, os.WEXITSTATUS(status), None, ended)


def buffer_entries() -> int:
    """How many calls the circular buffer holds: a quarter of the memory that is free, within bounds.

    Pages of the buffer that no call reaches cost nothing.
    """
    return max(LEAST_CALLS, min(MOST_CALLS, _free_memory() // 4 // NODE_BYTES))


def _free_memory() -> int:
    """Bytes a process may use: what the machine has left, or its control group, or its own limit."""
    free, _ = resource.getrlimit(resource.RLIMIT_AS)
    if free == resource.RLIM_INFINITY:
        free = sys.maxsize
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            free = min(free, int(line.split()[1]) * 1024)
    limit, used = (_lines(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if limit and used and limit[0].strip().isdigit():
        free = min(free, int(limit[0]) - int(used[0]))
    return max(free, 0)


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            return file.readlines()
    except OSError:
        return []
