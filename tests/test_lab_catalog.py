"""The catalog of experiments: each says what it needs to say, and what it runs is there."""

from __future__ import annotations

import configparser
import os
import re
from importlib import resources
from pathlib import Path

import pytest

from gtrace.cli import measuring
from gtrace.errors import UsageError
from gtrace.lab import catalog

ROOT = Path(__file__).parents[1]


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
