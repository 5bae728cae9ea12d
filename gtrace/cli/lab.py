"""``gtrace lab``: measures what is said about Python threads, on the interpreters at hand."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gtrace.cli.files import STDOUT, put_output, require_writable, require_writable_output
from gtrace.cli.pages import write_page

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from gtrace.lab.claims import Experiment
    from gtrace.lab.results import Results

PAGE: Final = Path("reports/lab.html")
EXIT_NOT_ALL: Final = 1
EXIT_INTERRUPTED: Final = 130
EPILOG: Final = (
    "Exit code: 0 where everything was measured, whether it holds or not; 1 where something was not;"
    " 2 for what cannot be done; 130 after Ctrl-C, with what was measured until then."
)


def add_parser(commands: Any) -> None:
    """Adds this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "lab",
        help="measure what is said about Python threads",
        description="Runs the experiments, prints what holds on this interpreter, and writes one page.",
        epilog=EPILOG,
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="the experiments (all of them)")
    add("--list", action="store_true", help="name the experiments and their claims, run nothing")
    add("--json", metavar="FILE", help="write the results as JSON there, - for stdout")
    add("--python", nargs="+", action="extend", metavar="EXE", help="the interpreters to measure (this one)")
    add("--report", type=Path, default=PAGE, metavar="PAGE", help=f"the page ({PAGE})")
    add(
        "--from", nargs="+", type=Path, dest="sources", metavar="FILE",
        help="show saved results, files or folders of them, and run nothing",
    )  # fmt: skip
    add(
        "--expect", nargs="+", action="extend", default=[], metavar="VERSION",
        help="interpreters the page names as not run where they are missing, as 3.14 or 3.14t",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs or reads the experiments, and writes table, JSON and page."""
    from gtrace.lab.catalog import named

    experiments = named(arguments.names)
    if arguments.list:
        _list(experiments)
        return 0
    require_writable(arguments.report)
    require_writable_output(arguments.json)
    if arguments.sources:
        _finish(_read(arguments.sources, arguments.names), arguments)
        return 0
    return _measure(experiments, arguments)


def _measure(experiments: Sequence[Experiment], arguments: argparse.Namespace) -> int:
    from gtrace.cli.measuring import Plan, measure
    from gtrace.lab.claims import Outcome
    from gtrace.lab.interpreter import ask

    interpreters = [ask(python) for python in arguments.python or [sys.executable]]
    measured = measure(Plan(experiments, interpreters, arguments.report))
    _finish(measured.labs, arguments)
    if measured.interrupted:
        raise KeyboardInterrupt("interrupted: what was measured until then is written")
    outcomes = {result.finding.outcome for lab in measured.labs for result in lab.results}
    return EXIT_NOT_ALL if Outcome.NOT_MEASURED in outcomes else 0


def _read(sources: Sequence[Path], names: Sequence[str]) -> tuple[Results, ...]:
    from gtrace.lab.results import in_order, read_results

    labs = in_order([lab for source in sources for lab in read_results(source)])
    if not names:
        return labs
    return tuple(
        replace(lab, results=tuple(result for result in lab.results if result.name in names)) for lab in labs
    )


def _finish(labs: Sequence[Results], arguments: argparse.Namespace) -> None:
    """Writes JSON and page, and prints the table."""
    from gtrace.cli.labtable import show
    from gtrace.lab.results import to_json
    from gtrace.report.lab import render_lab

    if arguments.json is not None:
        put_output(arguments.json, to_json(labs, Path(arguments.json).parent))
    page = arguments.report
    write_page(page, render_lab(labs, page.parent, arguments.expect))
    show(labs, sys.stderr if arguments.json == STDOUT else sys.stdout)
    print(f"page: {page}", file=sys.stderr)


def _list(experiments: Sequence[Experiment]) -> None:
    width = max(len(experiment.name) for experiment in experiments)
    print("\n".join(f"{experiment.name:{width}}  {experiment.claim}" for experiment in experiments))
