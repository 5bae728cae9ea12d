from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from test_report_base91 import to_bytes
from timelines import FIRST_TID, synthetic, timeline, with_wakeups

from gtrace.model import Evidence, Gil, State
from gtrace.report.columns import BLOCKED_CODES, EVIDENCE_CODES, GIL_CODES, Columns, pack
from gtrace.timeline.invariants import check
from gtrace.timeline.wakeups import CAUSES

STATES = [state.value for state in State]
GILS = [None, *(gil.value for gil in Gil)]
EVIDENCES = [kind.value for kind in Evidence]


def columns_of(packed: Columns) -> dict[str, list[int]]:
    """A slow twin of the page's decoder: the columns as they were."""
    header, blob = packed.header, to_bytes(packed.blob)
    columns, offset = {}, 0
    for column in header["columns"]:
        planes = zlib.decompress(blob[offset : offset + column["bytes"]])
        offset += column["bytes"]
        grouped = np.zeros((4, column["count"]), "u1")
        used = len(planes) // max(1, column["count"])
        grouped[:used] = np.frombuffer(planes, "u1").reshape(used, column["count"])
        columns[column["name"]] = np.ascontiguousarray(grouped.T).view("<u4").ravel().tolist()
        for place, value in column["long"]:
            columns[column["name"]][place] = value
    assert offset == len(blob)
    return columns


def unpack(packed: Columns) -> list[tuple[object, ...]]:
    """Every interval as a tuple."""
    header, columns = packed.header, columns_of(packed)
    columns = {**columns, **_by_interval(header, columns)}
    return [
        interval for lane in range(len(header["laneCounts"])) for interval in _lane(header, columns, lane)
    ]


def _by_interval(header, columns):
    """Facts, durations and blockers, which are told state by state or not of each, for each interval."""
    base = np.repeat(np.cumsum([0, *header["kindCounts"][:-1]]), header["laneCounts"])
    facts = np.array(columns["kindFacts"])[np.array(columns["kind"]) + base]
    durations = np.empty(len(facts), dtype="int64")
    durations[np.argsort(facts // BLOCKED_CODES // EVIDENCE_CODES // GIL_CODES, kind="stable")] = columns[
        "duration"
    ]
    blockers = iter(columns["blocker"])
    blocker = [next(blockers) if fact % BLOCKED_CODES else -1 for fact in facts.tolist()]
    assert next(blockers, None) is None
    return {"facts": (facts // BLOCKED_CODES).tolist(), "duration": durations.tolist(), "blocker": blocker}


def _lane(header, columns, lane):
    time = header["laneStarts"][lane]
    first, kind_base = sum(header["laneCounts"][:lane]), sum(header["kindCounts"][:lane])
    for i in range(first, first + header["laneCounts"][lane]):
        start, time = time, time + columns["duration"][i]
        kind = kind_base + columns["kind"][i]
        facts = columns["facts"][i]
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
            columns["blocker"][i],
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


def test_intervals_of_few_and_of_many_threads_take_four_to_six_bytes_each():
    assert len(pack(synthetic(100_000, 8)).blob) < 4.2 * 100_000
    assert len(pack(synthetic(100_000, 500)).blob) < 5.6 * 100_000


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
