from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from timelines import synthetic, timeline, with_joins, with_wakeups

from gtrace.model import State, TimeNs
from gtrace.report import Span, render
from gtrace.report.escape import script_json
from gtrace.report.part import OVERHEAD_BYTES, cut, fitting_part, overview

TEXT = """
main  0-40    lock_wait <- old
main  40-100  running f
old   0-40    running g
new   50-100  gil_wait f <- main
"""


def span(begin_ms, end_ms):
    return Span(TimeNs(int(begin_ms * 1e6)), TimeNs(int(end_ms * 1e6)))


def test_a_part_holds_the_threads_and_intervals_of_its_span_and_no_others():
    held = cut(timeline(TEXT), span(45, 60))
    assert held.threads["name"].tolist() == ["main", "new"]
    rows = held.intervals[["lane", "start_ns", "end_ns", "state"]].values.tolist()
    assert rows == [
        [0, 45_000_000, 60_000_000, "running"],
        [1, 50_000_000, 60_000_000, "gil_wait"],
    ]


def test_threads_of_a_part_keep_their_own_start_and_end():
    held = cut(timeline(TEXT), span(45, 60))
    assert held.threads["start_ns"].tolist() == [0, 50_000_000]
    assert held.threads["end_ns"].tolist() == [100_000_000, 100_000_000]


def test_parts_add_up_to_the_run():
    known = with_wakeups(synthetic(3_000, 6, seed=3), 0.4)
    end = int(known.run.duration)
    edges = [0, end // 5, end // 2, end]
    parts = [cut(known, Span(TimeNs(a), TimeNs(b))) for a, b in pairwise(edges)]
    for state in State:
        lengths = [
            int((rows["end_ns"] - rows["start_ns"]).sum())
            for rows in (one.intervals[one.intervals["state"] == state.value] for one in (*parts, known))
        ]
        assert sum(lengths[:-1]) == lengths[-1]
    assert sum(len(part.wakeups) for part in parts) == len(known.wakeups)


def test_wake_ups_and_joins_of_a_part_are_those_within_it():
    known = with_joins(timeline(TEXT), ("main", "old", 0, 40, "ended"))
    assert len(cut(known, span(10, 60)).joins) == 1
    assert len(cut(known, span(45, 60)).joins) == 0


def test_the_overview_of_the_whole_run_has_all_its_time():
    known = synthetic(3_000, 6, seed=3)
    cells = np.array(overview(known)["cells"])
    intervals = known.intervals
    for number, state in enumerate(State):
        rows = intervals[intervals["state"] == state.value]
        expected = int((rows["end_ns"] - rows["start_ns"]).sum())
        assert cells[number].sum() == pytest.approx(expected, abs=cells.shape[1])
    assert (cells >= 0).all()


def test_a_page_of_the_whole_run_is_no_part():
    assert fitting_part(timeline(TEXT), None).span is None
    assert 'id="part"' not in render(timeline(TEXT))


def test_what_a_page_cannot_hold_is_left_out_at_the_end_and_it_says_so():
    known = synthetic(20_000, 4, seed=1)
    whole = fitting_part(known, None)
    most = OVERHEAD_BYTES + len(script_json(whole.packed.header)) + len(whole.packed.blob) // 3
    part = fitting_part(known, None, most)
    assert part.shortened
    assert part.span is not None
    assert part.span.begin == 0
    assert OVERHEAD_BYTES + len(part.packed.blob) <= most
    assert 0.2 * len(known.intervals) < len(part.timeline.intervals) < 0.4 * len(known.intervals)


def test_a_chosen_span_is_kept_whole_where_it_fits():
    known = synthetic(20_000, 4, seed=1)
    chosen = Span(TimeNs(int(known.run.duration) // 2), known.run.duration)
    part = fitting_part(known, chosen)
    assert (part.span, part.shortened) == (chosen, False)


def test_a_page_of_a_part_says_which_and_how_to_get_another():
    page = render(timeline(TEXT), span(45, 60))
    assert "This page holds every interval from 0.045 s to 0.06 s of a run of 100 ms." in page
    assert "--from S --to S" in page


def test_a_part_keeps_the_verdict_of_the_run():
    known = timeline(TEXT)
    whole, part = render(known), render(known, span(45, 60))
    verdict = whole[whole.index('class="verdict-text"') : whole.index('id="headline"')]
    assert verdict in part
