"""Who held the GIL, who let whom go on, and how many threads did something at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from exported import CONVOY
from timelines import EXACT_RUN, synthetic, timeline

from gtrace.export.turns import CORES_IN_USE, Arrow, count_at_once, handoffs, holds, wakeups
from gtrace.model import State


def turns_of(run):
    """(lane, start, end, function) in ms."""
    table = holds(run)
    return [
        (lane, start / 1e6, end / 1e6, function)
        for lane, start, end, function in zip(
            table["lane"], table["start_ns"], table["end_ns"], table["function"], strict=True
        )
    ]


def changes(run, states):
    times, counts = count_at_once(run.intervals, states)
    return [(time / 1e6, count) for time, count in zip(times.tolist(), counts.tolist(), strict=True)]


def test_a_turn_lasts_while_its_thread_is_preempted():
    assert turns_of(timeline(CONVOY)) == [(0, 0, 40, "crunch (a.py:3)"), (1, 40, 60, "parse (b.py:9)")]


def test_a_turn_is_named_by_the_function_that_took_most_of_it():
    assert turns_of(timeline("main 0-2 running f\nmain 2-9 running g\nmain 9-10 running h")) == [
        (0, 0, 10, "g")
    ]


def test_a_thread_that_was_away_has_two_turns():
    away = timeline("main 0-2 running f\nmain 2-3 sleep\nmain 3-4 running f")

    assert turns_of(away) == [(0, 0, 2, "f"), (0, 3, 4, "f")]


def test_without_a_gil_there_are_no_turns():
    assert turns_of(timeline("main 0-2 running f", replace(EXACT_RUN, free_threaded=True))) == []


def test_a_handoff_leads_from_the_last_instant_of_a_turn_to_the_first_of_the_next():
    run = timeline(CONVOY)

    assert handoffs(run, holds(run)) == [Arrow(0, 40_000_000 - 1, 1, 40_000_000)]


def test_who_did_not_wait_for_the_gil_was_not_handed_it():
    run = timeline("a 0-5 running\na 5-9 sleep\nb 0-6 sleep\nb 6-9 running")

    assert handoffs(run, holds(run)) == []


def test_gils_of_subinterpreters_are_not_handed_over_to_each_other():
    run = timeline("a 0-5 running\na 5-9 sleep\nb 0-5 gil_wait gil_number=1\nb 5-9 running gil_number=1")

    assert len(holds(run)) == 2
    assert handoffs(run, holds(run)) == []


def test_a_wakeup_leads_from_the_thread_that_caused_it():
    run = timeline("""
        a 0-4 lock_wait <- b
        a 4-9 running
        b 0-9 native
    """)

    assert wakeups(run) == [Arrow(1, 4_000_000 - 1, 0, 4_000_000)]


def test_a_wakeup_by_a_thread_that_is_gone_leads_from_its_last_instant():
    run = timeline("""
        a 0-6 lock_wait reason="thread join" <- b
        a 6-9 running
        b 0-4 native
    """)

    assert wakeups(run) == [Arrow(1, 4_000_000 - 1, 0, 6_000_000)]


@pytest.mark.parametrize(
    "text",
    [
        "a 0-4 lock_wait\na 4-9 running",
        "a 0-9 lock_wait <- b\nb 0-9 native",
        "a 0-4 gil_wait <- b\na 4-9 running\nb 0-9 sleep",
    ],
    ids=["cause not known", "still waiting at the end", "a wait for the GIL"],
)
def test_no_wakeup_is_made_up(text):
    assert wakeups(timeline(text)) == []


def test_of_threads_with_one_native_id_the_last_begun_before_woke_the_other():
    run = timeline("a 0-5 lock_wait <- b\na 5-9 running\nb 0-2 native\nc 3-9 native")
    run.threads.loc[2, "tid"] = run.threads.loc[1, "tid"]

    assert [arrow.from_lane for arrow in wakeups(run)] == [2]


def test_counts_tell_when_they_change_and_end_at_none():
    assert changes(timeline(CONVOY), CORES_IN_USE) == [(0, 1), (30, 0), (40, 1), (60, 0), (80, 1), (90, 0)]
    assert changes(timeline(CONVOY), (State.GIL_WAIT,)) == [(10, 1), (60, 0)]


def test_nothing_counted_is_no_change():
    assert changes(timeline("a 0-4 sleep"), CORES_IN_USE) == []


def test_counts_are_right_at_every_change():
    run = synthetic(300, 5, seed=3)
    rows = run.intervals[run.intervals["state"] == "gil_wait"]
    times, counts = count_at_once(run.intervals, (State.GIL_WAIT,))

    for time in np.unique(np.concatenate([rows["start_ns"], rows["end_ns"]])):
        waiting = ((rows["start_ns"] <= time) & (time < rows["end_ns"])).sum()
        assert counts[np.searchsorted(times, time, side="right") - 1] == waiting
