"""One wait of each kind for child processes, signals and the terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator

from probes.registry import WAIT_S, later, probe


@probe("io_wait", "child process")
def popen_wait() -> None:
    subprocess.Popen(["sleep", str(WAIT_S)]).wait()


@probe("io_wait", "child process")
def popen_wait_timeout() -> None:
    subprocess.Popen(["sleep", str(WAIT_S)]).wait(timeout=9)


@probe("io_wait", "child process")
def popen_communicate() -> None:
    subprocess.Popen(["sleep", str(WAIT_S)], stdout=subprocess.PIPE).communicate()


@probe("io_wait", "child process")
def popen_communicate_both() -> None:
    subprocess.run(["sleep", str(WAIT_S)], capture_output=True, check=True)


@probe("io_wait", "child process")
def os_system() -> None:
    os.system(f"sleep {WAIT_S}")


@probe("io_wait", "child process")
def os_popen_close() -> None:
    os.popen(f"exec >&-; sleep {WAIT_S}").close()


@probe("io_wait", "child process")
def os_waitpid() -> None:
    os.waitpid(os.spawnlp(os.P_NOWAIT, "sleep", "sleep", str(WAIT_S)), 0)


@probe("io_wait", "child process")
def os_spawn_wait() -> None:
    os.spawnlp(os.P_WAIT, "sleep", "sleep", str(WAIT_S))


@probe("io_wait", "signal")
def sigtimedwait() -> None:
    signal.sigtimedwait([signal.SIGUSR1], WAIT_S)


@probe("io_wait", "signal")
def pause() -> None:
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, WAIT_S)
    signal.pause()


@probe("io_wait", "signal")
def sigwait() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    later(signal.pthread_kill, threading.get_ident(), signal.SIGUSR2)
    signal.sigwait([signal.SIGUSR2])


@contextlib.contextmanager
def terminal_as_stdin() -> Iterator[int]:
    """A terminal as file descriptor 0; gives the end that types."""
    typing_end, reading_end = os.openpty()
    kept = os.dup(0)
    os.dup2(reading_end, 0)
    try:
        yield typing_end
    finally:
        os.dup2(kept, 0)


@probe("io_wait", "terminal")
def user_input() -> None:
    with terminal_as_stdin() as typing_end:
        later(os.write, typing_end, b"hello\n")
        input()
