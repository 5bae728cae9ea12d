"""``gtrace lab``: measures what is said about Python threads, on the interpreters at hand."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import gtrace
from gtrace.cli.files import require_writable, write_text
from gtrace.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rich.console import Console

    from gtrace.lab.claims import Experiment, Run
    from gtrace.lab.conduct import Observations
    from gtrace.lab.interpreter import Interpreter
    from gtrace.lab.results import Result, Results

PAGE: Final = Path("reports/lab.html")
WORKLOADS: Final = "workloads"
STYLES: Final = {"holds": "green", "does not hold": "red"}


def add_parser(commands: Any) -> None:
    """Adds this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "lab",
        help="measure what is said about Python threads",
        description="Runs the experiments, prints what holds on this interpreter, and writes one page.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="experiments (all of them)")
    parser.add_argument("--list", action="store_true", help="name the experiments and their claims")
    parser.add_argument("--json", metavar="FILE", help="write the results as JSON there, - for stdout")
    parser.add_argument("--python", nargs="+", action="extend", metavar="EXE", help="interpreters to measure")
    parser.add_argument("--report", type=Path, default=PAGE, metavar="PAGE", help=f"the page ({PAGE})")
    parser.add_argument(
        "--from", nargs="+", type=Path, dest="sources", metavar="FILE", help="show saved results; run nothing"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs or reads the experiments, and writes table, JSON and page."""
    from gtrace.lab.catalog import named
    from gtrace.lab.results import read_results, to_json

    experiments = named(arguments.names)
    if arguments.list:
        print("\n".join(f"{experiment.name:24} {experiment.claim}" for experiment in experiments))
        return 0
    require_writable(arguments.report)
    if arguments.sources:
        labs = tuple(lab for source in arguments.sources for lab in read_results(source))
    else:
        labs = measure(experiments, arguments.python or [sys.executable], arguments.report)
    if arguments.json is not None:
        _write_json(to_json(labs), arguments.json)
    _write_page(labs, arguments.report)
    show(labs, _console(arguments.json))
    print(f"page: {arguments.report}", file=sys.stderr)
    return 0


def measure(experiments: Sequence[Experiment], pythons: Sequence[str], page: Path) -> tuple[Results, ...]:
    """The results of ``experiments`` on each of ``pythons``; their pages land in a folder beside ``page``."""
    from gtrace.lab.interpreter import ask
    from gtrace.lab.results import Results

    interpreters = [ask(python) for python in pythons]
    return tuple(
        Results(
            interpreter,
            gtrace.__version__,
            tuple(_measure(experiment, interpreter, page) for experiment in experiments),
        )
        for interpreter in interpreters
    )


def _measure(experiment: Experiment, interpreter: Interpreter, page: Path) -> Result:
    from gtrace.lab.conduct import conduct
    from gtrace.lab.results import Result

    print(f"{interpreter.name}: {experiment.name}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="gtrace-lab-") as folder:
        finding, observations = conduct(experiment, interpreter, Path(folder), record)
        link = f"{page.stem}/{interpreter.name}-{experiment.name}.html" if observations else ""
        if link:
            _write_run_page(experiment, observations, page.parent / link)
    return Result(experiment.name, experiment.claim, experiment.source, finding, link)


def record(run: Run, python: str, recording: Path, output: Path) -> int:
    """Records one run of the lab; gives the program's exit status."""
    from gtrace.cli.capture import capture, require_evidence
    from gtrace.recorder.launch import LaunchOptions
    from gtrace.recording import load

    options = LaunchOptions(
        str(recording),
        python,
        calls=not run.light,
        switch_interval_s=run.switch_interval_s,
        output=str(output),
        interrupt_after_s=run.interrupt_after_s,
    )
    outcome = capture([str(workload_path(run.workload)), *run.arguments], recording, options)
    require_evidence(load(recording), python)
    return outcome.exit_status


def workload_path(name: str) -> Path:
    """The script of the workload ``name``, in the installed package or beside it in a checkout."""
    package = Path(gtrace.__file__).parent
    for folder in (package / WORKLOADS, package.parent / WORKLOADS):
        if (folder / f"{name}.py").is_file():
            return folder / f"{name}.py"
    raise UsageError(f"no such workload: {name}: install gtrace again")


def _write_run_page(experiment: Experiment, observations: Observations, page: Path) -> None:
    from gtrace.report import render

    shown = observations.get(experiment.shown) or next(iter(observations.values()))
    write_text(page, render(shown[0].timeline))


def _write_page(labs: Sequence[Results], page: Path) -> None:
    from gtrace.report.lab import render_lab

    write_text(page, render_lab(labs))


def _write_json(text: str, where: str) -> None:
    if where == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        write_text(Path(where), text)


def _console(json: str | None) -> Console:
    from rich.console import Console

    return Console(stderr=json == "-")


def show(labs: Sequence[Results], console: Console) -> None:
    """Prints a table of the claims and what became of them, for each interpreter."""
    from rich.table import Table
    from rich.text import Text

    for lab in labs:
        release = ".".join(map(str, lab.interpreter.release))
        table = Table(
            title=f"{lab.interpreter.implementation} {release}", title_justify="left", show_lines=True
        )
        for column in ("claim", "measured", "", "page"):
            table.add_column(column)
        for result in lab.results:
            outcome = result.finding.outcome.value
            cells = (result.claim, result.finding.measured, outcome, result.page)
            styles = ("", "", STYLES.get(outcome, "yellow"), "dim")
            table.add_row(*(Text(cell, style) for cell, style in zip(cells, styles, strict=True)))
        console.print(table)
