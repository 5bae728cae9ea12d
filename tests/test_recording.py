"""A recording loads as far as it is whole; what is missing or damaged is named, never a surprise."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from launching import PROGRAMS, recorded

import gtrace
from gtrace.errors import RecordingError, RecordingFormatError
from gtrace.recorder.folder import FORMAT, create
from gtrace.recording import compact, load

NOBODY = 65534
THREADS = range(9, 12)
"""How many ``kinds.py`` has: a pool starts another only where none is idle."""


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("original") / "r.gtrace"
    recorded(path, PROGRAMS / "kinds.py")
    meta = {"command": ["kinds.py"], "cwd": "/", "exit_status": 0, "signal": None}
    (path / "meta.json").write_text(json.dumps({"format": FORMAT, **meta}))
    return path


@pytest.fixture
def recording(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "copy.gtrace"))


def only(recording, pattern):
    (path,) = recording.glob(pattern)
    return path


def numbers(path):
    """That everything after loading works, too."""
    return gtrace.summarize(gtrace.build_timeline(load(path)))


def test_a_whole_recording_has_no_problems(recording):
    loaded = load(recording)

    assert loaded.problems == ()
    assert len(loaded.threads) in THREADS
    assert set(loaded.calls["tid"]) <= set(loaded.threads["tid"])


@pytest.mark.parametrize("pattern", ["meta.json", "threads.*.jsonl"])
def test_without_a_file_the_rest_is_used_and_the_lack_named(recording, pattern):
    path = only(recording, pattern)
    path.unlink()

    assert any(path.name in problem for problem in load(recording).problems)
    assert numbers(recording)["threads"]


@pytest.mark.parametrize("pattern", ["calls.*.json", "gil.*.bin", "scheduler.*.bin"])
def test_every_source_may_be_missing(recording, pattern):
    for path in recording.glob(pattern):
        path.unlink()

    assert len(numbers(recording)["threads"]) >= THREADS.start


@pytest.mark.parametrize("pattern", ["meta.json", "threads.*.jsonl", "gil.*.bin", "scheduler.*.bin"])
def test_a_file_of_garbage_is_named_and_costs_no_other(recording, pattern):
    for path in recording.glob(pattern):
        path.write_bytes(b"garbage\n" * 5000)
        assert any(path.name in problem for problem in load(recording).problems)
    assert numbers(recording)["threads"]


@given(st.data())
@settings(max_examples=30)
def test_a_journal_cut_anywhere_loads(original, tmp_path_factory, data):
    recording = Path(shutil.copytree(original, tmp_path_factory.mktemp("cut") / "r.gtrace"))
    path = only(recording, "threads.*.jsonl")
    content = path.read_bytes().replace(b"\0", b"")
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])

    assert len(load(recording).processes[0].registry.threads) < THREADS.stop


def test_calls_that_break_off_are_used_to_their_end(recording):
    whole = only(recording, "calls.*.json")
    count = len(load(recording).calls)
    part = whole.rename(f"{whole}.part")
    os.truncate(part, part.stat().st_size // 2)
    loaded = load(recording)

    assert 0 < len(loaded.calls) < count
    assert any(part.name in problem for problem in loaded.problems)
    assert numbers(recording)["threads"]


def test_compacted_calls_are_the_same_in_less_room(recording):
    before = load(recording)
    calls, size = before.calls, only(recording, "calls.*.json").stat().st_size
    compact(before)

    assert only(recording, "calls.*").stat().st_size < size
    assert only(recording, "calls.*").stat().st_mode & 0o777 == 0o600
    after = load(recording).calls
    assert after.astype({"name": str}).equals(calls.astype({"name": str}))


def test_damaged_parquet_is_named(recording):
    compact(load(recording))
    path = only(recording, "calls.*.parquet")
    os.truncate(path, path.stat().st_size - 10)
    loaded = load(recording)

    assert any(path.name in problem for problem in loaded.problems)
    assert loaded.calls.empty


@pytest.mark.parametrize("key", ["command", "cwd", "exit_status", "signal", "options", "ended"])
def test_a_meta_of_wrong_types_is_named(recording, key):
    meta = json.loads((recording / "meta.json").read_text())
    (recording / "meta.json").write_text(json.dumps(meta | {key: 1.5}))

    assert any(key in problem for problem in load(recording).problems)
    assert numbers(recording)["threads"]


@pytest.mark.parametrize("newer", [FORMAT + 1, "2", None])
def test_a_newer_format_is_refused(recording, newer):
    (recording / "meta.json").write_text(json.dumps({"format": newer}))

    with pytest.raises(RecordingFormatError, match="newer gtrace"):
        load(recording)


def test_what_is_no_recording_is_refused(tmp_path):
    (tmp_path / "file").touch()

    for path in (tmp_path, tmp_path / "file", tmp_path / "missing"):
        with pytest.raises(RecordingError):
            load(path)


def without_right_to_read(original, folder, pattern):
    """A copy of which every user may read all but one file."""
    copy = Path(shutil.copytree(original, folder))
    copy.chmod(0o755)
    for path in copy.iterdir():
        path.chmod(0o644)
    only(copy, pattern).chmod(0)
    return copy


def test_a_file_that_may_not_be_read_is_named(original):
    """Root may read all there is, and so becomes nobody, whom pytest's own folders are closed to."""
    patterns = ["calls.*.json", "gil.*.bin", "threads.*.jsonl", "meta.json"]
    program = f"""
import os, sys
sys.path[:] = {sys.path!r}
from gtrace.recording import load
from gtrace.errors import RecordingError
if os.geteuid() == 0:
    os.setuid({NOBODY})
for recording in sys.argv[1:]:
    try:
        print(load(recording).problems)
    except RecordingError as error:
        print(error)
"""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        copies = [without_right_to_read(original, Path(folder, str(i)), p) for i, p in enumerate(patterns)]
        command = [sys.executable, "-c", program, *map(str, copies)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        names = [only(copy, pattern).name for copy, pattern in zip(copies, patterns, strict=True)]

    assert all(name in line for name, line in zip(names, done.stdout.splitlines(), strict=True))


def test_a_recording_is_for_its_owner_alone(original):
    assert original.stat().st_mode & 0o777 == 0o700
    made = [path for path in original.iterdir() if path.name != "meta.json"]
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}


def test_a_new_recording_replaces_an_old_one_and_nothing_else(recording):
    create(recording, {})
    assert [path.name for path in recording.iterdir()] == ["meta.json"]

    (recording / "notes.txt").touch()
    with pytest.raises(gtrace.errors.OutputError):
        create(recording, {})
    assert (recording / "notes.txt").exists()
