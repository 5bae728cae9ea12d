"""The reader of scheduler evidence: files written record by record, and slow twins of what it computes."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from agent_support import REPOSITORY
from c_headers import values_in_c
from hypothesis import given
from hypothesis import strategies as st

from gtrace.errors import RecordingError, RecordingFormatError
from gtrace.evidence import scheduler
from gtrace.evidence.scheduler import SwitchKind, check_scheduler, on_core, read_scheduler

RECORD_H = REPOSITORY / "gtrace" / "recorder" / "scheduler" / "record.h"
STARTED = 1000
STOPPED = 2000
PID = 10
MORE = {"PARENT": 30, "TEXT": 31}


def word(kind, core=0, pid=PID, tid=PID):
    number = MORE[kind] if kind in MORE else SwitchKind[kind].value
    return number + core * 2**5 + pid * 2**18 + tid * 2**40


def lost(at, core, count):
    return at, word("LOST", core, count >> 22, count & (2**22 - 1))


def name(at, text, tid=PID, kind="NAME"):
    """The records of a thread that gets a name."""
    halves = np.frombuffer(text.ljust(16, b"\0"), "<i8").tolist()
    return [(at, word(kind, tid=tid)), *((half, word("TEXT", 0, 0, 0)) for half in halves)]


def rows(text):
    """One record a line: ``time kind core tid``; all of process 10."""
    fields = (line.split() for line in text.strip().splitlines())
    return [(int(at), word(kind, int(core), PID, int(tid))) for at, kind, core, tid in fields]


def content(records, **header):
    head = np.zeros(1, scheduler.HEADER)
    known = {
        "magic": scheduler.MAGIC,
        "version": 1,
        "header_bytes": scheduler.HEADER.itemsize,
        "record_bytes": 16,
        "pid": PID,
        "cores": 2,
        "started_ns": STARTED,
        "stopped_ns": STOPPED,
    }
    for field, value in {**known, **header}.items():
        head[field] = value
    return head.tobytes() + np.array(records, scheduler.RECORD).tobytes()


@pytest.fixture
def read(tmp_path):
    def read_content(records, **header):
        path = tmp_path / "scheduler.bin"
        path.write_bytes(records if isinstance(records, bytes) else content(records, **header))
        return read_scheduler(path)

    return read_content


def as_text(events):
    return [f"{r.time_ns} {SwitchKind(r.kind).name} {r.core} {r.pid}/{r.tid}" for r in events.itertuples()]


def stretches(evidence):
    return [f"{r.tid} {r.start_ns}-{r.end_ns} @{r.core} {r.ended}" for r in on_core(evidence).itertuples()]


def test_the_reader_mirrors_the_header_file(tmp_path):
    numbers = {
        **{f"GS_{kind.name}": kind.value for kind in SwitchKind},
        "GS_PARENT": scheduler.PARENT,
        "GS_TEXT": scheduler.TEXT,
        "GS_VERSION": scheduler.VERSION,
        "GS_KIND_BITS": scheduler.KIND_BITS,
        "GS_CORE_BITS": scheduler.CORE_BITS,
        "GS_ID_BITS": scheduler.ID_BITS,
        "sizeof(gs_record)": scheduler.RECORD.itemsize,
        "sizeof(gs_file_header)": scheduler.HEADER.itemsize,
        "offsetof(gs_record, word)": scheduler.RECORD.fields["word"][1],
        **{f"offsetof(gs_file_header, {f})": scheduler.HEADER.fields[f][1] for f in scheduler.HEADER.names},
    }
    found, magic = values_in_c(RECORD_H, list(numbers), "GS_MAGIC", tmp_path)
    assert found == numbers
    assert magic + b"\0" == scheduler.MAGIC


def test_every_kind_of_the_header_file_is_known_to_the_reader_and_explained_there():
    text = RECORD_H.read_text()
    kinds = set(re.findall(r"^    GS_(\w+) = \d+,$", text.split("enum gs_full")[0], re.MULTILINE))
    assert kinds == {kind.name for kind in SwitchKind} | set(MORE)
    assert all(re.search(rf"^ \*   [A-Z, ]*\b{kind}\b", text, re.MULTILINE) for kind in kinds)


def test_records_of_all_cores_come_out_in_time_order(read):
    evidence = read(rows("1001 IN 0 10\n1004 PREEMPT 0 10\n1002 IN 1 11\n1003 OUT 1 11"))
    assert as_text(evidence.events) == [
        "1001 IN 0 10/10",
        "1002 IN 1 10/11",
        "1003 OUT 1 10/11",
        "1004 PREEMPT 0 10/10",
    ]
    assert (evidence.damage, evidence.lost, evidence.end_ns) == ((), 0, STOPPED)


def test_the_largest_ids_and_cores_survive(read):
    largest = 2**22 - 1
    events = read([(1001, word("IN", 2**13 - 1, largest, largest))]).events
    assert events[["pid", "tid", "core"]].to_numpy().tolist() == [[largest, largest, 2**13 - 1]]


def test_a_fork_names_who_forked(read):
    evidence = read([(1005, word("FORK", 0, 12, 13)), (1005, word("PARENT", 0, 10, 11))])
    assert evidence.forks.to_numpy().tolist() == [[1005, 12, 13, 10, 11]]
    assert as_text(evidence.events) == ["1005 FORK 0 12/13"]


def test_names_are_text_whatever_their_bytes_look_like(read):
    hostile = [b"</script>", bytes([255, 254, 31, 1]), b"fifteen bytes x", b""]
    records = [record for at, text in enumerate(hostile) for record in name(1001 + at, text)]
    evidence = read(records + name(1100, b"sh", tid=12, kind="EXEC"))
    assert evidence.names["name"].tolist() == ["</script>", "��\x1f\x01", "fifteen bytes x", "", "sh"]
    assert evidence.names["exec"].tolist() == [False] * 4 + [True]
    assert len(evidence.events) == 5


def test_a_loss_reaches_back_to_the_last_record_of_its_core(read):
    evidence = read([*rows("1001 IN 0 10\n1002 IN 1 11"), lost(1009, 0, 2**30 + 7), lost(1010, 1, 1)], lost=9)
    assert evidence.losses.to_numpy().tolist() == [[1001, 1009, 0, 2**30 + 7], [1002, 1010, 1, 1]]
    assert evidence.lost == 9
    first = read([lost(1009, 0, 1)])
    assert first.losses["start_ns"].tolist() == [STARTED]


def test_a_stretch_says_why_it_ended(read):
    first = "1001 IN 0 10\n1002 OUT 0 10\n1003 IN 1 11\n1004 PREEMPT 1 11"
    then = "1005 IN 1 11\n1006 EXIT 1 11\n1007 IN 0 10"
    assert stretches(read([*rows(first), *rows(then)])) == [
        "10 1001-1002 @0 voluntary",
        "11 1003-1004 @1 preempted",
        "11 1005-1006 @1 exit",
        f"10 1007-{STOPPED} @0 open",
    ]


def test_a_thread_that_was_on_a_core_before_recording_began_has_been_so_from_its_beginning(read):
    assert stretches(read(rows("1005 OUT 1 10"))) == [f"10 {STARTED}-1005 @1 voluntary"]


def test_what_was_seen_before_every_core_was_observed_is_left_out(read):
    evidence = read(rows("998 IN 0 10\n999 OUT 0 11\n1000 OUT 0 12\n1001 OUT 1 10"))
    assert stretches(evidence) == ["10 1000-1001 @1 voluntary", "12 1000-1000 @0 voluntary"]
    assert evidence.damage == ()


def test_a_new_thread_was_on_no_core_before_it_was_made(read):
    made = [(1001, word("FORK", 0, PID, 11)), (1001, word("PARENT"))]
    assert stretches(read([*made, *rows("1005 OUT 1 11")])) == []


def test_a_native_id_used_again_is_another_thread(read):
    made = [(1006, word("FORK", 0, PID, 11)), (1006, word("PARENT"))]
    evidence = read([*rows("1001 IN 0 11\n1005 EXIT 0 11"), *made, *rows("1007 IN 0 11\n1009 OUT 0 11")])
    assert stretches(evidence) == ["11 1001-1005 @0 exit", "11 1007-1009 @0 voluntary"]


def test_a_stretch_whose_end_was_lost_ends_where_the_loss_may_have_begun(read):
    text = "1001 IN 0 10\n1003 IN 1 11\n1004 OUT 1 11\n1005 OUT 0 12"
    evidence = read([*rows(text), lost(1020, 0, 4), *rows("1030 IN 0 10\n1031 OUT 0 10")])
    assert stretches(evidence) == [
        f"12 {STARTED}-1005 @0 voluntary",
        "10 1001-1005 @0 lost",
        "11 1003-1004 @1 voluntary",
        "10 1030-1031 @0 voluntary",
    ]


def test_after_a_loss_an_unknown_thread_is_not_taken_for_one_that_was_there_from_the_beginning(read):
    evidence = read([*rows("1001 IN 0 10\n1002 OUT 0 10"), lost(1010, 0, 3), *rows("1020 OUT 0 13")])
    assert stretches(evidence) == ["10 1001-1002 @0 voluntary"]


def test_a_full_file_ends_the_evidence_where_it_was_full(read):
    evidence = read(rows("1001 IN 0 10\n1600 OUT 0 10"), full_at_ns=1500, full=2, lost=3)
    assert stretches(evidence) == ["10 1001-1500 @0 open"]
    assert evidence.damage == ("Scheduler evidence ends early: the disk is full.",)


def test_what_was_seen_after_the_end_is_left_out(read):
    evidence = read(rows(f"1001 IN 0 10\n{STOPPED} OUT 0 10\n{STOPPED + 1} IN 1 10"))
    assert stretches(evidence) == [f"10 1001-{STOPPED} @0 voluntary"]
    assert evidence.damage == ()


def test_a_drain_that_was_killed_is_damage_and_what_it_wrote_is_used(read):
    evidence = read(rows("1001 IN 0 10\n1007 OUT 0 10"), stopped_ns=0)
    assert stretches(evidence) == ["10 1001-1007 @0 voluntary"]
    assert evidence.damage == ("The process that wrote the scheduler evidence was killed, or still runs.",)


def test_cores_that_came_late_are_damage(read):
    assert read([], new_cores=2).damage == ("2 cores came online during the run and were not observed.",)


@pytest.mark.parametrize("cut", range(1, 16))
def test_a_file_cut_anywhere_is_used_up_to_its_last_whole_record(read, cut):
    evidence = read(content(rows("1001 IN 0 10\n1002 OUT 0 10"))[:-cut])
    assert as_text(evidence.events) == ["1001 IN 0 10/10"]
    assert evidence.damage == ("The file is cut short; its last whole records were used.",)


def test_a_name_cut_off_its_text_is_left_out(read):
    evidence = read(content(name(1001, b"worker"))[:-16])
    assert (len(evidence.names), len(evidence.events)) == (0, 1)


def test_records_that_make_no_sense_are_left_out_and_said(read):
    evidence = read([*rows("1001 IN 0 10"), (1002, 12), (9 * 10**18, word("OUT")), (-5, word("OUT"))])
    assert as_text(evidence.events) == ["1001 IN 0 10/10"]
    assert evidence.damage == ("3 records make no sense and were left out.",)


def test_an_empty_recording_has_no_stretches(read):
    evidence = read([])
    assert (len(evidence.events), stretches(evidence), check_scheduler(evidence)) == (0, [], [])


def test_what_is_no_evidence_is_refused_in_one_line(tmp_path, read):
    with pytest.raises(RecordingError, match=r"cannot read scheduler evidence: .*none.bin: No such file"):
        read_scheduler(tmp_path / "none.bin")
    with pytest.raises(RecordingError, match="not scheduler evidence: "):
        read(b"")
    with pytest.raises(RecordingError, match="not scheduler evidence: "):
        read(b"#!/bin/sh\n" * 100)
    with pytest.raises(RecordingFormatError, match=r"of format 2: .*: this gtrace reads up to 1, update it"):
        read([], version=2)


def test_a_longer_header_of_the_same_version_is_skipped(read):
    longer = content(rows("1001 IN 0 10"), header_bytes=scheduler.HEADER.itemsize + 8)
    size = scheduler.HEADER.itemsize
    assert as_text(read(longer[:size] + b"\xff" * 8 + longer[size:]).events) == ["1001 IN 0 10/10"]


def test_two_threads_on_one_core_and_one_thread_on_two_are_contradictions(read):
    assert check_scheduler(read(rows("1001 IN 0 10\n1002 IN 0 11\n1003 OUT 0 10\n1004 OUT 0 11"))) == [
        "core 0: a stretch begins at 1002, one lasts until 1003"
    ]


def loss_after(losses, at, core):
    """When the first loss on this core that ended after ``at`` may have begun."""
    ended_later = [row for row in losses.itertuples() if row.core == core and row.end_ns > at]
    return max(at, min(ended_later, key=lambda row: row.end_ns).start_ns) if ended_later else at


def slow_on_core(evidence):
    """Thread by thread, record by record."""
    found = []
    for tid in evidence.events["tid"].unique():
        on, first = None, True
        for row in evidence.events[evidence.events["tid"] == tid].itertuples():
            kind = SwitchKind(row.kind)
            if kind > SwitchKind.EXIT:
                continue
            leaves = {"OUT": "voluntary", "PREEMPT": "preempted", "EXIT": "exit"}.get(kind.name)
            if leaves and on:
                found.append((on.time_ns, row.time_ns, tid, on.core, leaves))
            elif leaves and first and not (evidence.losses["start_ns"] < row.time_ns).any():
                found.append((min(STARTED, row.time_ns), row.time_ns, tid, row.core, leaves))
            elif on:
                found.append(
                    (on.time_ns, loss_after(evidence.losses, on.time_ns, on.core), tid, on.core, "lost")
                )
            on, first = (row if kind is SwitchKind.IN else None), False
        if on:
            found.append((on.time_ns, max(evidence.end_ns, on.time_ns), tid, on.core, "open"))
    return sorted(found)


ANY_RECORD = st.tuples(
    st.sampled_from(["IN", "OUT", "PREEMPT", "EXIT", "FORK", "LOST", "NAME"]),
    st.integers(0, 2),
    st.integers(10, 13),
)


@given(st.lists(st.tuples(st.integers(0, 3), ANY_RECORD), max_size=40))
def test_stretches_are_those_of_a_slow_twin_whatever_was_recorded(tmp_path_factory, steps):
    at = STARTED + np.cumsum([0, *(step for step, _ in steps)])[1:]
    records = [
        lost(when, core, 1) if kind == "LOST" else (when, word(kind, core, PID, tid))
        for when, (_, (kind, core, tid)) in zip(at.tolist(), steps, strict=True)
    ]
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(content(records))
    evidence = read_scheduler(path)
    columns = ["start_ns", "end_ns", "tid", "core", "ended"]
    assert sorted(map(tuple, on_core(evidence)[columns].to_numpy().tolist())) == slow_on_core(evidence)


@given(
    st.lists(st.tuples(st.integers(1, 4), st.permutations([10, 11, 12, 0, 0]), st.booleans()), max_size=30)
)
def test_what_ran_on_each_core_at_each_instant_comes_back(tmp_path_factory, schedule):
    """A schedule is stretches of time with the thread of core 0 and core 1; 0 is none of ours."""
    records, truth, at, before = [], {}, STARTED + 1, (0, 0)
    for length, (first, second, *_), preempted in schedule:
        for core, (old, new) in enumerate(zip(before, (first, second), strict=True)):
            if old != new and old:
                records.append((at, core, word("PREEMPT" if preempted else "OUT", core, PID, old)))
        for core, (old, new) in enumerate(zip(before, (first, second), strict=True)):
            if old != new and new:
                records.append((at, core, word("IN", core, PID, new)))
        for instant in range(at, at + length):
            truth |= {(instant, core): tid for core, tid in enumerate((first, second)) if tid}
        at, before = at + length, (first, second)
    path = tmp_path_factory.getbasetemp() / "schedule.bin"
    path.write_bytes(content([(when, said) for when, _, said in records], stopped_ns=at))
    evidence = read_scheduler(path)
    found = {
        (instant, row.core): row.tid
        for row in on_core(evidence).itertuples()
        for instant in range(row.start_ns, row.end_ns)
    }
    assert found == truth
    assert check_scheduler(evidence) == []


@pytest.mark.slow
def test_a_million_records_make_a_table_and_stretches(read):
    count = 1_000_000
    table = np.zeros(count, scheduler.RECORD)
    table["time_ns"] = STARTED + np.arange(count)
    tid = 10 + np.arange(count) // 2 % 64
    table["word"] = np.where(np.arange(count) % 2, word("OUT", 0, PID, 0), word("IN", 0, PID, 0)) + (
        tid << 40
    )
    result = on_core(read(content(table, stopped_ns=STARTED + count)))
    expected = pd.DataFrame(
        {"start_ns": table["time_ns"][::2], "end_ns": table["time_ns"][1::2], "tid": tid[::2]}
    )
    pd.testing.assert_frame_equal(result[["start_ns", "end_ns", "tid"]], expected, check_dtype=False)
