"""What threads waited for, by thread, state, reason, call and caller."""

from __future__ import annotations

import pytest
from timelines import synthetic, timeline

from gtrace.analysis.waits import COLUMNS, wait_seconds, wait_table
from gtrace.model import WAIT_STATES, State

RUN = """
main 0-10   running f
main 10-40  lock_wait _thread.lock.acquire caller=f reason=queue
main 40-45  gil_wait f caller=f <- w1
main 45-50  running f
main 50-70  lock_wait _thread.lock.acquire caller=f reason=queue
main 70-100 unknown
w1   0-30   sleep time.sleep caller=g reason=sleep
w1   30-60  running g
w1   60-100 native zlib.compress caller=g reason=compression
"""


def test_waits_that_are_alike_are_one_row_and_the_longest_stands_on_top():
    table = wait_table(timeline(RUN))
    assert tuple(table.columns) == COLUMNS
    assert table[["thread", "state", "reason", "function", "count"]].to_numpy().tolist() == [
        ["main", "lock_wait", "queue", "_thread.lock.acquire", 2],
        ["w1", "sleep", "sleep", "time.sleep", 1],
        ["main", "gil_wait", "", "f", 1],
    ]
    assert table["seconds"].tolist() == pytest.approx([0.05, 0.03, 0.005])
    assert table["longest_s"].tolist() == pytest.approx([0.03, 0.03, 0.005])


def test_running_native_code_and_what_is_unknown_are_no_waits():
    assert set(wait_table(timeline(RUN))["state"]) == {"lock_wait", "gil_wait", "sleep"}


def test_the_same_wait_of_two_threads_of_one_name_stays_two_rows():
    known = timeline("a 0-10 sleep\nb 0-10 sleep")
    known.threads["name"] = "worker"
    assert wait_table(known)[["thread", "lane"]].to_numpy().tolist() == [["worker", 0], ["worker", 1]]


def test_a_run_without_waits_has_an_empty_table():
    assert len(wait_table(timeline("main 0-100 running f"))) == 0


def test_no_wait_is_lost_in_the_table():
    known = synthetic(3000, 5)
    table = wait_table(known)
    for state in WAIT_STATES:
        of_state = table[table["state"] == state.value]
        assert of_state["seconds"].sum() == pytest.approx(wait_seconds(known, state))
        assert of_state["count"].sum() == (known.intervals["state"] == state.value).sum()


def test_seconds_in_a_state_are_those_of_all_threads():
    assert wait_seconds(timeline(RUN), State.LOCK_WAIT) == pytest.approx(0.05)
    assert wait_seconds(timeline(RUN), State.PREEMPTED) == 0
