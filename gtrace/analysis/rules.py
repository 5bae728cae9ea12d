"""What a verdict is, and from which shares on its rules speak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOSTLY: Final = 0.5
"""The share of active time from which one state decides the verdict."""
NOTICED: Final = 0.1
"""The share of active time from which stalls, preemption or a convoy are worth the headline."""
RECORD_CALLS: Final = "shows when the calls are recorded as well: leave out --light."


@dataclass(frozen=True)
class Verdict:
    """``text`` says what was seen, ``advice`` what to try next, ``numbers`` what both rest on."""

    code: str
    text: str
    advice: str
    numbers: tuple[tuple[str, str], ...] = ()
