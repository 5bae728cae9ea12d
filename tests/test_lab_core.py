"""The lab: what it records, how it judges, and what it keeps, without waiting for the experiments."""

from __future__ import annotations

import configparser
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from evidence_text import write_recording
from launching import TIMEOUT_S

from gtrace.cli import main, measuring
from gtrace.errors import LaunchError, RecordingError, RecordingFormatError, UsageError
from gtrace.lab import catalog
from gtrace.lab.claims import (
    CannotTell,
    Chart,
    Curve,
    Experiment,
    Figure,
    Finding,
    Outcome,
    Run,
    Table,
)
from gtrace.lab.conduct import conduct
from gtrace.lab.interpreter import Interpreter, ask
from gtrace.lab.looking import lanes_named, seconds_in, span_of, spread
from gtrace.lab.results import Result, Results, by_claim, column_names, in_order, read_results, to_json
from gtrace.model import State

ROOT = Path(__file__).parents[1]
PYTHON = Interpreter(sys.executable, (3, 13, 0), "cpython", False, "Linux-6.1-x86_64", 2)
WITHOUT_GIL = replace(PYTHON, free_threaded=True)
TWO_THREADS = """
process python=3.13.0
main begin 0
w1 begin 5 parent=main
main GIL_HOLDS 0
main GIL_RELEASE 10
w1 GIL_ACQUIRE 10
w1 GIL_RELEASE 60
main GIL_ACQUIRE 60
w1 end 60
main IN 0 core=0
main OUT 10
w1 IN 10 core=0
w1 OUT 60
main IN 60
main OUT 100
stop 100
"""


def recorder(text=TWO_THREADS, output="", status=0):
    """A recorder for which every run leaves the recording ``text`` describes; it notes what it was asked."""

    def record(run, python, recording, out):
        record.asked.append((run.label, python, recording.name))
        write_recording(recording, text)
        out.write_text(output, encoding="utf-8")
        return status

    record.asked = []
    return record


def worker_ran(observations):
    """Holds where the worker ran for 50 ms in every repeat."""
    timelines = [observation.timeline for observation in observations["two"]]
    ran = tuple(seconds_in(one, lanes_named(one, "w1"), State.RUNNING) for one in timelines)
    outcome = Outcome.HOLDS if all(abs(seconds - 0.05) < 1e-9 for seconds in ran) else Outcome.FAILS
    return Finding(outcome, f"It ran {spread(ran)} s.", (Figure("ran", ran, "s"),))


EXPERIMENT = Experiment(
    "worker", "A worker runs.", "often told", (Run("two", "cpu_bound", ("--threads", "1"), 2),), worker_ran,
    needs=("gil", "scheduler"),
)  # fmt: skip


def outcome_of(experiment, tmp_path, *, record=None, interpreter=PYTHON):
    finding, _ = conduct(experiment, interpreter, tmp_path, record or recorder())
    return finding.outcome, finding.measured


def test_every_repeat_is_recorded_on_its_own_and_the_check_sees_them_all(tmp_path):
    record = recorder()
    finding, observations = conduct(EXPERIMENT, PYTHON, tmp_path, record)

    assert record.asked == [
        ("two", sys.executable, "two-0.gtrace"),
        ("two", sys.executable, "two-1.gtrace"),
    ]
    assert len(observations["two"]) == 2
    assert finding.outcome is Outcome.HOLDS
    assert finding.figures[0].values == pytest.approx((0.05, 0.05))


def test_other_evidence_gives_another_outcome(tmp_path):
    late = TWO_THREADS.replace("w1 GIL_ACQUIRE 10", "w1 GIL_ACQUIRE 30").replace("w1 IN 10", "w1 IN 30")

    assert outcome_of(EXPERIMENT, tmp_path, record=recorder(late))[0] is Outcome.FAILS


def test_missing_evidence_is_named_and_nothing_is_claimed(tmp_path):
    unseen = "\n".join(line for line in TWO_THREADS.splitlines() if "GIL" not in line)
    outcome, why = outcome_of(EXPERIMENT, tmp_path, record=recorder(unseen))

    assert outcome is Outcome.NOT_MEASURED
    assert why.startswith("two: no exact evidence of gil: none")


def test_a_workload_that_died_before_its_threads_is_not_measured_and_says_how_it_died(tmp_path):
    alone = "\n".join(line for line in TWO_THREADS.splitlines() if not line.startswith("w1"))
    dead = recorder(alone, "Traceback (most recent call last):\nImportError: no module\n", status=1)
    outcome, why = outcome_of(EXPERIMENT, tmp_path, record=dead)

    assert outcome is Outcome.NOT_MEASURED
    assert why == ("no thread called w1… was seen; two ended with exit status 1: ImportError: no module")


@pytest.mark.parametrize("error", [KeyError("lock"), ValueError("1 2"), ZeroDivisionError("by zero")])
def test_what_a_check_stumbles_over_is_its_finding_and_no_traceback(tmp_path, error):
    def stumbles(_):
        raise error

    outcome, why = outcome_of(replace(EXPERIMENT, check=stumbles), tmp_path)

    assert outcome is Outcome.NOT_MEASURED
    assert type(error).__name__ in why


def test_a_check_that_cannot_tell_says_why(tmp_path):
    def cannot(_):
        raise CannotTell("the worker never waited")

    assert outcome_of(replace(EXPERIMENT, check=cannot), tmp_path) == (
        Outcome.NOT_MEASURED,
        "the worker never waited",
    )


def test_a_run_that_cannot_be_recorded_is_not_measured(tmp_path):
    def record(*_):
        raise LaunchError("cannot record: no room")

    assert outcome_of(EXPERIMENT, tmp_path, record=record) == (
        Outcome.NOT_MEASURED,
        "two: cannot record: no room",
    )


@pytest.mark.parametrize(
    ("changed", "interpreter", "why"),
    [
        ({"since": (3, 14)}, PYTHON, "needs Python 3.14"),
        ({"without_gil": False}, WITHOUT_GIL, "there is no GIL"),
    ],
)
def test_a_claim_that_does_not_apply_is_not_tried(tmp_path, changed, interpreter, why):
    record = recorder()
    finding, observations = conduct(replace(EXPERIMENT, **changed), interpreter, tmp_path, record)

    assert (finding.outcome, finding.measured) == (Outcome.NOT_HERE, why)
    assert not observations
    assert record.asked == []


def test_a_claim_about_the_gil_applies_where_there_is_one(tmp_path):
    assert outcome_of(replace(EXPERIMENT, without_gil=False), tmp_path)[0] is Outcome.HOLDS


def test_without_a_gil_there_is_no_evidence_of_one_to_miss(tmp_path):
    free = "\n".join(line for line in TWO_THREADS.splitlines() if "GIL" not in line)
    free = free.replace("python=3.13.0", "python=3.13.0 gil=no")

    assert (
        outcome_of(EXPERIMENT, tmp_path, record=recorder(free), interpreter=WITHOUT_GIL)[0] is Outcome.HOLDS
    )


def test_runs_for_newer_versions_are_left_out_on_older_ones(tmp_path):
    record = recorder()
    runs = (*EXPERIMENT.runs, Run("newer", "cpu_bound", since=(3, 14)))
    _, observations = conduct(replace(EXPERIMENT, runs=runs), PYTHON, tmp_path, record)

    assert list(observations) == ["two"]


def test_numbers_that_are_none_are_not_kept(tmp_path):
    def check(_):
        values = (float("nan"), 1.0, float("inf"))
        chart = Chart("c", "x", "y", (Curve("one", ((1, 2, 2, float("inf")), (2, 3, 3, 3))),))
        table = Table("t", ("a", "b"), (("x", float("nan")), ("y", Path("z"))))
        return Finding(Outcome.HOLDS, "", (Figure("f", values), Figure("g", values[:1])), (table,), (chart,))

    finding, _ = conduct(replace(EXPERIMENT, check=check), PYTHON, tmp_path, recorder())

    assert finding.figures == (Figure("f", (1.0,)),)
    assert finding.tables[0].rows == (("x", None), ("y", "z"))
    assert finding.charts[0].curves[0].points == ((2, 3, 3, 3),)


def test_what_is_looked_at_is_found_by_name_and_missing_it_is_an_answer(tmp_path):
    _, observations = conduct(EXPERIMENT, PYTHON, tmp_path, recorder())
    timeline = observations["two"][0].timeline

    assert span_of(timeline, lanes_named(timeline, "w")) == pytest.approx((0.005, 0.06))
    assert spread([1.0]) == "1.00"
    assert spread([3.0, 1.0, 2.0], ".1f") == "2.0 (1.0 to 3.0)"
    with pytest.raises(CannotTell, match="no thread called other"):
        lanes_named(timeline, "other")


# ---- results ------------------------------------------------------------------------------------

FINDING = Finding(
    Outcome.FAILS,
    "It took 2.0 (1.0 to 3.0) s \N{MICRO SIGN} </script> \udc80.",
    (Figure("time", (1.0, 2.5), "s"), Figure("count", (3.0,))),
    (Table("Atlas", ("call", "away", "share"), (("math.sin", None, 0.25), ("sleep", True, 7))),),
    (Chart("Sweep", "interval", "time", (Curve("a", ((0.1, 1.0, 0.5, 2.0),)), Curve("b", ())), "x"),),
)


def lab(version=(3, 13, 0), *results, free_threaded=False):
    facts = replace(PYTHON, release=version, free_threaded=free_threaded)
    return Results(facts, "0.1.0", results, 1_790_000_000.0)


def result(name="claim", page=""):
    return Result(name, "A claim.", "a page", FINDING, page, ("A note.",), ("python workloads/a.py",), 1.5)


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


# ---- the command --------------------------------------------------------------------------------


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
        (["nonsense"], "no such experiment: nonsense: there are worker, newer"),
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


# ---- the catalog --------------------------------------------------------------------------------


@pytest.mark.parametrize("experiment", catalog.EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_an_experiment_says_what_it_needs_to_say(experiment):
    labels = [run.label for run in experiment.runs]

    assert experiment.claim.endswith(".")
    assert experiment.source
    assert callable(experiment.check)
    assert labels
    assert len(set(labels)) == len(labels)
    assert experiment.shown in {"", *labels}
    assert set(experiment.needs) <= {"calls", "gil", "scheduler", "threads"}
    assert all(run.repeats >= 1 for run in experiment.runs)
    assert all(note.endswith(".") for note in experiment.notes)
    assert "calls" not in experiment.needs or not any(run.light for run in experiment.runs)


@pytest.mark.parametrize("experiment", catalog.EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_the_workloads_of_an_experiment_are_there_and_say_what_they_show(experiment):
    for run in experiment.runs:
        path = measuring.workload_path(run.workload)
        assert path.read_text(encoding="utf-8").startswith('"""')


def test_no_two_experiments_have_one_name():
    names = [experiment.name for experiment in catalog.EXPERIMENTS]

    assert len(set(names)) == len(names)


def test_a_missing_workload_says_what_to_do():
    with pytest.raises(UsageError, match="install gtrace again"):
        measuring.workload_path("nonsense")


def test_the_package_holds_every_workload():
    if not os.environ.get("GTRACE_TESTS_INSTALLED"):
        pytest.skip("this run is about the checkout, not a wheel")
    names = {path.name for path in (ROOT / "workloads").glob("*.py")}

    assert names
    assert names <= {path.name for path in (resources.files("gtrace") / "workloads").iterdir()}


def test_tox_runs_the_lab_on_every_interpreter_whose_absence_the_page_tells():
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    [factors] = [re.findall(r"3\d\dt?", name) for name in tox.sections() if "lab-py{" in name]
    run = re.findall(r"lab-py(3\d+t?)", tox["testenv:lab"]["commands"])
    told = re.findall(r"3\.\d+t?", tox["testenv:lab-report"]["commands"])

    assert len(factors) == 9
    assert run == factors
    assert [name.replace(".", "") for name in told] == factors
