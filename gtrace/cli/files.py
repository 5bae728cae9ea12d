"""Writing what the user asked for, and saying so in one line where it cannot be written."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gtrace.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

STDOUT: Final = "-"
"""Given for a file, it means standard output."""


def require_writable_folder(folder: Path) -> None:
    """Makes ``folder`` where it is missing; raises OutputError where nothing can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder: {folder}: {error.strerror}; name another one") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write to the folder: {folder}: Permission denied; name another one")


def require_writable(file: Path) -> None:
    """Raises OutputError where ``file`` cannot be written; makes its folder."""
    require_writable_folder(file.absolute().parent)
    if file.is_dir():
        raise OutputError(f"cannot write: {file}: Is a directory; name another place")


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Lets ``write`` make a file beside ``path`` and moves it there: never half a file under its name."""
    require_writable(path)
    part = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        write(part)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"cannot write: {path}: {error.strerror or error}; name another place") from error


def write_text(path: Path, text: str) -> None:
    """Writes ``text`` as UTF-8; lone surrogates, which it has no form for, become ``?``."""
    write_whole(path, lambda part: _put(part, text))


def require_writable_output(where: str | None) -> None:
    """The same as ``require_writable`` for a file that may be ``STDOUT``, or None: not wanted."""
    if where not in (None, STDOUT):
        require_writable(Path(where))


def put_output(where: str, text: str) -> None:
    """Writes ``text`` to the file ``where``, or prints it where that is ``STDOUT``."""
    if where == STDOUT:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        write_text(Path(where), text)


def _put(part: Path, text: str) -> None:
    part.write_bytes(text.encode("utf-8", "replace"))
