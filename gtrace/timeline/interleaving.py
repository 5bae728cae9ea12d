"""What calls alone prove about the GIL: every event of a thread happened while it held it.

Two threads in Python code at the same time take turns. An event of one proves that it had the GIL
at that instant; between events of different threads it changed hands once. Where one thread alone
is in code that needs the GIL, it has it. Where several are, and none of them shows an event for
longer than the switch interval, they may have taken turns unseen: then nothing is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gtrace.timeline.cells import Need, Turn
from gtrace.timeline.heaviest import heaviest
from gtrace.timeline.steps import OUTSIDE, make_steps

if TYPE_CHECKING:
    from gtrace.timeline.steps import Axis, Ints, Steps

NOBODY: Final = -1
NOT_PROVEN: Final = -2
_SLICE: Final = 1 << 21


@dataclass(frozen=True)
class Holders:
    """``lanes[i]`` has the GIL from ``times[i]`` to ``times[i + 1]``; NOBODY or NOT_PROVEN else."""

    times: Ints
    lanes: Ints


def infer_holders(axis: Axis, needs: Steps, switch_interval_ns: int) -> Holders:
    """Who has the GIL when, as far as the interleaving of events proves it.

    ``needs`` are the lanes' ``Need`` values; each of its keys is an event.
    """
    before = np.concatenate([[OUTSIDE], needs.values[:-1]])
    times, lanes = axis.times(needs.keys), axis.lanes(needs.keys)
    order = np.argsort(times, kind="stable")
    times, lanes, after, before = times[order], lanes[order], needs.values[order], before[order]
    before = np.where(np.isin(before, (Need.PYTHON, Need.C_CALL)), 1, 0)
    wants = np.where(np.isin(after, (Need.PYTHON, Need.C_CALL)), 1, 0)
    change = wants - before
    candidates = np.cumsum(change)
    # with one candidate left, the sum of the candidates' lanes is its lane
    only = np.cumsum(change * lanes)
    following = np.append(before[1:] == 1, False)
    next_lane = np.append(lanes[1:], NOBODY)
    gap = np.append(np.diff(times), 0)
    turn = np.where(wants == 1, lanes, np.where(following, next_lane, NOT_PROVEN))
    contested = np.where(gap <= switch_interval_ns, turn, NOT_PROVEN)
    holder = np.where(candidates == 0, NOBODY, np.where(candidates == 1, only, contested))
    last = np.append(times[1:] != times[:-1], True)
    return compressed(times[last], holder[last])


def compressed(times: Ints, lanes: Ints) -> Holders:
    """Holders from changes in order of time, repeats left out."""
    changed = np.concatenate([[True], lanes[1:] != lanes[:-1]]) if len(lanes) else np.zeros(0, bool)
    return Holders(times[changed], lanes[changed])


def turns(axis: Axis, holders: Holders) -> Steps:
    """For every lane whose turn it is, as ``Turn`` values."""
    keys, values = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    first = np.maximum(np.searchsorted(holders.times, axis.starts, side="right") - 1, 0)
    last = np.searchsorted(holders.times, axis.ends, side="left")
    for lane in range(len(axis.starts)):
        times = holders.times[first[lane] : last[lane]]
        who = holders.lanes[first[lane] : last[lane]]
        turn = np.where(who == lane, Turn.OWN, Turn.OTHER)
        turn = np.where(who == NOT_PROVEN, Turn.UNPROVEN, np.where(who == NOBODY, Turn.FREE, turn))
        changed = np.append(True, turn[1:] != turn[:-1])[: len(turn)]
        keys.append(lane * axis.span + np.maximum(times[changed], axis.starts[lane]))
        values.append(turn[changed])
    return make_steps(axis, np.concatenate(keys), np.concatenate(values).astype(np.int64), Turn.FREE)


def blockers(holders: Holders, starts: Ints, ends: Ints, lanes: Ints) -> Ints:
    """The lane that held the GIL for most of each wait of ``lanes``, NOBODY where none is known."""
    first = np.maximum(np.searchsorted(holders.times, starts, side="right") - 1, 0)
    last = np.maximum(np.searchsorted(holders.times, ends, side="left"), first + 1)
    result = np.full(len(starts), NOBODY, dtype=np.int64)
    if not len(holders.times):
        return result
    # a wait spans many hand-offs: expanded a slice at a time, so that memory stays bounded
    bounds = np.append(np.flatnonzero(np.diff(np.cumsum(last - first) // _SLICE)) + 1, len(starts))
    begin = 0
    for end in bounds:
        part = slice(begin, end)
        result[part] = _longest(holders, (starts[part], ends[part]), first[part], last[part])
        begin = end
    return np.where(result == lanes, NOBODY, result)


def _longest(holders: Holders, waits: tuple[Ints, Ints], first: Ints, last: Ints) -> Ints:
    """For waits that overlap ``holders[first:last]``: who held longest."""
    count = last - first
    wait = np.repeat(np.arange(len(first)), count)
    position = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[wait]
    following = np.append(holders.times[1:], np.iinfo(np.int64).max)
    begin = np.maximum(holders.times[position], waits[0][wait])
    held = np.minimum(following[position], waits[1][wait]) - begin
    who = holders.lanes[position]
    # who takes the GIL only after a wait has ended did not hold it meanwhile
    known = (who >= 0) & (held > 0)
    result = np.full(len(first), NOBODY, dtype=np.int64)
    wait, who, held = wait[known], who[known], held[known]
    rows = heaviest(wait, who, held)
    result[wait[rows]] = who[rows]
    return result
