"""The journal of threads: written by the recorder, read back whole, and as far as it goes where it is not."""

from __future__ import annotations

import errno
import json
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gtrace.evidence.threads import FIELDS, read_registry
from gtrace.recorder import journal
from gtrace.recorder.journal import Journal

NAMES = st.text(st.characters(), max_size=30)
BEGIN = {"time": 1, "key": 1, "tid": 7, "ident": 9, "name": "n", "daemon": False}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "threads.1.jsonl"


def shown(name):
    """As a reader sees it: a lone surrogate, which no file can hold, is the replacement character."""
    return name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@given(st.lists(NAMES, min_size=1, max_size=20))
def test_names_are_read_as_they_were_given(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("journal") / "threads.1.jsonl"
    written = Journal(str(path))
    for key, name in enumerate(names):
        written.append("begin", **{**BEGIN, "key": key, "name": name})
    found = read_registry(path)

    assert [len(thread.name) for thread in found.threads] == [len(shown(name)) for name in names]
    assert [thread.name for thread in found.threads] == [shown(name) for name in names]
    assert found.damaged == 0


def test_lines_longer_than_a_chunk_and_across_chunks_are_whole(path, monkeypatch):
    monkeypatch.setattr(journal, "CHUNK", 1 << 16)
    written = Journal(str(path))
    names = ["x" * length for length in (10, 40_000, 40_000, 200_000, 10)]
    for key, name in enumerate(names):
        written.append("begin", **{**BEGIN, "key": key, "name": name})

    assert [thread.name for thread in read_registry(path).threads] == names
    assert written.lost == 0


@given(st.data())
@settings(max_examples=50)
def test_of_a_journal_that_breaks_off_every_whole_line_is_read(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("journal") / "threads.1.jsonl"
    lines = [
        json.dumps({"event": "begin", **BEGIN, "key": key}).encode() + b"\n"
        for key in range(data.draw(st.integers(1, 5)))
    ]
    whole = b"".join(lines)
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    found = read_registry(path)
    complete, rest = divmod(cut, len(lines[0]))
    without_end = rest == len(lines[0]) - 1

    assert len(found.threads) == complete + without_end
    assert found.damaged == (rest > 0 and not without_end)


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(tmp_path_factory, garbage):
    path = tmp_path_factory.mktemp("journal") / "threads.1.jsonl"
    path.write_bytes(garbage)

    assert read_registry(path).threads == []


@pytest.mark.parametrize("event", [name for name, fields in FIELDS.items() if fields])
def test_an_event_with_a_field_of_the_wrong_type_is_damaged(path, event):
    right = {int: 1, str: "text", bool: True}
    fields = {name: right[types[0]] for name, types in FIELDS[event].items()}
    lines = [{"event": event, **fields}]
    lines += [{"event": event, **fields, name: [1]} for name in fields]
    lines += [{"event": event, **{key: fields[key] for key in fields if key != name}} for name in fields]
    path.write_text("\n".join(map(json.dumps, lines)))

    assert read_registry(path).damaged == 2 * len(fields)


def test_an_event_of_a_later_version_is_passed_over(path):
    path.write_text(json.dumps({"event": "from the future", "x": 1}) + "\n")

    assert read_registry(path).damaged == 0


def test_a_thread_that_never_began_is_none(path):
    path.write_text(
        json.dumps({"event": "start", "time": 1, "key": 1, "parent": 1, "target": "", "created": ""})
    )

    assert read_registry(path).threads == []


def test_greenlets_that_stand_in_for_threads_are_none(path):
    """No thread runs in the one that started it; who gets a native id again was started by another."""
    written = Journal(str(path))
    for key, parent, tid in ((1, -1, 7), (2, 7, 7), (3, 7, 8), (4, 7, 8)):
        written.append("start", time=key, key=key, parent=parent, target="", created="")
        written.append("begin", **{**BEGIN, "key": key, "tid": tid, "name": f"n{key}"})
    found = read_registry(path)

    assert [thread.name for thread in found.threads] == ["n1", "n3", "n4"]
    assert ["n2. They run in the thread that started them" in note for note in found.notes] == [True]


def test_a_journal_that_cannot_grow_counts_what_it_lost(path, monkeypatch):
    monkeypatch.setattr(journal, "CHUNK", 1 << 16)
    written = Journal(str(path))
    path.unlink()
    for key in range(3):
        written.append("begin", **{**BEGIN, "key": key, "name": "x" * 50_000})

    assert written.lost == 2


def test_where_there_is_no_room_any_more_that_is_still_said(path, monkeypatch):
    monkeypatch.setattr(journal, "CHUNK", 1 << 16)
    written = Journal(str(path))

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal.os, "posix_fallocate", refuse)
    for key in range(1000):
        written.append("begin", **{**BEGIN, "key": key, "name": "x" * 100})
    written.append("stop", time=1, journal_lost=written.lost)
    found = read_registry(path)

    assert len(found.threads) + written.lost == 1000
    assert found.stop == {"event": "stop", "time": 1, "journal_lost": written.lost}
    assert found.damaged == 0


def test_threads_that_write_at_once_lose_no_line_where_chunks_end(path, monkeypatch):
    monkeypatch.setattr(journal, "CHUNK", 1 << 16)
    written = Journal(str(path))

    def write(first):
        for key in range(first, first + 1000):
            written.append_json(json.dumps({"event": "begin", **BEGIN, "key": key}))

    threads = [threading.Thread(target=write, args=(first,)) for first in range(0, 8000, 1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read_registry(path)

    assert sorted(thread.key for thread in found.threads) == list(range(8000))
    assert (found.damaged, written.lost) == (0, 0)
