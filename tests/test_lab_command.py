"""``gtrace lab`` as one uses it: experiments in, a table, pages and JSON out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from lab_support import EXPERIMENT, lab, recorder, result
from launching import TIMEOUT_S

from gtrace.cli import main, measuring
from gtrace.lab import catalog
from gtrace.lab.interpreter import ask
from gtrace.lab.results import to_json


@pytest.fixture
def two_experiments(monkeypatch, tmp_path):
    """A catalog of two experiments whose runs are recorded at once, in a folder of its own."""
    found = (EXPERIMENT, replace(EXPERIMENT, name="newer", since=(3, 99)))
    monkeypatch.setattr(catalog, "EXPERIMENTS", found)
    monkeypatch.setattr(measuring, "record", recorder())
    monkeypatch.chdir(tmp_path)
    return found


def read_json(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


@pytest.mark.usefixtures("two_experiments")
def test_the_lab_prints_a_table_and_writes_pages_and_results(tmp_path, capsys):
    assert main(["lab", "--json", "out/lab.json"]) == 0

    told = capsys.readouterr()
    assert "A worker runs." in told.out
    assert "not on this" in told.out
    assert max(map(len, told.out.splitlines())) <= 80
    assert "[1/2]" in told.err
    assert "worker: holds" in told.err
    name = ask(sys.executable).name
    assert (tmp_path / f"reports/lab/{name}-worker.html").exists()
    assert (tmp_path / "reports/lab.html").exists()
    assert "The lab" in (tmp_path / "reports/index.html").read_text("utf-8")
    results = read_json("out/lab.json")["labs"][0]["results"]
    assert [one["name"] for one in results] == ["worker", "newer"]
    assert results[0]["page"] == f"../reports/lab/{name}-worker.html"
    assert results[1]["page"] == ""


@pytest.mark.usefixtures("two_experiments")
def test_results_on_stdout_are_nothing_but_json(capsys):
    assert main(["lab", "worker", "--json", "-"]) == 0

    told = capsys.readouterr()
    assert json.loads(told.out)["version"] == 1
    assert "A worker runs." in told.err


@pytest.mark.usefixtures("two_experiments")
def test_what_could_not_be_measured_is_told_by_the_exit_status(monkeypatch, capsys):
    monkeypatch.setattr(measuring, "record", recorder("main begin 0\nstop 10"))

    assert main(["lab"]) == 1
    assert "not measured" in capsys.readouterr().out


@pytest.mark.usefixtures("two_experiments")
def test_saved_results_are_shown_side_by_side(tmp_path, capsys):
    (tmp_path / "one.json").write_text(to_json([lab((3, 14, 0), result("worker"))], tmp_path), "utf-8")
    (tmp_path / "two.json").write_text(to_json([lab((3, 13, 0), result("worker"))], tmp_path), "utf-8")
    sources = ["--from", "one.json", "two.json", "--expect", "3.13", "3.14t"]

    assert main(["lab", *sources, "--report", "both.html"]) == 0
    told = capsys.readouterr().out
    assert told.index("3.13") < told.index("3.14")
    assert "✗ does not hold" in told
    page = (tmp_path / "both.html").read_text("utf-8")
    assert "Not run, for want of the interpreter: 3.14t." in page


def test_ctrl_c_keeps_what_was_done(two_experiments, monkeypatch, capsys):
    def interrupts(*_):
        raise KeyboardInterrupt

    found = (two_experiments[1], two_experiments[0])
    monkeypatch.setattr(catalog, "EXPERIMENTS", found)
    monkeypatch.setattr(measuring, "record", interrupts)

    assert main(["lab", "--json", "lab.json"]) == 130
    assert [one["name"] for one in read_json("lab.json")["labs"][0]["results"]] == ["newer"]
    assert Path("reports/lab.html").exists()
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.usefixtures("two_experiments")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nonsense"], "no such experiment: nonsense: `gtrace lab --list` names them"),
        (["--python", "/nowhere/python"], "cannot ask the interpreter: /nowhere/python"),
        (["--python", ""], "cannot ask the interpreter"),
        (["--python", "false"], "cannot ask the interpreter: false"),
        (["--from", "gone.json"], "cannot read the results: gone.json"),
        (["--report", "."], "cannot write: ."),
        (["--report", "taken.html"], "cannot make the folder: taken"),
        (["--json", "."], "cannot write: ."),
    ],
)
def test_what_cannot_be_done_is_one_line_and_nothing_is_run(capsys, arguments, told):
    Path("taken").write_text("a file where the pages of the runs would go")
    assert main(["lab", *arguments]) == 2

    said = capsys.readouterr()
    assert said.err.startswith(f"gtrace: {told}")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert measuring.record.asked == []


@pytest.mark.usefixtures("two_experiments")
def test_a_page_without_an_ending_is_not_where_the_pages_of_runs_go(tmp_path):
    assert main(["lab", "--report", "page"]) == 0

    assert (tmp_path / "page").is_file()
    assert [page.name for page in (tmp_path / "page-pages").iterdir()] == [
        f"{ask(sys.executable).name}-worker.html"
    ]


@pytest.mark.usefixtures("two_experiments")
def test_without_room_for_recordings_the_lab_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))

    assert main(["lab"]) == 2
    assert "gtrace: cannot make a temporary folder: No such file or directory; set TMPDIR" in (
        capsys.readouterr().err
    )


@pytest.mark.usefixtures("two_experiments")
def test_the_experiments_are_listed(capsys):
    assert main(["lab", "--list"]) == 0
    assert capsys.readouterr().out.splitlines() == ["worker  A worker runs.", "newer   A worker runs."]


@pytest.mark.usefixtures("two_experiments")
def test_names_that_could_move_the_cursor_do_not_reach_the_terminal(tmp_path, capsys):
    hostile = replace(result("worker"), claim="\x1b[2Jgone")
    (tmp_path / "one.json").write_text(to_json([lab((3, 14, 0), hostile)], tmp_path), "utf-8")
    main(["lab", "--from", "one.json"])

    assert "\x1b[2J" not in capsys.readouterr().out


def test_ctrl_c_ends_a_real_lab_and_its_program(tmp_path):
    command = [sys.executable, "-m", "gtrace", "lab", "--json", "lab.json"]
    environment = {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE) as lab_process:
        told = b""
        while b": " not in told:  # the first experiment has begun
            told += lab_process.stderr.read(1)
        lab_process.send_signal(signal.SIGINT)
        _, rest = lab_process.communicate(timeout=TIMEOUT_S)

    assert lab_process.returncode == 130
    assert b"Traceback" not in rest
    assert len(read_json(tmp_path / "lab.json")["labs"][0]["results"]) < len(catalog.EXPERIMENTS)
