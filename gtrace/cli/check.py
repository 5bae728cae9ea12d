"""``gtrace check``: holds recordings to limits; the exit code is the answer."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gtrace.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from gtrace.analysis.checks import Check
    from gtrace.analysis.limits import Bound
    from gtrace.analysis.measuring import Measured

EXIT_BROKEN: Final = 1


def add_parser(commands: Any) -> None:
    """Adds this command to the parser, an option for each limit."""
    from gtrace.analysis.limits import LIMITS

    parser: argparse.ArgumentParser = commands.add_parser(
        "check",
        help="hold recordings to limits, for CI: the exit code tells",
        usage="gtrace check REC [REC ...] --max-STATE LIMIT [options]",
        description="Holds recordings to limits; of several the median counts. A limit is a share of the"
        " threads' time (20%), an amount (50ms, 1.5s, 1000/s), or a change against the baseline (+10%, +50ms;"
        " with a minus sign write --min-cores=-10%).",
        epilog="Exit code: 0 where all limits hold; 1 where one does not, or the recording does not tell;"
        " 2 for a mistake, or a recording that cannot be read.",
    )
    parser.add_argument("recordings", nargs="+", type=Path, metavar="REC", help="recordings (folders)")
    parser.add_argument(
        "--baseline", nargs="+", action="extend", type=Path, metavar="REC", default=[],
        help="what +10%% and +50ms are on top of: the median of these recordings",
    )  # fmt: skip
    for limit in LIMITS:
        side = "at least" if limit.least else "at most"
        parser.add_argument(
            limit.option, metavar="LIMIT", dest=limit.option, help=f"{limit.measure.label}: {side} this much"
        )
    parser.add_argument(
        "--verdict-not", action="append", default=[], metavar="CODE",
        help="a verdict that no run may get, such as gil_bound",
    )  # fmt: skip
    parser.add_argument(
        "--allow-unknown", action="store_true", help="let pass what the evidence does not tell"
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the results as JUnit XML")
    parser.add_argument(
        "--github", action="store_true", default=os.environ.get("GITHUB_ACTIONS") == "true",
        help="print annotations for GitHub Actions (where GITHUB_ACTIONS is true)",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="print only what fails")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints a line a limit; 1 where one is broken, or cannot be told and is not allowed to be."""
    from gtrace.analysis.checks import Status, check_bound, check_verdict, parse_verdict
    from gtrace.cli.files import require_writable

    bounds = _bounds(arguments)
    codes = [parse_verdict(code) for code in arguments.verdict_not]
    if not bounds and not codes:
        raise UsageError(
            "no limits given: name at least one, such as --max-gil-wait 20%; see `gtrace check -h`"
        )
    if arguments.junit is not None:
        require_writable(arguments.junit)
    runs = _measured(arguments.recordings)
    baseline = _measured(arguments.baseline)
    checks = [check_bound(bound, runs, baseline) for bound in bounds]
    checks += [check_verdict(code, runs) for code in codes]
    passing = {Status.OK, Status.NOT_KNOWN} if arguments.allow_unknown else {Status.OK}
    failed = [check for check in checks if check.status not in passing]
    if arguments.junit is not None:
        _write_junit(checks, runs, arguments)
    _show(checks, failed, arguments)
    _caution(arguments.recordings, runs)
    return EXIT_BROKEN if failed else 0


def _bounds(arguments: argparse.Namespace) -> list[Bound]:
    from gtrace.analysis.limits import LIMITS, Form, parse_bound

    given = vars(arguments)
    # up to 3.12 argparse makes an empty list of --max-wall=--
    asked = {limit: given[limit.option] or "" for limit in LIMITS if given[limit.option] is not None}
    bounds = [parse_bound(limit, text) for limit, text in asked.items()]
    for bound in bounds:
        if bound.form in (Form.CHANGE_SHARE, Form.CHANGE_AMOUNT) and not arguments.baseline:
            raise UsageError(
                f"a change against what: {bound.limit.option} {bound.text}: name a recording with --baseline"
            )
    return bounds


def _measured(paths: Sequence[Path]) -> list[Measured]:
    from gtrace.analysis.measuring import measure
    from gtrace.recording import load
    from gtrace.timeline.build import build_timeline

    seen: set[str] = set()
    for path in paths:
        if os.path.realpath(path) in seen:
            raise UsageError(f"the same recording twice: {path}: a run is no repeat of itself")
        seen.add(os.path.realpath(path))
    return [measure(build_timeline(load(path))) for path in paths]


def _show(checks: Sequence[Check], failed: Sequence[Check], arguments: argparse.Namespace) -> None:
    from gtrace.analysis.checks import Status
    from gtrace.cli.console import clean
    from gtrace.export.checks import annotation, inert

    for check in checks:
        if arguments.quiet and check not in failed:
            continue
        word = {Status.OK: "ok", Status.FAILED: "FAILED", Status.NOT_KNOWN: "NOT KNOWN"}[check.status]
        print(inert(f"{word:9} {clean(check.text)}  [{clean(check.name)}]"))
    if arguments.github:
        for check in failed:
            print(annotation(check))
    sys.stdout.flush()


def _caution(paths: Sequence[Path], runs: Sequence[Measured]) -> None:
    """A program that failed early is quick, and would pass."""
    from gtrace.cli.console import clean

    for path, run in zip(paths, runs, strict=True):
        if run.run.exit_status:
            print(
                clean(f"note: {path}: exit status {run.run.exit_status}: it may not have done all its work"),
                file=sys.stderr,
            )
        for note in run.run.notes:
            print(clean(f"note: {path}: {note}"), file=sys.stderr)


def _write_junit(checks: Sequence[Check], runs: Sequence[Measured], arguments: argparse.Namespace) -> None:
    from dataclasses import replace

    from gtrace.analysis.checks import Status
    from gtrace.cli.files import write_text
    from gtrace.export.checks import junit_xml

    subject = " ".join(path.name or str(path.absolute().name) for path in arguments.recordings)
    if arguments.allow_unknown:
        checks = [replace(c, status=Status.OK) if c.status is Status.NOT_KNOWN else c for c in checks]
    write_text(arguments.junit, junit_xml(checks, subject, runs[0].run))
