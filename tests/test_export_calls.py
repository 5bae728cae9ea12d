"""Calls for viewers: each by its thread, and so nested that none is dropped."""

from __future__ import annotations

import numpy as np
from evidence_text import write_recording
from exported import badly_nested
from hypothesis import given
from hypothesis import strategies as st

import gtrace
from gtrace.export.calls import find_calls, nested_ends, order_of_entry

SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=40)


def found(tmp_path, text):
    """(thread, name, start, end) in ms of every call, in the order of the export."""
    recording = gtrace.load(write_recording(tmp_path / "text.gtrace", text))
    names = gtrace.build_timeline(recording).threads["name"]
    return [
        (names.iloc[one.lane], one.texts[name], start / 1e6, end / 1e6)
        for one in find_calls(recording)
        for name, start, end in zip(one.names, one.starts, one.ends, strict=True)
    ]


def arranged(spans):
    starts = np.array([start for start, _ in spans], dtype=np.int64)
    ends = np.array([start + length for start, length in spans], dtype=np.int64)
    order = order_of_entry(starts, ends)
    return starts[order], ends[order], nested_ends(starts[order], ends[order])


def test_calls_come_by_thread_and_callers_before_what_they_call(tmp_path):
    text = """
        main begin 0
        w1 begin 1 parent=main
        main call outer 1-9
        main call inner 2-3
        w1 call work 4-5
        stop 10
    """
    assert found(tmp_path, text) == [
        ("main", "outer", 1, 9),
        ("main", "inner", 2, 3),
        ("w1", "work", 4, 5),
    ]


def test_a_call_that_has_not_returned_ends_with_the_recording(tmp_path):
    assert found(tmp_path, "main begin 0\nmain call f 2-\nstop 10") == [("main", "f", 2, 10)]


def test_a_run_without_calls_has_none(tmp_path):
    assert found(tmp_path, "main begin 0\nstop 10") == []


def test_threads_that_had_one_native_id_keep_their_calls_apart(tmp_path):
    text = """
        main begin 0
        a begin 1 parent=main tid=77
        a call f 2-3
        a end 4
        b begin 5 parent=main tid=77
        b call f 6-7
        b end 8
        stop 10
    """
    assert found(tmp_path, text) == [("a", "f", 2, 3), ("b", "f", 6, 7)]


def test_of_calls_that_begin_together_the_one_that_ends_last_is_outside():
    starts, ends = np.array([0, 0, 0]), np.array([3, 9, 5])

    assert ends[order_of_entry(starts, ends)].tolist() == [9, 5, 3]


def test_of_calls_that_begin_and_end_together_the_one_recorded_last_is_outside():
    same = np.array([4, 4])

    assert order_of_entry(same, same).tolist() == [1, 0]


def test_a_call_that_seems_to_outlast_its_caller_ends_with_it():
    assert nested_ends(np.array([0, 5, 10]), np.array([10, 11, 12])).tolist() == [10, 10, 12]


@given(SPANS)
def test_whatever_the_clocks_said_calls_nest(spans):
    starts, ends, nested = arranged(spans)

    assert badly_nested(list(zip(starts.tolist(), nested.tolist(), strict=True))) == []
    assert (nested <= ends).all()


@given(SPANS)
def test_calls_that_nest_stay_as_they_are(spans):
    starts, _, once = arranged(spans)

    assert nested_ends(starts, once).tolist() == once.tolist()


def test_the_check_of_nesting_finds_an_overlap():
    assert badly_nested([(0, 5), (3, 7)]) == [(3, 7)]
