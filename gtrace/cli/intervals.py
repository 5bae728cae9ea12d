"""``gtrace intervals``: the intervals table of a recording, as Parquet or CSV."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtrace.errors import UsageError

if TYPE_CHECKING:
    import argparse


def add_parser(commands: Any) -> None:
    """Adds this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "intervals",
        help="write every interval of a recording as a table",
        description="Writes a table with one row for each interval of each thread (docs/formats.md).",
    )
    parser.add_argument("recording", type=Path, metavar="REC", help="the recording (a folder)")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        required=True,
        help="the table; its name ends in .parquet or .csv",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Writes the table in the format the file's suffix names."""
    from gtrace.cli.files import write_whole
    from gtrace.export.intervals import WRITERS
    from gtrace.recording import load
    from gtrace.timeline.build import build_timeline

    writer = WRITERS.get(arguments.output.suffix)
    if writer is None:
        raise UsageError(f"no such format: {arguments.output}: name a file ending in {' or '.join(WRITERS)}")
    intervals = build_timeline(load(arguments.recording)).intervals
    write_whole(arguments.output, lambda part: writer(intervals, part))
    print(f"table: {arguments.output}: {len(intervals)} intervals", file=sys.stderr)
    return 0
