"""Piecewise constant functions of time, for all threads at once.

Time and lane are one axis: lane times the length of the run, plus the time. On it the history of
every thread is one sorted array, and two histories are laid over each other by sorting alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

OUTSIDE: Final = -2
"""The value where a lane does not exist: after its end."""


@dataclass(frozen=True)
class Axis:
    """Lanes side by side; ``starts`` and ``ends`` are ns since the recording began, one a lane."""

    starts: Ints
    ends: Ints
    span: int
    """Longer than any time on it."""

    @classmethod
    def of(cls, starts: Ints, ends: Ints) -> Axis:
        return cls(starts, ends, int(ends.max(initial=0)) + 2)

    def keys(self, lanes: Ints, times: Ints) -> Ints:
        """Where ``times`` of ``lanes`` are; times outside the run are moved to its edges."""
        return lanes * self.span + np.clip(times, 0, self.span - 1)

    def lanes(self, keys: Ints) -> Ints:
        return keys // self.span

    def times(self, keys: Ints) -> Ints:
        return keys % self.span


@dataclass(frozen=True)
class Steps:
    """``values[i]`` holds from ``keys[i]`` to the next key; keys are sorted and without repeats."""

    keys: Ints
    values: Ints

    def at(self, keys: Ints) -> Ints:
        """The values in force at ``keys``."""
        return self.values[np.searchsorted(self.keys, keys, side="right") - 1]

    def mapped(self, table: Ints) -> Steps:
        """The same steps with each value v replaced by ``table[v]``; negative values count from the end."""
        return Steps(self.keys, table[self.values])


def make_steps(axis: Axis, keys: Ints, values: Ints, default: int) -> Steps:
    """Steps from changes in any order; of changes at one key the last given wins.

    Every lane begins with ``default`` where nothing is given at or before its start, and is
    ``OUTSIDE`` from its end on; changes at or after a lane's end are dropped.
    """
    lanes = np.arange(len(axis.starts), dtype=np.int64)
    lane = axis.lanes(keys)
    inside = axis.times(keys) < axis.ends[lane]
    keys, values, lane = keys[inside], values[inside], lane[inside]
    keys = np.maximum(keys, axis.keys(lane, axis.starts[lane]))
    all_keys = np.concatenate([axis.keys(lanes, axis.starts), keys, axis.keys(lanes, axis.ends)])
    all_values = np.concatenate([np.full(len(lanes), default), values, np.full(len(lanes), OUTSIDE)]).astype(
        np.int64
    )
    order = np.argsort(all_keys, kind="stable")
    all_keys, all_values = all_keys[order], all_values[order]
    last = np.append(all_keys[1:] != all_keys[:-1], True)
    return Steps(all_keys[last], all_values[last])


def overlay(*parts: Steps) -> tuple[Ints, list[Ints]]:
    """All keys at which any part changes, and the value of each part from there on."""
    # a stable sort merges sorted runs, which np.unique would not notice
    keys = np.sort(np.concatenate([part.keys for part in parts]), kind="stable")
    keys = keys[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]
    return keys, [part.at(keys) for part in parts]
