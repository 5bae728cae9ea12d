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
    from typing import Any, Final

CHUNK: Final = 1 << 18
assert CHUNK % mmap.ALLOCATIONGRANULARITY == 0
LAST_WORDS: Final = ("note", "profiler_replaced", "stop")
RESERVED: Final = 1 << 12
"""Bytes for the last words: what was lost must be said where there is no room any more."""
_encode: Final = JSONEncoder(separators=(",", ":"), default=str).encode


class Journal:
    """One writer process, many threads; times out of order by at most the length of a write."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.lost = 0
        self._used = 0
        self._chunks: list[mmap.mmap] = []
        # re-entrant: a signal handler may start a thread while this thread writes a line
        self._lock = _thread.RLock()
        self._grow(os.O_CREAT | os.O_EXCL)
        self._room = CHUNK

    def _grow(self, flags: int = 0) -> None:
        file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
        try:
            start = len(self._chunks) * CHUNK
            os.posix_fallocate(file, start, CHUNK)
            self._chunks.append(_map(file, start))
        finally:
            os.close(file)

    def append(self, event: str, **fields: Any) -> None:
        """Adds one line; where the disk is full the line is counted as lost."""
        self._write(_encode({"event": event, **fields}), 0 if event in LAST_WORDS else RESERVED)

    def append_json(self, text: str) -> None:
        """Adds one line that is a JSON object already, in ASCII: for those of which there are thousands."""
        self._write(text, RESERVED)

    def _write(self, text: str, reserved: int) -> None:
        line = text.encode("ascii") + b"\n"
        with self._lock:
            start = self._used
            end = start + len(line)
            if end + reserved > self._room and not self._has_room(end + reserved):
                self.lost += 1
                return
            self._used = end
            self._put(start, line)

    def _has_room(self, end: int) -> bool:
        try:
            while end > self._room:
                self._grow()
                self._room += CHUNK
        except OSError:
            return False
        return True

    def _put(self, start: int, line: bytes) -> None:
        while line:
            chunk, offset = divmod(start, CHUNK)
            part = line[: CHUNK - offset]
            self._chunks[chunk][offset : offset + len(part)] = part
            start, line = start + len(part), line[len(part) :]


class NoJournal:
    """For a process that may not write one."""

    lost = 0

    def append(self, event: str, **fields: Any) -> None:
        """Keeps nothing."""

    def append_json(self, text: str) -> None:
        """Keeps nothing."""


def _map(file: int, start: int) -> mmap.mmap:
    if sys.version_info >= (3, 13):
        return mmap.mmap(file, CHUNK, offset=start, trackfd=False)
    kept = os.dup(file)
    os.close(kept)
    # the mapping duplicates the descriptor, to the lowest number that is free
    chunk = mmap.mmap(file, CHUNK, offset=start)
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
