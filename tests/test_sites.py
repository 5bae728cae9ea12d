"""What call sites make of recordings without calls: where each wait was, and where each hold ended."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from agent_support import needs_gil
from evidence_files import FIRST_TID, raw
from evidence_text import assert_says, write_recording
from launching import PROGRAMS, gtrace, recorded

from gtrace.evidence.sites import Frame, Sites, Stack
from gtrace.recording import load
from gtrace.report.columns import _facts_of
from gtrace.timeline.build import build_timeline

THREADING = "/usr/lib/python3.13/threading.py"
QUEUE = "/usr/lib/python3.13/queue.py"
WAIT = Frame("Condition.wait", THREADING, 327, 359)
GET = Frame("Queue.get", QUEUE, 154, 202)
EVENT = Frame("Event.wait", THREADING, 642, 660)
JOIN = Frame("Thread.join", THREADING, 1058, 1094)
CONDITION = Frame("Condition.__init__", THREADING, 270, 279)
WORK = Frame("work", "/a.py", 10, 12)
MAIN = Frame("<module>", "/a.py", 1, 99)

ALTERNATING = """
main begin 0
main GIL_HOLDS 0
main GIL_RELEASE 20
main GIL_ACQUIRE 40
main GIL_RELEASE 60
main GIL_ACQUIRE 90
stop 100
"""


def sites(*noted: tuple[float, tuple[Frame, ...]], tid: int = FIRST_TID, still: bool = False) -> Sites:
    table = pd.DataFrame(
        {
            "time_ns": [raw(str(time)) for time, _ in noted],
            "thread": [tid] * len(noted),
            "still": [still] * len(noted),
            "stack": range(len(noted)),
        }
    ).astype({"time_ns": "int64", "thread": "int64", "still": bool})
    stacks = tuple(Stack(frames, cut=False) for _, frames in noted)
    return Sites(table, made_at(), stacks, FIRST_TID, 0, 0, 0, 0, ())


def made_at(*made: tuple[float, int, int]) -> pd.DataFrame:
    """Time (ms), address and stack of each."""
    rows = [(raw(str(time)), address, stack) for time, address, stack in made]
    return pd.DataFrame(rows, columns=["time_ns", "address", "stack"], dtype="int64")


def timeline_with(tmp_path, text: str, found: Sites):
    recording = load(write_recording(tmp_path / "r.gtrace", text))
    main = replace(recording.processes[0], sites=found)
    return build_timeline(replace(recording, processes=(main,)))


def test_a_site_names_the_wait_before_it_and_the_hold_before_that(tmp_path):
    work = "'work (/a.py:12)' caller='work (/a.py:12)'"
    assert_says(
        timeline_with(tmp_path, ALTERNATING, sites((40, (WORK, MAIN)))),
        f"""
        main 0-20   running {work}
        main 20-40  blocked {work}
        main 40-60  running "" caller=""
        main 60-90  blocked "" caller=""
        main 90-100 running "" caller=""
        """,
    )


def test_each_of_several_sites_names_its_own(tmp_path):
    assert_says(
        timeline_with(tmp_path, ALTERNATING, sites((40, (WORK, MAIN)), (90, (MAIN,)))),
        """
        main 0-20   running "work (/a.py:12)"
        main 20-40  blocked "work (/a.py:12)"
        main 40-60  running "<module> (/a.py:99)"
        main 60-90  blocked "<module> (/a.py:99)"
        main 90-100 running
        """,
    )


def test_the_chain_has_the_frames_outermost_first(tmp_path):
    timeline = timeline_with(tmp_path, ALTERNATING, sites((40, (WORK, MAIN))))

    assert timeline.intervals["chain"].iloc[1] == "<module> (/a.py:99);work (/a.py:12)"


LOCKED = """
process python=3.13.0
main begin 0
w1 begin 0 parent=main
main GIL_HOLDS 0
main GIL_RELEASE 20
w1   GIL_ACQUIRE 20
main LOCK_WAIT 21 A
w1   LOCK_POST 39 A
main LOCK_ACQUIRE 40 A
w1   GIL_RELEASE 41
main GIL_ACQUIRE 41
stop 100
"""


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ((WORK,), "lock"),
        ((WAIT, WORK), "condition"),
        ((WAIT, EVENT, WORK), "event"),
        ((WAIT, GET, WORK), "queue"),
        ((JOIN, MAIN), "thread join"),
        # what a function of the program's own does in between is its own wait
        ((WORK, GET), "lock"),
    ],
)
def test_a_wait_for_a_lock_has_the_reason_of_the_library_s_functions_around_it(tmp_path, frames, reason):
    intervals = timeline_with(tmp_path, LOCKED, sites((41, frames))).intervals

    (wait,) = intervals[intervals["state"] == "lock_wait"].itertuples()
    own = next((frame for frame in frames if frame in (WORK, MAIN)), None)
    assert wait.reason == reason
    assert wait.caller == f"{own.name} (/a.py:{own.line})"
    assert wait.function == f"{frames[0].name} ({frames[0].file}:{frames[0].line})"
    assert wait.evidence == "exact"


def test_a_wait_for_an_event_that_ran_out_of_time_was_a_sleep(tmp_path):
    text = LOCKED.replace("w1   LOCK_POST 39 A\n", "").replace("LOCK_ACQUIRE", "LOCK_TIMEOUT")

    intervals = timeline_with(tmp_path, text, sites((41, (WAIT, EVENT, WORK)))).intervals

    assert intervals[intervals["reason"] == "event"]["state"].tolist() == ["sleep"]


def test_a_sleep_in_which_a_child_is_awaited_is_a_wait_for_it(tmp_path):
    text = ALTERNATING.replace("main GIL_RELEASE 20", "main GIL_RELEASE 20\nmain CALL 20 SLEEP")
    waiting = Frame("Popen._wait", "/usr/lib/python3.13/subprocess.py", 2000, 2040)

    intervals = timeline_with(tmp_path, text, sites((40, (waiting, WORK)))).intervals

    assert intervals[intervals["reason"] == "child process"]["state"].tolist() == ["io_wait"]


def test_a_thread_that_never_came_back_is_named_by_the_end(tmp_path):
    text = LOCKED.replace("main LOCK_ACQUIRE 40 A\n", "").replace("main GIL_ACQUIRE 41\n", "")
    recording = load(write_recording(tmp_path / "look", text))
    ident = recording.processes[0].registry.threads[0].ident
    found = sites((100, (WORK, MAIN)), tid=ident, still=True)

    intervals = timeline_with(tmp_path, text, found).intervals

    last = intervals[intervals["thread"] == "main"].iloc[-1]
    assert (last["state"], last["function"]) == ("lock_wait", "work (/a.py:12)")


def test_recorded_calls_win(tmp_path):
    text = ALTERNATING.replace("stop 100", "main call time.sleep 20-40\nstop 100")

    intervals = timeline_with(tmp_path, text, sites((40, (WORK,)))).intervals

    assert set(intervals["function"]) <= {"", "time.sleep"}


def test_frames_of_the_recorder_are_left_out(tmp_path):
    recorder = Frame("joined", "/x/gtrace/recorder/threads.py", 5, 6)

    intervals = timeline_with(tmp_path, ALTERNATING, sites((40, (recorder, WORK)))).intervals

    assert intervals["function"].iloc[1] == "work (/a.py:12)"
    assert "recorder" not in intervals["chain"].iloc[1]


def test_sites_of_unknown_threads_and_times_change_nothing(tmp_path):
    plain = build_timeline(load(write_recording(tmp_path / "p.gtrace", ALTERNATING))).intervals
    for found in (sites((40, (WORK,)), tid=4), sites((-5, (WORK,))), sites((0, (WORK,)))):
        intervals = timeline_with(tmp_path, ALTERNATING, found).intervals
        pd.testing.assert_frame_equal(intervals, plain, check_categorical=False)


def test_no_site_where_there_are_none_leaves_the_types_as_they_are(tmp_path):
    intervals = timeline_with(tmp_path, ALTERNATING, sites()).intervals

    for name in ("function", "caller", "chain", "reason", "state"):
        assert isinstance(intervals[name].dtype, pd.CategoricalDtype)


def test_a_lock_is_the_one_last_created_at_its_address(tmp_path):
    text = LOCKED.replace(
        "stop 100",
        """main GIL_RELEASE 50
w1   GIL_ACQUIRE 50
main LOCK_WAIT 51 A
w1   LOCK_POST 69 A
main LOCK_ACQUIRE 70 A
w1   GIL_RELEASE 71
main GIL_ACQUIRE 71
stop 100""",
    )
    first, second = (CONDITION, WORK), (MAIN,)
    found = sites((41, first), (71, second))
    address = int(build_timeline(load(write_recording(tmp_path / "a", text))).intervals["lock"].max())

    timeline = timeline_with(
        tmp_path, text, replace(found, made=made_at((5, address, 0), (45, address, 1), (46, address + 64, 1)))
    )

    assert timeline.locks[["lock", "since_ns", "where"]].to_numpy().tolist() == [
        [address, 5_000_000, "work (/a.py:12)"],
        [address, 45_000_000, "<module> (/a.py:99)"],
    ]
    texts = _facts_of(timeline, np.zeros(len(timeline.intervals), dtype=bool))[0]
    assert texts["locks"] == ["", f"{address:#x}", f"{address:#x}"]
    assert texts["lockPlaces"] == ["", "work (/a.py:12)", "<module> (/a.py:99)"]


def marks(program: str) -> dict[str, int]:
    """The lines of a program that end in a mark, by mark."""
    lines = (PROGRAMS / program).read_text().splitlines()
    return {line.rpartition("# at: ")[2]: n for n, line in enumerate(lines, start=1) if "# at: " in line}


def places(recording, state: str) -> dict[int, str]:
    """Lines of the program that are the innermost of its own in some long interval, and its reason."""
    intervals = build_timeline(recording).intervals
    long = intervals["end_ns"] - intervals["start_ns"] > 5_000_000
    rows = intervals[long & (intervals["state"] == state)]
    return {
        int(row.caller.rpartition(":")[2].rstrip(")")): row.reason
        for row in rows.itertuples()
        if "programs" in row.caller
    }


@needs_gil
def test_in_a_light_recording_each_wait_is_where_the_program_waits(tmp_path):
    ended = recorded(tmp_path / "r.gtrace", PROGRAMS / "waiting_places.py", calls=False)
    assert (ended.status, ended.stderr) == (0, "")
    recording, line = load(tmp_path / "r.gtrace"), marks("waiting_places.py")

    slept, locked, io = (places(recording, state) for state in ("sleep", "lock_wait", "io_wait"))
    for mark in ("sleep", "generator", "C code", "callback", "pool", "forked child"):
        assert slept.get(line[mark]) == "sleep", mark
    assert locked[line["lock"]] == "lock"
    assert locked[line["queue"]] == "queue"
    assert locked[line["join"]] == "thread join"
    assert locked[line["event"]] == "event"
    assert io[line["pipe"]] == "pipe"


@needs_gil
def test_a_killed_program_shows_where_it_waited_also_where_its_calls_are_lost(tmp_path):
    for calls in (False, True):
        path = tmp_path / f"{calls}.gtrace"
        recorded(path, PROGRAMS / "waiting_places.py", "killed", calls=calls)

        recording = load(path)

        assert places(recording, "sleep").get(marks("waiting_places.py")["sleep"]) == "sleep"
        assert build_timeline(recording).run.evidence["sites"] == "exact"


@needs_gil
def test_without_a_threshold_nothing_is_noted(tmp_path):
    path = tmp_path / "r.gtrace"
    done = gtrace("run", "--sites", "0", "--no-report", "-o", path, "-c", "import time; time.sleep(0.01)")
    assert done.status == 0

    assert build_timeline(load(path)).run.evidence["sites"] == "none: left out"
