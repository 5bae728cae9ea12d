"""The slow twin of the fold: what the vectorised code computes, said again tick by tick."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from twin_calls import (
    AWAY,
    C_CALL,
    NAMES,
    PYTHON,
    TICK,
    Call,
    CallScript,
    innermost_calls,
    need_of,
    waits_for,
)
from twin_gil import FIRST_TID, IN_C, SWITCH_TICKS, GilScript, gil_events, holders_by_tick

from gtrace.evidence.gil import GIL_KINDS, GilKind
from gtrace.evidence.threads import ThreadRecord
from gtrace.timeline.fold import Situation
from gtrace.timeline.gil import gil_history
from gtrace.timeline.kinds import Names, find_kinds
from gtrace.timeline.lanes import Lanes
from gtrace.timeline.nesting import NO_CALL, nest
from gtrace.timeline.steps import Axis, Steps, make_steps

if TYPE_CHECKING:
    import pandas as pd


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
