"""Runs the programs of ``tests/programs``: by the interpreter alone, recorded, and by the command line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from gtrace.recorder import folder, launch

PROGRAMS = Path(__file__).parent / "programs"
TIMEOUT_S = 120


class Ended(NamedTuple):
    """How a program ended, and what it wrote; addresses and process ids are masked."""

    status: int
    stdout: str
    stderr: str


def bare(*arguments: str | Path, stdin: bytes = b"") -> Ended:
    """``python ARGUMENTS``"""
    return _run([sys.executable, *map(str, arguments)], dict(os.environ), stdin)


def recorded(recording: Path, *arguments: str | Path, stdin: bytes = b"", calls: bool = True) -> Ended:
    """The same as ``gtrace run`` starts it, without what comes after the program's end."""
    folder.create(recording, {})
    options = launch.LaunchOptions(str(recording), sys.executable, calls)
    return _run([sys.executable, *map(str, arguments)], launch._environment(options), stdin)


def gtrace(*arguments: str | Path, stdin: bytes = b"", **environment: str) -> Ended:
    """``gtrace ARGUMENTS``"""
    command = [sys.executable, "-m", "gtrace", *map(str, arguments)]
    return _run(command, {**os.environ, **environment}, stdin)


def printed(code: str, **environment: str) -> str:
    """What ``code`` prints in a process that finds the modules this one finds."""
    path = os.pathsep.join(path or "." for path in sys.path)
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1", **environment},
        stdout=subprocess.PIPE,
        timeout=TIMEOUT_S,
        check=True,
    )
    return done.stdout.decode("utf-8")


def _run(command: list[str], environment: dict[str, str], stdin: bytes) -> Ended:
    done = subprocess.run(
        command, env=environment, input=stdin, capture_output=True, timeout=TIMEOUT_S, check=False
    )
    return Ended(
        done.returncode, *(_masked(text.decode("utf-8", "replace")) for text in (done.stdout, done.stderr))
    )


def _masked(text: str) -> str:
    # from 3.14 on a crash shows the frames of C, which differ by what is loaded
    text = re.sub(r"C stack trace .*", "C stack trace", text, flags=re.DOTALL)
    return re.sub(r"\b(0x[0-9a-f]+|pid=\d+)", "…", text)
