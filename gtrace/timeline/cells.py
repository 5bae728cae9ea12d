"""The table of states: what the innermost call, the GIL and the core say together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np

from gtrace.model import Evidence, Gil, State
from gtrace.timeline.system_calls import SYSTEM_CALLS

if TYPE_CHECKING:
    from gtrace.timeline.steps import Ints

STATE_CODES: Final = {state: code for code, state in enumerate(State)}
GIL_CODES: Final[dict[Gil | None, int]] = {None: -1, **{gil: code for code, gil in enumerate(Gil)}}
EVIDENCE_CODES: Final = {evidence: code for code, evidence in enumerate(Evidence)}


class Need(IntEnum):
    """What the innermost call has to do with the GIL, by its kind alone."""

    PYTHON = 0
    """Python code: needs the GIL, and can be made to wait for it at any instruction."""
    C_CALL = 1
    """C code that keeps the GIL as far as is known; it can let it go only by its own will."""
    AWAY = 2
    """A call known to release the GIL while it waits or computes."""
    NONE = 3
    """No call is known."""


class Turn(IntEnum):
    """Whose turn it is, seen from one lane: first as calls prove it, from HOLDS on as the agent saw it."""

    OWN = 0
    OTHER = 1
    UNPROVEN = 2
    FREE = 3
    HOLDS = 4
    WAITS = 5
    AWAY = 6
    UNSEEN = 7
    NO_GIL = 8
    """The interpreter has none."""


class Presence(IntEnum):
    """Where a thread is, as the scheduler saw it. From ON on, the value is ON plus the core's number."""

    UNSEEN = 0
    OFF = 1
    """Off the core by its own will."""
    PREEMPTED = 2
    """Off the core against its will."""
    ON = 3


GIL_REASON: Final = "gil"
UNPROVEN: Final = "in Python code beside other threads; calls do not tell which one ran"
AWAY_UNKNOWN: Final = "in a C call while other threads ran"
NO_CALLS: Final = "no call recorded"
UNSEEN: Final = "no evidence of the GIL here"
NOT_KNOWN: Final = "not known"
LOCK: Final = "lock"
_OF_SYSTEM_CALLS: Final = tuple(sorted({reason for _, reason in SYSTEM_CALLS.values()}))
REASONS: Final = (
    "", GIL_REASON, UNPROVEN, AWAY_UNKNOWN, NO_CALLS, UNSEEN, NOT_KNOWN, LOCK, *_OF_SYSTEM_CALLS,
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """What one combination means; ``own`` where a call that is away says state and reason itself."""

    state: State
    gil: Gil | None
    evidence: Evidence
    reason: str = ""
    own: bool = False


def cell(need: Need, turn: Turn, presence: Presence = Presence.UNSEEN) -> Cell:
    """The meaning of one combination."""
    if turn is Turn.NO_GIL:
        return _without_gil(need) if presence is Presence.UNSEEN else _placed(need, None, presence)
    if turn is Turn.HOLDS:
        return _holding(presence)
    if turn is Turn.AWAY and presence is not Presence.UNSEEN:
        return _placed(need, Gil.AWAY, presence)
    if turn >= Turn.HOLDS:
        return _seen(need, turn)
    return _unless_off(_inferred(need, turn), presence)


def _holding(presence: Presence) -> Cell:
    """With the GIL: off the core by its own will it keeps everybody from running."""
    state = {Presence.OFF: State.STALLED, Presence.PREEMPTED: State.PREEMPTED}
    return Cell(state.get(presence, State.RUNNING), Gil.HOLDS, Evidence.EXACT)


def _placed(need: Need, gil: Gil | None, presence: Presence) -> Cell:
    """Without the GIL (away from it, or there is none), where the scheduler saw the thread."""
    if presence is Presence.PREEMPTED:
        return Cell(State.PREEMPTED, gil, Evidence.EXACT)
    if presence is Presence.ON:
        runs_python = gil is None and need is not Need.AWAY
        return Cell(State.RUNNING if runs_python else State.NATIVE, gil, Evidence.EXACT)
    if need is Need.AWAY:
        return Cell(State.UNKNOWN, gil, Evidence.EXACT, own=True)
    return Cell(State.BLOCKED, gil, Evidence.EXACT, NOT_KNOWN)


def _inferred(need: Need, turn: Turn) -> Cell:
    inferred = Evidence.INFERRED
    if need is Need.AWAY:
        return Cell(State.UNKNOWN, Gil.AWAY, inferred, own=True)
    if need is Need.NONE:
        return Cell(State.UNKNOWN, None, inferred, NO_CALLS)
    if turn is Turn.OWN:
        return Cell(State.RUNNING, Gil.HOLDS, inferred)
    if turn is Turn.OTHER and need is Need.PYTHON:
        return Cell(State.GIL_WAIT, Gil.WAITS, inferred, GIL_REASON)
    return Cell(State.UNKNOWN, None, inferred, AWAY_UNKNOWN if turn is Turn.OTHER else UNPROVEN)


def _unless_off(inferred: Cell, presence: Presence) -> Cell:
    """What calls alone conclude, but that nobody runs who is off the core."""
    if presence is Presence.PREEMPTED:
        return Cell(State.PREEMPTED, None, Evidence.DERIVED)
    if presence is Presence.OFF and not inferred.own and inferred.state is not State.GIL_WAIT:
        return Cell(State.BLOCKED, None, Evidence.DERIVED, NOT_KNOWN)
    return inferred


def _seen(need: Need, turn: Turn) -> Cell:
    if turn is Turn.WAITS:
        return Cell(State.GIL_WAIT, Gil.WAITS, Evidence.EXACT, GIL_REASON)
    if turn is Turn.UNSEEN:
        return Cell(State.UNKNOWN, None, Evidence.INFERRED, UNSEEN)
    if need is Need.AWAY:
        return Cell(State.UNKNOWN, Gil.AWAY, Evidence.DERIVED, own=True)
    if need is Need.C_CALL:
        return Cell(State.NATIVE, Gil.AWAY, Evidence.DERIVED)
    return Cell(State.BLOCKED, Gil.AWAY, Evidence.DERIVED, NOT_KNOWN)


def _without_gil(need: Need) -> Cell:
    if need is Need.NONE:
        return Cell(State.UNKNOWN, None, Evidence.INFERRED, NO_CALLS)
    return Cell(State.RUNNING, None, Evidence.INFERRED, own=need is Need.AWAY)


@dataclass(frozen=True)
class CellTable:
    """``cell`` as arrays over (Need, Turn, Presence), holding codes."""

    state: Ints
    gil: Ints
    evidence: Ints
    reason: Ints
    own: Ints


def cell_table() -> CellTable:
    """All combinations at once, for rows of codes."""
    shape = len(Need), len(Turn), len(Presence)
    table = CellTable(*(np.zeros(shape, dtype=np.int64) for _ in range(5)))
    for at in product(Need, Turn, Presence):
        found = cell(*at)
        table.state[at] = STATE_CODES[found.state]
        table.gil[at] = GIL_CODES[found.gil]
        table.evidence[at] = EVIDENCE_CODES[found.evidence]
        table.reason[at] = REASONS.index(found.reason)
        table.own[at] = found.own
    return table
