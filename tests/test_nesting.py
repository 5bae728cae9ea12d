"""Which call is the innermost one, against a stack machine that remembers who was entered last."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twin_calls import Call, CallScript, call_steps, innermost_calls, run_calls

from gtrace.timeline.nesting import NO_CALL, UNRECORDED, nest
from gtrace.timeline.steps import OUTSIDE, Axis

LANES = 3


def column(values):
    return np.array(list(values), dtype=np.int64)


def nested(axis, script: CallScript):
    lanes, starts, ends = (column(getattr(c, n) for c in script.recorded) for n in ("lane", "start", "end"))
    return nest(axis, lanes, starts, ends)


def number(call):
    return call.number if isinstance(call, Call) else call


@st.composite
def spans(draw, end):
    begin = draw(st.integers(0, min(end - 1, 6)))
    return begin, draw(st.integers(begin + 1, end + 2))


@given(st.data(), call_steps(LANES))
def test_the_innermost_call_is_the_one_entered_last(data, steps):
    script = run_calls(LANES, steps)
    alive = [data.draw(spans(script.end)) for _ in range(LANES)]
    axis = Axis.of(column(s for s, _ in alive), column(e for _, e in alive))
    found = nested(axis, script)
    for lane, (start, end) in enumerate(alive):
        ticks = np.arange(start, end)
        told = found.innermost.at(axis.keys(np.full(len(ticks), lane), ticks))
        assert told.tolist() == [number(c) for c in innermost_calls(script, lane, start, end)]
        assert found.innermost.at(axis.keys(column([lane]), column([end]))).tolist() == [OUTSIDE]


@given(call_steps(LANES))
def test_the_parent_of_a_call_is_the_one_it_was_entered_from(steps):
    script = run_calls(LANES, steps)
    axis = Axis.of(np.zeros(LANES, np.int64), np.full(LANES, script.end, np.int64))
    found = nested(axis, script)
    told = [NO_CALL if c.start == c.end or c.outer is None else c.outer.number for c in script.recorded]
    assert found.parents.tolist() == told


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20), st.integers(0, 20)), max_size=30))
def test_calls_that_cross_each_other_still_give_one_call_at_a_time(calls):
    """Damaged evidence: what is said of it may be wrong, but it is a history, and of the calls given."""
    axis = Axis.of(np.zeros(3, np.int64), np.full(3, 21, np.int64))
    found = nest(axis, *(column(c[i] for c in calls) for i in range(3)))
    assert (np.diff(found.innermost.keys) > 0).all()
    assert set(found.innermost.values.tolist()) <= {*range(len(calls)), NO_CALL, UNRECORDED, OUTSIDE}
    assert set(found.parents.tolist()) <= {*range(len(calls)), NO_CALL}


@pytest.mark.parametrize("ends", [(10, 10), (10, 12)])
def test_of_calls_that_begin_together_the_one_that_ended_last_is_the_outer_one(ends):
    axis = Axis.of(column([0]), column([20]))
    found = nest(axis, column([0, 0]), column([5, 5]), column(ends))
    assert found.innermost.at(column([5])).tolist() == [0]
    assert found.parents.tolist() == [1, NO_CALL]


def test_without_calls_no_call_is_known():
    axis = Axis.of(column([3]), column([20]))
    found = nest(axis, column([]), column([]), column([]))
    assert found.innermost.keys.tolist() == [3, 20]
    assert found.innermost.values.tolist() == [NO_CALL, OUTSIDE]


def test_between_and_after_its_calls_a_thread_is_in_a_function_entered_before_recording():
    axis = Axis.of(column([0]), column([20]))
    found = nest(axis, column([0, 0]), column([2, 8]), column([4, 9]))
    assert found.innermost.keys.tolist() == [0, 2, 4, 8, 9, 20]
    assert found.innermost.values.tolist() == [NO_CALL, 0, UNRECORDED, 1, UNRECORDED, OUTSIDE]
