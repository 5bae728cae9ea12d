"""What the lab records and how it judges, without waiting for the experiments."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from lab_support import EXPERIMENT, PYTHON, TWO_THREADS, WITHOUT_GIL, recorder

from gtrace.errors import LaunchError
from gtrace.lab.claims import (
    CannotTell,
    Chart,
    Curve,
    Figure,
    Finding,
    Outcome,
    Run,
    Table,
)
from gtrace.lab.conduct import conduct
from gtrace.lab.looking import lanes_named, span_of, spread


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
