"""What the function of the C library that a thread was in tells of it, by what its descriptor was open on."""

from __future__ import annotations

from typing import Final

from gtrace.evidence.gil_calls import Descriptor, Function
from gtrace.model import State

_READS: Final = {
    Descriptor.SOCKET: "socket recv",
    Descriptor.PIPE: "pipe",
    Descriptor.TERMINAL: "terminal",
}
_WRITES: Final = {
    Descriptor.SOCKET: "socket send",
    Descriptor.PIPE: "pipe",
    Descriptor.TERMINAL: "terminal",
}
_PLAIN: Final = {
    Function.READ: (State.IO_WAIT, "file read"),
    Function.WRITE: (State.IO_WAIT, "file write"),
    Function.RECV: (State.IO_WAIT, "socket recv"),
    Function.SEND: (State.IO_WAIT, "socket send"),
    Function.ACCEPT: (State.IO_WAIT, "socket accept"),
    Function.CONNECT: (State.IO_WAIT, "socket connect"),
    Function.POLL: (State.IO_WAIT, "poll"),
    Function.SLEEP: (State.SLEEP, "sleep"),
    Function.CHILD: (State.IO_WAIT, "child process"),
    Function.SYNC: (State.IO_WAIT, "file sync"),
    Function.FILE_LOCK: (State.LOCK_WAIT, "file lock"),
    Function.OPEN: (State.IO_WAIT, "file open"),
    Function.COPY: (State.IO_WAIT, "file copy"),
    Function.SIGNAL: (State.IO_WAIT, "signal"),
    Function.NAME_LOOKUP: (State.IO_WAIT, "name lookup"),
    Function.SEMAPHORE: (State.LOCK_WAIT, "process lock"),
    Function.TERMINAL: (State.IO_WAIT, "terminal"),
}


def _table() -> dict[tuple[Function, Descriptor], tuple[State, str]]:
    table = {(function, kind): plain for function, plain in _PLAIN.items() for kind in Descriptor}
    table |= {(Function.READ, kind): (State.IO_WAIT, reason) for kind, reason in _READS.items()}
    table |= {(Function.WRITE, kind): (State.IO_WAIT, reason) for kind, reason in _WRITES.items()}
    return table | {(Function.COPY, Descriptor.SOCKET): (State.IO_WAIT, "socket send")}


SYSTEM_CALLS: Final = _table()
"""(function, descriptor) -> state off the core and reason, a key of ``REASONS``.

Of a brief read or write the descriptor is not known: it is then said to be of a file, which a pipe
and a socket are as well.
"""
