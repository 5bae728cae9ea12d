"""The fold: what is known of each thread at each instant becomes one state at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gtrace.model import Evidence, Gil, State
from gtrace.timeline.interleaving import Need, Turn, blockers, infer_holders, turns
from gtrace.timeline.kinds import STATE_CODES
from gtrace.timeline.nesting import NO_CALL
from gtrace.timeline.steps import OUTSIDE, overlay
from gtrace.timeline.timeline import EVIDENCE_DTYPE, GIL_DTYPE, STATE_DTYPE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gtrace.timeline.kinds import CallKinds
    from gtrace.timeline.steps import Axis, Ints, Steps

_GIL: Final[dict[Gil | None, int]] = {None: -1, **{gil: code for code, gil in enumerate(Gil)}}
UNPROVEN: Final = "calls do not tell who had the GIL"
AWAY_UNKNOWN: Final = "a C call let the GIL go"
NO_CALLS: Final = "no call recorded"
_OWN_REASONS: Final = ("", "gil", UNPROVEN, AWAY_UNKNOWN, NO_CALLS)


@dataclass(frozen=True)
class Situation:
    """What the fold of one process starts from. ``known`` is 1 where calls are complete, else 0."""

    axis: Axis
    innermost: Steps
    kinds: CallKinds
    known: Steps
    switch_interval_ns: int
    free_threaded: bool


@dataclass(frozen=True)
class _Cell:
    """State, relation to the GIL, and reason (a number in ``_OWN_REASONS``) of one combination."""

    state: State
    gil: Gil | None
    reason: int = 0


_TABLE: Final[dict[tuple[Need, Turn], _Cell]] = {
    (Need.PYTHON, Turn.OWN): _Cell(State.RUNNING, Gil.HOLDS),
    (Need.PYTHON, Turn.OTHER): _Cell(State.GIL_WAIT, Gil.WAITS, 1),
    (Need.PYTHON, Turn.UNPROVEN): _Cell(State.UNKNOWN, None, 2),
    (Need.PYTHON, Turn.FREE): _Cell(State.UNKNOWN, None, 2),
    (Need.C_CALL, Turn.OWN): _Cell(State.RUNNING, Gil.HOLDS),
    (Need.C_CALL, Turn.OTHER): _Cell(State.UNKNOWN, None, 3),
    (Need.C_CALL, Turn.UNPROVEN): _Cell(State.UNKNOWN, None, 2),
    (Need.C_CALL, Turn.FREE): _Cell(State.UNKNOWN, None, 2),
    # a call that is away says its state itself; only its relation to the GIL stands here
    **{(Need.AWAY, turn): _Cell(State.UNKNOWN, Gil.AWAY) for turn in Turn},
    **{(Need.NONE, turn): _Cell(State.UNKNOWN, None, 4) for turn in Turn},
}
_FREE_THREADED: Final[dict[tuple[Need, Turn], _Cell]] = {
    key: _Cell(State.RUNNING, None) if key[0] in (Need.PYTHON, Need.C_CALL) else _Cell(c.state, None, c.reason)
    for key, c in _TABLE.items()
}


@dataclass(frozen=True)
class _Rows:
    """Stretches of one lane in which nothing changes, before equal neighbours are joined."""

    lane: Ints
    start: Ints
    end: Ints
    call: Ints
    state: Ints
    gil: Ints
    reason: Ints


def fold_calls(situation: Situation) -> pd.DataFrame:
    """Intervals from calls alone, every one ``inferred``.

    Columns ``lane start_ns end_ns state gil core function reason caller evidence blocker``;
    ``blocker`` is a lane, -1 where there is none.
    """
    axis, kinds = situation.axis, situation.kinds
    needs = situation.innermost.mapped(kinds.need)
    holders = infer_holders(axis, needs, situation.switch_interval_ns)
    rows = _rows(situation, turns(axis, holders))
    intervals = _merge(rows, kinds)
    waiting = (intervals["state"] == State.GIL_WAIT.value).to_numpy()
    blocker = np.full(len(intervals), -1, dtype=np.int64)
    starts, ends, lanes = (intervals[c].to_numpy()[waiting] for c in ("start_ns", "end_ns", "lane"))
    blocker[waiting] = blockers(holders, starts, ends, lanes)
    return intervals.assign(blocker=blocker)


def _rows(situation: Situation, turn: Steps) -> _Rows:
    """The product of calls and turns, a row wherever one of them changes."""
    axis, kinds = situation.axis, situation.kinds
    keys, (call, whose, known) = overlay(situation.innermost, turn, situation.known)
    next_key = np.append(keys[1:], 0)
    inside = call != OUTSIDE
    keys, call, whose, known, next_key = (a[inside] for a in (keys, call, whose, known, next_key))
    call = np.where(known == 1, call, NO_CALL)
    need = kinds.need[call]
    state, gil, reason = (table[need, whose] for table in _tables(situation.free_threaded))
    away = need == Need.AWAY
    state = np.where(away, kinds.state[call], state)
    reason = np.where(away, kinds.reason[call] + len(_OWN_REASONS), reason)
    lane = axis.lanes(keys)
    return _Rows(lane, axis.times(keys), next_key - lane * axis.span, call, state, gil, reason)


def _tables(free_threaded: bool) -> tuple[Ints, Ints, Ints]:  # noqa: FBT001  a fact of the interpreter
    """State, GIL and reason codes as arrays over (Need, Turn)."""
    table = _FREE_THREADED if free_threaded else _TABLE
    shape = (len(Need), len(Turn))
    state, gil, reason = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    for (need, turn), cell in table.items():
        state[need, turn] = STATE_CODES[cell.state]
        gil[need, turn] = _GIL[cell.gil]
        reason[need, turn] = cell.reason
    return state, gil, reason


def _merge(rows: _Rows, kinds: CallKinds) -> pd.DataFrame:
    """Joins neighbours of one lane that say the same; of a wait, also the call must be the same."""
    waited = np.where(kinds.need[rows.call] == Need.AWAY, rows.call, NO_CALL)
    same = np.ones(max(len(rows.lane) - 1, 0), dtype=bool)
    for column in (rows.lane, rows.state, rows.gil, rows.reason, waited):
        same &= column[1:] == column[:-1]
    first = np.append(True, ~same)[: len(rows.lane)]
    group = np.cumsum(first) - 1
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(first))[: len(starts)] - 1
    call = _main_calls(group, rows, kinds)
    function, caller = kinds.name[call], kinds.own_ancestor(call)
    reasons = (*_OWN_REASONS, *kinds.reasons)
    return pd.DataFrame(
        {
            "lane": rows.lane[starts],
            "start_ns": rows.start[starts],
            "end_ns": rows.end[ends],
            "state": pd.Categorical.from_codes(rows.state[starts], dtype=STATE_DTYPE),
            "gil": pd.Categorical.from_codes(rows.gil[starts], dtype=GIL_DTYPE),
            "core": np.full(len(starts), -1, dtype=np.int16),
            "function": texts(kinds.names.names, function),
            "reason": texts(reasons, rows.reason[starts]),
            "caller": texts(kinds.names.names, caller),
            "evidence": pd.Categorical.from_codes(
                np.full(len(starts), list(Evidence).index(Evidence.INFERRED)), dtype=EVIDENCE_DTYPE
            ),
        }
    )


def _main_calls(group: Ints, rows: _Rows, kinds: CallKinds) -> Ints:
    """For each group of rows a call of the function that took most of its time."""
    width = len(kinds.names.names)
    length = rows.end - rows.start
    pairs, first, inverse = np.unique(
        group * width + kinds.name[rows.call], return_index=True, return_inverse=True
    )
    totals = np.bincount(inverse, weights=length, minlength=len(pairs))
    order = np.lexsort((-totals, pairs // width))
    top = np.append(True, np.diff(pairs[order] // width) > 0)[: len(order)]
    return rows.call[first[order[top]]]


def texts(values: tuple[str, ...], codes: NDArray[np.int64]) -> pd.Categorical:
    """A category column from numbers into ``values``, which may repeat; unused ones are left out."""
    used, inverse = np.unique(codes, return_inverse=True)
    named = pd.Categorical([values[code] for code in used])
    return pd.Categorical.from_codes(named.codes[inverse], dtype=named.dtype)
