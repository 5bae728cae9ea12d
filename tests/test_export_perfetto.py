"""Trace events: what trace_processor would drop or misplace does not occur.

Its rules, as its JSON importer has them: slices of one track nest; an event of an arrow lies inside
a slice of its track; a name is text; a counter is named by the event and the key of its value.
"""

from __future__ import annotations

import gzip
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal

import pytest
from exported import CONVOY, HOSTILE, badly_nested, calls_from, named, shown, written
from timelines import EXACT_RUN, PID, synthetic, timeline

from gtrace.export import writing
from gtrace.export.perfetto import CALL_TRACKS, LATER_TRACKS

CALLS = """
main 2-8   "inner (a.py:5)"
main 0-30  "crunch (a.py:3)"
io   40-60 "parse (b.py:9)"
"""
KEYS = {
    "X": {"ph", "pid", "tid", "ts", "dur", "name", "cat", "args"},
    "M": {"ph", "pid", "tid", "name", "args"},
    "C": {"ph", "pid", "tid", "ts", "name", "args"},
    "s": {"ph", "pid", "tid", "ts", "name", "cat", "id"},
    "f": {"ph", "pid", "tid", "ts", "name", "cat", "id", "bp"},
}


def events_of(tmp_path, run, calls=""):
    found = calls_from(run, calls) if calls else []
    return written("perfetto", run, found, tmp_path / "t.json")["traceEvents"]


def ns(event, key="ts"):
    """Times stand as microseconds; shortest repr of a float of up to 15 digits is what was written."""
    return int(Decimal(repr(event[key])) * 1000)


def slices(events):
    """(track name, slice name, start, end) in ms, of tracks of states and turns; calls by ``calls``."""
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    return [
        (names[e["pid"], e["tid"]], e["name"], ns(e) / 1e6, (ns(e) + ns(e, "dur")) / 1e6)
        for e in events
        if e["ph"] == "X"
    ]


def complaints(events):
    """What Perfetto would drop, or not show where it belongs."""
    found = [f"{e['ph']}: {sorted(e)}" for e in events if not set(e) <= KEYS[e["ph"]]]
    spans = defaultdict(list)
    for e in events:
        if e["ph"] == "X":
            spans[e["pid"], e["tid"]].append((ns(e), ns(e) + ns(e, "dur")))
            if e["dur"] < 0 or e["ts"] < 0:
                found.append(f"negative: {e}")
    found += [f"overlap on {track}: {bad}" for track, own in spans.items() for bad in badly_nested(own)]
    ends = defaultdict(list)
    for e in events:
        if e["ph"] in "sf":
            ends[e["cat"], e["name"], e["id"]].append(e["ph"])
            if not any(start <= ns(e) < end for start, end in spans[e["pid"], e["tid"]]):
                found.append(f"arrow outside of every slice: {e}")
    return found + [f"half an arrow: {key}" for key, phases in ends.items() if phases != ["s", "f"]]


def test_each_thread_has_its_states_one_after_the_other(tmp_path):
    assert [s for s in slices(events_of(tmp_path, timeline(CONVOY))) if s[0] == "main"] == [
        ("main", "running", 0, 30),
        ("main", "preempted", 30, 40),
        ("main", "gil_wait", 40, 60),
        ("main", "lock_wait", 60, 100),
    ]


def test_the_gil_has_a_track_of_who_held_it(tmp_path):
    events = events_of(tmp_path, timeline(CONVOY))

    assert [s for s in slices(events) if s[0] == "GIL"] == [("GIL", "main", 0, 40), ("GIL", "io", 40, 60)]


def test_calls_have_a_track_for_each_thread_that_made_some(tmp_path):
    events = events_of(tmp_path, timeline(CONVOY), CALLS)

    assert [s for s in slices(events) if s[0].endswith(": calls")] == [
        ("main: calls", "crunch (a.py:3)", 0, 30),
        ("main: calls", "inner (a.py:5)", 2, 8),
        ("io: calls", "parse (b.py:9)", 40, 60),
    ]


def test_a_slice_says_what_is_known_of_its_interval_and_nothing_else(tmp_path):
    states = [e for e in events_of(tmp_path, timeline(CONVOY)) if e.get("cat") == "state"]

    assert [e["args"] for e in states if e["name"] == "preempted"] == [
        {"function": "crunch (a.py:3)", "gil": "holds", "evidence": "exact"}
    ]
    assert [e["args"] for e in states if e["name"] == "io_wait"] == [
        {"function": "socket.recv", "reason": "socket recv", "core": 1, "gil": "away", "evidence": "derived"}
    ]
    assert [e["args"] for e in states if e["args"].get("reason") == "lock"] == [
        {"reason": "lock", "lock": "0x1234", "gil": "away", "evidence": "exact"}
    ]
    blockers = [e["args"].get("blocker") for e in states if e["name"] == "gil_wait"]
    assert blockers == ["io (5001)", "main (5000)"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a 0-4 running\na 4-9 sleep\nb 0-4 gil_wait <- a\nb 4-9 running", "hand-off"),
        ("a 0-9 native\nb 0-4 lock_wait <- a\nb 4-9 native", "wake-up"),
    ],
)
def test_an_arrow_leads_from_who_let_a_thread_go_on_to_that_thread(tmp_path, text, name):
    events = events_of(tmp_path, timeline(text))
    arrows = [(e["ph"], e["name"], e["tid"], ns(e)) for e in events if e["ph"] in "sf"]

    assert arrows == [("s", name, 5000, 3_999_999), ("f", name, 5001, 4_000_000)]


def test_counters_show_cores_in_use_and_threads_waiting_for_the_gil(tmp_path):
    counted = [
        (e["name"], e["args"], ns(e) / 1e6) for e in events_of(tmp_path, timeline(CONVOY)) if e["ph"] == "C"
    ]

    assert counted[:3] == [
        ("cores", {"in use": 1}, 0),
        ("cores", {"in use": 0}, 30),
        ("cores", {"in use": 1}, 40),
    ]
    assert ("threads", {"waiting for the GIL": 1}, 10) in counted


def test_threads_keep_their_native_ids_and_the_process_its_command(tmp_path):
    named = [e for e in events_of(tmp_path, timeline(CONVOY), CALLS) if e["ph"] == "M"]

    assert [(e["name"], e["pid"], e["tid"], e["args"]["name"]) for e in named] == [
        ("process_name", PID, PID, "python workloads/example.py --threads 4"),
        ("thread_name", PID, 1, "GIL"),
        ("thread_name", PID, 5000, "main"),
        ("thread_name", PID, 5000 + CALL_TRACKS, "main: calls"),
        ("thread_name", PID, 5001, "io"),
        ("thread_name", PID, 5001 + CALL_TRACKS, "io: calls"),
    ]


def test_threads_that_had_one_native_id_have_a_track_each(tmp_path):
    run = timeline("a 0-2 native\nb 3-5 native")
    run.threads.loc[1, "tid"] = run.threads.loc[0, "tid"]
    names = {e["tid"]: e["args"]["name"] for e in events_of(tmp_path, run) if e["name"] == "thread_name"}

    assert names == {5000: "a", LATER_TRACKS + 1: "b (native id 5000 again)"}


def test_the_track_of_the_gil_takes_no_threads_id(tmp_path):
    run = timeline("a 0-2 running")
    run.threads.loc[0, "tid"] = 1

    tracks = {e["args"]["name"]: e["tid"] for e in events_of(tmp_path, run) if e["name"] == "thread_name"}
    assert tracks == {"GIL": 2, "a": 1}


def test_a_run_without_a_gil_has_no_track_of_it(tmp_path):
    events = events_of(tmp_path, timeline("a 0-2 running", replace(EXACT_RUN, free_threaded=True)))

    assert [s[0] for s in slices(events)] == ["a"]


def test_nothing_is_dropped_of_a_run_with_every_kind_of_event(tmp_path):
    events = events_of(tmp_path, timeline(CONVOY), CALLS)

    assert {e["ph"] for e in events} == set(KEYS)
    assert complaints(events) == []


def test_nothing_is_dropped_of_a_busy_run(tmp_path):
    run = synthetic(3_000, 7, seed=1)
    events = events_of(tmp_path, run)

    assert sum(e["ph"] == "X" and e["cat"] == "state" for e in events) == len(run.intervals)
    assert sum(e["ph"] == "s" for e in events) > 500
    assert complaints(events) == []


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        ({"ph": "X", "pid": 1, "tid": 1, "ts": 5.0, "dur": 9.0, "name": "b"}, "overlap"),
        ({"ph": "s", "pid": 1, "tid": 1, "ts": 10.0, "name": "h", "cat": "h", "id": 1}, "outside"),
        ({"ph": "f", "pid": 1, "tid": 1, "ts": 2.0, "name": "h", "cat": "h", "id": 1, "bp": "e"}, "half"),
        ({"ph": "X", "pid": 1, "tid": 2, "ts": 0.0, "dur": -1.0, "name": "b"}, "negative"),
    ],
)
def test_what_perfetto_drops_is_found(event, complaint):
    good = {"ph": "X", "pid": 1, "tid": 1, "ts": 0.0, "dur": 10.0, "name": "a"}

    assert complaints([good]) == []
    assert complaint in complaints([good, event])[0]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_text_and_stays_in_its_place(tmp_path, name):
    events = events_of(tmp_path, named(timeline("main 0-5 running\nmain 5-9 sleep"), name))

    assert {e["args"]["name"] for e in events if e["ph"] == "M"} == {shown(name), "GIL"}
    assert {e["args"]["function"] for e in events if e["ph"] == "X"} == {shown(name)}


def test_the_same_run_gives_the_same_bytes_compressed_or_not(tmp_path):
    run = timeline(CONVOY)
    first, again, packed = tmp_path / "a.json", tmp_path / "b.json", tmp_path / "a.json.gz"
    packed_again = tmp_path / "elsewhere.json.gz"
    for path in (first, again, packed, packed_again):
        written("perfetto", run, calls_from(run, CALLS), path)

    assert first.read_bytes() == again.read_bytes() == gzip.decompress(packed.read_bytes())
    assert packed.read_bytes() == packed_again.read_bytes()


def test_what_is_text_at_one_time_does_not_grow_with_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "ROWS", 100)
    pieces = []
    monkeypatch.setattr(
        "gtrace.export.perfetto.write_array", lambda _, parts: pieces.extend(map(str.splitlines, parts))
    )
    run = synthetic(3_000, 4)
    lines = "\n".join(f"MainThread {i}-{i}.5 f" for i in range(1000))
    calls = calls_from(run, lines)
    from gtrace.export.perfetto import write_perfetto

    write_perfetto(run, calls, tmp_path / "t.json")

    assert sum(map(len, pieces)) > 4_000
    assert max(map(len, pieces)) == 100


def test_the_file_says_what_the_states_mean_and_what_is_not_known(tmp_path):
    run = timeline(CONVOY, replace(EXACT_RUN, notes=("calls are known from 1 s on.",)))
    about = written("perfetto", run, [], tmp_path / "t.json")["otherData"]

    assert about["states"]["gil_wait"] == "wants the GIL, another thread has it"
    assert about["notes"] == ["calls are known from 1 s on."]
    assert about["evidence"]["gil"] == "exact"


def test_a_run_without_threads_is_an_empty_trace(tmp_path):
    run = timeline("a 0-2 running")
    empty = replace(run, threads=run.threads.iloc[:0], intervals=run.intervals.iloc[:0])

    assert events_of(tmp_path, empty) == []
