"""Where there are several processes, what is shown as the name of a thread tells which is its own."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from timelines import PID, timeline, with_pids

from gtrace.analysis.summary import summarize
from gtrace.analysis.verdict import judge
from gtrace.cli.console import Console, show_summary
from gtrace.report import render
from gtrace.timeline.labels import labelled, thread_labels

CHILD = 71
STARTED = 72
RUN = """
main        0-100  lock_wait reason=future
worker      0-50   running f
worker      50-100 sleep
MainThread  0-100  running f
pool-1      0-100  gil_wait <- MainThread
"process x" 0-100  blocked
"""


def several():
    """A process, one that it forked, of two threads, and one that was started anew."""
    pids = {"MainThread": CHILD, "pool-1": CHILD, "process x": STARTED}
    known = with_pids(timeline(RUN), pids)
    native = known.threads["name"] == "process x"
    threads = known.threads.assign(kind=native.map({True: "native", False: "python"}))
    return replace(known, threads=threads, run=replace(known.run, pids=(PID, CHILD)))


LABELS = ["main", "worker", "MainThread (pid 71)", "pool-1 (pid 71)", "process x (pid 72)"]


def printed(known, width=100):
    stream = io.StringIO()
    show_summary(summarize(known), Console(file=stream, width=width))
    return stream.getvalue()


def test_a_thread_of_another_process_is_told_from_one_of_the_same_name():
    shown = labelled(several())
    assert shown.threads["name"].tolist() == LABELS
    assert shown.intervals["thread"].astype(str).unique().tolist() == LABELS
    assert labelled(shown).threads["name"].tolist() == LABELS


def test_of_one_process_the_names_are_the_labels():
    known = timeline(RUN)
    assert labelled(known) is known
    assert thread_labels(known.threads, ()) == known.threads["name"].tolist()


def test_a_process_of_which_not_even_the_program_is_known_is_called_no_thread():
    threads = several().threads.assign(name="native thread 5004", pid=[PID] * 4 + [5004])
    assert thread_labels(threads, (PID,))[3:] == ["native thread 5004", "process (pid 5004)"]


def test_the_verdict_the_terminal_and_the_page_tell_the_process():
    known = several()
    text, page = printed(known), render(known)
    assert all(label in text and label in page for label in LABELS)
    said = judge(known).text
    assert "MainThread (pid 71) held it for up to 100 ms" in said
    assert said in " ".join(text.split())


def test_in_a_narrow_terminal_the_process_is_still_told():
    known = several()
    long = known.threads.assign(name=["ThreadPoolExecutor-0_0"] * 5)
    assert "ThreadPool… (pid 71)" in printed(replace(known, threads=long), width=60)


def test_formats_keep_the_names_that_the_program_gave():
    threads = summarize(several())["threads"]
    assert [thread["name"] for thread in threads] == ["main", "worker", "MainThread", "pool-1", "process x"]
    assert [thread["label"] for thread in threads] == LABELS


@pytest.mark.parametrize(("known", "says"), [(several(), " (sum of 2 processes)"), (timeline(RUN), "")])
def test_what_is_held_of_several_gils_is_said_to_be_a_sum(known, says):
    assert f"GIL held 150%{says}, waited" in printed(known)
    assert ("of wall time, sum of 2 processes" in render(known)) is bool(says)
