"""The fold: on evidence written as text, and against a twin that goes tick by tick.

``data/folds`` has a file a claim, the evidence above the intervals it must give.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from evidence_text import assert_says, timeline_of
from hypothesis import given, settings
from hypothesis import strategies as st
from twin_calls import NAMES, TICK, WRAPPERS, Call, call_steps, of_any_length, run_calls
from twin_fold import Reference, Scenario, situation_of
from twin_gil import gil_steps, run_gil

from gtrace.timeline.fold import fold, texts

FOLDS = Path(__file__).parent / "data" / "folds"
CASES = sorted(path.stem for path in FOLDS.glob("*.txt"))
LANES = 3


@pytest.mark.parametrize("claim", CASES)
def test_fold(claim, tmp_path):
    evidence, between, intervals = (FOLDS / f"{claim}.txt").read_text("utf-8").partition("\n--\n")
    assert between, "a case has evidence, a line --, and intervals"
    assert_says(timeline_of(tmp_path, evidence), intervals)


@st.composite
def scenarios(draw, kind):
    """Evidence of one kind; ``free`` has no GIL, ``cores`` are seen by the scheduler."""
    calls = run_calls(LANES, [] if "light" in kind else draw(call_steps(LANES)))
    has_agent = any(word in kind for word in ("agent", "locks", "light"))
    gil = run_gil(LANES, draw(gil_steps(LANES))) if has_agent else None
    end = max(calls.end, gil.end if gil else 0) + draw(st.integers(0, 2))
    starts = [draw(st.integers(0, min(4, end - 1))) for _ in range(LANES)]
    # a thread whose evidence is exact lives as long as it has any
    ends = [end if gil else draw(st.integers(start + 1, end)) for start in starts]
    return Scenario(
        calls,
        [(0 if gil else start, stop) for start, stop in zip(starts, ends, strict=True)],
        known_from=draw(st.sampled_from([0, 0, 3, end])),
        gil=gil,
        gil_end=draw(st.integers(1, end + 1)) if gil else 0,
        level="locks only: why" if "locks" in kind else "exact",
        free_threaded="free" in kind,
        places=[draw(places(end)) for _ in range(LANES)] if "cores" in kind else None,
    )


def places(end):
    """Where the scheduler saw a thread from when on."""
    change = st.tuples(st.integers(0, end), st.integers(0, 4))
    return of_any_length(change, 12).map(lambda changes: sorted(dict(changes).items()))


KINDS = (
    "calls", "agent", "locks", "free", "free locks", "light",
    "agent cores", "light cores", "free locks cores", "calls cores", "locks cores",
)  # fmt: skip


def check_lane(folded, reference, lane):
    """Each tick of a lane says what the twin says, and every wait names its call and its blocker."""
    told = reference.lane(lane)
    rows = folded[folded["lane"] == lane]
    edges = (rows["start_ns"].iloc[0], rows["end_ns"].iloc[-1])
    assert edges == tuple(t * TICK for t in reference.spans[lane])
    for row in rows.itertuples():
        ticks = range(row.start_ns // TICK, row.end_ns // TICK)
        gil = row.gil if isinstance(row.gil, str) else "none"
        for tick in ticks:
            said = told[tick]
            assert (row.state, gil, row.evidence, row.reason, row.lock, row.core) == (
                said.state, said.gil, said.evidence, said.reason, said.lock, said.core,
            ), (lane, tick)  # fmt: skip
        check_names(row, [told[tick].call for tick in ticks])
        assert row.blocker == expected_blocker(reference, row, ticks)


def check_names(row, calls):
    """The function is that of a call which took most of the time, the caller the program's own around it."""
    times = Counter(call.name for call in calls if isinstance(call, Call))
    if not times:
        assert (row.function, row.caller) == ("", "")
        return
    assert times[row.function] == max(times.values())
    possible = {own_function(call) for call in calls if isinstance(call, Call) and call.name == row.function}
    assert row.caller in possible


def own_function(call):
    while call is not None and (NAMES[call.name][0] != "python" or call.name in WRAPPERS):
        call = call.outer
    return call.name if call else ""


def expected_blocker(reference, row, ticks):
    if row.lock >= 0:
        poster = reference.waits[row.lock].poster_lane
        return -1 if poster == row.lane else poster
    return reference.blocker(row.lane, ticks) if row.state == "gil_wait" else -1


@pytest.mark.parametrize("kind", KINDS)
def test_every_tick_says_what_a_plain_loop_says(kind):
    @settings(max_examples=20)
    @given(scenarios(kind))
    def says(scenario):
        situation = situation_of(scenario)
        folded = fold(situation)
        reference = Reference(scenario, None if situation.gil is None else situation.gil.waits)
        for lane in range(LANES):
            check_lane(folded, reference, lane)

    says()


@given(st.lists(st.sampled_from(["f", "g", "", "h"]), min_size=1), st.data())
def test_texts_are_those_of_their_numbers_and_no_others(values, data):
    codes = data.draw(st.lists(st.integers(0, len(values) - 1)))
    found = texts(tuple(values), np.array(codes, dtype=np.int64))
    assert list(found) == [values[code] for code in codes]
    assert set(found.cat.categories) == {values[code] for code in codes}
