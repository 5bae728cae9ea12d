"""GIL and lock events that obey the rules of one GIL, and who had it as calls prove it, in plain loops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from twin_calls import C_CALL, PYTHON, TICK, of_any_length

from gtrace.evidence.gil import GIL_KINDS, GilEvents, GilKind
from gtrace.evidence.gil_calls import Descriptor, Function

SWITCH_TICKS: Final = 4
FIRST_TID: Final = 100


@dataclass
class GilScript:
    """GIL and lock events that obey the rules of one GIL: (tick, lane, kind, address)."""

    events: list[tuple[int, int, GilKind, int]] = field(default_factory=list)
    end: int = 0


TAKES: Final = {
    GilKind.GIL_WAIT: ("away made call", "waits"),
    GilKind.GIL_ACQUIRE: ("away made call waits", "holds"),
    GilKind.GIL_RELEASE: ("holds", "away"),
    GilKind.GIL_FORCED_RELEASE: ("holds", "made"),
    GilKind.CALL: ("away made call", "call"),
    GilKind.CALL_END: ("call", "away"),
    GilKind.LOCK_WAIT: ("away", "lock"),
    GilKind.LOCK_ACQUIRE: ("lock", "away"),
    GilKind.LOCK_TIMEOUT: ("lock", "away"),
    GilKind.LOCK_INTERRUPT: ("lock", "away"),
    GilKind.LOCK_POST: ("holds", "holds"),
}
"""Where a thread must be for an event to happen in it, and where it is then."""


def run_gil(lanes: int, steps: list[tuple[int, int, int]]) -> GilScript:
    """Plays (lane, which of the things that can happen in it, ticks later)."""
    script, now, place = GilScript(), 0, ["away"] * lanes
    lock_of, call_of = [1] * lanes, [1] * lanes
    for chosen, what, later in steps:
        lane, now = chosen % lanes, now + later
        taken = "holds" in place
        possible = [kind for kind, (before, _) in TAKES.items() if place[lane] in before.split()]
        possible = [kind for kind in possible if (kind, taken) not in IMPOSSIBLE]
        if not possible:
            continue
        kind = possible[what % len(possible)]
        place[lane] = TAKES[kind][1]
        if kind is GilKind.LOCK_WAIT:
            lock_of[lane] = 1 + now % 2
        if kind is GilKind.CALL:
            call_of[lane] = 1 + what % (len(IN_C) // 2)
        calls = {GilKind.CALL: call_of[lane], GilKind.CALL_END: call_of[lane] | Descriptor.PIPE << 8}
        address = {GilKind.LOCK_POST: 1 + what % 2, **calls}.get(kind, lock_of[lane])
        script.events.append((now, lane, kind, 0 if kind in GIL_KINDS else address))
    script.end = now + 1
    return script


def record_text(tick: int, kind: GilKind, address: int) -> str:
    """A record of the agent as ``evidence_text`` writes it, a tick a microsecond."""
    if kind not in (GilKind.CALL, GilKind.CALL_END):
        return f"{kind.name} {tick / 1000} {' AB'[address]}"
    words = [Function(address & 0xFF).name, *(Descriptor(kind).name for kind in {address >> 8} - {0})]
    return f"{'TIMED_' if kind is GilKind.CALL else ''}{kind.name} {tick / 1000} {' '.join(words)}"


IMPOSSIBLE: Final = ((GilKind.GIL_ACQUIRE, True), (GilKind.GIL_WAIT, False))
"""Taking the GIL while it is taken, waiting for it while it is free."""


IN_C: Final = {
    (1, 0): ("io_wait", "file read"), (1, 2): ("io_wait", "pipe"),
    (2, 0): ("io_wait", "file write"), (2, 2): ("io_wait", "pipe"),
    (3, 0): ("io_wait", "socket recv"), (3, 2): ("io_wait", "socket recv"),
}  # fmt: skip
"""What a function of the C library and its descriptor tell of a thread in it."""


def gil_steps(lanes: int = 3, size: int = 60) -> st.SearchStrategy[list[tuple[int, int, int]]]:
    return of_any_length(st.tuples(st.integers(0, lanes - 1), st.integers(0, 11), st.integers(0, 3)), size)


def gil_events(script: GilScript, end: int, level: str = "exact") -> GilEvents:
    """As the reader of the agent's file gives them; where times are equal, by thread."""
    rows = sorted(script.events, key=lambda e: (e[0], e[1]))
    about = [kind in GIL_KINDS for _, _, kind, _ in rows]
    table = pd.DataFrame(
        {
            "time_ns": np.array([tick * TICK for tick, *_ in rows], dtype=np.int64),
            "tid": np.array([FIRST_TID + lane for _, lane, *_ in rows], dtype=np.int64),
            "thread": np.array([lane + 1 for _, lane, *_ in rows], dtype=np.int64),
            "kind": np.array([kind for _, _, kind, _ in rows], dtype=np.int8),
            "address": np.array([address or 99 for *_, address in rows], dtype=np.int64),
            "gil": np.where(about, 0, -1).astype(np.int16),
        }
    )
    if level != "exact":
        table = table[table["gil"] < 0].reset_index(drop=True)
    gils = (99,) if (table["gil"] == 0).any() else ()
    return GilEvents(table, gils, level, 1, 0, end * TICK, 0, 0, ())


def holders_by_tick(needs: list[dict[int, str]], events: list[tuple[int, int]], end: int) -> list[int]:
    """Who has the GIL in each tick, as calls prove it: a lane, -1 nobody, -2 not proven.

    ``needs`` has what each living lane needs, by tick; ``events`` are (tick, lane), the instants at
    which something is known to have happened in a lane, in the order of lanes.
    """
    wants = [{lane for lane, need in at.items() if need in (PYTHON, C_CALL)} for at in needs]
    told = []
    for tick in range(end):
        candidates = wants[tick]
        if len(candidates) < 2:
            told.append(next(iter(candidates), -1))
            continue
        last = max((at, lane) for at, lane in events if at <= tick)
        later = sorted((at, lane) for at, lane in events if at > tick)
        if not later or later[0][0] - last[0] > SWITCH_TICKS:
            told.append(-2)
        elif last[1] in candidates:
            told.append(last[1])
        else:
            told.append(later[0][1] if later[0][1] in candidates else -2)
    return told
