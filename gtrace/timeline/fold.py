"""The fold: what is known of each thread at each instant becomes one state at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gtrace.model import NO_CORE, RUN_STATES, Evidence, State
from gtrace.timeline.cells import (
    EVIDENCE_CODES,
    LOCK,
    REASONS,
    STATE_CODES,
    UNPROVEN,
    Need,
    Presence,
    Turn,
    cell_table,
)
from gtrace.timeline.chains import find_chains
from gtrace.timeline.gil import NO_LOCK, NO_SYSTEM_CALL, SYSTEM_CALL_KEYS
from gtrace.timeline.heaviest import heaviest
from gtrace.timeline.interleaving import Holders, blockers, infer_holders, turns
from gtrace.timeline.nesting import NO_CALL
from gtrace.timeline.steps import OUTSIDE, Steps, overlay
from gtrace.timeline.system_calls import SYSTEM_CALLS
from gtrace.timeline.timeline import EVIDENCE_DTYPE, GIL_DTYPE, STATE_DTYPE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gtrace.timeline.gil import GilHistory
    from gtrace.timeline.kinds import CallKinds
    from gtrace.timeline.steps import Axis, Ints

_TABLE: Final = cell_table()
_SYSTEM_STATES: Final = np.array([0, *(STATE_CODES[SYSTEM_CALLS[key][0]] for key in SYSTEM_CALL_KEYS)])
_SYSTEM_REASONS: Final = np.array([0, *(REASONS.index(SYSTEM_CALLS[key][1]) for key in SYSTEM_CALL_KEYS)])
"""By the numbers of ``GilHistory.system_calls``."""
TIMERS: Final = ("event", "condition")
"""A wait of this kind that ran out was a sleep: nobody was to let it go."""
HIDDEN_WAIT_TURNS: Final = 2
"""After so many rounds of everybody's turn a thread without a turn does not wait for the GIL alone."""


@dataclass(frozen=True)
class Situation:
    """What the fold of one process starts from.

    ``known`` is 1 where calls are complete, else 0. ``gil`` is the agent's evidence; its ``turns``
    are missing where it could see locks only, and all of it where there was no agent.
    """

    axis: Axis
    innermost: Steps
    kinds: CallKinds
    known: Steps
    switch_interval_ns: int
    free_threaded: bool
    gil: GilHistory | None = None
    presence: Steps | None = None
    """``Presence`` values plus cores, where the scheduler was recorded."""
    native: NDArray[np.bool_] | None = None
    """One entry a lane: threads that have nothing to do with Python, and so are away from the GIL."""


@dataclass(frozen=True)
class _Rows:
    """Stretches of one lane in which nothing changes, before equal neighbours are joined; all codes."""

    lane: Ints
    start: Ints
    end: Ints
    call: Ints
    state: Ints
    gil: Ints
    evidence: Ints
    reason: Ints
    lock: Ints
    core: Ints


def fold(situation: Situation) -> pd.DataFrame:
    """Intervals of one process, sorted by lane and start, without gaps or overlaps.

    Columns ``lane start_ns end_ns state gil core function reason caller chain evidence lock blocker``;
    ``lock`` is a row of the agent's lock waits and ``blocker`` a lane, both -1 where there is none.
    """
    turn, need, holders = _turns(situation)
    rows = _rows(situation, _native_away(turn, situation), need)
    return _with_blockers(_merge(rows, situation.kinds), situation, holders)


def _turns(situation: Situation) -> tuple[Steps, Ints, tuple[Holders, ...]]:
    """Whose turn it is, by the best evidence there is; the need per call to read it with; who held."""
    axis, kinds = situation.axis, situation.kinds
    if situation.gil is not None and situation.gil.turns is not None:
        return situation.gil.turns, kinds.need, situation.gil.holders
    if situation.free_threaded:
        keys = axis.keys(np.arange(len(axis.starts)), axis.starts)
        return Steps(keys, np.full(len(keys), int(Turn.NO_GIL))), kinds.waited, ()
    needs = situation.innermost.mapped(kinds.waited)
    if situation.gil is not None:
        needs = _without_waiters(needs, situation.gil.locks)
    holders = infer_holders(axis, needs, situation.switch_interval_ns)
    return turns(axis, holders), kinds.waited, (holders,)


def _without_waiters(needs: Steps, locks: Steps) -> Steps:
    """Who waits for a lock does not want the GIL meanwhile."""
    keys, (need, lock) = overlay(needs, locks)
    return Steps(keys, np.where(lock >= 0, int(Need.AWAY), need))


def _native_away(turn: Steps, situation: Situation) -> Steps:
    """Threads of native libraries never ask for the GIL, which no source says of each of them."""
    if situation.native is None or situation.free_threaded:
        return turn
    native = situation.native[situation.axis.lanes(turn.keys) % len(situation.native)]
    values = turn.values  # noqa: PD011  no pandas object
    return Steps(turn.keys, np.where(native & (values != OUTSIDE), int(Turn.AWAY), values))


def _rows(situation: Situation, turn: Steps, needs: Ints) -> _Rows:
    """The product of calls, turns and lock waits, a row wherever one of them changes."""
    axis, kinds, gil = situation.axis, situation.kinds, situation.gil
    locks = Steps(turn.keys[:1], np.full(1, NO_LOCK)) if gil is None else gil.locks
    inside_c = Steps(turn.keys[:1], np.full(1, NO_SYSTEM_CALL)) if gil is None else gil.system_calls
    places = situation.presence or Steps(turn.keys[:1], np.full(1, int(Presence.UNSEEN)))
    keys, (call, whose, known, lock, place, system) = overlay(
        situation.innermost, turn, situation.known, locks, places, inside_c
    )
    following = np.append(keys[1:], 0)
    inside = call != OUTSIDE
    keys, call, whose, known, lock, place, system, following = (
        a[inside] for a in (keys, call, whose, known, lock, place, system, following)
    )
    presence = np.minimum(place, int(Presence.ON))
    call = np.where(known == 1, call, NO_CALL)
    unseen = whose < Turn.HOLDS
    lock = np.where(unseen | (whose == Turn.AWAY) | (whose == Turn.NO_GIL), lock, NO_LOCK)
    lock = _whole_waits((axis.lanes(keys), call, system), whose, lock)
    lock = np.where(presence <= Presence.OFF, lock, NO_LOCK)
    need = np.where(unseen & (lock != NO_LOCK), int(Need.AWAY), needs[call])
    at = need, whose, presence
    state, reason = _states(kinds, call, at)
    state, reason = _in_system_calls((state, reason), at, np.where(lock == NO_LOCK, system, NO_SYSTEM_CALL))
    lane = axis.lanes(keys)
    rows = _Rows(
        lane,
        axis.times(keys),
        following - lane * axis.span,
        call,
        state,
        _TABLE.gil[at],
        _TABLE.evidence[at],
        reason,
        lock,
        np.where((presence == Presence.ON) & np.isin(state, _ON_A_CORE), place - int(Presence.ON), NO_CORE),
    )
    return rows if gil is None or gil.waits.empty else _with_locks(rows, kinds, gil)


def _states(kinds: CallKinds, call: Ints, at: tuple[Ints, Ints, Ints]) -> tuple[Ints, Ints]:
    """State and reason by the table of states, or by the call where that is away."""
    own = _TABLE.own[at] == 1
    native = STATE_CODES[State.NATIVE]
    state = np.where(own, kinds.state[call], _TABLE.state[at])
    named = own | (state == native) & (kinds.state[call] == native)
    # a call that computes may also wait (SQLite for the disk); off the core it does not compute
    idle = own & (at[2] == Presence.OFF) & (state == native)
    state = np.where(idle, STATE_CODES[State.BLOCKED], state)
    return state, np.where(named, kinds.reason[call] + len(REASONS), _TABLE.reason[at])


def _in_system_calls(told: tuple[Ints, Ints], at: tuple[Ints, Ints, Ints], system: Ints) -> tuple[Ints, Ints]:
    """Who is away in a function of the C library, and not on a core, waits for what that waits for.

    A call that says itself what it waits for knows it better.
    """
    state, reason = told
    unnamed = (_TABLE.own[at] == 0) | (state == STATE_CODES[State.BLOCKED])
    seen = (system > NO_SYSTEM_CALL) & (at[1] == Turn.AWAY) & (at[2] <= Presence.OFF) & unnamed
    return np.where(seen, _SYSTEM_STATES[system], state), np.where(seen, _SYSTEM_REASONS[system], reason)


def _whole_waits(parts: tuple[Ints, ...], whose: Ints, lock: Ints) -> Ints:
    """A stretch away from the GIL that holds a wait for a lock is that wait, from edge to edge.

    Of several the first begins with the stretch, and each lasts until the next begins. In a stretch
    each of ``parts``, of which the first are lanes, stays the same.
    """
    lane = parts[0]
    away = whose == Turn.AWAY
    same = away[1:] & away[:-1]
    for part in parts:
        same &= part[1:] == part[:-1]
    starts = np.flatnonzero(np.append(True, ~same)[: len(lane)])
    waits = np.flatnonzero(away & (lock != NO_LOCK))
    if not len(waits):
        return lock
    stretch = np.searchsorted(starts, np.arange(len(lane)), side="right")
    before = np.searchsorted(waits, np.arange(len(lane)), side="right") - 1
    last = waits[np.maximum(before, 0)]
    first = waits[np.minimum(before + 1, len(waits) - 1)]
    found = np.where(stretch[last] == stretch, lock[last], lock[first])
    known = (stretch[last] == stretch) | (stretch[first] == stretch)
    return np.where(away & known, found, lock)


def _with_locks(rows: _Rows, kinds: CallKinds, gil: GilHistory) -> _Rows:
    """Where the agent saw a wait for a lock, that is what it was; calls give it a better name."""
    waits = np.flatnonzero(rows.lock != NO_LOCK)
    call = rows.call[waits]
    named = np.isin(kinds.state[call], (STATE_CODES[State.LOCK_WAIT], STATE_CODES[State.SLEEP]))
    state = np.where(named, kinds.state[call], STATE_CODES[State.LOCK_WAIT])
    timers = [number for number, text in enumerate(kinds.reasons) if text in TIMERS]
    ran_out = (gil.waits["outcome"] == "timed out").to_numpy()[rows.lock[waits]]
    state[ran_out & np.isin(kinds.reason[call], timers)] = STATE_CODES[State.SLEEP]
    new_state, new_evidence, new_reason = rows.state.copy(), rows.evidence.copy(), rows.reason.copy()
    new_state[waits] = state
    new_evidence[waits] = EVIDENCE_CODES[Evidence.EXACT]
    new_reason[waits] = np.where(named, kinds.reason[call] + len(REASONS), REASONS.index(LOCK))
    return replace(rows, state=new_state, evidence=new_evidence, reason=new_reason)


def _merge(rows: _Rows, kinds: CallKinds) -> pd.DataFrame:
    """Joins neighbours of one lane that say the same; of a wait, also call and lock must be the same.

    A wait for the GIL is one, on a core and off it.
    """
    waited = np.where(kinds.need[rows.call] == Need.AWAY, rows.call, NO_CALL)
    waited = np.where(np.isin(rows.state, _ONE_FUNCTION), NO_CALL, waited)
    same = np.ones(max(len(rows.lane) - 1, 0), dtype=bool)
    for column in (rows.lane, rows.state, rows.gil, rows.reason, rows.evidence, rows.lock, rows.core, waited):
        same &= column[1:] == column[:-1]
    first = np.append(True, ~same)[: len(rows.lane)]
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(first))[: len(starts)] - 1
    call = _main_calls(np.cumsum(first) - 1, rows, kinds)
    function, caller = kinds.name[call], kinds.own_ancestor(call)
    return pd.DataFrame(
        {
            "lane": rows.lane[starts],
            "start_ns": rows.start[starts],
            "end_ns": rows.end[ends],
            "state": pd.Categorical.from_codes(rows.state[starts], dtype=STATE_DTYPE),
            "gil": pd.Categorical.from_codes(rows.gil[starts], dtype=GIL_DTYPE),
            "core": rows.core[starts].astype(np.int16),
            "function": texts(kinds.names.names, function),
            "reason": texts((*REASONS, *kinds.reasons), rows.reason[starts]),
            "caller": texts(kinds.names.names, caller),
            "chain": texts(*find_chains(call, kinds)),
            "evidence": pd.Categorical.from_codes(rows.evidence[starts], dtype=EVIDENCE_DTYPE),
            "lock": rows.lock[starts],
        }
    )


_ONE_FUNCTION: Final = tuple(STATE_CODES[s] for s in (State.RUNNING, State.GIL_WAIT, State.UNKNOWN))
"""States in which many calls make one interval."""
_ON_A_CORE: Final = tuple(STATE_CODES[s] for s in RUN_STATES)


def _main_calls(group: Ints, rows: _Rows, kinds: CallKinds) -> Ints:
    """For each group of rows a call of the function that took most of its time, if any has a name."""
    nameless = len(kinds.names.names) - 1
    name = kinds.name[rows.call]
    length = np.where(name == nameless, 0, rows.end - rows.start)
    main: Ints = rows.call[heaviest(group, name, length)]
    return main


def _with_blockers(
    intervals: pd.DataFrame, situation: Situation, holders: tuple[Holders, ...]
) -> pd.DataFrame:
    """Who held the GIL for most of each wait for it, and who let each lock wait go."""
    axis, gil = situation.axis, situation.gil
    blocker = np.full(len(intervals), -1, dtype=np.int64)
    start, end, lane, lock = (intervals[c].to_numpy() for c in ("start_ns", "end_ns", "lane", "lock"))
    waits = (intervals["state"] == State.GIL_WAIT.value).to_numpy()
    which = np.zeros(len(intervals), dtype=np.int64)
    if gil is not None and gil.turns is not None:
        which = gil.gils.at(axis.keys(lane, start))
    for number, holder in enumerate(holders):
        chosen = waits & (which == number)
        blocker[chosen] = blockers(holder, start[chosen], end[chosen], lane[chosen])
    if gil is not None and len(gil.waits):
        poster = gil.waits["poster_lane"].to_numpy()
        blocker = np.where(lock >= 0, poster[np.maximum(lock, 0)], blocker)
        blocker = np.where((lock >= 0) & (blocker == lane), -1, blocker)
    intervals = _without_hidden_waits(intervals, situation)
    blocker[waits & (intervals["state"] != State.GIL_WAIT.value).to_numpy()] = -1
    return intervals.assign(blocker=blocker, gil_number=which)


def _without_hidden_waits(intervals: pd.DataFrame, situation: Situation) -> pd.DataFrame:
    """A ``with lock:`` leaves no call: a wait too long for the GIL alone is not claimed to be one."""
    if situation.gil is not None and situation.gil.turns is not None:
        return intervals
    waits = (intervals["state"] == State.GIL_WAIT.value).to_numpy()
    rounds = HIDDEN_WAIT_TURNS * max(intervals["lane"][waits].nunique(), 1)
    lengths = (intervals["end_ns"] - intervals["start_ns"]).to_numpy()
    doubtful = waits & (lengths > rounds * situation.switch_interval_ns)
    intervals = intervals.copy()
    if doubtful.any():
        reasons = intervals["reason"]
        if UNPROVEN not in reasons.cat.categories:
            reasons = reasons.cat.add_categories([UNPROVEN])
        intervals["reason"] = reasons.mask(doubtful, UNPROVEN)
        intervals["state"] = intervals["state"].mask(doubtful, State.UNKNOWN.value)
        intervals["gil"] = intervals["gil"].mask(doubtful)
    return intervals


def texts(values: tuple[str, ...], codes: NDArray[np.int64]) -> pd.Series:
    """A category column from numbers into ``values``, which may repeat; unused ones are left out."""
    used = np.flatnonzero(np.bincount(codes, minlength=len(values)))
    named = pd.Categorical([values[code] for code in used])
    table = np.zeros(len(values), dtype=named.codes.dtype)
    table[used] = named.codes
    return pd.Series(pd.Categorical.from_codes(table[codes], dtype=named.dtype))
