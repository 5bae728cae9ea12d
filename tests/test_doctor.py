"""What ``gtrace doctor`` says of this machine, and of one that can do less."""

from __future__ import annotations

import dataclasses

import pytest
from timelines import EXACT_RUN, timeline

from gtrace.cli import doctor, main
from gtrace.model import Source

CONTENDERS = """
contender-0 0-50 running
contender-0 50-100 gil_wait <- contender-1
contender-1 0-50 gil_wait <- contender-0
contender-1 50-100 running
"""
WHY = "the agent is not built for this interpreter; install a C compiler and gtrace again"


@pytest.fixture
def says(monkeypatch, capsys):
    """What it prints, and its exit code, where the live test is ``tried``."""

    def ask(tried):
        monkeypatch.setattr(doctor, "try_out", lambda _python: tried)
        code = main(["doctor"])
        return code, capsys.readouterr().out.splitlines()

    return ask


def test_here_each_source_works_or_is_told_why_not(capsys):
    code = main(["doctor"])
    lines = capsys.readouterr().out.splitlines()

    for source in Source:
        row = next(line for line in lines if line.startswith(f"{source.value} "))
        assert ("works" in row) != any(line.startswith(f"{source.value}: ") for line in lines)
    assert code == int(any(line.startswith("gil: ") for line in lines))
    assert lines[-1].startswith("live test: ")


def test_where_all_is_seen_the_live_test_has_its_numbers(says):
    code, lines = says(timeline(CONTENDERS))

    assert code == 0
    assert not any("missing" in line for line in lines)
    assert lines[-1].startswith("live test: two threads wanted the GIL for ")


def test_a_reason_stays_whole_in_a_narrow_terminal_and_the_exit_code_tells(says, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    run = dataclasses.replace(EXACT_RUN, evidence={**EXACT_RUN.evidence, "gil": f"none: {WHY}"})
    code, lines = says(timeline(CONTENDERS, run))

    assert code == 1
    assert f"gil: {WHY}" in lines


def test_what_is_derived_neither_works_nor_is_missing(says):
    evidence = {**EXACT_RUN.evidence, "scheduler": "derived: by each thread's own clock: it is refused"}
    code, lines = says(timeline(CONTENDERS, dataclasses.replace(EXACT_RUN, evidence=evidence)))

    assert code == 0
    assert next(line for line in lines if line.startswith("scheduler ")).split()[1] == "derived"
    assert "scheduler: by each thread's own clock: it is refused" in lines


def test_a_live_test_that_saw_no_threads_says_so(says):
    _, lines = says(timeline("MainThread 0-50 running"))

    assert lines[-1] == "live test: 0 of 2 threads were seen"
