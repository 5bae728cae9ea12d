"""``gtrace compare`` as one uses it: recordings on disk in, words, JSON and a page out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from evidence_text import CONTENDED, write_recording

from gtrace.cli import main
from gtrace.cli.compare import places
from gtrace.errors import UsageError

pytestmark = pytest.mark.usefixtures("in_tmp_path")


def record(name, release, text=CONTENDED):
    """A recording in which ``w1`` waits for the GIL from 5 ms to ``release``."""
    path = Path(f"{name}.gtrace")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_recording(path, text.format(release=release))
    return str(path)


@pytest.fixture
def repeats():
    return [record(f"{name}-{i}", at + i) for name, at in (("before", 60), ("after", 20)) for i in (1, 2, 3)]


def compare(capsys, *arguments):
    code = main(["compare", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_repeats_are_found_by_their_names_and_what_differs_is_told_first(capsys, repeats):
    code, out, error = compare(capsys, *repeats)
    lines = out.splitlines()

    assert code == 0
    assert lines[0] == "before (3 runs) → after (3 runs)"
    assert any(line.startswith("  GIL wait: 57.0 ms → 17.0 ms (−70 %), noise ±") for line in lines[1:4])
    assert error == "page: reports/compare.html\n"
    assert "before" in Path("reports/compare.html").read_text()
    assert "compare.html" in Path("reports/index.html").read_text()


def test_one_recording_each_is_told_to_have_no_noise_estimate(capsys, repeats):
    _, out, _ = compare(capsys, repeats[0], repeats[3], "--no-report")

    assert "seen, without repeats to tell it from noise:" in out
    assert "note: One recording of each: there is no telling a difference from noise." in out
    assert "±" not in out
    assert not Path("reports").exists()


def test_names_may_be_given(capsys, repeats):
    one = [f"slow={repeats[0]}", f"slow={repeats[1]}", f"quick={repeats[3]}"]
    _, out, _ = compare(capsys, *one, "--no-report")
    assert out.startswith("slow (2 runs) → quick (1 run)\n")
    other = ["--variant", "slow", *repeats[:2], "--variant", "quick", repeats[3]]
    assert compare(capsys, *other, "--no-report")[1] == out


def test_the_numbers_are_written_as_json(capsys, repeats):
    _, out, error = compare(capsys, *repeats, "--no-report", "--json", "-")
    data = json.loads(out)

    assert [v["name"] for v in data["variants"]] == ["before", "after"]
    assert [Path(p).name for p in data["variants"][0]["recordings"]] == [
        f"before-{i}.gtrace" for i in (1, 2, 3)
    ]
    assert error.startswith("before (3 runs)")
    compare(capsys, *repeats, "--no-report", "--json", "numbers.json")
    assert json.loads(Path("numbers.json").read_text()) == data


def test_quiet_says_nothing(capsys, repeats):
    assert compare(capsys, *repeats, "--quiet") == (0, "", "")


def test_more_than_two_are_compared_with_the_first(capsys, repeats):
    _, out, _ = compare(capsys, repeats[0], repeats[3], record("third", 40), "--no-report")

    assert "before-1 (1 run) → after-1 (1 run)" in out
    assert "before-1 (1 run) → third (1 run)" in out


def test_names_of_threads_cannot_reach_the_terminal_as_commands(capsys):
    text = CONTENDED.replace("w1", '"w\x1b[31m\x07"')
    _, out, _ = compare(capsys, record("a", 60, text), record("b", 20, text), "--no-report")

    assert "\x1b" not in out
    assert "\x07" not in out
    assert "w\N{REPLACEMENT CHARACTER}[31m" in out


def test_a_path_may_hold_an_equals_sign(tmp_path):
    path = tmp_path / "x=1.gtrace"
    path.mkdir()

    assert places([str(path), "name=a.gtrace"], []) == [("", path), ("name", Path("a.gtrace"))]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give two recordings or more"),
        (["a"], "give two recordings or more"),
        (["a", "a"], "the same recording twice: a"),
        (["a", "./a"], "the same recording twice: a"),
        (["x=a", "x=b", "x=a"], "the same recording twice: a"),
        (["a", "--variant", "x"], "no recordings of the variant x"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(capsys, arguments, said):
    code, out, error = compare(capsys, *arguments)

    assert (code, out) == (2, "")
    assert said in error
    assert error.count("\n") == 1


def test_a_recording_may_be_compared_with_itself_under_two_names(capsys, repeats):
    code, out, _ = compare(capsys, f"a={repeats[0]}", f"b={repeats[0]}", "--no-report")

    assert code == 0
    assert "no difference worth a word" in out


def test_a_link_to_a_recording_is_the_same_recording():
    Path("a").mkdir()
    os.symlink("a", "b")

    with pytest.raises(UsageError, match="the same recording twice"):
        places(["a", "b"], [])


def test_one_variant_alone_is_refused(capsys, repeats):
    code, _, error = compare(capsys, "--variant", "x", *repeats)

    assert code == 2
    assert "one variant only" in error


def test_a_missing_or_newer_recording_is_refused(capsys, repeats):
    assert "cannot read the recording: missing" in compare(capsys, repeats[0], "missing")[2]
    newer = Path(repeats[1])
    (newer / "meta.json").write_text('{"format": 999}')
    code, _, error = compare(capsys, repeats[0], newer)
    assert code == 2
    assert "update gtrace" in error


def test_a_place_that_cannot_be_written_is_said_before_anything_is_read(capsys):
    Path("file").touch()
    for option in ("-o", "--json"):
        code, _, error = compare(capsys, "missing-1", "missing-2", option, "file/x")

        assert code == 2
        assert "cannot make the folder" in error


def test_of_a_damaged_recording_the_rest_is_compared_and_the_damage_told(capsys, repeats):
    (gil,) = Path(repeats[0]).glob("gil.*.bin")
    gil.write_bytes(b"damaged")
    code, out, _ = compare(capsys, repeats[0], repeats[3], "--no-report")

    assert code == 0
    assert f"note: before-1: {gil.name} is left out" in out
    assert "not known" in out


def test_a_recording_without_an_end_is_compared_without_its_wall_time(capsys, repeats):
    cut = record("cut", 30, CONTENDED.replace("stop 100", "").replace("meta ended=100", ""))
    meta = Path(cut) / "meta.json"
    data = json.loads(meta.read_text())
    data.pop("exit_status", None)
    meta.write_text(json.dumps(data))
    code, out, _ = compare(capsys, repeats[0], cut, "--no-report")

    assert code == 0
    assert "cut: nobody saw the end of a run; its wall time is not known." in out


def test_recordings_without_threads_are_compared_as_empty(capsys):
    for name in ("a", "b"):
        Path(name).mkdir()
        Path(name, "meta.json").write_text('{"format": 1, "exit_status": 0}')
    code, out, error = compare(capsys, "a", "b")

    assert code == 0
    assert "no difference worth a word" in out
    assert error == "page: reports/compare.html\n"
