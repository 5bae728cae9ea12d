"""Conducts an experiment: records its runs, folds them, and asks its check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from gtrace.errors import GtraceError
from gtrace.lab.claims import CannotTell, Finding, Observation, Outcome
from gtrace.lab.plain import plain
from gtrace.recording import load
from gtrace.timeline.build import build_timeline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gtrace.lab.claims import Experiment, Run
    from gtrace.lab.interpreter import Interpreter

    Observations = Mapping[str, Sequence[Observation]]

SURPRISES: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a check runs into where a workload did not do, or print, what it always does."""
LONGEST_LINE: Final = 200


class Recorder(Protocol):
    """Records ``run`` under ``python`` into the new folder ``recording``; gives the program's exit status."""

    def __call__(self, run: Run, python: str, recording: Path, output: Path) -> int: ...


def conduct(
    experiment: Experiment, interpreter: Interpreter, folder: Path, record: Recorder
) -> tuple[Finding, Observations]:
    """Runs ``experiment`` under ``interpreter``; recordings stay in ``folder``.

    Gives the finding, and the observations it rests on by the label of their run (empty where the
    claim does not apply). A run that cannot be recorded makes the finding ``not measured``.
    """
    reason = not_here(experiment, interpreter)
    if reason:
        return Finding(Outcome.NOT_HERE, reason), {}
    observations: dict[str, list[Observation]] = {}
    try:
        for run in experiment.runs:
            if interpreter.version >= run.since:
                observations[run.label] = _observe(run, interpreter, folder, record)
    except GtraceError as error:
        return Finding(Outcome.NOT_MEASURED, f"{run.label}: {error}"), observations
    return judge(experiment, observations), observations


def judge(experiment: Experiment, observations: Observations) -> Finding:
    """What ``experiment`` concludes from ``observations``, or why it concludes nothing."""
    for label, repeats in observations.items():
        for observation in repeats:
            for source in experiment.needs:
                known = observation.timeline.run.evidence.get(source, "none: not recorded")
                if not known.startswith("exact") and not _has_no_gil(observation, source):
                    return Finding(Outcome.NOT_MEASURED, f"{label}: no exact evidence of {source}: {known}")
    try:
        return plain(experiment.check(observations))
    except CannotTell as reason:
        return Finding(Outcome.NOT_MEASURED, f"{reason}{_how_they_ended(observations)}")
    except SURPRISES as error:
        what = f"the check met what it does not expect: {type(error).__name__}: {error}"
        return Finding(Outcome.NOT_MEASURED, f"{what}{_how_they_ended(observations)}")


def _how_they_ended(observations: Observations) -> str:
    """Which runs ended with an error, and the last line each of them wrote."""
    words = ""
    for label, repeats in observations.items():
        failed = next((observation for observation in repeats if observation.exit_status), None)
        if failed is not None:
            last = (failed.output.strip().splitlines() or ["it wrote nothing"])[-1]
            words += f"; {label} ended with exit status {failed.exit_status}: {last[:LONGEST_LINE]}"
    return words


def _has_no_gil(observation: Observation, source: str) -> bool:
    return source == "gil" and observation.timeline.run.free_threaded


def not_here(experiment: Experiment, interpreter: Interpreter) -> str:
    """Why the claim does not apply to ``interpreter``; empty where it does."""
    if interpreter.version < experiment.since:
        return "needs Python {}.{}".format(*experiment.since)
    if interpreter.free_threaded and not experiment.without_gil:
        return "there is no GIL"
    return ""


def _observe(run: Run, interpreter: Interpreter, folder: Path, record: Recorder) -> list[Observation]:
    return [
        _once(run, interpreter, folder / f"{run.label}-{number}.gtrace", record)
        for number in range(run.repeats)
    ]


def _once(run: Run, interpreter: Interpreter, recording: Path, record: Recorder) -> Observation:
    output = recording.with_suffix(".txt")
    status = record(run, interpreter.executable, recording, output)
    timeline = build_timeline(load(recording))
    return Observation(timeline, output.read_text(encoding="utf-8", errors="replace"), status)
