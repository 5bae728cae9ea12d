"""Processes that the program started and nobody recorded have lanes, by what the scheduler saw of them."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from launching import gtrace as command
from scheduler_support import needs_switches

import gtrace
from gtrace.evidence.scheduler import on_core
from gtrace.export.formats import FORMATS
from gtrace.model import Gil, State
from gtrace.timeline.invariants import check
from gtrace.timeline.others import OTHERS, anew_notes, find_others

PROGRAM = """
import json, os, subprocess, sys
forked = os.fork()
if forked == 0:
    sum(range(100_000))
    os._exit(0)
os.waitpid(forked, 0)
asleep = subprocess.Popen(["sleep", "0.05"])
code = "import threading; threading.Thread(target=sum, args=(range(10**6),)).start()"
busy = subprocess.Popen([sys.executable, "-c", code])
asleep.wait()
busy.wait()
print(json.dumps({"forked": forked, "asleep": asleep.pid, "busy": busy.pid, "own": os.getpid()}))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """A recording of ``PROGRAM``, and its process ids."""
    needs_switches()
    folder = tmp_path_factory.mktemp("others")
    (folder / "program.py").write_text(PROGRAM)
    ended = command("run", "--light", "--no-report", "-o", folder / "r.gtrace", folder / "program.py")
    assert ended.status == 0, ended.stderr
    return gtrace.load(folder / "r.gtrace"), json.loads(ended.stdout)


@pytest.fixture(scope="module")
def timeline(seen):
    return gtrace.build_timeline(seen[0])


def test_each_thread_of_each_process_has_a_lane_and_those_nobody_recorded_are_native(seen, timeline):
    pids, threads = seen[1], timeline.threads
    kinds = {name: threads["kind"][threads["pid"] == pid].tolist() for name, pid in pids.items()}
    assert kinds["own"] == kinds["forked"] == ["python"]
    assert kinds["asleep"] == ["native"]
    assert kinds["busy"] == ["native"] * 2
    assert set(threads["pid"]) == set(pids.values())


def test_a_process_is_called_after_its_program(seen, timeline):
    asleep = timeline.threads[timeline.threads["pid"] == seen[1]["asleep"]]
    assert asleep["name"].tolist() == ["process sleep"]
    assert asleep["ended"].tolist() == [True]


def test_the_reader_is_told_once_that_what_they_ran_is_not_known(timeline):
    said = [note for note in timeline.run.notes if "anew" in note]
    assert len(said) == 1
    assert said[0].startswith("2 processes were started anew (")
    assert "sleep" in said[0]
    assert said[0].endswith("only when they ran is known, which shows as native, not what they ran.")


@pytest.mark.parametrize(
    ("threads", "note"),
    [
        ({}, []),
        ({"native thread 7": 7}, ["1 process was started anew: only when it ran is known,"]),
        ({"process ls": 7}, ["1 process was started anew (ls): only when it ran is known,"]),
        (
            {f"process {name}": pid for pid, name in enumerate("abcd")},
            ["4 processes were started anew (a, b, c, …): only when they ran is known,"],
        ),
    ],
)
def test_a_note_names_the_first_of_the_programs_that_were_started(threads, note):
    said = anew_notes(pd.DataFrame({"name": list(threads), "pid": list(threads.values())}))
    assert [text.partition(" which")[0] for text in said] == note


def test_their_time_on_a_core_is_what_the_scheduler_saw(seen, timeline):
    check(timeline)
    recording, pids = seen
    stretches = on_core(recording.load_scheduler())
    for pid in (pids["asleep"], pids["busy"]):
        mine = timeline.intervals[timeline.intervals["pid"] == pid]
        assert set(mine["state"]) <= {s.value for s in (State.NATIVE, State.BLOCKED, State.PREEMPTED)}
        assert set(mine["gil"]) == {Gil.AWAY.value}
        on = mine[mine["state"] == State.NATIVE.value]
        known = stretches[stretches["pid"] == pid]
        assert (on["end_ns"] - on["start_ns"]).sum() == (known["end_ns"] - known["start_ns"]).sum()


def test_one_who_sleeps_is_blocked_for_as_long(seen, timeline):
    mine = timeline.intervals[timeline.intervals["pid"] == seen[1]["asleep"]]
    blocked = mine[mine["state"] == State.BLOCKED.value]
    assert (blocked["end_ns"] - blocked["start_ns"]).max() > 49_000_000


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_export_has_room_for_them(seen, tmp_path, name):
    recording = seen[0]
    ended = command("export", recording.path, "--format", name, "-o", tmp_path / "out")
    assert ended.status == 0, ended.stderr


def test_a_program_that_starts_none_has_none(seen):
    evidence = seen[0].load_scheduler()
    forked = set(evidence.forks["pid"])
    assert find_others(evidence, forked) is None
    assert OTHERS not in forked
