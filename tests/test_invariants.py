"""A timeline that contradicts itself is found out: each rule has one that breaks it, and nothing else."""

from __future__ import annotations

import dataclasses

import pytest
from timelines import timeline

from gtrace.errors import InvariantError
from gtrace.timeline.invariants import check

WHOLE = """
main 0-40   running f
main 40-60  gil_wait f <- w1
main 60-100 sleep
w1   10-40  gil_wait g <- main
w1   40-90  running g
w1   90-100 lock_wait
"""


def broken(column, row, value):
    """``WHOLE`` with one cell of its intervals changed."""
    whole = timeline(WHOLE)
    intervals = whole.intervals.copy()
    intervals.loc[row, column] = value
    return dataclasses.replace(whole, intervals=intervals)


def test_a_timeline_that_does_not_contradict_itself_passes():
    check(timeline(WHOLE))


@pytest.mark.parametrize(
    ("column", "row", "value", "fault"),
    [
        ("end_ns", 0, 39_000_000, "overlap or leave a gap"),
        ("end_ns", 0, 41_000_000, "overlap or leave a gap"),
        ("end_ns", 0, 0, "no length"),
        ("start_ns", 0, 1_000_000, "begins before its intervals"),
        ("end_ns", 2, 99_000_000, "ends after its intervals"),
        ("lane", 0, 1, "sorted by lane"),
        ("state", 1, "running", "are not the same"),
        ("gil", 1, "away", "are not the same"),
        ("gil", 1, None, "are not the same"),
        ("gil", 0, "away", "away from the GIL"),
        ("gil", 2, "holds", "let it go"),
        ("blocker_tid", 1, 5000, "waits for itself"),
    ],
)
def test_a_timeline_that_contradicts_itself_is_found_out(column, row, value, fault):
    with pytest.raises(InvariantError, match=fault):
        check(broken(column, row, value))


TWO_HOLDERS = "main 0-50 running f\nw1 0-49 sleep\nw1 49-50 running g"


def test_two_threads_that_hold_the_gil_at_once_are_found_out():
    with pytest.raises(InvariantError, match="two threads hold"):
        check(timeline(TWO_HOLDERS))


def test_two_threads_may_each_hold_a_gil_of_their_own():
    check(timeline(TWO_HOLDERS.replace("running g", "running g gil_number=1")))


def test_a_long_hold_is_not_forgotten_behind_a_short_one_within_it():
    with pytest.raises(InvariantError, match="two threads hold"):
        check(timeline("main 0-100 running\nw1 0-10 sleep\nw1 10-100 running"))


def test_a_thread_without_any_interval_is_found_out():
    whole = timeline(WHOLE)
    alone = whole.intervals[whole.intervals["lane"] == 0]
    with pytest.raises(InvariantError, match="no interval"):
        check(dataclasses.replace(whole, intervals=alone))


def test_intervals_of_different_processes_may_hold_their_gils_at_once():
    known = timeline(TWO_HOLDERS)
    intervals = known.intervals.assign(pid=known.intervals["pid"] + known.intervals["lane"])
    threads = known.threads.assign(pid=known.threads["pid"] + known.threads.index)
    check(dataclasses.replace(known, threads=threads, intervals=intervals))


def test_an_empty_timeline_passes():
    whole = timeline(WHOLE)
    check(dataclasses.replace(whole, threads=whole.threads[:0], intervals=whole.intervals[:0]))
