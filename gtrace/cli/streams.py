"""Standard output and standard error, whatever their encoding, and whether anybody reads them or not."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import TextIOWrapper


def prepare() -> None:
    """Lets what a stream's encoding has no form for become ``?``, where it would be an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def flush() -> None:
    """Raises OSError here where output cannot be written, and not when the interpreter ends."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed before the start
            stream.flush()


def abandon() -> None:
    """Sends to /dev/null what is left for a stream that takes no more: no reader, or no room, is left."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
