"""One colour per state, for both themes, told apart under every common colour blindness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gtrace.model import State


@dataclass(frozen=True)
class StateColour:
    """The fill of one state on a light and on a dark page, as ``#rrggbb``."""

    light: str
    dark: str


COLOURS: Final[dict[State, StateColour]] = {
    State.RUNNING: StateColour("#2f8a2a", "#1fa01a"),
    State.NATIVE: StateColour("#3b35b0", "#6250f5"),
    State.GIL_WAIT: StateColour("#ee9a3a", "#e9b45c"),
    State.LOCK_WAIT: StateColour("#a04f9b", "#ad5fb0"),
    State.IO_WAIT: StateColour("#5b9df0", "#9cd0fe"),
    State.SLEEP: StateColour("#b5c6d1", "#525666"),
    State.BLOCKED: StateColour("#98868c", "#a0a09e"),
    State.STALLED: StateColour("#7f1220", "#9c2a12"),
    State.PREEMPTED: StateColour("#f2d73d", "#f2f79a"),
    State.UNKNOWN: StateColour("#e9ecef", "#2e2c36"),
}

LABELS: Final[dict[State, str]] = {
    State.RUNNING: "running",
    State.NATIVE: "native",
    State.GIL_WAIT: "GIL wait",
    State.LOCK_WAIT: "lock wait",
    State.IO_WAIT: "I/O wait",
    State.SLEEP: "sleep",
    State.BLOCKED: "blocked",
    State.STALLED: "stalled",
    State.PREEMPTED: "preempted",
    State.UNKNOWN: "unknown",
}
"""The states as a reader of the page sees them; the files say ``gil_wait``."""

PATTERNED: Final = (State.UNKNOWN,)
"""States drawn with stripes, so that "not known" never looks like a colour of its own."""


def css_variables(theme: str) -> str:
    """The declarations ``--state-NAME: #rrggbb;`` of a theme, ``light`` or ``dark``."""
    return " ".join(f"--state-{state.value}: {getattr(colour, theme)};" for state, colour in COLOURS.items())
