"""Deadlocks: who waits for what whom has is found where it is known, and only there."""

from __future__ import annotations

import functools
import runpy
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from launching import PROGRAMS, bare, recorded
from timelines import EXACT_RUN, timeline

from gtrace.analysis.deadlock import find_deadlocks, standstill
from gtrace.analysis.summary import summarize
from gtrace.analysis.verdict import judge
from gtrace.recorder import locks
from gtrace.recording import load
from gtrace.timeline.build import build_timeline
from gtrace.timeline.standing import shifted

WAITS = """
main 0-100 lock_wait reason="thread join"
A    0-10  running
A    10-100 lock_wait reason=lock
B    0-20  running
B    20-100 lock_wait reason=lock
"""
X, Y = 0x10, 0x20
KILLED = replace(EXACT_RUN, exit_status=137)


def standing(role, lane, lock, **more):
    known = {"kind": "Lock", "name": f"lock_{lock:x}", "where": f"f (a.py:{lane})", "owner_lane": -1}
    known |= {"time_ns": 90_000_000, "asking": False, "evidence": "derived"}
    return {**known, "role": role, "lane": lane, "lock": lock, **more}


CROSSED = (
    standing("waits", 1, Y),
    standing("waits", 2, X),
    standing("has", 1, X),
    standing("has", 2, Y),
    standing("waits", 0, 0x30, kind="thread", owner_lane=1),
)


def stood(*rows, text=WAITS, run=EXACT_RUN):
    return replace(timeline(text, run), standing=pd.DataFrame(list(rows)))


def test_two_threads_that_wait_for_what_the_other_has_are_a_deadlock():
    (found,) = find_deadlocks(stood(*CROSSED))
    assert [(link.thread, link.waits_for, link.holder) for link in found.links] == [
        ("A", "lock_20", "B"),
        ("B", "lock_10", "A"),
    ]
    assert (found.since, found.time, found.behind) == (20_000_000, 90_000_000, ("main",))
    assert found.evidence == "derived"


@pytest.mark.parametrize("left_out", range(4))
def test_with_any_part_of_the_cycle_missing_there_is_none(left_out):
    rows = [row for number, row in enumerate(CROSSED) if number != left_out]
    assert find_deadlocks(stood(*rows)) == ()


def test_a_lock_that_names_its_owner_makes_the_wait_for_it_exact():
    rows = [standing("waits", 1, Y, owner_lane=2), standing("waits", 2, X, owner_lane=1)]
    (found,) = find_deadlocks(stood(*rows))
    assert found.evidence == "exact"
    (mixed,) = find_deadlocks(stood(rows[0], standing("waits", 2, X), standing("has", 1, X)))
    assert mixed.evidence == "derived"


def test_a_lock_that_two_threads_are_said_to_have_is_known_of_neither():
    assert find_deadlocks(stood(*CROSSED, standing("has", 0, X))) == ()


def test_a_thread_that_did_something_else_at_that_time_was_not_waiting():
    busy = WAITS.replace("A    10-100 lock_wait reason=lock", "A    10-100 running")
    assert find_deadlocks(stood(*CROSSED, text=busy)) == ()
    not_known = WAITS.replace("A    10-100 lock_wait reason=lock", "A    10-100 unknown")
    assert len(find_deadlocks(stood(*CROSSED, text=not_known))) == 1


def test_the_thread_that_was_interrupted_waited_until_then():
    text = """
        A 0-10 running
        A 10-85 lock_wait reason=lock
        A 85-100 running
        B 0-100 lock_wait reason=lock"""
    rows = [standing("waits", 0, Y, asking=True), standing("waits", 1, X)]
    rows += [standing("has", 0, X), standing("has", 1, Y)]
    (found,) = find_deadlocks(stood(*rows, text=text))
    assert found.since == 10_000_000
    rows[0]["asking"] = False
    assert find_deadlocks(stood(*rows, text=text)) == ()


def test_a_thread_can_wait_for_itself():
    found = stood(standing("waits", 1, X), standing("has", 1, X))
    assert [len(one.links) for one in find_deadlocks(found)] == [1]
    assert "which it has itself" in judge(found).text
    assert judge(found).advice == "Take that lock once, or make it an RLock."


def test_a_cycle_seen_at_two_times_is_one():
    later = [{**row, "time_ns": 95_000_000} for row in CROSSED]
    assert len(find_deadlocks(stood(*CROSSED, *later))) == 1


def test_waits_that_lead_to_a_thread_that_goes_on_are_no_deadlock():
    rows = [standing("waits", 1, Y), standing("has", 2, Y), standing("waits", 0, X), standing("has", 1, X)]
    assert find_deadlocks(stood(*rows)) == ()


def test_the_verdict_names_the_threads_the_locks_and_the_lines():
    found = judge(stood(*CROSSED))
    assert found.code == "deadlock"
    assert "A waits for lock_20 in f (a.py:1), which B has since f (a.py:2); B waits for" in found.text
    assert "main waited for them" in found.text
    assert "same order" in found.advice


def crossed(pairs, behind=0):
    """So many pairs of threads that wait for each other, and so many that wait for the end of the first."""
    names = [f"{side}{n}" for n in range(pairs) for side in "AB"] + [f"C{n}" for n in range(behind)]
    rows = [standing("waits", 2 * pairs + n, 0x30, kind="thread", owner_lane=0) for n in range(behind)]
    for lane in range(0, 2 * pairs, 2):
        one, other = 0x100 + lane, 0x101 + lane
        rows += [standing("waits", lane, other), standing("has", lane, one)]
        rows += [standing("waits", lane + 1, one), standing("has", lane + 1, other)]
    return stood(*rows, text="\n".join(f"{name} 0-100 lock_wait reason=lock" for name in names))


@pytest.mark.parametrize(
    ("pairs", "end"),
    [
        (1, "and would have for ever."),
        (2, "and would have for ever. There was one more."),
        (3, "and would have for ever. There were 2 more such cycles."),
    ],
)
def test_further_cycles_are_counted(pairs, end):
    assert judge(crossed(pairs)).text.endswith(end)


@pytest.mark.parametrize(
    ("behind", "end"),
    [
        (1, "for ever. C0 waited for them."),
        (2, "for ever. C0 and C1 waited for them."),
        (5, "for ever. C0, C1, C2, C3 and C4 waited for them."),
        (7, "for ever. C0, C1, C2, C3, C4 and 2 others waited for them."),
    ],
)
def test_of_those_that_wait_behind_a_cycle_the_first_are_named(behind, end):
    assert judge(crossed(1, behind)).text.endswith(end)


def test_a_join_in_the_cycle_is_told_as_one():
    rows = [standing("waits", 1, 0x30, kind="thread", owner_lane=2), standing("waits", 2, X)]
    found = judge(stood(*rows, standing("has", 1, X)))
    assert "A waits for the end of B in f (a.py:1);" in found.text
    assert "before joining" in found.advice


def test_the_summary_has_the_cycle_and_an_empty_list_without_one():
    (found,) = summarize(stood(*CROSSED))["deadlock"]
    assert [(wait["thread"], wait["holder"]) for wait in found["waits"]] == [("A", "B"), ("B", "A")]
    assert (found["seen_s"], found["since_s"], found["behind"]) == (0.09, 0.02, ["main"])
    assert summarize(timeline(WAITS))["deadlock"] == []


def test_of_a_killed_program_nothing_is_said_but_that_all_waited():
    killed = timeline(WAITS, KILLED)
    assert standstill(killed) == ("main", "A", "B")
    assert find_deadlocks(killed) == ()
    found = judge(killed)
    assert (found.code, "inferred" in found.text) == ("stuck", True)
    assert "was not recorded" in found.text


@pytest.mark.parametrize(
    "otherwise",
    [
        timeline(WAITS),
        timeline(WAITS.replace("main 0-100 lock_wait", "main 0-100 sleep"), KILLED),
        timeline(WAITS.replace("B    20-100 lock_wait", "B    20-100 io_wait"), KILLED),
        timeline(WAITS.replace("reason=lock", "reason=lock evidence=inferred"), KILLED),
        timeline("main 0-100 lock_wait", KILLED),
        stood(standing("waits", 1, X), run=KILLED),
    ],
    ids=["ended", "sleeps", "reads", "not seen", "alone", "looked at"],
)
def test_where_any_thread_could_go_on_nobody_is_said_to_be_stuck(otherwise):
    assert standstill(otherwise) == ()


@pytest.fixture(scope="module")
def deadlocks(tmp_path_factory):
    """Records ``deadlocks.py``, once for each way to end; gives how it ended, and the recording's path."""

    @functools.cache
    def record(*way: str):
        path = tmp_path_factory.mktemp("deadlocks") / "r.gtrace"
        return recorded(path, PROGRAMS / "deadlocks.py", *way, calls=False), path

    return record


def timeline_in(path: Path):
    return build_timeline(load(path))


@pytest.mark.parametrize("way", ["", "SIGTERM"])
def test_every_way_to_take_a_lock_is_seen_when_the_program_ends(deadlocks, way):
    ended, path = deadlocks(*way.split())
    assert ended == bare(PROGRAMS / "deadlocks.py", *way.split())
    found = find_deadlocks(timeline_in(path))
    cycles = [{(link.thread, link.waits_for) for link in one.links} for one in found]
    expected = [
        {("deposit", "self.out"), ("withdraw", "self.__in")},
        {("statement", "second[1]"), ("acquire", "second")},
        {("joins", "the end of joined"), ("joined", "joined")},
        {("twice", "own")},
    ]
    assert sorted(map(sorted, cycles)) == sorted(map(sorted, expected))


def test_the_line_where_the_holder_took_a_lock_is_told(deadlocks):
    found = timeline_in(deadlocks()[1])
    lines = (PROGRAMS / "deadlocks.py").read_text().splitlines()
    links = {link.thread: link for one in find_deadlocks(found) for link in one.links}
    for thread, took, waits in (
        ("twice", "    with own:", "        own.acquire()"),
        ("withdraw", "        with self.__in:", "        with self.__in:"),
        ("joined", "    with joined:", "    joined.acquire()"),
    ):
        link = links[thread]
        places = [int(where.rpartition(":")[2].rstrip(")")) for where in (link.holder_where, link.where)]
        assert [lines[place - 1] for place in places] == [took, waits]


def test_what_is_not_known_of_a_lock_is_not_said(deadlocks):
    """Who waits with a limit, for a word, or for a lock that nobody is seen to have, is in no cycle."""
    found = timeline_in(deadlocks()[1])
    names = found.threads["name"]
    rows = {(names[row["lane"]], row["role"], row["name"]) for row in found.standing.to_dict("records")}
    assert {what for what in rows if what[0] == "gives-up"} == {("gives-up", "has", "left")}
    assert {what for what in rows if what[0] == "consumes"} == set()
    assert {what for what in rows if what[0] == "stranger"} == {("stranger", "waits", "free")}
    assert {what for what in rows if what[0] == "by-hand"} == {("by-hand", "waits", "signalled")}
    assert ("acquire", "has", "spare_too") not in rows


def test_a_killed_program_keeps_no_stacks_and_ends_as_it_would(deadlocks):
    ended, path = deadlocks("SIGKILL")
    assert ended == bare(PROGRAMS / "deadlocks.py", "SIGKILL")
    found = timeline_in(path)
    assert found.standing.empty
    assert find_deadlocks(found) == ()


@pytest.mark.parametrize("arguments", [[], ["SIGTERM"]], ids=["Ctrl-C", "SIGTERM"])
def test_what_ends_the_main_thread_shows_the_cycle_it_is_in(tmp_path, arguments):
    program = PROGRAMS / "interrupted_deadlock.py"
    ended = recorded(tmp_path / "r.gtrace", program, *arguments, calls=False)
    assert ended == bare(program, *arguments)
    (found,) = find_deadlocks(build_timeline(load(tmp_path / "r.gtrace")))
    assert {(link.thread, link.waits_for, link.holder) for link in found.links} == {
        ("MainThread", "other", "worker"),
        ("worker", "other", "MainThread"),
    }


class Kept:
    """A journal that keeps its lines in memory."""

    def __init__(self):
        self.lines = []

    def append(self, event, **fields):
        self.lines.append((event, fields["ident"], fields["role"], fields["name"]))


@pytest.fixture
def waiter(tmp_path):
    """A thread that waits for a lock, in a module that nothing has rewritten."""
    source = tmp_path / "waits.py"
    source.write_text("def want(lock):\n    with lock:\n        pass\n")
    lock = threading.Lock()
    lock.acquire()
    thread = threading.Thread(target=runpy.run_path(str(source))["want"], args=(lock,))
    thread.start()
    while not (stack := locks._stacks().get(thread.ident)) or not locks._wait(thread.ident, stack):
        pass
    yield thread, lock
    if lock.locked():
        lock.release()
    thread.join()


def test_a_thread_that_stands_at_a_lock_is_told_of(waiter):
    thread, _ = waiter
    journal = Kept()
    locks.record(journal, 0)
    assert ("lock", thread.ident, "waits", "lock") in journal.lines


def test_what_moved_while_it_was_looked_at_is_not_told(waiter, monkeypatch):
    thread, lock = waiter

    def goes_on_meanwhile(_ident, _stack, _awaited):
        if lock.locked():
            lock.release()
        thread.join()
        return ()

    monkeypatch.setattr(locks, "_had", goes_on_meanwhile)
    journal = Kept()
    locks.record(journal, 0)
    assert thread.ident not in [ident for _, ident, *_ in journal.lines]


def test_lanes_of_a_second_process_come_behind_those_of_the_first():
    rows = pd.DataFrame([standing("waits", 0, X, owner_lane=1), standing("has", 1, X)])
    moved = shifted(rows, 3)
    assert [list(moved[column]) for column in ("lane", "owner_lane")] == [[3, 4], [4, -1]]


def test_a_line_about_a_lock_that_is_damaged_is_left_out(deadlocks, tmp_path):
    copy = Path(shutil.copytree(deadlocks()[1], tmp_path / "r.gtrace"))
    (journal,) = copy.glob("threads.*.jsonl")
    whole = len(timeline_in(copy).standing)
    journal.write_bytes(journal.read_bytes().replace(b'"role":"has"', b'"role":7', 1))
    found = load(copy)
    assert len(build_timeline(found).standing) == whole - 1
    assert any("damaged" in problem for problem in found.problems)
