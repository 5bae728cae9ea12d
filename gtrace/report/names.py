"""Functions as the page names them: with as much of their file's path as tells it from others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LIBRARY: Final = re.compile(r"/\S*?/lib(?:64)?/(python\d+\.\d+t?/)(site-packages/)?")


def shortener(cwd: str) -> Callable[[str], str]:
    """What takes the run's folder from the paths in a text, and what is before an interpreter's library.

    ``work (/home/ada/app/jobs.py:3)`` becomes ``work (jobs.py:3)`` in a run from ``/home/ada/app``, and
    ``wait (/usr/lib/python3.12/threading.py:300)`` becomes ``wait (python3.12/threading.py:300)``.
    """
    here = f"({cwd.rstrip('/')}/" if cwd.strip("/") else ""

    def shortened(text: str) -> str:
        if "(/" not in text:
            return text
        if here:
            text = text.replace(here, "(")
        return _LIBRARY.sub(lambda found: found[2] or found[1], text)

    return shortened
