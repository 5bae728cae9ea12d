"""An append-only file of JSON lines that survives the death of its process.

The file is mapped shared and its blocks are allocated before they are touched: a line is kept
the moment it is written, even through SIGKILL, and a full disk cannot raise SIGBUS. Writing is a
memory copy: a system call would let the GIL go, and with it change what is being measured. No
descriptor is kept: the program may close those it did not open, and count on the numbers of its own.
"""

from __future__ import annotations

import _thread
import mmap
import os
import sys
from json.encoder import JSONEncoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

CHUNK: Final = 1 << 18
RESERVED: Final = mmap.ALLOCATIONGRANULARITY
"""Bytes of a chunk for the last words: what was lost must be said where there is no room any more."""
assert CHUNK % RESERVED == 0
LAST_WORDS: Final = ("note", "profiler_replaced", "stop")
_encode: Final = JSONEncoder(separators=(",", ":"), default=str).encode


class Journal:
    """One writer process, many threads; times out of order by at most the length of a write.

    A line that does not fit into a chunk goes to the next; readers pass over the zeros in between.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.lost = 0
        self._bytes = 0
        self._growing = False
        # re-entrant: a signal handler may start a thread while this thread writes a line
        self._lock = _thread.RLock()
        self.write, self._write_reserved = self._new_chunk(os.O_CREAT | os.O_EXCL)

    def append(self, event: str, **fields: Any) -> None:
        """Adds one line; where the disk is full the line is counted as lost."""
        text = _encode({"event": event, **fields})
        if event in LAST_WORDS:
            self._append_last_word(text)
        else:
            self.append_json(text)

    def append_json(self, text: str) -> None:
        """Adds one line that is a JSON object already, in ASCII: for those of which there are thousands."""
        line = (text + "\n").encode()
        try:
            self.write(line)  # all of it or nothing, and no signal handler in the middle
        except ValueError:
            with self._lock:
                self.lost += not self._write_further(line)

    def _append_last_word(self, text: str) -> None:
        line = (text + "\n").encode()
        with self._lock:
            self.lost += not (self._write_further(line) or _has_written(self._write_reserved, line))

    def _write_further(self, line: bytes) -> bool:
        """Here, where another thread has made room meanwhile, or in new chunks."""
        if _has_written(self.write, line):
            return True
        room = CHUNK - RESERVED
        parts = [line[place : place + room] for place in range(0, len(line), room)]
        if self._growing:  # this is a signal handler, which came in the middle
            return False
        self._growing = True
        try:
            chunks = [self._new_chunk() for _ in parts]
        except OSError:
            return False
        finally:
            self._growing = False
        for part, (write, _) in zip(parts, chunks, strict=True):
            write(part)
        self.write, self._write_reserved = chunks[-1]
        return True

    def _new_chunk(self, flags: int = 0) -> tuple[Callable[[bytes], int], Callable[[bytes], int]]:
        """Gives what writes to the chunk, one after the other, and what writes to its reserve."""
        file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
        try:
            start, room = self._bytes, CHUNK - RESERVED
            os.posix_fallocate(file, start, CHUNK)
            # pages that are in memory already are mapped by the dozen, those of an empty file one by one
            os.pwrite(file, bytes(CHUNK), start)
            writers = _writer(file, start, room), _writer(file, start + room, RESERVED)
            self._bytes += CHUNK
        finally:
            os.close(file)
        return writers


class NoJournal:
    """For a process that may not write one."""

    lost = 0

    def append(self, event: str, **fields: Any) -> None:
        """Keeps nothing."""

    def append_json(self, text: str) -> None:
        """Keeps nothing."""


def _has_written(write: Callable[[bytes], int], line: bytes) -> bool:
    try:
        write(line)
    except ValueError:
        return False
    return True


def _writer(file: int, start: int, room: int) -> Callable[[bytes], int]:
    """Writes to a part of the file, one line behind the other; raises ValueError where there is no room."""
    write = _map(file, start, room).write
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        return write
    lock = _thread.RLock()

    def write_alone(line: bytes) -> int:
        with lock:
            return write(line)

    return write_alone


def _map(file: int, start: int, room: int) -> mmap.mmap:
    if sys.version_info >= (3, 13):
        return mmap.mmap(file, room, offset=start, trackfd=False)
    kept = os.dup(file)
    os.close(kept)
    # the mapping duplicates the descriptor, to the lowest number that is free
    chunk = mmap.mmap(file, room, offset=start)
    if os.path.sameopenfile(kept, file):
        os.close(kept)
    _keep_for_ever(chunk)
    return chunk


def _keep_for_ever(chunk: mmap.mmap) -> None:
    """Lets a mapping outlive the interpreter: its end would close a number that is the program's by then.

    The garbage collector does not look into code objects, so that it never finds this circle.
    """
    circle: list[object] = [chunk]
    circle.append(_keep_for_ever.__code__.replace(co_consts=(circle,)))
