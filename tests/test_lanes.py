"""Which threads there were and whose evidence is whose."""

from __future__ import annotations

import numpy as np
from evidence_files import ZERO, raw
from evidence_text import timeline_of, write_recording
from hypothesis import given
from hypothesis import strategies as st

from gtrace.evidence.threads import ThreadRecord
from gtrace.recording import load
from gtrace.timeline.lanes import Lanes, find_lanes
from gtrace.timeline.steps import Axis


def column(values):
    return np.array(list(values), dtype=np.int64)


def lanes_with(threads):
    """Lanes of (tid, begin, end)."""
    records = tuple(ThreadRecord(key, tid=tid, begin_ns=begin) for key, (tid, begin, _) in enumerate(threads))
    axis = Axis.of(column(t[1] for t in threads), column(t[2] for t in threads))
    return Lanes(1, records, axis, (True,) * len(threads))


THREADS = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 30)), max_size=8).map(
    lambda threads: [(tid, begin, begin + 5) for tid, begin in sorted(set(threads), key=lambda t: t[1])]
)
SIGNS = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 40)), max_size=20)


@given(THREADS, SIGNS)
def test_a_sign_of_a_native_id_belongs_to_the_last_thread_that_had_it_by_then(threads, signs):
    told = []
    for tid, time in signs:
        had = [lane for lane, (of, _, _) in enumerate(threads) if of == tid]
        by_then = [lane for lane in had if threads[lane][1] <= time]
        # what comes before the first record of the first thread with this id can only be its own
        told.append(by_then[-1] if by_then else had[0] if had else -1)
    found = lanes_with(threads).of(column(s[0] for s in signs), column(s[1] for s in signs))
    assert found.tolist() == told


def lanes_of(folder, text):
    recording = load(write_recording(folder / "run.gtrace", text))
    return find_lanes(recording.processes[0], ZERO, raw("100"))


TWO = """
main begin 0
w2 begin 20 parent=main target=work
w1 begin 10 parent=main daemon
w1 end 50
stop 100
"""


def test_lanes_stand_in_the_order_in_which_threads_began(tmp_path):
    frame = lanes_of(tmp_path, TWO).frame()
    assert list(frame["name"]) == ["main", "w1", "w2"]
    assert list(frame["start_ns"]) == [0, 10_000_000, 20_000_000]


def test_a_thread_that_lives_to_the_end_has_not_ended(tmp_path):
    frame = lanes_of(tmp_path, TWO).frame().set_index("name")
    assert dict(frame["ended"]) == {"main": False, "w1": True, "w2": False}
    assert dict(frame["end_ns"]) == {"main": 100_000_000, "w1": 50_000_000, "w2": 100_000_000}


def test_the_registry_tells_who_started_whom_with_what(tmp_path):
    frame = lanes_of(tmp_path, TWO).frame().set_index("name")
    assert dict(frame["parent_tid"]) == {"main": -1, "w1": 1000, "w2": 1000}
    assert dict(frame["target"]) == {"main": "", "w1": "", "w2": "work"}
    assert dict(frame["daemon"]) == {"main": False, "w1": True, "w2": False}


def test_a_thread_that_was_asked_for_but_never_began_is_none(tmp_path):
    folder = write_recording(tmp_path / "run.gtrace", TWO)
    journal = folder / "threads.1000.jsonl"
    asked = '{"event":"start","time":1,"key":99,"parent":1000,"target":"f","created":""}\n'
    journal.write_text(asked + journal.read_text("utf-8"), "utf-8")
    assert len(find_lanes(load(folder).processes[0], ZERO, raw("100")).records) == 3


def test_a_thread_waits_for_the_gil_before_it_can_say_that_it_began(tmp_path):
    agent = """
main begin 0
w1 begin 10 parent=main
main GIL_HOLDS 0
w1 GIL_WAIT 3
main GIL_RELEASE 9
w1 GIL_ACQUIRE 9
w1 end 40
w1 GIL_RELEASE 42
w1 THREAD_EXIT 44
stop 100
"""
    frame = timeline_of(tmp_path, agent).threads.set_index("name")
    assert tuple(frame.loc["w1", ["start_ns", "end_ns"]]) == (3_000_000, 42_000_000)


def test_a_recording_of_no_threads_has_no_lanes(tmp_path):
    timeline = timeline_of(tmp_path, "process\nstop 10\n")
    assert (len(timeline.threads), len(timeline.intervals)) == (0, 0)
