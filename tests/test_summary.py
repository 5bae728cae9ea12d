"""The numbers of a run: the keys others rely on, sums, and nothing said that is not known."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from evidence_text import timeline_of
from timelines import EXACT_RUN, INFERRED_RUN, synthetic, timeline

from gtrace.analysis.summary import gil_numbers, parallelism, state_seconds, summarize
from gtrace.model import NS_PER_S, State

# section 5 of the design: keys are only ever added
KEYS = {
    "version", "command", "python", "cores", "switch_interval_s", "wall_s", "exit_status", "evidence", "lost",
    "gil", "parallelism", "threads", "verdict",
}  # fmt: skip
ADDED = {"notes", "wakeups", "deadlock"}
PYTHON_KEYS = {"version", "implementation", "free_threaded"}
GIL_KEYS = {"held_s", "utilization", "wait_s", "acquisitions", "handoffs", "forced_releases"}
GIL_ADDED = {"processes"}
THREAD_KEYS = {
    "pid", "tid", "ident", "name", "daemon", "parent_tid", "target", "start_s", "end_s", "gil_held_s",
    "gil_acquisitions", "states_s",
}  # fmt: skip
THREAD_ADDED = {"created", "kind", "cpu_s", "queue_s", "native_s_bounds", "label"}
STATE_KEYS = [
    "running", "native", "gil_wait", "lock_wait", "io_wait", "sleep", "blocked", "stalled", "preempted",
    "unknown",
]  # fmt: skip

RUN = """
main 0-40   running f
main 40-60  gil_wait f <- w1
main 60-100 sleep
w1   10-40  gil_wait g <- main
w1   40-90  running g
"""


def test_the_summary_has_the_promised_keys_and_those_added_since():
    summary = summarize(timeline(RUN))
    assert set(summary) == KEYS | ADDED
    assert set(summary["python"]) == PYTHON_KEYS
    assert set(summary["gil"]) == GIL_KEYS | GIL_ADDED
    assert set(summary["verdict"]) >= {"code", "text"}
    assert set(summary["evidence"]) >= {"calls", "gil", "scheduler"}
    assert set(summary["lost"]) >= {"calls", "gil", "scheduler"}
    for thread in summary["threads"]:
        assert set(thread) == THREAD_KEYS | THREAD_ADDED
        assert list(thread["states_s"]) == STATE_KEYS


def test_the_summary_of_a_whole_recording_is_json(tmp_path):
    agent = "main begin 0\nmain GIL_HOLDS 0\nmain GIL_RELEASE 10\nmain GIL_ACQUIRE 40\nstop 100"
    summary = json.loads(json.dumps(summarize(timeline_of(tmp_path, agent)), allow_nan=False))
    assert summary["version"] == 1
    assert (summary["wall_s"], summary["exit_status"]) == (0.1, 0)
    assert summary["gil"] == pytest.approx(
        {
            "held_s": 0.07,
            "utilization": 0.7,
            "wait_s": 0,
            "acquisitions": 1,
            "handoffs": 0,
            "forced_releases": 0,
            "processes": 1,
        }
    )
    assert summary["threads"][0]["gil_acquisitions"] == 1
    assert summary["threads"][0]["states_s"]["blocked"] == pytest.approx(0.03)


def test_the_states_of_a_thread_add_up_to_its_lifetime():
    for known in (timeline(RUN), synthetic(2000, 6)):
        lifetimes = (known.threads["end_ns"] - known.threads["start_ns"]) / NS_PER_S
        assert state_seconds(known).sum(axis=1).tolist() == pytest.approx(lifetimes.tolist())


def test_each_state_has_the_seconds_of_its_intervals():
    seconds = state_seconds(timeline(RUN))
    assert seconds.loc[0, ["running", "gil_wait", "sleep"]].tolist() == pytest.approx([0.04, 0.02, 0.04])
    assert seconds.loc[1, ["running", "gil_wait", "sleep"]].tolist() == pytest.approx([0.05, 0.03, 0])


def test_held_and_waited_are_summed_by_thread_and_in_all():
    summary = summarize(timeline(RUN))
    assert [t["gil_held_s"] for t in summary["threads"]] == pytest.approx([0.04, 0.05])
    assert summary["gil"]["held_s"] == pytest.approx(0.09)
    assert summary["gil"]["utilization"] == pytest.approx(0.9)
    assert summary["gil"]["wait_s"] == pytest.approx(0.05)


def test_what_holds_the_gil_off_its_core_counts_as_held_but_not_as_a_core_in_use():
    known = timeline("main 0-50 running f\nmain 50-80 stalled f\nmain 80-100 preempted f")
    assert summarize(known)["gil"]["held_s"] == pytest.approx(0.1)
    assert parallelism(known) == pytest.approx(0.5)


def test_parallelism_counts_native_code_and_python_code():
    assert parallelism(timeline("main 0-100 running f\nw1 0-50 native\nw1 50-100 sleep")) == pytest.approx(
        1.5
    )


def test_a_thread_that_lives_to_the_end_has_no_end():
    ends = {t["name"]: t["end_s"] for t in summarize(timeline(RUN))["threads"]}
    assert ends == {"main": None, "w1": pytest.approx(0.09)}


@pytest.mark.parametrize(
    "run",
    [
        replace(EXACT_RUN, free_threaded=True),
        replace(EXACT_RUN, evidence={"calls": "none: left out by --light", "gil": "none: no compiler"}),
    ],
)
def test_what_is_not_known_of_the_gil_is_null_and_not_zero(run):
    summary = summarize(timeline("main 0-100 unknown", run))
    assert set(summary["gil"].values()) == {None}
    assert summary["threads"][0]["gil_held_s"] is None
    assert summary["threads"][0]["gil_acquisitions"] is None


def test_calls_alone_tell_who_held_but_not_how_often():
    numbers = gil_numbers(timeline(RUN, INFERRED_RUN))
    assert numbers["held_s"] == pytest.approx(0.09)
    assert (numbers["acquisitions"], numbers["handoffs"], numbers["forced_releases"]) == (None, None, None)


def test_a_recording_without_threads_has_a_summary(tmp_path):
    summary = summarize(timeline_of(tmp_path, "process\nstop 10"))
    assert summary["threads"] == []
    assert summary["parallelism"] == 0
    assert summary["verdict"]["code"] == "thin_evidence"


def test_every_state_has_its_key():
    assert [state.value for state in State] == STATE_KEYS
