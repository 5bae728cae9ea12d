"""Records the experiments of the lab, with progress on stderr; what is done survives Ctrl-C."""

from __future__ import annotations

import shlex
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time
from typing import TYPE_CHECKING, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import gtrace
from gtrace.cli.capture import capture, require_evidence
from gtrace.cli.console import Aside, clean
from gtrace.cli.files import require_writable_folder, write_text
from gtrace.errors import OutputError, UsageError
from gtrace.lab.conduct import conduct
from gtrace.lab.results import Result, Results, column_names
from gtrace.recorder.launch import LaunchOptions
from gtrace.recording import load
from gtrace.report import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gtrace.lab.claims import Experiment, Observation, Run
    from gtrace.lab.conduct import Observations
    from gtrace.lab.interpreter import Interpreter

    Step = Callable[[str], Callable[[str], None]]
    """Called with what begins, it gives what to call with how that ended."""

WORKLOADS: Final = "workloads"
LONGEST_RUN_S: Final = 60.0
"""A workload that still runs after so long is sent Ctrl-C, until it ends."""


@dataclass(frozen=True)
class Plan:
    """What to measure where; the runs' pages land in a folder beside ``page``, named like it."""

    experiments: Sequence[Experiment]
    interpreters: Sequence[Interpreter]
    page: Path


@dataclass(frozen=True)
class Measured:
    """The results so far, and whether Ctrl-C came before the end."""

    labs: tuple[Results, ...]
    interrupted: bool


def measure(plan: Plan) -> Measured:
    """Does all experiments of ``plan`` on each of its interpreters, one after the other."""
    pages = pages_beside(plan.page)
    require_writable_folder(pages)
    labs: list[Results] = []
    done: list[Result] = []
    with _progress(len(plan.experiments) * len(plan.interpreters)) as step:
        for interpreter, name in zip(plan.interpreters, column_names(plan.interpreters), strict=True):
            began, done, interrupted = time(), [], False
            try:
                for experiment in plan.experiments:
                    done.append(_measure(experiment, interpreter, pages / name, step))
            except KeyboardInterrupt:
                interrupted = True
            labs.append(Results(interpreter, gtrace.__version__, tuple(done), began))
            if interrupted:
                return Measured(tuple(labs), interrupted=True)
    return Measured(tuple(labs), interrupted=False)


def pages_beside(page: Path) -> Path:
    """The folder for the pages of the runs: ``reports/lab`` for ``reports/lab.html``."""
    return page.with_suffix("") if page.suffix else page.with_name(f"{page.name}-pages")


def _measure(experiment: Experiment, interpreter: Interpreter, pages: Path, step: Step) -> Result:
    ended = step(f"{pages.name} {experiment.name}")
    began = monotonic()
    with _temporary_folder() as folder:
        finding, observations = conduct(experiment, interpreter, Path(folder), record)
    page = pages.with_name(f"{pages.name}-{experiment.name}.html")
    shown = _shown(experiment, observations)
    if shown:
        write_text(page, render(shown[0].timeline))
    ended(finding.outcome.value)
    return Result(
        experiment.name,
        experiment.claim,
        experiment.source,
        finding,
        str(page) if shown else "",
        experiment.notes,
        tuple(_as_typed(run) for run in experiment.runs),
        round(monotonic() - began, 3),
    )


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="gtrace-lab-", ignore_cleanup_errors=True)
    except OSError as error:
        raise OutputError(f"cannot make a temporary folder: {error.strerror}; set TMPDIR") from error


def _shown(experiment: Experiment, observations: Observations) -> Sequence[Observation]:
    return observations.get(experiment.shown) or next(iter(observations.values()), ())


def _as_typed(run: Run) -> str:
    times = f"  ({run.repeats} times)" if run.repeats > 1 else ""
    return shlex.join(["python", f"{WORKLOADS}/{run.workload}.py", *run.arguments]) + times


def record(run: Run, python: str, recording: Path, output: Path) -> int:
    """Records one run of the lab; gives the program's exit status. Ctrl-C ends more than the program."""
    options = LaunchOptions(
        str(recording),
        python,
        calls=not run.light,
        switch_interval_s=run.switch_interval_s,
        output=str(output),
        interrupt_after_s=run.interrupt_after_s or LONGEST_RUN_S,
    )
    outcome = capture([str(workload_path(run.workload)), *run.arguments], recording, options)
    if outcome.interrupted:
        raise KeyboardInterrupt
    require_evidence(load(recording), python)
    return outcome.exit_status


def workload_path(name: str) -> Path:
    """The script of the workload ``name``, in the installed package or beside it in a checkout."""
    package = Path(gtrace.__file__).parent
    for folder in (package / WORKLOADS, package.parent / WORKLOADS):
        if (folder / f"{name}.py").is_file():
            return folder / f"{name}.py"
    raise UsageError(f"no such workload: {name}: install gtrace again")


@contextmanager
def _progress(total: int) -> Iterator[Step]:
    console = Aside()
    if not console.is_interactive:
        yield _lines(total)
        return
    columns = TextColumn("{task.description:>28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)

        def step(what: str) -> Callable[[str], None]:
            bar.update(task, description=clean(what))
            return lambda _: bar.advance(task)

        yield step


def _lines(total: int) -> Step:
    """A line for each step: what begins is told at once, how it ended and how long it took behind it."""
    number = 0

    def step(what: str) -> Callable[[str], None]:
        nonlocal number
        number += 1
        began = monotonic()
        print(f"[{number}/{total}] {what}: ", end="", file=sys.stderr, flush=True)
        return lambda how: print(f"{how} ({monotonic() - began:.1f} s)", file=sys.stderr, flush=True)

    return step
