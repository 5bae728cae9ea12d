"""Results of a lab: written and read, damaged, and laid beside each other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from lab_support import PYTHON, lab, result

from gtrace.cli import main
from gtrace.errors import RecordingError, RecordingFormatError
from gtrace.lab.results import by_claim, column_names, in_order, read_results, to_json


def test_results_are_the_same_after_they_were_written_and_read(tmp_path):
    labs = (lab((3, 13, 0), result()), lab((3, 14, 1), result(), result("other"), free_threaded=True))
    file = tmp_path / "lab.json"
    file.write_text(to_json(labs, tmp_path), encoding="utf-8")

    assert read_results(file) == labs


def test_a_folder_of_results_is_read_file_by_file(tmp_path):
    for name, version in (("b", (3, 11, 0)), ("a", (3, 12, 0))):
        (tmp_path / f"{name}.json").write_text(to_json([lab(version, result())], tmp_path), encoding="utf-8")
    (tmp_path / "notes.txt").write_text("nothing")

    assert [one.interpreter.version for one in read_results(tmp_path)] == [(3, 12), (3, 11)]


def test_pages_are_found_from_wherever_the_results_are_read(tmp_path):
    there = tmp_path / "reports" / "lab"
    there.mkdir(parents=True)
    (there / "there.html").write_text("")
    pages = [str(there / "there.html"), str(there / "gone.html")]
    file = there / "3.13.json"
    labs = [lab((3, 13, 0), *(result(str(i), page) for i, page in enumerate(pages)))]
    file.write_text(to_json(labs, there), encoding="utf-8")

    assert json.loads(file.read_text("utf-8"))["labs"][0]["results"][0]["page"] == "there.html"
    assert [one.page for one in read_results(file)[0].results] == [str(there / "there.html"), ""]


GOOD = json.loads(to_json([lab((3, 13, 0), result())], Path()))


def damaged(*path_and_value):
    content = json.loads(json.dumps(GOOD))
    *path, last, value = path_and_value
    place = content
    for step in path:
        place = place[step]
    if value is DELETED:
        del place[last]
    else:
        place[last] = value
    return json.dumps(content)


DELETED = object()
FOUND = ("labs", 0, "results", 0, "finding")
DAMAGED = {
    "truncated": json.dumps(GOOD)[:-40],
    "empty": "",
    "not text": "\x00\x01",
    "a list": "[]",
    "a number": "7",
    "no version": '{"labs": []}',
    "a version in words": '{"version": "one", "labs": []}',
    "labs are no list": damaged("labs", 5),
    "an interpreter without a release": damaged("labs", 0, "interpreter", "release", DELETED),
    "a release of one number": damaged("labs", 0, "interpreter", "release", [3]),
    "an unknown outcome": damaged(*FOUND, "outcome", "maybe"),
    "a figure of words": damaged(*FOUND, "figures", 0, "values", ["many"]),
    "rows that are no rows": damaged(*FOUND, "tables", 0, "rows", [5]),
    "points of two": damaged(*FOUND, "charts", 0, "curves", 0, "points", [[1, 2]]),
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_results_are_one_line_that_names_the_file(tmp_path, capsys, kind):
    file = tmp_path / "lab.json"
    file.write_text(DAMAGED[kind], encoding="utf-8")
    with pytest.raises(RecordingError):
        read_results(file)

    status = main(["lab", "--from", str(file), "--report", str(tmp_path / "lab.html")])
    told = capsys.readouterr().err
    assert status == 2
    assert told.startswith("gtrace: no results of a lab: ")
    assert str(file) in told
    assert told.count("\n") == 1


def test_results_of_a_newer_gtrace_say_so(tmp_path):
    file = tmp_path / "lab.json"
    file.write_text(damaged("version", 2), encoding="utf-8")

    with pytest.raises(RecordingFormatError, match="newer gtrace"):
        read_results(file)


@pytest.mark.parametrize("name", ["gone.json", "folder"])
def test_results_that_are_not_there_say_so(tmp_path, name):
    (tmp_path / "folder").mkdir()

    with pytest.raises(RecordingError, match=r"cannot read the results|no results in the folder"):
        read_results(tmp_path / name)


def test_numbers_json_does_not_know_are_dropped_when_read(tmp_path):
    file = tmp_path / "lab.json"
    file.write_text(json.dumps(GOOD).replace("2.5", "NaN"), encoding="utf-8")

    assert read_results(file)[0].results[0].finding.figures[0].values == (1.0,)


def test_interpreters_have_the_shortest_names_that_tell_them_apart():
    releases = [(3, 13, 0), (3, 13, 1), (3, 14, 0), (3, 13, 1)]
    facts = [replace(PYTHON, release=release) for release in releases]

    assert column_names([*facts, replace(facts[2], free_threaded=True)]) == (
        "3.13.0", "3.13.1", "3.14", "3.13.1 (2)", "3.14t",
    )  # fmt: skip


def test_claims_are_laid_beside_each_other_in_the_order_of_releases():
    labs = in_order([
        lab((3, 14, 0), result("b")),
        lab((3, 9, 0), result("a"), result("b")),
        lab((3, 14, 0), free_threaded=True),
    ])  # fmt: skip

    assert [one.interpreter.name for one in labs] == ["3.9", "3.14", "3.14t"]
    assert [[one and one.name for one in row] for row in by_claim(labs)] == [
        ["a", None, None],
        ["b", "b", None],
    ]
