"""From a recording on disk to a timeline: run info, notes, joins, several processes, damage."""

from __future__ import annotations

import json
import shlex

import pandas as pd
import pytest
from evidence_files import raw
from evidence_text import assert_says, timeline_of, write_recording
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twin_calls import call_steps, run_calls
from twin_fold import Reference, Scenario, situation_of
from twin_gil import gil_steps, record_text, run_gil

from gtrace.recording import compact, load
from gtrace.timeline.build import build_timeline
from gtrace.timeline.invariants import check
from gtrace.timeline.timeline import EVIDENCE_DTYPE, GIL_DTYPE, INTERVAL_COLUMNS, STATE_DTYPE

ONE = """
main begin 0
main call time.sleep 10-50
stop 100
"""
AGENT = """
main begin 0
w1 begin 5 parent=main
main GIL_HOLDS 0
w1   GIL_WAIT 4
main GIL_RELEASE 10
w1   GIL_ACQUIRE 10
main GIL_WAIT 12
w1   GIL_FORCED_RELEASE 17
main GIL_ACQUIRE 17
main GIL_RELEASE 30
w1   GIL_ACQUIRE 30
w1   GIL_RELEASE 40
main GIL_ACQUIRE 45
main GIL_RELEASE 50
main GIL_ACQUIRE 55
stop 100
"""


def noted(timeline, words):
    return any(words in note for note in timeline.run.notes)


def test_intervals_have_the_promised_columns_and_types(tmp_path):
    intervals = timeline_of(tmp_path, AGENT).intervals
    assert tuple(intervals.columns) == INTERVAL_COLUMNS
    for column in ("pid", "tid", "start_ns", "end_ns", "blocker_tid", "lane"):
        assert intervals[column].dtype == "int64"
    assert intervals["state"].dtype == STATE_DTYPE
    assert intervals["gil"].dtype == GIL_DTYPE
    assert intervals["evidence"].dtype == EVIDENCE_DTYPE
    for column in ("thread", "function", "reason", "caller"):
        assert isinstance(intervals[column].dtype, pd.CategoricalDtype)


def test_a_run_lasts_from_its_process_line_to_its_stop(tmp_path):
    run = timeline_of(tmp_path, ONE).run
    assert (run.duration, run.exit_status, run.switch_interval_s) == (100_000_000, 0, 0.005)
    assert (run.python_version, run.free_threaded, run.cores) == ("3.13.0", False, 2)
    assert run.pids == (1000,)


def test_a_whole_recording_needs_no_note(tmp_path):
    assert timeline_of(tmp_path, AGENT).run.notes == ()


def test_acquisitions_forced_releases_and_hand_offs_are_counted(tmp_path):
    known = timeline_of(tmp_path, AGENT)
    assert list(known.threads["gil_acquisitions"]) == [3, 2]
    assert list(known.threads["gil_forced_releases"]) == [0, 1]
    # main, w1, main, w1, main, main
    assert known.handoffs == 4


def test_without_the_agent_nothing_is_counted(tmp_path):
    known = timeline_of(tmp_path, ONE)
    assert list(known.threads["gil_acquisitions"]) == [-1]
    assert known.handoffs is None


@pytest.mark.parametrize(
    ("evidence", "source", "level"),
    [
        (ONE, "calls", "exact"),
        (ONE, "gil", "none: not started"),
        (ONE, "threads", "exact"),
        (AGENT, "gil", "exact"),
        (AGENT + 'agent level="no pair of signals"', "gil", "none: locks only: no pair of signals"),
        ('agent none="no compiler"' + ONE, "gil", "none: no compiler"),
        (AGENT + "meta light=1", "calls", "none: left out by --light"),
        (AGENT, "calls", "none: the program ended before its calls could be saved"),
        (
            AGENT.replace("stop 100", "meta ended=100 signal=9"),
            "calls",
            "none: the program was killed by SIGKILL before its calls could be saved",
        ),
    ],
)
def test_each_source_says_how_good_it_is_or_why_it_is_missing(tmp_path, evidence, source, level):
    assert timeline_of(tmp_path, evidence).run.evidence[source] == level


def test_a_killed_process_lasts_to_the_time_its_launcher_saw(tmp_path):
    known = timeline_of(tmp_path, AGENT.replace("stop 100", "meta ended=90 signal=9"))
    assert (known.run.duration, known.run.exit_status) == (90_000_000, 137)
    assert noted(known, "was killed by SIGKILL")


def test_without_a_stop_and_a_launcher_a_process_lasts_to_its_last_sign(tmp_path):
    known = timeline_of(tmp_path, ONE.replace("stop 100", "main join main 5-70"))
    assert known.run.duration == 70_000_000
    assert noted(known, "Process 1000 was ended at once")


SHARED = (
    "process pid={pid} begin=20 forked_from=1000\nchild begin 20\nchild GIL_HOLDS 20\nchild GIL_RELEASE 90\n"
)


@pytest.mark.parametrize(
    ("calls", "says"),
    [
        (False, "nothing of what was recorded is lost."),
        (True, "the calls are lost; who had the GIL, and when, is known to the end."),
    ],
)
def test_of_workers_that_a_pool_ends_it_is_said_once_what_is_lost(tmp_path, calls, says):
    workers = "".join(SHARED.format(pid=pid) for pid in (2000, 3000, 4000))
    folder = write_recording(tmp_path / "run.gtrace", AGENT + workers)
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"options": {"calls": calls}}))
    found = [note for note in build_timeline(load(folder)).run.notes if "Process" in note]
    assert found == [f"Processes 2000, 3000 and 4000 were ended at once, as a pool ends its workers: {says}"]


def test_of_many_processes_that_were_ended_the_first_are_named(tmp_path):
    workers = "".join(SHARED.format(pid=pid) for pid in range(2000, 2008))
    assert noted(
        timeline_of(tmp_path, AGENT + workers), "Processes 2000, 2001, 2002, 2003, 2004 and 3 others were"
    )


@pytest.mark.parametrize(("saved", "told"), [(2340, True), (60, False)])
def test_the_page_is_told_when_a_child_was_kept_to_save_its_calls(tmp_path, saved, told):
    child = f"process pid=1200 begin=10\nmain begin 10\nmain call f 20-30\nstop 40 saved={saved}\n"
    known = timeline_of(tmp_path, f"{ONE}\n{child}")

    assert noted(known, "Process 1200 took 2.3 s at its end, in which its calls were saved") == told


def test_the_page_is_told_from_when_on_calls_are_known(tmp_path):
    known = timeline_of(tmp_path, "process entries=1\n" + ONE)
    assert known.calls_known_from == 50_000_000
    assert noted(known, "calls are known from 0.050 s on")


def test_a_buffer_with_room_left_has_lost_nothing(tmp_path):
    known = timeline_of(tmp_path, "process entries=2\n" + ONE)
    assert (known.calls_known_from, known.run.notes) == (0, ())


def test_the_page_is_told_what_calls_alone_cannot_see(tmp_path):
    """A thread that waits in ``with lock:`` while nobody else runs is shown as running."""
    two = ONE.replace("stop", "w1 begin 5\nw1 call time.sleep 5-90\nstop")
    assert noted(timeline_of(tmp_path, two), "a wait of `with lock:` leaves none")
    assert not noted(timeline_of(tmp_path, two + "main GIL_HOLDS 0"), "with lock")


def test_the_page_is_told_who_took_the_profiler(tmp_path):
    known = timeline_of(tmp_path, ONE + "main profiler-replaced")
    assert noted(known, "set a profiler of its own in main")


def test_the_page_is_told_that_the_agents_file_was_full(tmp_path):
    known = timeline_of(tmp_path, AGENT + "agent full=60")
    assert noted(known, "GIL evidence ends early")
    assert known.run.lost["gil"] == 3


def test_joins_say_whom_they_waited_for_and_how_they_ended(tmp_path):
    text = AGENT + 'main join w1 60-80 timeout=0.02 outcome="timed out"\nmain join w1 82-91\n'
    joins = timeline_of(tmp_path, text).joins
    assert joins[["tid", "joined_tid", "outcome", "timed_out"]].to_numpy().tolist() == [
        [1000, 1001, "timed out", True],
        [1000, 1001, "ended", False],
    ]
    assert joins["time_ns"].tolist() == [60_000_000, 82_000_000]
    assert joins["end_ns"].tolist() == [80_000_000, 91_000_000]


CHILD = """
main begin 0
main call posix.waitpid 20-90
stop 100
process pid=2000 begin=20 forked_from=1000
child begin 20
child call time.sleep 30-150
stop 160
"""


def test_a_run_lasts_as_long_as_its_longest_process(tmp_path):
    known = timeline_of(tmp_path, CHILD)
    assert (known.run.duration, known.run.pids) == (160_000_000, (1000, 2000))
    assert list(known.threads["pid"]) == [1000, 2000]
    assert list(known.threads["start_ns"]) == [0, 20_000_000]
    assert sorted(set(known.intervals["lane"])) == [0, 1]


@pytest.mark.parametrize(("python", "lock"), [("3.13.0", "A"), ("3.14.8", "")])
def test_a_lock_is_named_by_its_address_up_to_3_13(tmp_path, python, lock):
    text = f"process python={python}" + AGENT.replace("stop 100", "w1 LOCK_WAIT 50 A\nstop 100")
    known = timeline_of(tmp_path, text)
    waits = known.intervals[known.intervals["state"] == "lock_wait"]
    assert [bool(address) for address in waits["lock"]] == [bool(lock)]


def test_a_dump_that_breaks_off_is_used_as_far_as_it_is_whole(tmp_path):
    two = ONE.replace("stop", "main call socket.recv 60-80\nstop")
    folder = write_recording(tmp_path / "run.gtrace", two)
    dump = folder / "calls.1000.0.json"
    dump.write_text(dump.read_text("utf-8").replace("], ", "").partition('"name":"socket')[0], "utf-8")
    dump.rename(folder / "calls.1000.0.json.part")
    known = build_timeline(load(folder))
    check(known)
    assert_says(known, "main 0-10 unknown\nmain 10-50 sleep\nmain 50-100 running")
    assert noted(known, "breaks off")


def test_a_damaged_journal_line_costs_that_line_alone(tmp_path):
    folder = write_recording(tmp_path / "run.gtrace", AGENT)
    journal = folder / "threads.1000.jsonl"
    journal.write_text("{half a line\n" + journal.read_text("utf-8"), "utf-8")
    known = build_timeline(load(folder))
    check(known)
    assert list(known.threads["name"]) == ["main", "w1"]
    assert known.run.lost["threads"] == 1


def test_without_a_journal_the_agents_threads_are_named_by_their_ids(tmp_path):
    folder = write_recording(tmp_path / "run.gtrace", AGENT)
    (folder / "threads.1000.jsonl").unlink()
    known = build_timeline(load(folder))
    check(known)
    assert list(known.threads["name"]) == ["thread 1000", "thread 1001"]
    assert known.run.duration < 1_000_000_000
    assert "running" in set(known.intervals["state"])


def test_a_process_that_recorded_nothing_does_not_move_the_beginning(tmp_path):
    folder = write_recording(tmp_path / "run.gtrace", AGENT)
    (folder / "threads.2000.jsonl").write_text("", "utf-8")
    known = build_timeline(load(folder))
    check(known)
    assert known.run.duration == 100_000_000


def test_a_child_that_was_killed_lasts_to_its_last_evidence(tmp_path):
    text = CHILD.replace(
        "child call time.sleep 30-150\nstop 160", "child GIL_HOLDS 20\nchild GIL_RELEASE 120"
    )
    assert_says(
        timeline_of(tmp_path, text),
        "main 0-20 unknown\nmain 20-90 io_wait\nmain 90-100 running\nchild 20-120 running",
    )


def test_a_compacted_recording_says_the_same(tmp_path):
    folder = write_recording(tmp_path / "run.gtrace", AGENT + "main call time.sleep 10-30\n")
    before = build_timeline(load(folder))
    compact(load(folder))
    assert [path.suffix for path in folder.glob("calls.*")] == [".parquet"]
    pd.testing.assert_frame_equal(build_timeline(load(folder)).intervals, before.intervals)


def as_lines(scenario):
    """The evidence text of a scenario, a tick a microsecond."""
    names = [f"t{lane}" for lane in range(len(scenario.spans))]
    lines = ["process switch=0.004", *(f"{name} begin 0" for name in names)]
    for call in scenario.calls.calls:
        end = "" if call.end == scenario.end else call.end / 1000
        lines.append(f"{names[call.lane]} call {shlex.quote(call.name)} {call.start / 1000}-{end}")
    for tick, lane, kind, address in scenario.gil.events:
        lines.append(f"{names[lane]} {record_text(tick, kind, address)}")
    return "\n".join([*lines, f"stop {scenario.end / 1000}"])


@st.composite
def recordings(draw):
    calls, gil = run_calls(3, draw(call_steps())), run_gil(3, draw(gil_steps()))
    end = max(calls.end, gil.end)
    for call in calls.calls:
        call.end = end if call.end == calls.end else call.end
    return Scenario(calls, [(0, end)] * 3, gil=gil, gil_end=end)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(recordings())
def test_what_the_files_say_arrives_in_the_timeline(tmp_path_factory, scenario):
    if not scenario.gil.events:
        return
    known = timeline_of(tmp_path_factory.mktemp("run"), as_lines(scenario))
    reference = Reference(scenario, situation_of(scenario).gil.waits)
    for lane, (_, rows) in enumerate(known.intervals.groupby("lane")):
        told = reference.lane(lane)
        for row in rows.itertuples():
            gil = row.gil if isinstance(row.gil, str) else "none"
            for tick in range(row.start_ns // 1000, row.end_ns // 1000):
                said = told[tick]
                assert (row.state, gil, row.reason) == (said.state, said.gil, said.reason), (lane, tick)


def test_times_of_the_text_are_milliseconds():
    assert raw("1.5") - raw("0") == 1_500_000
