"""Records one program into a new recording, with what is known about the run from outside."""

from __future__ import annotations

import os
import shutil
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING, Any, Final

import gtrace
from gtrace.errors import LaunchError
from gtrace.recorder.folder import create, update_meta
from gtrace.recorder.launch import LaunchOptions, Outcome, run_program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gtrace.recording import Recording

FAILED: Final = "failed"
"""The file a recorder that could not start leaves in the recording; the program has not run then."""


def capture(program: Sequence[str], path: Path, options: LaunchOptions) -> Outcome:
    """Runs ``python program…`` and records it into the folder ``path``, which must not exist."""
    meta: dict[str, Any] = {
        "gtrace": gtrace.__version__,
        "command": list(program),
        "cwd": os.getcwd(),
        "python": options.python,
        "options": {
            "calls": options.calls,
            "scheduler": options.scheduler,
            "switch_interval_s": options.switch_interval_s,
        },
        "started": {"monotonic_ns": monotonic_ns(), "wall_ns": time_ns()},
    }
    _require_interpreter(options.python)
    create(path, meta)
    outcome = run_program(list(program), options)
    meta |= {
        "pid": outcome.pid,
        "exit_status": outcome.exit_status,
        "signal": outcome.signal,
        "ended": {"monotonic_ns": outcome.ended_ns, "wall_ns": time_ns()},
    }
    update_meta(path, meta)
    return outcome


def _require_interpreter(python: str) -> None:
    """Before a recording that is there gives way to one that cannot be made."""
    if not python:
        raise LaunchError("no interpreter: the name is empty: name one with --python")
    if shutil.which(python) is None:
        raise LaunchError(
            f"cannot start the interpreter: {python}: not there, or not executable; name one with --python"
        )


def require_evidence(recording: Recording, python: str) -> None:
    """Raises LaunchError where the recorder did not start, or nothing was recorded."""
    failed = recording.path / FAILED
    if failed.exists():
        raise LaunchError(f"cannot record: {failed.read_text(encoding='utf-8')}")
    if not recording.processes:
        raise LaunchError(
            f"nothing was recorded: {python}: it did not load the recorder; run it without -I, -E and -S"
        )
