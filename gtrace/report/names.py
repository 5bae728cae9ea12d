"""Functions as the page names them: with as much of their file's path as tells it from others."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from gtrace.timeline.timeline import RunInfo

_LIBRARY: Final = re.compile(r"/\S*?/lib(?:64)?/(python\d+\.\d+t?/)(site-packages/)?")


def shortener(run: RunInfo) -> Callable[[str], str]:
    """What takes the run's folder from the paths in a text, and what is before an interpreter's library.

    ``work (/home/ada/app/jobs.py:3)`` becomes ``work (jobs.py:3)`` in a run from ``/home/ada/app``, and
    ``wait (/usr/lib/python3.12/threading.py:300)`` becomes ``wait (python3.12/threading.py:300)``.
    Of a script elsewhere what is before its own folder goes: ``work (app/jobs.py:3)``.
    """
    here = [f"({folder}/" for folder in _folders(run)]

    def shortened(text: str) -> str:
        if "(/" not in text:
            return text
        for folder in here:
            text = text.replace(folder, "(")
        return _LIBRARY.sub(lambda found: found[2] or found[1], text)

    return shortened


def _folders(run: RunInfo) -> list[str]:
    """The folder the run began in, and the one around that of its script, where that is another."""
    cwd = run.cwd.rstrip("/")
    scripts = (word for word in run.command[:2] if word.startswith("/") and word.endswith(".py"))
    around = [str(PurePosixPath(script).parents[1]) for script in scripts]
    return [folder for folder in (cwd, *around) if folder.strip("/")]
