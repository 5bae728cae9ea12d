"""The folder of a recording: made before the program starts, described while and after it runs."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, Final

from gtrace.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT: Final = 1
META: Final = "meta.json"
OURS: Final = re.compile(r"(meta\.json|(threads|calls|gil|scheduler|sites)\.\d+\.).*|failed")


def create(path: Path, meta: dict[str, Any]) -> None:
    """Makes the folder of a new recording, replacing a recording that is there.

    Raises OutputError where the folder cannot be made, or holds something that is not ours.
    """
    try:
        if path.exists():
            _remove_old(path)
        path.mkdir(mode=0o700, parents=True)
        write_meta(path, meta)
    except OSError as error:
        raise OutputError(
            f"cannot write the recording: {path}: {error.strerror}; give another place with -o"
        ) from error


def _remove_old(path: Path) -> None:
    names = os.listdir(path) if path.is_dir() else [""]
    if not all(OURS.fullmatch(name) for name in names):
        raise OutputError(f"will not replace what is not a recording: {path}: give another place with -o")
    for name in names:
        (path / name).unlink()
    path.rmdir()


def update_meta(path: Path, meta: dict[str, Any]) -> None:
    """Writes what is known after the program's end; raises OutputError."""
    try:
        write_meta(path, meta)
    except OSError as error:
        raise OutputError(
            f"cannot finish the recording: {path}: {error.strerror}; mend that, then `gtrace report` shows it"
        ) from error


def write_meta(path: Path, meta: dict[str, Any]) -> None:
    """Replaces ``meta.json`` in one step, so that no reader ever sees half of it."""
    part = path / (META + ".part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump({"format": FORMAT, **meta}, file, indent=1)
    part.rename(path / META)
