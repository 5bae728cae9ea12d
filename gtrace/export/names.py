"""What stands in a function's recorded name."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_LOCATED: Final = re.compile(r"(.*) \((.*):(\d+)\)", re.DOTALL)


class Located(NamedTuple):
    """A Python function and where it begins; C functions have no file, and line 0."""

    name: str
    file: str
    line: int


def locate(function: str) -> Located:
    """Takes ``f (file.py:12)`` apart; ``time.sleep`` stays whole."""
    found = _LOCATED.fullmatch(function)
    return Located(found[1], found[2], int(found[3])) if found else Located(function, "", 0)
