"""``gtrace run``: records a program, then writes its page."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gtrace.cli.capture import capture, require_evidence
from gtrace.cli.files import require_writable, require_writable_folder, require_writable_output
from gtrace.cli.span import add_span_options, require_sense
from gtrace.errors import LaunchError, UsageError
from gtrace.recorder.launch import LaunchOptions

REPORTS: Final = Path("reports")
LEAST_BYTES: Final = 32 << 10
LONGEST_SWITCH_INTERVAL_S: Final = 3600.0
"""Far above what makes sense, and below where CPython overflows without a word."""


@dataclass(frozen=True)
class Program:
    """What to run: the arguments for the interpreter, and a name for the page."""

    arguments: tuple[str, ...]
    name: str


def add_parser(commands: Any) -> None:
    """Adds this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "run",
        help="record a program and write its page",
        description="Runs a program as python would, records its threads, and writes one HTML page.",
        usage="gtrace run [options] SCRIPT|-m MODULE|-c CODE [ARGS...]",
        epilog="Exit code: the program's own, or 2 where gtrace could not do its work.",
    )
    add = parser.add_argument
    add("-o", "--output", type=Path, metavar="REC", help="the recording, a folder (beside the page)")
    page = parser.add_mutually_exclusive_group()
    page.add_argument("--report", type=Path, metavar="PAGE", help="the page (reports/SCRIPT.html)")
    page.add_argument("--no-report", action="store_true", help="write no page")
    add_span_options(parser)
    add("--json", metavar="FILE", help="write the summary as JSON there, - for stdout")
    add("--open", action="store_true", help="open the page in a browser")
    _add_recording_options(parser)
    add("--quiet", action="store_true", help="say nothing but errors")
    add("-m", dest="module", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    add("-c", dest="code", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    add(
        "program", nargs=argparse.REMAINDER, metavar="SCRIPT",
        help="the script, folder or zip file to run, - for stdin",
    )  # fmt: skip
    parser.set_defaults(run=run)


def _add_recording_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--python", default=sys.executable, metavar="EXE", help="the interpreter to run it by (this one)")
    add("--light", action="store_true", help="record no calls: hardly slows the program")
    add(
        "--no-scheduler", action="store_true",
        help="do not ask the kernel when threads had a core: for many thousands of switches a second",
    )  # fmt: skip
    add(
        "--switch-interval", type=_seconds, metavar="S",
        help="the switch interval to run it with, in seconds (0.005)",
    )  # fmt: skip
    add(
        "--max-size", type=_bytes, default=2 << 30, metavar="BYTES",
        help="how large the GIL evidence of a process may grow (2G)",
    )  # fmt: skip
    add(
        "--sites", type=_threshold, default=0.001, metavar="S",
        help="note where a thread stood that waited so long, in seconds (0.001; 0: never)",
    )  # fmt: skip


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= LONGEST_SWITCH_INTERVAL_S:
        raise argparse.ArgumentTypeError(f"not a time in seconds: {text}")
    return value


def _threshold(text: str) -> float:
    return 0.0 if text == "0" else _seconds(text)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+)([KMGT]?)i?B?", text, re.IGNORECASE)
    if not found:
        raise argparse.ArgumentTypeError(f"not a size, such as 500M or 2G: {text}")
    size = int(found[1]) << (10 * " KMGT".index(found[2].upper() or " "))
    if size < LEAST_BYTES:
        raise argparse.ArgumentTypeError(f"too small, the least is {LEAST_BYTES >> 10}K: {text}")
    return size


def run(arguments: argparse.Namespace) -> int:
    """Records and renders; gives the program's own exit code."""
    program = _program(arguments)
    require_sense(arguments.begin, arguments.end)
    page = None if arguments.no_report else arguments.report or REPORTS / f"{program.name}.html"
    _check_places(page, arguments.json)
    path = arguments.output or (page or REPORTS / program.name).with_suffix(".gtrace")
    require_writable_folder(path.absolute().parent)
    options = LaunchOptions(
        str(path),
        arguments.python,
        not arguments.light,
        arguments.switch_interval,
        arguments.max_size,
        site_threshold_s=arguments.sites,
        scheduler=not arguments.no_scheduler,
    )
    outcome = capture(program.arguments, path, options)
    # only now: importing pandas beside the program would take a core from it
    from gtrace.cli.finish import Wishes, finish
    from gtrace.recording import load

    recording = load(path)
    require_evidence(recording, arguments.python)
    span = (arguments.begin, arguments.end)
    finish(recording, Wishes(page, arguments.json, arguments.open, arguments.quiet, span))
    return outcome.exit_status


def _program(arguments: argparse.Namespace) -> Program:
    if arguments.module:
        return Program(("-m", *arguments.module), _file_name(arguments.module[0]))
    if arguments.code:
        return Program(("-c", *arguments.code), "command")
    if not arguments.program or arguments.module == [] or arguments.code == []:
        raise UsageError("nothing to run: name a SCRIPT, or -m MODULE, or -c CODE")
    script = arguments.program[0]
    if script == "-":
        return Program(tuple(arguments.program), "stdin")
    if script.startswith("-"):
        raise UsageError(
            f"no such option: {script}: options of gtrace come before the script, see gtrace run -h"
        )
    if not os.path.exists(script):
        raise UsageError(f"no such script: {script}: check the path")
    if os.path.isfile(script) and not os.access(script, os.R_OK):
        raise UsageError(f"cannot read the script: {script}: check its permissions")
    return Program(tuple(arguments.program), _file_name(Path(os.path.abspath(script)).stem))


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name) or "program"


def _check_places(page: Path | None, json: str | None) -> None:
    """Before the program runs: what cannot be written afterwards would be lost."""
    try:
        os.getcwd()
    except OSError as error:
        raise LaunchError(f"no current folder: {error.strerror}: change to one that exists") from error
    if page is not None:
        require_writable(page)
    require_writable_output(json)
