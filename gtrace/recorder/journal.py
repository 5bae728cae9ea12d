"""An append-only file of JSON lines that survives the death of its process.

The file is mapped shared and its blocks are allocated before they are touched: a line is kept
the moment it is written, even through SIGKILL, and a full disk cannot raise SIGBUS. Writing is a
memory copy: a system call would let the GIL go, and with it change what is being measured.
"""

from __future__ import annotations

import _thread
import json
import mmap
import os
from typing import Any, Final

CHUNK: Final = 1 << 18
_encode: Final = json.JSONEncoder(separators=(",", ":"), default=str).encode


class Journal:
    """One writer process, many threads; times out of order by at most the length of a write."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.lost = 0
        self._used = 0
        self._size = 0
        # re-entrant: a signal handler may start a thread while this thread writes a line
        self._lock = _thread.RLock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._map: mmap.mmap | None = None
        self._grow(CHUNK)

    def _grow(self, size: int) -> bool:
        try:
            os.posix_fallocate(self._file, self._size, size - self._size)
            grown = mmap.mmap(self._file, size)
        except (OSError, ValueError):
            return False
        self._map, self._size = grown, size
        return True

    def append(self, event: str, **fields: Any) -> None:
        """Adds one line; where the disk is full the line is counted as lost."""
        line = _encode({"event": event, **fields}).encode("ascii") + b"\n"
        with self._lock:
            end = self._used + len(line)
            if end > self._size and not self._grow(self._size + max(CHUNK, len(line))):
                self.lost += 1
                return
            if self._map is None:
                self.lost += 1
                return
            start, self._used = self._used, end
            self._map[start:end] = line

    def close(self) -> None:
        """Cuts the file to what was written; later lines are dropped."""
        with self._lock:
            if self._map is None:
                return
            self._map = None
            self._size = self._used
            os.ftruncate(self._file, self._used)
            os.close(self._file)
            self._file = -1
