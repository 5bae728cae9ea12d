"""The reader of the agent's files: the format, the fold into holds and waits, and damage as data."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from agent_support import AGENT
from c_headers import values_in_c
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gtrace.errors import RecordingError, RecordingFormatError
from gtrace.evidence import gil_format as gil
from gtrace.evidence.gil import GilKind, check_gil, holds, lock_waits, read_gil
from gtrace.evidence.gil_calls import Descriptor, Function, blocking_calls

MAIN_GIL = 0x7F0000001000
START = 1_000


def chunk(tid, thread, *records):
    """One chunk; a record is (time, kind) or (time, kind, value behind it)."""
    words = []
    for time, kind, *value in records:
        words.append(time << gil.KIND_BITS | kind)
        words += [v << gil.KIND_BITS | gil.VALUE for v in value]
    out = np.zeros(1, gil.CHUNK)
    out["header"]["magic"], out["header"]["tid"], out["header"]["thread"] = gil.CHUNK_MAGIC, tid, thread
    out["records"][0, : len(words)] = words
    return out.tobytes()


def header(**fields):
    out = np.zeros(1, gil.HEADER)
    values = {
        "magic": gil.MAGIC,
        "version": gil.VERSION,
        "chunk_bytes": gil.CHUNK_BYTES,
        "record_bytes": 8,
        "pid": 7,
        "started_ns": START,
        "gil_address": MAIN_GIL,
    }
    for name, value in {**values, **fields}.items():
        out[name] = value
    return out.tobytes().ljust(gil.CHUNK_BYTES, b"\0")


def read(tmp_path, *chunks, **fields):
    path = tmp_path / "gil.bin"
    path.write_bytes(header(**fields) + b"".join(chunks))
    return read_gil(path)


def records(text):
    """Lines of TIME KIND [VALUE] as records; kinds by their names in GilKind."""
    rows = (line.split() for line in text.strip().splitlines())
    return [(int(time), GilKind[kind], *map(int, value)) for time, kind, *value in rows]


def as_text(evidence):
    rows = evidence.events.itertuples()
    return [f"{r.time_ns} {r.tid}/{r.thread} {GilKind(r.kind).name} {r.address} {r.gil}" for r in rows]


def test_the_reader_mirrors_the_header_file(tmp_path):
    layouts = {"gt_file_header": gil.HEADER, "gt_chunk_header": gil.CHUNK_HEADER}
    numbers = {
        **{f"GT_{kind.name}": kind.value for kind in GilKind},
        **{f"GT_IN_{function.name}": function.value for function in Function},
        **{f"GT_FD_{kind.name}": kind.value for kind in Descriptor},
        "GT_VALUE": gil.VALUE,
        "GT_VERSION": gil.VERSION,
        "GT_CHUNK_MAGIC": gil.CHUNK_MAGIC,
        "GT_CHUNK_BYTES": gil.CHUNK_BYTES,
        "GT_CHUNK_RECORDS": gil.CHUNK_RECORDS,
        "GT_KIND_BITS": gil.KIND_BITS,
        "sizeof(gt_record)": gil.RECORD.itemsize,
        **{f"sizeof({name})": layout.itemsize for name, layout in layouts.items()},
        **{
            f"offsetof({name}, {field})": layout.fields[field][1]
            for name, layout in layouts.items()
            for field in layout.names
        },
    }
    found, magic = values_in_c(AGENT / "record.h", list(numbers), "GT_MAGIC", tmp_path)
    assert found == numbers
    assert magic + b"\0" == gil.MAGIC


def test_every_kind_of_the_header_file_is_known_to_the_reader_and_explained_there():
    text = (AGENT / "record.h").read_text()
    enums = dict(re.findall(r"^enum gt_(\w+) \{\n([^}]*)", text, re.MULTILINE))
    member = re.compile(r"^    GT_(\w+) = \d+,", re.MULTILINE)
    numbers = {name: set(member.findall(body)) for name, body in enums.items()}
    kinds = numbers["kind"]
    assert numbers["function"] == {f"IN_{function.name}" for function in Function}
    assert numbers["descriptor"] == {f"FD_{kind.name}" for kind in Descriptor}
    assert kinds == {kind.name for kind in GilKind} | {"VALUE"}
    assert all(re.search(rf"^ \*   {kind}\b", text, re.MULTILINE) for kind in kinds)


def test_records_of_all_chunks_come_out_in_time_order_with_their_threads(tmp_path):
    first = chunk(10, 1, *records("1001 GIL_ACQUIRE\n1005 GIL_RELEASE\n1009 LOCK_WAIT 4096"))
    second = chunk(
        20, 2, *records("1003 GIL_WAIT\n1006 GIL_ACQUIRE\n1007 GIL_FORCED_RELEASE\n1008 LOCK_POST 4096")
    )
    assert as_text(read(tmp_path, first, second)) == [
        f"1001 10/1 GIL_ACQUIRE {MAIN_GIL} 0",
        f"1003 20/2 GIL_WAIT {MAIN_GIL} 0",
        f"1005 10/1 GIL_RELEASE {MAIN_GIL} 0",
        f"1006 20/2 GIL_ACQUIRE {MAIN_GIL} 0",
        f"1007 20/2 GIL_FORCED_RELEASE {MAIN_GIL} 0",
        "1008 20/2 LOCK_POST 4096 -1",
        "1009 10/1 LOCK_WAIT 4096 -1",
    ]


def test_a_chunk_left_by_one_thread_and_filled_by_another_names_both(tmp_path):
    successor = 11 | 2 << 32
    shared = chunk(
        10, 1, *records(f"1001 GIL_ACQUIRE\n1002 THREAD_EXIT\n1003 THREAD {successor}\n1004 GIL_ACQUIRE")
    )
    assert as_text(read(tmp_path, shared)) == [
        f"1001 10/1 GIL_ACQUIRE {MAIN_GIL} 0",
        "1002 10/1 THREAD_EXIT 0 -1",
        "1003 11/2 THREAD 0 -1",
        f"1004 11/2 GIL_ACQUIRE {MAIN_GIL} 0",
    ]


def test_further_gils_are_numbered_as_they_appear(tmp_path):
    evidence = read(
        tmp_path, chunk(10, 1, *records("1001 GIL_ACQUIRE 512\n1002 GIL_RELEASE 512\n1003 GIL_ACQUIRE"))
    )
    assert evidence.gils == (512, MAIN_GIL)
    assert evidence.events["gil"].tolist() == [0, 0, 1]


def test_holds_pair_each_acquiring_with_its_release(tmp_path):
    one = chunk(
        10, 1, *records("1000 GIL_HOLDS\n1002 GIL_RELEASE\n1008 GIL_ACQUIRE\n1009 GIL_FORCED_RELEASE")
    )
    two = chunk(20, 2, *records("1003 GIL_RELEASE\n1004 GIL_ACQUIRE\n1006 GIL_RELEASE\n1009 GIL_ACQUIRE"))
    table = holds(read(tmp_path, one, two, stopped_ns=1020))
    rows = table[["start_ns", "end_ns", "tid", "forced", "closed"]].to_numpy().tolist()
    assert rows == [
        [1000, 1002, 10, False, True],
        [1004, 1006, 20, False, True],
        [1008, 1009, 10, True, True],
        [1009, 1020, 20, False, False],
    ]


def test_two_holders_at_once_are_found(tmp_path):
    one = chunk(10, 1, *records("1001 GIL_ACQUIRE\n1005 GIL_RELEASE"))
    fine = chunk(20, 2, *records("1005 GIL_ACQUIRE\n1006 GIL_RELEASE"))
    wrong = chunk(20, 2, *records("1004 GIL_ACQUIRE\n1006 GIL_RELEASE"))
    other_gil = chunk(20, 2, *records("1004 GIL_ACQUIRE 512\n1006 GIL_RELEASE 512"))
    assert check_gil(read(tmp_path, one, fine)) == []
    assert check_gil(read(tmp_path, one, other_gil)) == []
    assert check_gil(read(tmp_path, one, wrong)) == [
        "GIL 0: thread 20 took it at 1004, but it was held until 1005"
    ]


def test_lock_waits_end_as_they_ended_and_name_the_last_poster(tmp_path):
    waiter = chunk(
        10,
        1,
        *records(
            """
            1001 LOCK_WAIT 64
            1005 LOCK_ACQUIRE 64
            1006 LOCK_WAIT 64
            1007 LOCK_INTERRUPT 64
            1008 LOCK_WAIT 64
            1010 LOCK_TIMEOUT 64
            1011 LOCK_WAIT 128
            1012 LOCK_ACQUIRE 128
            1014 LOCK_WAIT 64
            """
        ),
    )
    posters = (
        chunk(20, 2, *records("1002 LOCK_POST 64\n1013 LOCK_POST 128")),
        chunk(30, 3, *records("1004 LOCK_POST 64\n1009 LOCK_POST 256")),
    )
    table = lock_waits(read(tmp_path, waiter, *posters, stopped_ns=1020))
    rows = table[["start_ns", "end_ns", "address", "outcome", "poster_tid"]].to_numpy().tolist()
    assert rows == [
        [1001, 1005, 64, "acquired", 30],
        [1006, 1007, 64, "interrupted", -1],
        [1008, 1010, 64, "timed out", -1],
        [1011, 1012, 128, "acquired", 20],
        [1014, 1020, 64, "open", -1],
    ]


@pytest.mark.parametrize("fold", [holds, lock_waits])
def test_a_file_without_events_gives_empty_tables(tmp_path, fold):
    evidence = read(tmp_path)
    assert len(fold(evidence)) == 0
    assert evidence.damage == ()
    assert evidence.end_ns == START


def test_a_file_cut_anywhere_gives_what_is_whole(tmp_path):
    content = header() + chunk(10, 1, *records("1001 GIL_ACQUIRE\n1002 GIL_RELEASE\n1003 LOCK_WAIT 64"))
    path = tmp_path / "gil.bin"
    for length, count in [
        (0, 0),
        (5, 0),
        (240, 0),
        (4096, 0),
        (4096 + 16, 0),
        (4096 + 40, 1),
        (4096 + 49, 2),
    ]:
        path.write_bytes(content[:length])
        evidence = read_gil(path)
        assert len(evidence.events) == count
        assert bool(evidence.damage) == (length != 4096)


def test_garbage_inside_is_left_out_and_said(tmp_path):
    good = chunk(10, 1, (1001, GilKind.GIL_ACQUIRE), (1002, 30), (5, GilKind.GIL_RELEASE))
    evidence = read(tmp_path, good, b"garbage!" * 512, bytes(4096))
    assert len(evidence.events) == 1
    assert evidence.damage == (
        "1 parts of the file are damaged and were left out.",
        "2 records make no sense and were left out.",
    )


def test_a_file_that_is_not_ours_or_too_new_is_refused(tmp_path):
    path = tmp_path / "gil.bin"
    path.write_bytes(b"PNG and so on")
    with pytest.raises(RecordingError, match=re.escape(str(path))):
        read_gil(path)
    with pytest.raises(RecordingError, match="No such file"):
        read_gil(tmp_path / "absent")
    with pytest.raises(RecordingFormatError, match="format 99"):
        read(tmp_path, version=99)


def test_what_the_header_says_about_the_recording_comes_through(tmp_path):
    evidence = read(
        tmp_path,
        level=1,
        reason=b"no GIL here",
        lost=5,
        full_at_ns=2000,
        full=2,
        unknown_gils=3,
        gil_address=0,
    )
    assert evidence.level == "locks only: no GIL here"
    assert (evidence.lost, evidence.full_at_ns, evidence.end_ns, evidence.pid) == (5, 2000, 2000, 7)
    assert evidence.damage == (
        "3 events of further GILs were left out: there are too many.",
        "GIL evidence ends early: the disk is full.",
    )


def test_what_threads_with_room_left_wrote_after_the_file_was_full_counts_as_lost(tmp_path):
    events = chunk(10, 1, *records("1001 GIL_ACQUIRE\n1002 GIL_RELEASE\n1003 GIL_ACQUIRE"))
    evidence = read(tmp_path, events, full_at_ns=1002, full=1, lost=5)
    assert evidence.events["time_ns"].tolist() == [1001, 1002]
    assert evidence.lost == 6


def call(function, descriptor=Descriptor.UNKNOWN, fd=-1):
    return function | descriptor << 8 | (fd + 1) << 16


def calls(evidence):
    rows = blocking_calls(evidence).itertuples()
    return [
        (f"{r.start_ns}-{r.end_ns}", r.thread, Function(r.function).name, Descriptor(r.descriptor).name, r.fd)
        for r in rows
    ]


def test_a_call_begins_with_the_release_before_it_and_ends_where_the_thread_is_seen_again(tmp_path):
    first = chunk(
        10,
        1,
        (1001, GilKind.GIL_RELEASE),
        (call(Function.READ, fd=7), GilKind.CALL),
        (1010, GilKind.CALL_END, call(Function.READ, Descriptor.PIPE, fd=7)),
        (1012, GilKind.GIL_WAIT),
        (1015, GilKind.GIL_FORCED_RELEASE),
        (call(Function.SLEEP), GilKind.CALL),
        (1020, GilKind.TIMED_CALL, call(Function.POLL)),
        (1030, GilKind.GIL_ACQUIRE),
        (1035, GilKind.GIL_RELEASE),
        (call(Function.CONNECT, fd=0), GilKind.CALL),
    )
    second = chunk(11, 2, (1002, GilKind.GIL_ACQUIRE), (1050, GilKind.GIL_RELEASE))
    assert calls(read(tmp_path, first, second)) == [
        ("1001-1010", 1, "READ", "PIPE", 7),
        ("1015-1020", 1, "SLEEP", "UNKNOWN", -1),
        ("1020-1030", 1, "POLL", "UNKNOWN", -1),
        ("1035-1050", 1, "CONNECT", "UNKNOWN", 0),
    ]


def test_a_call_without_its_release_in_the_chunk_is_left_out(tmp_path):
    evidence = read(tmp_path, chunk(10, 1, (call(Function.READ), GilKind.CALL), (1005, GilKind.GIL_ACQUIRE)))
    assert calls(evidence) == []
    assert evidence.damage == ("1 records make no sense and were left out.",)


def test_a_file_of_the_first_version_is_read_as_ever(tmp_path):
    evidence = read(tmp_path, chunk(10, 1, *records("1001 GIL_ACQUIRE\n1002 GIL_RELEASE")), version=1)
    assert len(evidence.events) == 2
    assert len(blocking_calls(evidence)) == 0


def slow_twin(content):
    """The same events, one record at a time."""
    rows = []
    for start in range(gil.CHUNK_BYTES, len(content) - gil.CHUNK_BYTES + 1, gil.CHUNK_BYTES):
        part = np.frombuffer(content[start : start + gil.CHUNK_BYTES], gil.CHUNK)[0]
        if part["header"]["magic"] == gil.CHUNK_MAGIC:
            rows += slow_chunk(part)
    return sorted(rows, key=lambda row: row[0])


def slow_chunk(part):
    name = (int(part["header"]["tid"]), int(part["header"]["thread"]))
    words = [int(word) for word in part["records"]] + [0]
    released = (None, 0)
    for word, behind in pairwise(words):
        kind, time = word & 31, word >> 5
        value = behind >> 5 if behind & 31 == gil.VALUE else 0
        if kind == GilKind.THREAD and value:
            name = (value & 0xFFFFFFFF, value >> 32)
        if kind in (GilKind.GIL_RELEASE, GilKind.GIL_FORCED_RELEASE):
            released = (name, time)
        if kind == GilKind.CALL:
            time, value = released[1] if released[0] == name else 0, time
        if kind in GilKind._value2member_map_ and time >= START:
            yield (time, *name, *slow_meaning(kind, value))


def slow_meaning(kind, value):
    if GilKind.GIL_HOLDS <= kind <= GilKind.GIL_FORCED_RELEASE:
        return kind, value or MAIN_GIL
    if kind == GilKind.TIMED_CALL:
        return GilKind.CALL, value
    return kind, 0 if kind <= GilKind.THREAD_EXIT else value


word = st.integers(0, 2**16).map(lambda time: time) | st.integers(START, START + 50)
any_record = st.tuples(word, st.integers(0, 31)) | st.tuples(
    word, st.sampled_from(list(GilKind)), st.integers(1, 2**40)
)
any_chunk = st.tuples(st.integers(1, 9), st.integers(1, 9), st.lists(any_record, max_size=12))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(any_chunk, max_size=5))
def test_the_reader_agrees_with_its_slow_twin(tmp_path, parts):
    content = header() + b"".join(chunk(tid, thread, *rows) for tid, thread, rows in parts)
    path = Path(tmp_path) / "gil.bin"
    path.write_bytes(content)
    events = read_gil(path).events
    columns = events[["time_ns", "tid", "thread", "kind", "address"]].to_numpy().tolist()
    assert [tuple(row) for row in columns] == slow_twin(content)


any_content = st.lists(
    st.binary(max_size=64)
    | st.tuples(st.binary(min_size=16, max_size=200), st.booleans()).map(lambda pair: begun_chunk(*pair)),
    max_size=4,
).map(b"".join)
"""Bytes of which some stand where chunks do and begin as they do."""


def begun_chunk(content, whole):
    content = np.array(gil.CHUNK_MAGIC, gil.CHUNK_HEADER["magic"]).tobytes() + content
    return content.ljust(gil.CHUNK_BYTES, b"\0") if whole else content


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(any_content)
def test_whatever_stands_behind_our_header_is_read_in_order_or_left_out(tmp_path, content):
    path = Path(tmp_path) / "gil.bin"
    path.write_bytes(header() + content)
    evidence = read_gil(path)
    check_gil(evidence)

    assert evidence.events["time_ns"].is_monotonic_increasing
    assert evidence.events["time_ns"].min() >= START or evidence.events.empty
    assert set(evidence.events["kind"]) <= set(GilKind)
    for table in (holds(evidence), lock_waits(evidence), blocking_calls(evidence)):
        assert (table["start_ns"] <= table["end_ns"]).all()
