"""Slow twins of the fold: what the vectorised code computes, said again in plain loops, tick by tick.

Scenarios are small: a few threads, some tens of ticks of one microsecond. Everything happens on a
tick, so a list with one entry a tick says all that there is to say about a thread.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from gtrace.evidence.gil import GIL_KINDS, GilEvents, GilKind
from gtrace.evidence.gil_calls import Descriptor, Function
from gtrace.evidence.threads import ThreadRecord
from gtrace.timeline.fold import Situation
from gtrace.timeline.gil import gil_history
from gtrace.timeline.kinds import Names, find_kinds
from gtrace.timeline.lanes import Lanes
from gtrace.timeline.nesting import NO_CALL, UNRECORDED, nest
from gtrace.timeline.steps import Axis, Steps, make_steps

TICK: Final = 1000
SWITCH_TICKS: Final = 4
FIRST_TID: Final = 100
PYTHON, C_CALL, AWAY = "python", "c call", "away"
WORK = "work (a.py:1)"
OTHER = "other (a.py:9)"
EVENT = "Event.wait (/usr/lib/python3.13/threading.py:641)"
QUEUE = "Queue.get (/usr/lib/python3.13/queue.py:154)"
NAMES: Final = {
    WORK: (PYTHON, "", ""),
    OTHER: (PYTHON, "", ""),
    EVENT: (PYTHON, "", ""),
    QUEUE: (PYTHON, "", ""),
    "builtins.sorted": (C_CALL, "", ""),
    "time.sleep": (AWAY, "sleep", "sleep"),
    "_thread.lock.acquire": (AWAY, "lock_wait", "lock"),
    "socket.recv": (AWAY, "io_wait", "socket recv"),
    "zlib.compress": (AWAY, "native", "compression"),
}
"""What a name says of its call: its kind, and for a call that is away its state and reason."""
WRAPPERS: Final = {EVENT: "event", QUEUE: "queue"}


@dataclass
class Call:
    lane: int
    name: str
    start: int
    end: int = -1
    outer: Call | None = None
    number: int = -1
    """Its place in the recording, where calls stand in the order they ended."""


@dataclass
class CallScript:
    """Properly nested calls of several threads, as a stack machine a thread makes them."""

    lanes: int
    calls: list[Call] = field(default_factory=list)
    """In the order they were entered."""
    recorded: list[Call] = field(default_factory=list)
    end: int = 0


def run_calls(lanes: int, steps: list[tuple[int, int, int]]) -> CallScript:
    """Plays (lane, what, ticks later): enters the function of that number, or leaves the innermost one."""
    script, names, now = CallScript(lanes), list(NAMES), 0
    stacks: list[list[Call]] = [[] for _ in range(lanes)]
    for lane, what, later in steps:
        now += later
        stack = stacks[lane % lanes]
        if what < len(names):
            call = Call(lane % lanes, names[what], now, outer=stack[-1] if stack else None)
            stack.append(call)
            script.calls.append(call)
        elif stack:
            call = stack.pop()
            call.end = now
            script.recorded.append(call)
    script.end = now + 1
    for stack in stacks:
        for call in reversed(stack):
            call.end = script.end
            script.recorded.append(call)
    for number, call in enumerate(script.recorded):
        call.number = number
    return script


def call_steps(lanes: int = 3, size: int = 40) -> st.SearchStrategy[list[tuple[int, int, int]]]:
    return of_any_length(
        st.tuples(st.integers(0, lanes - 1), st.integers(0, len(NAMES) + 5), st.integers(0, 3)), size
    )


def of_any_length(step: st.SearchStrategy[Any], size: int) -> st.SearchStrategy[list[Any]]:
    """Lists of all lengths alike: hypothesis by itself prefers short ones, in which little happens."""
    return st.integers(0, size).flatmap(lambda count: st.lists(step, min_size=count, max_size=count))


def innermost_calls(script: CallScript, lane: int, start: int, end: int) -> list[Call | int]:
    """By tick: the call entered last of those that go on, NO_CALL before any, UNRECORDED between them."""
    own = [c for c in script.calls if c.lane == lane and max(c.start, start) < min(c.end, end)]
    told: list[Call | int] = []
    for tick in range(start, end):
        going = [c for c in own if c.start <= tick < c.end]
        begun = any(max(c.start, start) <= tick for c in own)
        told.append(going[-1] if going else UNRECORDED if begun else NO_CALL)
    return told


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


@dataclass
class Scenario:
    """Threads with lifetimes, calls, and perhaps the agent's evidence; all in ticks."""

    calls: CallScript
    spans: list[tuple[int, int]]
    known_from: int = 0
    gil: GilScript | None = None
    gil_end: int = 0
    level: str = "exact"
    free_threaded: bool = False
    places: list[list[tuple[int, int]]] | None = None
    """By thread, from which tick on the scheduler saw it where: 0 nowhere, 1 off, 2 preempted, 3 + core."""

    @property
    def end(self) -> int:
        return max(end for _, end in self.spans)


def situation_of(scenario: Scenario) -> Situation:
    """What ``fold`` is given, made by the same functions as from a recording."""
    axis = Axis.of(*(np.array(edge, dtype=np.int64) * TICK for edge in zip(*scenario.spans, strict=True)))
    calls = scenario.calls.recorded
    lane, start, end = (
        np.array([getattr(c, name) for c in calls], dtype=np.int64) for name in ("lane", "start", "end")
    )
    nesting = nest(axis, lane, start * TICK, end * TICK)
    names = list(NAMES)
    name = np.array([names.index(c.name) for c in calls], dtype=np.int64)
    every = np.arange(len(axis.starts), dtype=np.int64)
    known = axis.keys(every, np.maximum(axis.starts, scenario.known_from * TICK))
    history = None
    if scenario.gil is not None:
        records = tuple(ThreadRecord(n, tid=FIRST_TID + n, begin_ns=0) for n in every.tolist())
        lanes = Lanes(1, records, axis, (False,) * len(every))
        history = gil_history(lanes, gil_events(scenario.gil, scenario.gil_end, scenario.level), 0)
    return Situation(
        axis=axis,
        innermost=nesting.innermost,
        kinds=find_kinds(Names.of(names), name, (end - start) * TICK, nesting.parents),
        known=make_steps(axis, known, np.ones(len(known), dtype=np.int64), 0),
        switch_interval_ns=SWITCH_TICKS * TICK,
        free_threaded=scenario.free_threaded,
        gil=history,
        presence=None if scenario.places is None else presence_of(scenario.places, axis),
    )


def presence_of(places: list[list[tuple[int, int]]], axis: Axis) -> Steps:
    """The places of each lane as steps."""
    rows = [(lane, tick * TICK, value) for lane, changes in enumerate(places) for tick, value in changes]
    lanes, times, values = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(3))
    return make_steps(axis, axis.keys(lanes, times), values, 0)


@dataclass(frozen=True)
class Told:
    """What is said of one thread in one tick."""

    state: str
    gil: str
    evidence: str
    reason: str
    lock: int = -1
    call: Any = None
    core: int = -1


def need_of(call: Call | int) -> str:
    """What a call has to do with the GIL; one that returned within 2 µs has not slept."""
    if isinstance(call, Call):
        kind = NAMES[call.name][0]
        return C_CALL if kind == AWAY and (call.end - call.start) * TICK < 2000 else kind
    return PYTHON if call == UNRECORDED else ""


def waits_for(call: Call) -> tuple[str, str]:
    """State and reason of a call that is away: the outermost wrapper around it, without a gap, names it."""
    _, state, reason = NAMES[call.name]
    outer = call.outer
    named = ""
    while outer is not None and outer.name in WRAPPERS:
        named, outer = WRAPPERS[outer.name], outer.outer
    if not named or state == "native":
        return state, reason
    return ("lock_wait" if (state, named) == ("sleep", "queue") else state), named


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


NOWHERE, OFF, PREEMPTED, ON = range(4)


def holding(call: Call | int, place: int) -> Told:
    """With the GIL: who blocks meanwhile stalls all others."""
    state = {OFF: "stalled", PREEMPTED: "preempted"}.get(place, "running")
    return Told(state, "holds", "exact", "", call=call, core=max(place - ON, -1))


def unless_off(inferred: Told, place: int) -> Told:
    """What calls conclude, but that nobody runs who is off the core."""
    if place == PREEMPTED:
        return Told("preempted", "none", "derived", "", call=inferred.call)
    if place == OFF and inferred.gil != "away" and inferred.state != "gil_wait":
        return Told("blocked", "none", "derived", "not known", call=inferred.call)
    if place == OFF and inferred.state == "native":
        return replace(inferred, state="blocked")
    return replace(inferred, core=place - ON) if place >= ON and inferred.state in RUN else inferred


RUN: Final = ("running", "native")


class Reference:
    """The fold, tick by tick."""

    def __init__(self, scenario: Scenario, waits: pd.DataFrame | None) -> None:
        self.scenario, self.end = scenario, scenario.end
        self.spans = scenario.spans
        self.calls = [
            dict(zip(range(*span), innermost_calls(scenario.calls, lane, *span), strict=True))
            for lane, span in enumerate(self.spans)
        ]
        self.waits = [] if waits is None else list(waits.itertuples())
        self.locks = [self._locks(lane) for lane in range(len(self.spans))]
        self.holders = self._holders()

    def _locks(self, lane: int) -> dict[int, int]:
        found = {}
        for wait in self.waits:
            if wait.lane == lane:
                found |= dict.fromkeys(range(wait.start_ns // TICK, wait.end_ns // TICK), wait.Index)
        return found

    @property
    def seen(self) -> bool:
        return self.scenario.gil is not None and self.scenario.level == "exact"

    def _holders(self) -> list[int]:
        if self.seen:
            holding = [[n for n in self._alive(t) if self.turn(n, t) == "holds"] for t in range(self.end)]
            return [lanes[0] if lanes else -1 for lanes in holding]
        if self.scenario.free_threaded:
            return [-1] * self.end
        needs = [
            {n: AWAY if t in self.locks[n] else need_of(self.calls[n][t]) for n in self._alive(t)}
            for t in range(self.end)
        ]
        return holders_by_tick(needs, self._instants(), self.end)

    def _alive(self, tick: int) -> list[int]:
        return [lane for lane, (start, end) in enumerate(self.spans) if start <= tick < end]

    def _instants(self) -> list[tuple[int, int]]:
        """When something happened in a lane: it began, ended, or another call became its innermost one."""
        found = set()
        for lane, (start, end) in enumerate(self.spans):
            own = [c for c in self.scenario.calls.calls if c.lane == lane]
            real = [(max(c.start, start), min(c.end, end)) for c in own]
            found |= {(edge, lane) for pair in real if pair[0] < pair[1] for edge in pair}
            found |= {(start, lane), (end, lane)}
            for wait in self.waits:
                if wait.lane == lane:
                    found |= {(min(edge // TICK, end), lane) for edge in (wait.start_ns, wait.end_ns)}
        return sorted(found)

    def turn(self, lane: int, tick: int) -> str:
        """What the agent's last event before says."""
        if tick >= self.scenario.gil_end:
            return "unseen"
        after = {
            GilKind.GIL_WAIT: "waits", GilKind.GIL_ACQUIRE: "holds",
            GilKind.GIL_RELEASE: "away", GilKind.GIL_FORCED_RELEASE: "waits", GilKind.CALL: "away",
        }  # fmt: skip
        past = [k for at, n, k, _ in self.scenario.gil.events if n == lane and at <= tick and k in after]
        return after[past[-1]] if past else "unseen"

    def in_c(self, lane: int, tick: int) -> tuple[int, int] | None:
        """The function of the C library a thread is in, and what its descriptor is open on."""
        ends = {GilKind.CALL, GilKind.CALL_END, *GIL_KINDS}
        own = [(at, k, word) for at, n, k, word in self.scenario.gil.events if n == lane and k in ends]
        own = [event for event in own if event[0] <= self.scenario.gil_end]
        past = [event for event in own if event[0] <= tick]
        if not past or past[-1][1] is not GilKind.CALL:
            return None
        later = own[len(past) : len(past) + 1]
        ended = later and later[0][1] is GilKind.CALL_END
        return past[-1][2], (later[0][2] >> 8 if ended else 0)

    def lane(self, lane: int) -> dict[int, Told]:
        """What is said of a lane, by tick."""
        start, end = self.spans[lane]
        told = {tick: self._at(lane, tick) for tick in range(start, end)}
        return told if self.seen else self._without_long_waits(told)

    def _call(self, lane: int, tick: int) -> Call | int:
        return self.calls[lane][tick] if tick >= self.scenario.known_from else NO_CALL

    def _lock(self, lane: int, tick: int) -> int:
        """The wait for a lock a tick belongs to: of a stretch away from the GIL in one call all of it.

        The last wait that began before, or else the first of the stretch.
        """
        own = self.locks[lane].get(tick, -1)
        if not self.seen:
            return own
        if self.turn(lane, tick) != "away":
            return -1
        if own >= 0:
            return own
        for way in (-1, 1):
            at = tick
            while (
                self.spans[lane][0] <= at < self.spans[lane][1]
                and self.turn(lane, at) == "away"
                and self._call(lane, at) is self._call(lane, tick)
                and self.in_c(lane, at) == self.in_c(lane, tick)
            ):
                if at in self.locks[lane]:
                    return self.locks[lane][at]
                at += way
        return -1

    def place(self, lane: int, tick: int) -> int:
        """Where the scheduler saw a thread last."""
        if self.scenario.places is None:
            return NOWHERE
        past = [value for at, value in self.scenario.places[lane] if at <= tick]
        return past[-1] if past else NOWHERE

    def _at(self, lane: int, tick: int) -> Told:
        call, lock, place = self._call(lane, tick), self._lock(lane, tick), self.place(lane, tick)
        if lock >= 0 and place in (NOWHERE, OFF):
            return self._in_lock_wait(call, lock)
        turn = self.turn(lane, tick) if self.seen else ""
        said = self._without_c(lane, tick, (call, place, turn))
        inside = self.in_c(lane, tick) if turn == "away" and place in (NOWHERE, OFF) else None
        own = isinstance(call, Call) and NAMES[call.name][0] == AWAY
        if inside is None or (own and said.state != "blocked"):
            return said
        state, reason = IN_C[inside]
        return replace(said, state=state, reason=reason)

    def _without_c(self, lane: int, tick: int, at: tuple[Call | int, int, str]) -> Told:
        """What is said where nobody knows which function of the C library a thread is in."""
        call, place, turn = at
        if turn == "holds":
            return holding(call, place)
        if place != NOWHERE and (turn == "away" or self.scenario.free_threaded):
            return self._placed(call, place)
        if self.seen:
            return self._as_seen(call, turn)
        if self.scenario.free_threaded:
            return self._without_gil(call)
        return unless_off(self._as_inferred(lane, tick, call), place)

    def _placed(self, call: Call | int, place: int) -> Told:
        """Away from the GIL, or without one, where the scheduler saw the thread."""
        gil = "none" if self.scenario.free_threaded else "away"
        kind = NAMES[call.name][0] if isinstance(call, Call) else ""
        if self.scenario.free_threaded:
            kind = need_of(call)
        if place == PREEMPTED:
            return Told("preempted", gil, "exact", "", call=call)
        if place >= ON:
            state = "running" if gil == "none" and kind != AWAY else "native"
            own = waits_for(call) if isinstance(call, Call) else ("", "")
            reason = own[1] if state == own[0] == "native" else ""
            return Told(state, gil, "exact", reason, call=call, core=place - ON)
        if kind == AWAY:
            state, reason = waits_for(call)
            return Told("blocked" if state == "native" else state, gil, "exact", reason, call=call)
        return Told("blocked", gil, "exact", "not known", call=call)

    def _in_lock_wait(self, call: Call | int, lock: int) -> Told:
        state, reason = "lock_wait", "lock"
        if isinstance(call, Call) and NAMES[call.name][0] == AWAY:
            named = waits_for(call)
            if named[0] in ("lock_wait", "sleep"):
                state, reason = named
            if named[1] == "event" and self.waits[lock].outcome == "timed out":
                state = "sleep"
        gil = "none" if self.scenario.free_threaded else "away"
        return Told(state, gil, "exact", reason, lock, call)

    def _as_seen(self, call: Call | int, turn: str) -> Told:
        if turn == "holds":
            return Told("running", "holds", "exact", "", call=call)
        if turn == "waits":
            return Told("gil_wait", "waits", "exact", "gil", call=call)
        if turn == "unseen":
            return Told("unknown", "none", "inferred", "no evidence of the GIL here", call=call)
        kind = NAMES[call.name][0] if isinstance(call, Call) else ""
        if kind == AWAY:
            state, reason = waits_for(call)
            return Told(state, "away", "derived", reason, call=call)
        if kind == C_CALL:
            return Told("native", "away", "derived", "", call=call)
        return Told("blocked", "away", "derived", "not known", call=call)

    def _without_gil(self, call: Call | int) -> Told:
        need = need_of(call)
        if need == AWAY:
            state, reason = waits_for(call)
            return Told(state, "none", "inferred", reason, call=call)
        if not need:
            return Told("unknown", "none", "inferred", "no call recorded", call=call)
        return Told("running", "none", "inferred", "", call=call)

    def _as_inferred(self, lane: int, tick: int, call: Call | int) -> Told:
        need, holder = need_of(call), self.holders[tick]
        if need == AWAY:
            state, reason = waits_for(call)
            return Told(state, "away", "inferred", reason, call=call)
        if not need:
            return Told("unknown", "none", "inferred", "no call recorded", call=call)
        if holder == lane:
            return Told("running", "holds", "inferred", "", call=call)
        if holder >= 0 and need == PYTHON:
            return Told("gil_wait", "waits", "inferred", "gil", call=call)
        if holder >= 0:
            return Told("unknown", "none", "inferred", "in a C call while other threads ran", call=call)
        return Told("unknown", "none", "inferred", UNPROVEN, call=call)

    def _waiting_lanes(self) -> int:
        found = 0
        for lane, (start, end) in enumerate(self.spans):
            found += any(self._at(lane, tick).state == "gil_wait" for tick in range(start, end))
        return found

    def _without_long_waits(self, told: dict[int, Told]) -> dict[int, Told]:
        """A wait longer than two rounds of everybody's turn is not only one for the GIL."""
        limit = 2 * max(self._waiting_lanes(), 1) * SWITCH_TICKS
        for stretch in stretches(told):
            if told[stretch[0]].state == "gil_wait" and len(stretch) > limit:
                for tick in stretch:
                    told[tick] = Told("unknown", "none", "inferred", UNPROVEN, call=told[tick].call)
        return told

    def blocker(self, lane: int, ticks: range) -> int:
        """Who held the GIL longest in ``ticks``, the first of equals; -1 where nobody else did."""
        held = Counter(self.holders[tick] for tick in ticks if self.holders[tick] >= 0)
        if not held:
            return -1
        longest = min(n for n, count in held.items() if count == max(held.values()))
        return -1 if longest == lane else longest


UNPROVEN: Final = "in Python code beside other threads; calls do not tell which one ran"


def stretches(told: dict[int, Told]) -> list[list[int]]:
    """Runs of ticks that say the same, whatever the call."""
    found: list[list[int]] = []
    for tick, said in told.items():
        before = told.get(tick - 1)
        same = before is not None and replace(before, call=None) == replace(said, call=None)
        if same:
            found[-1].append(tick)
        else:
            found.append([tick])
    return found
