"""From calls to the innermost call at every instant, for all threads at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gtrace.timeline.steps import make_steps

if TYPE_CHECKING:
    from gtrace.timeline.steps import Axis, Ints, Steps

NO_CALL: Final = -1
UNRECORDED: Final = -3
"""Between calls: in a function that was entered before recording began."""


@dataclass(frozen=True)
class Nesting:
    """The result of ``nest``.

    ``innermost`` has call numbers as values, ``NO_CALL`` before the first of a lane, ``UNRECORDED``
    between and after its calls; ``parents`` has a call number a call, or ``NO_CALL``.
    """

    innermost: Steps
    parents: Ints


def nest(axis: Axis, lanes: Ints, starts: Ints, ends: Ints) -> Nesting:
    """The innermost of the calls ``starts[i]``..``ends[i]`` in ``lanes[i]`` at every instant.

    Calls come in the order they ended, as a tracer writes them; that order decides between calls
    that begin or end in the same nanosecond. Calls of no length are never innermost. Parents are
    call numbers; a call of no length has none.
    """
    parents = np.full(len(lanes), NO_CALL, dtype=np.int64)
    starts = np.maximum(starts, axis.starts[lanes])
    ends = np.minimum(ends, axis.ends[lanes])
    real = np.flatnonzero(starts < ends)
    enters = axis.keys(lanes[real], starts[real])
    exits = axis.keys(lanes[real], ends[real])
    # of calls that begin together the one that ended last is the outermost, so it comes first
    enter_order = len(real) - 1 - np.argsort(enters[::-1], kind="stable")
    exit_order = np.argsort(exits, kind="stable")
    enters, exits = enters[enter_order], exits[exit_order]
    # at one instant calls end before others begin
    ended_before = np.searchsorted(exits, enters, side="right")
    entered = _parents(np.arange(1, len(real) + 1) - ended_before)
    inside = np.where(entered >= 0, real[enter_order[entered]], NO_CALL)
    parents[real[enter_order]] = inside
    begun_before = np.searchsorted(enters, exits, side="left")
    keys = np.empty(2 * len(real), dtype=np.int64)
    calls = np.empty(2 * len(real), dtype=np.int64)
    at_enter = np.arange(len(real)) + ended_before
    at_exit = np.arange(len(real)) + begun_before
    keys[at_enter], calls[at_enter] = enters, real[enter_order]
    outer = parents[real[exit_order]]
    keys[at_exit], calls[at_exit] = exits, np.where(outer == NO_CALL, UNRECORDED, outer)
    return Nesting(make_steps(axis, keys, calls, NO_CALL), parents)


def _parents(depths: Ints) -> Ints:
    """For calls in the order they began: the last one before at one depth less, -1 at depth 1."""
    count = len(depths)
    order = np.argsort(depths, kind="stable")
    sorted_keys = depths[order] * count + order
    wanted = (depths - 1) * count + np.arange(count)
    found = np.searchsorted(sorted_keys, wanted) - 1
    candidate = order[np.maximum(found, 0)]
    known = (found >= 0) & (depths > 1) & (depths[candidate] == depths - 1)
    return np.where(known, candidate, NO_CALL)
