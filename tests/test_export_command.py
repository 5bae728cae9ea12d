"""The command ``gtrace export``: a file for each tool, whole and where it was asked for, or one line."""

from __future__ import annotations

import gzip
import json

import pytest
from evidence_text import write_recording

from gtrace.cli import main
from gtrace.cli.export import NAMES
from gtrace.export.formats import FORMATS

RUN = """
    main begin 0
    w1 begin 1 parent=main
    main call "join (threading.py:1)" 2-8
    w1 call time.sleep 3-7
    stop 10
"""


@pytest.fixture
def recording(tmp_path):
    return write_recording(tmp_path / "app.gtrace", RUN)


@pytest.mark.parametrize("name", NAMES)
def test_each_format_goes_beside_the_recording_and_is_the_same_each_time(recording, capsys, name):
    made = recording.parent / f"app.{name}.json.gz"

    assert main(["export", str(recording), "--format", name]) == 0
    first = made.read_bytes()
    assert main(["export", str(recording), "--format", name]) == 0
    assert made.read_bytes() == first
    assert "time.sleep" in json.dumps(json.loads(gzip.decompress(first)))
    assert f"{made}: open it " in capsys.readouterr().err


def test_a_file_named_without_gz_is_plain(recording, tmp_path):
    made = tmp_path / "made" / "trace.json"

    assert main(["export", str(recording), "--format", "perfetto", "-o", str(made)]) == 0
    assert json.loads(made.read_text())["traceEvents"]


def test_nothing_half_written_stays(recording, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gtrace.export.perfetto.write_array", fail)

    assert main(["export", str(recording), "--format", "perfetto", "-o", str(tmp_path / "t.json")]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.gtrace"]
    assert "No space left on device" in capsys.readouterr().err


def test_what_is_no_recording_is_one_line(tmp_path, capsys):
    assert main(["export", str(tmp_path), "--format", "perfetto"]) == 2
    assert capsys.readouterr().err.startswith("gtrace: not a recording: ")


def test_the_command_knows_the_formats_there_are():
    assert set(NAMES) == set(FORMATS)
