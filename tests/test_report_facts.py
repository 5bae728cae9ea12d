from __future__ import annotations

from dataclasses import replace

import pytest
from timelines import EXACT_RUN, INFERRED_RUN, synthetic, timeline

from gtrace.report import facts

TWO_HOLDERS = """
main  0-30    running f
main  30-40   gil_wait f <- w1
main  40-50   running f
w1    0-30    gil_wait g <- main
w1    30-40   running g
w1    40-100  sleep
main  50-100  io_wait
"""


@pytest.mark.parametrize(
    ("command", "title"),
    [
        (("python", "a/b.py", "x.py"), "b.py"),
        (("python", "-m", "http.server", "8000"), "http.server"),
        (("python", "-c", "print(1)"), "python -c"),
        ((), "a Python program"),
    ],
)
def test_a_page_is_named_after_what_ran(command, title):
    assert facts.title_of(replace(EXACT_RUN, command=command)) == title


def numbers(known):
    return {number.key: number for number in facts.headline(known)}


def test_the_longest_hold_and_wait_name_their_thread():
    found = numbers(timeline(TWO_HOLDERS))
    assert (found["hold"].value, found["hold"].note) == ("30.0 ms", "main")
    assert (found["longest"].value, found["longest"].note) == ("30.0 ms", "w1")


def test_a_hold_goes_on_through_intervals_that_touch():
    known = timeline("main 0-30 running f\nmain 30-50 stalled g\nmain 50-60 sleep")
    assert facts.longest_hold(known.intervals) == (50_000_000, "main")


def test_a_hand_off_is_a_change_of_the_holder():
    assert facts.handoffs(timeline(TWO_HOLDERS).intervals) == 2
    assert numbers(timeline(TWO_HOLDERS))["handoffs"].note == "2 in all"


def test_what_calls_alone_conclude_is_no_hold_that_was_seen():
    inferred = "\n".join(f"{line} evidence=inferred" for line in TWO_HOLDERS.strip().splitlines())
    found = numbers(timeline(inferred, INFERRED_RUN))
    for key in ("hold", "longest", "handoffs"):
        assert found[key].value == facts.NOT_KNOWN
        assert not found[key].known


def test_without_a_gil_no_number_about_it_is_claimed():
    known = timeline(TWO_HOLDERS.replace("gil_wait", "blocked"), replace(EXACT_RUN, free_threaded=True))
    assert list(numbers(known)) == ["wall", "cores"]


def test_only_calls_means_every_interval_is_inferred():
    assert facts.only_inferred(timeline("main 0-1 running evidence=inferred"))
    assert not facts.only_inferred(timeline("main 0-1 running evidence=inferred\nmain 1-2 sleep"))


def test_a_missing_source_says_how_to_get_it():
    rows = {row.source: row for row in facts.evidence_rows(INFERRED_RUN)}
    assert rows["Scheduler"].quality == "not available"
    assert "perf_event_paranoid is 3" in rows["Scheduler"].detail
    assert "To get it" in rows["Scheduler"].detail
    assert rows["Calls"].lost == "0"
    assert rows["Threads"].lost == facts.NOT_KNOWN


def test_a_source_that_is_derived_says_how_to_get_all_of_it():
    run = replace(EXACT_RUN, evidence={"scheduler": "derived: by each thread's own clock: it is refused"})
    (row,) = facts.evidence_rows(run)
    assert row.quality == "derived"
    assert row.detail.startswith("by each thread's own clock: it is refused. To get all of it: ")


def test_the_switch_interval_is_told_only_where_there_is_one():
    assert dict(facts.environment(EXACT_RUN))["Switch interval"] == "5.00 ms"
    assert "Switch interval" not in dict(facts.environment(replace(EXACT_RUN, free_threaded=True)))


def test_the_numbers_of_a_big_timeline_are_those_of_its_intervals():
    known = synthetic(3_000, 5)
    held = known.intervals[known.intervals["gil"] == "holds"]
    assert facts.longest_hold(known.intervals)[0] >= int((held["end_ns"] - held["start_ns"]).max())
