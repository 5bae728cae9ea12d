"""Who had the GIL as calls prove it, and who blocked whom, against plain loops over every tick."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twin_calls import AWAY, C_CALL, PYTHON
from twin_gil import holders_by_tick

from gtrace.timeline import interleaving
from gtrace.timeline.cells import Need, Turn
from gtrace.timeline.interleaving import NOBODY, NOT_PROVEN, Holders, blockers, infer_holders, turns
from gtrace.timeline.steps import Axis, make_steps

NEEDS = {Need.PYTHON: PYTHON, Need.C_CALL: C_CALL, Need.AWAY: AWAY, Need.NONE: ""}
SWITCH = 4
END = 24
SPANS = st.lists(
    st.tuples(st.integers(0, END - 1), st.integers(1, END)).map(lambda p: (p[0], min(p[0] + p[1], END))),
    min_size=1,
    max_size=4,
)
CHANGES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, END), st.integers(0, 3)), max_size=25)


def column(values):
    return np.array(list(values), dtype=np.int64)


def needs_of(axis, changes):
    changes = [c for c in changes if c[0] < len(axis.starts)]
    lanes, times, values = (column(c[i] for c in changes) for i in range(3))
    return make_steps(axis, axis.keys(lanes, times), values, int(Need.NONE))


def axis_of(spans):
    return Axis.of(column(s for s, _ in spans), column(e for _, e in spans))


def at(holders, tick):
    changes = zip(holders.times.tolist(), holders.lanes.tolist(), strict=True)
    found = [lane for time, lane in changes if time <= tick]
    return found[-1] if found else NOBODY


@given(SPANS, CHANGES)
def test_the_holder_is_the_one_that_events_prove(spans, changes):
    axis = axis_of(spans)
    steps = needs_of(axis, changes)
    holders = infer_holders(axis, steps, SWITCH)
    needs = [
        {
            lane: NEEDS[Need(int(steps.at(axis.keys(column([lane]), column([tick])))[0]))]
            for lane, (start, end) in enumerate(spans)
            if start <= tick < end
        }
        for tick in range(END)
    ]
    events = list(zip(axis.times(steps.keys).tolist(), axis.lanes(steps.keys).tolist(), strict=True))
    assert [at(holders, tick) for tick in range(END)] == holders_by_tick(needs, events, END)


@given(SPANS, CHANGES)
def test_whose_turn_it_is_follows_from_who_holds(spans, changes):
    axis = axis_of(spans)
    holders = infer_holders(axis, needs_of(axis, changes), SWITCH)
    found = turns(axis, holders)
    for lane, (start, end) in enumerate(spans):
        for tick in range(start, end):
            holder = at(holders, tick)
            turn = {lane: Turn.OWN, NOBODY: Turn.FREE, NOT_PROVEN: Turn.UNPROVEN}.get(holder, Turn.OTHER)
            assert found.at(axis.keys(column([lane]), column([tick]))).tolist() == [turn]


@st.composite
def histories(draw):
    times = sorted(draw(st.sets(st.integers(0, END), max_size=10)))
    return Holders(column(times), column(draw(st.integers(-2, 3)) for _ in times))


WAITS = st.lists(st.tuples(st.integers(0, END - 1), st.integers(1, END), st.integers(0, 3)), max_size=8)


def blocker_by_sums(holders, start, end, lane):
    """Sums what each lane held of the wait; of equals the first; nobody blocks itself."""
    held = {}
    for tick in range(start, end):
        if at(holders, tick) >= 0:
            held[at(holders, tick)] = held.get(at(holders, tick), 0) + 1
    if not held:
        return NOBODY
    longest = min(who for who, count in held.items() if count == max(held.values()))
    return NOBODY if longest == lane else longest


@pytest.mark.parametrize("at_once", [1, 3, 1 << 21])
def test_who_held_for_most_of_a_wait_blocks_it(monkeypatch, at_once):
    monkeypatch.setattr(interleaving, "_SLICE", at_once)

    @given(histories(), WAITS)
    def holds(holders, waits):
        waits = [(start, min(start + length, END), lane) for start, length, lane in waits]
        starts, ends, lanes = (column(w[i] for w in waits) for i in range(3))
        found = blockers(holders, starts, ends, lanes)
        assert found.tolist() == [blocker_by_sums(holders, *wait) for wait in waits]

    holds()


def test_without_any_holder_nobody_blocks():
    nothing = column([])
    assert blockers(Holders(nothing, nothing), column([3]), column([9]), column([0])).tolist() == [NOBODY]
    assert blockers(Holders(column([0]), column([1])), nothing, nothing, nothing).tolist() == []
