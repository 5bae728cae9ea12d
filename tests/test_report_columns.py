from __future__ import annotations

import base64
import zlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from timelines import FIRST_TID, synthetic, timeline, with_wakeups

from gtrace.model import Evidence, Gil, State
from gtrace.report.columns import EVIDENCE_CODES, GIL_CODES, Columns, pack
from gtrace.timeline.invariants import check
from gtrace.timeline.wakeups import CAUSES

STATES = [state.value for state in State]
GILS = [None, *(gil.value for gil in Gil)]
EVIDENCES = [kind.value for kind in Evidence]


def columns_of(packed: Columns) -> dict[str, list[int]]:
    """A slow twin of the page's decoder: the columns as they were."""
    header, blob = packed.header, base64.b64decode(packed.blob)
    columns, offset = {}, 0
    for column in header["columns"]:
        planes = zlib.decompress(blob[offset : offset + column["bytes"]])
        offset += column["bytes"]
        grouped = np.frombuffer(planes, "u1").reshape(4, column["count"])
        columns[column["name"]] = np.ascontiguousarray(grouped.T).view("<u4").ravel().tolist()
        for place, value in column["long"]:
            columns[column["name"]][place] = value
    assert offset == len(blob)
    return columns


def unpack(packed: Columns) -> list[tuple[object, ...]]:
    """Every interval as a tuple."""
    header, columns = packed.header, columns_of(packed)
    return [
        interval for lane in range(len(header["laneCounts"])) for interval in _lane(header, columns, lane)
    ]


def _lane(header, columns, lane):
    time = header["laneStarts"][lane]
    first, kind_base = sum(header["laneCounts"][:lane]), sum(header["kindCounts"][:lane])
    for i in range(first, first + header["laneCounts"][lane]):
        start, time = time, time + columns["duration"][i]
        kind = kind_base + columns["kind"][i]
        facts = columns["kindFacts"][kind]
        yield (
            lane,
            start,
            time,
            STATES[facts // EVIDENCE_CODES // GIL_CODES],
            GILS[facts // EVIDENCE_CODES % GIL_CODES],
            EVIDENCES[facts % EVIDENCE_CODES],
            *(header["functions"][columns[name][kind]] for name in ("kindFunction", "kindCaller")),
            header["reasons"][columns["kindReason"][kind]],
            chain_of(header, header["chains"][columns["kindChain"][kind]]),
            columns["kindBlocker"][kind] - 1,
            columns["core"][i] - 1,
        )


def chain_of(header, leaf):
    """The text of a chain, told by the tree."""
    names = []
    while leaf:
        leaf, name = header["chainNodes"][2 * leaf - 2 : 2 * leaf]
        names.append(header["chainNames"][name])
    return ";".join(names[::-1])


def rows(known):
    frame = known.intervals
    gil = frame["gil"].astype(object).where(frame["gil"].notna(), None)
    blocker = (frame["blocker_tid"] - FIRST_TID).clip(lower=-1)
    plain = frame.assign(gil=gil, blocker=blocker)
    names = "lane start_ns end_ns state gil evidence function caller reason chain blocker core"
    return list(zip(*(plain[name].tolist() for name in names.split()), strict=True))


HAND_MADE = """
main    0-5000     running "crunch (a.py:3)" caller="main (a.py:9)" core=1
w1      10-40      gil_wait f <- main
w1      40-6000    lock_wait g reason=Lock.acquire evidence=inferred
w1      6000-6001  unknown evidence=derived
w2      20-30      sleep time.sleep reason=sleep chain="main (a.py:9);work (a.py:12);time.sleep"
"""


@pytest.mark.parametrize(
    "known", [timeline(HAND_MADE), synthetic(2_000, 7, seed=1), synthetic(30, 30, seed=2)]
)
def test_every_interval_comes_back_as_it_was(known):
    check(known)
    assert unpack(pack(known)) == rows(known)


def test_an_interval_longer_than_32_bits_of_nanoseconds_keeps_its_length():
    known = timeline("main 0-9000000 sleep")
    assert unpack(pack(known))[0][2] == 9_000_000 * 1_000_000


def test_a_million_intervals_take_less_than_six_bytes_each():
    assert len(pack(synthetic(100_000, 8)).blob) < 6 * 100_000


def test_packing_twice_gives_the_same():
    known = synthetic(5_000, 4)
    assert pack(known) == pack(known)


def test_missing_texts_are_empty_and_hostile_ones_become_showable():
    known = timeline('main 0-10 running "\ud800<b>"\nmain 10-20 running x')
    gone = known.intervals["function"].cat.remove_categories(["x"])
    packed = pack(replace(known, intervals=known.intervals.assign(function=gone)))
    assert [row[6] for row in unpack(packed)] == ["\\ud800<b>", ""]


def test_the_timelines_of_the_tests_hold_the_invariants():
    for known in (synthetic(10_000, 3), synthetic(3_000, 50, seed=4), timeline(HAND_MADE)):
        check(known)
        assert isinstance(known.intervals["state"].dtype, pd.CategoricalDtype)


def test_every_wake_up_comes_back_as_it_was():
    known = with_wakeups(synthetic(3_000, 7, seed=1), 0.5)
    late = known.wakeups.assign(latency_ns=known.wakeups["latency_ns"] + (5 << 32))
    columns = columns_of(pack(replace(known, wakeups=late)))
    ended = np.cumsum(columns["wakeupStep"])
    intervals = known.intervals.iloc[ended]
    found = zip(
        intervals["lane"].tolist(),
        (intervals["end_ns"].to_numpy() - np.array(columns["wakeupBefore"])).tolist(),
        columns["wakeupLatency"],
        [CAUSES.categories[cause] for cause in columns["wakeupCause"]],
        strict=True,
    )
    assert sorted(found) == sorted(late.itertuples(index=False, name=None))
    assert len(late) > 100
