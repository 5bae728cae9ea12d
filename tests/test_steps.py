"""Histories of lanes as sorted arrays, against dictionaries that remember every tick."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gtrace.timeline.steps import OUTSIDE, Axis, Steps, make_steps, overlay

SPANS = st.lists(
    st.tuples(st.integers(0, 8), st.integers(1, 8)).map(lambda p: (p[0], p[0] + p[1])), min_size=1, max_size=4
)
CHANGES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20), st.integers(0, 5)), max_size=20)
DEFAULT = 7


def column(values):
    return np.array(list(values), dtype=np.int64)


def axis_of(spans):
    return Axis.of(column(s for s, _ in spans), column(e for _, e in spans))


def steps_of(axis, changes):
    lanes, times, values = (column(c[i] for c in changes) for i in range(3))
    return make_steps(axis, axis.keys(lanes, times), values, DEFAULT)


def in_reach(axis, changes):
    """Changes of lanes that exist, at times within the run: others have no key."""
    return [c for c in changes if c[0] < len(axis.starts) and c[1] < axis.span - 1]


def by_tick(span, lane, changes):
    """The value in each tick of a lane: that of the last change given for the latest time before."""
    told = {}
    for tick in range(*span):
        past = [(max(at, span[0]), n) for n, (of, at, _) in enumerate(changes) if of == lane and at <= tick]
        told[tick] = changes[max(past)[1]][2] if past else DEFAULT
    return told


@given(SPANS, CHANGES)
def test_steps_hold_the_last_value_given_until_the_next_change(spans, changes):
    axis = axis_of(spans)
    # changes at or before a lane's start all fall on it, and there the last given wins
    changes = sorted(in_reach(axis, changes), key=lambda c: c[1])
    steps = steps_of(axis, changes)
    for lane, span in enumerate(spans):
        told = by_tick(span, lane, changes)
        assert steps.at(axis.keys(column([lane] * len(told)), column(told))).tolist() == list(told.values())
        assert steps.at(axis.keys(column([lane]), column([span[1]]))).tolist() == [OUTSIDE]


@given(SPANS, CHANGES)
def test_steps_are_sorted_without_repeats_and_stay_in_their_lanes(spans, changes):
    axis = axis_of(spans)
    steps = steps_of(axis, in_reach(axis, changes))
    assert (np.diff(steps.keys) > 0).all()
    times, lanes = axis.times(steps.keys), axis.lanes(steps.keys)
    assert ((times >= axis.starts[lanes]) & (times <= axis.ends[lanes])).all()


@given(SPANS, CHANGES, st.randoms())
def test_the_order_in_which_changes_at_different_times_are_given_does_not_matter(spans, changes, random):
    axis = axis_of(spans)
    changes = list({(c[0], c[1]): c for c in in_reach(axis, changes) if c[1] > spans[c[0]][0]}.values())
    mixed = random.sample(changes, len(changes))
    first, second = steps_of(axis, changes), steps_of(axis, mixed)
    assert first.keys.tolist() == second.keys.tolist()
    assert first.values.tolist() == second.values.tolist()


@given(SPANS, CHANGES, CHANGES)
def test_an_overlay_has_every_change_of_its_parts_and_their_values(spans, one, other):
    axis = axis_of(spans)
    parts = [steps_of(axis, in_reach(axis, changes)) for changes in (one, other)]
    keys, values = overlay(*parts)
    assert keys.tolist() == sorted({*parts[0].keys.tolist(), *parts[1].keys.tolist()})
    for part, told in zip(parts, values, strict=True):
        for key, value in zip(keys.tolist(), told.tolist(), strict=True):
            assert value == part.values[[i for i, k in enumerate(part.keys) if k <= key][-1]]


def test_times_outside_the_run_are_moved_to_its_edges():
    axis = axis_of([(0, 10), (0, 10)])
    keys = axis.keys(column([0, 0, 1, 1]), column([-5, 99, -5, 99]))
    assert axis.lanes(keys).tolist() == [0, 0, 1, 1]
    assert axis.times(keys).tolist() == [0, axis.span - 1, 0, axis.span - 1]


def test_negative_values_are_mapped_by_the_end_of_the_table():
    steps = Steps(column([0, 5, 9]), column([1, -1, -2]))
    assert steps.mapped(column([10, 11, 12, 13])).values.tolist() == [11, 13, 12]


def test_lanes_without_a_change_keep_the_default():
    axis = axis_of([(2, 10), (4, 6)])
    steps = make_steps(axis, column([]), column([]), DEFAULT)
    assert list(zip(steps.keys.tolist(), steps.values.tolist(), strict=True)) == [
        (2, DEFAULT), (10, OUTSIDE), (axis.span + 4, DEFAULT), (axis.span + 6, OUTSIDE),
    ]  # fmt: skip
