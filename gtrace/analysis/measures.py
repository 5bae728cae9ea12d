"""The names of the numbers by which runs are compared and held to limits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gtrace.model import State

NO_GIL: Final = "there is no GIL"


class Unit(str, Enum):
    """What a measure counts."""

    SECONDS = "s"
    CORES = "cores"
    PER_SECOND = "1/s"
    COUNT = "count"


@dataclass(frozen=True)
class Measure:
    """One number of a run."""

    key: str
    label: str
    unit: Unit


_STATE_LABELS: Final = {State.GIL_WAIT: "GIL wait", State.IO_WAIT: "I/O wait"}
STATE_MEASURES: Final = tuple(
    Measure(state.value, _STATE_LABELS.get(state, state.value.replace("_", " ")), Unit.SECONDS)
    for state in State
)
"""Seconds in each state, summed over all threads."""
MEASURES: Final = (
    Measure("wall", "wall time", Unit.SECONDS),
    Measure("cores", "cores in use", Unit.CORES),
    *STATE_MEASURES,
    Measure("held", "GIL held", Unit.SECONDS),
    Measure("handoffs", "GIL hand-offs", Unit.PER_SECOND),
    Measure("longest_hold", "longest hold of the GIL", Unit.SECONDS),
    Measure("longest_gil_wait", "longest GIL wait", Unit.SECONDS),
    Measure("threads", "threads", Unit.COUNT),
    Measure("lost", "events lost", Unit.COUNT),
)
BY_KEY: Final = {measure.key: measure for measure in MEASURES}
