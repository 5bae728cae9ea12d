"""How functions and threads are named in a sentence."""

from __future__ import annotations

import re

from gtrace.timeline.chains import SEPARATOR
from gtrace.timeline.reasons import is_standard


def brief(function: str) -> str:
    """``f (file.py:12)`` without the folders of the file."""
    return re.sub(r" \((?:.*/)?([^/]+:\d+)\)$", r" (\1)", function)


def is_native(function: str) -> bool:
    """Whether a function is one of C code: it has no place in a source file."""
    return bool(function) and not re.search(r" \(.*:\d+\)$", function)


def own_function(chain: str) -> str:
    """The innermost Python function of a chain that is not the standard library's; empty where none is."""
    names = reversed(chain.split(SEPARATOR))
    return next((name for name in names if name and not is_native(name) and not is_standard(name)), "")


def placed(function: str, own: str) -> str:
    """``function``, briefly; of one that is not the program's also where the program called it."""
    return brief(function) if own in ("", function) else f"{brief(function)} in {brief(own)}"


def pool_name(name: str) -> str:
    """The name of a thread's pool: digits stand for any."""
    return re.sub(r"[0-9]+", "*", name)
