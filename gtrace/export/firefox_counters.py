"""Counters of a Firefox profile: how many threads use a core, and how many wait for the GIL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gtrace.export.turns import CORES_IN_USE, count_at_once
from gtrace.model import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from gtrace.timeline import Timeline

    Ints = npt.NDArray[np.int64]

COUNTERS: Final = (
    ("Cores in use", "threads that run on a core, in Python or in native code", "green", CORES_IN_USE),
    ("Waiting for the GIL", "threads that want the GIL", "orange", (State.GIL_WAIT,)),
)
"""Name, description, colour and states of each."""
_SORT_WEIGHT: Final = 50
"""That of the viewer's own counters of no special kind."""


@dataclass(frozen=True)
class Counter:
    """``steps`` is by how much the count changes at each of ``times``, ns."""

    head: dict[str, Any]
    times: Ints
    steps: Ints


def find_counters(timeline: Timeline, main_threads: dict[int, int]) -> Iterable[Counter]:
    """The counters of each process; ``main_threads`` has the place of a thread of each in the profile.

    The viewer draws lines from sample to sample: one just before each change makes steps of them.
    """
    pids = timeline.intervals["pid"]
    for pid, place in main_threads.items():
        own = timeline.intervals[(pids == pid).to_numpy()]
        for name, description, colour, states in COUNTERS:
            changes, counts = count_at_once(own, states)
            steps = np.diff(counts, prepend=0)
            times = np.stack([np.maximum(changes - 1, 0), changes], axis=1).ravel()
            by = np.stack([np.zeros_like(steps), steps], axis=1).ravel()
            head = _head(name, description, colour) | {"pid": str(pid), "mainThreadIndex": place}
            # from nobody at all: what is drawn is the distance from the least
            yield Counter(head, np.append(0, times), np.append(0, by))


def _head(name: str, description: str, colour: str) -> dict[str, Any]:
    row = {"type": "value", "source": "accumulated", "format": {"unit": "number"}, "label": description}
    return {
        "name": name,
        "category": "gtrace",
        "description": description,
        "display": {
            "graphType": "line-accumulated",
            "unit": "",
            "color": colour,
            "markerSchemaLocation": None,
            "sortWeight": _SORT_WEIGHT,
            "label": name,
            "tooltipRows": [row],
        },
    }
