"""``gtrace summary``: the numbers of a recording, for people or as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse


def add_parser(commands: Any) -> None:
    """Adds this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "summary",
        help="print the numbers of a recording",
        description="Prints the verdict of a recording, its headline numbers, and the states of each thread.",
    )
    parser.add_argument("recording", type=Path, metavar="REC", help="the recording (a folder)")
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON (docs/formats.md)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the summary on stdout."""
    from gtrace.analysis.summary import summarize
    from gtrace.cli.console import Console, show_summary
    from gtrace.recording import load
    from gtrace.timeline.build import build_timeline

    summary = summarize(build_timeline(load(arguments.recording)))
    if arguments.json:
        print(json.dumps(summary, indent=1))
    else:
        show_summary(summary, Console())
    return 0
