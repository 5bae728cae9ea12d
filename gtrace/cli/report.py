"""``gtrace report``: writes the page of a recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtrace.cli.span import add_span_options, require_sense

if TYPE_CHECKING:
    import argparse


def add_parser(commands: Any) -> None:
    """Adds this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "report",
        help="write the page of a recording",
        description="Writes the page of a recording once more, of all of the run or of a part.",
    )
    parser.add_argument("recording", type=Path, metavar="REC", help="the recording (a folder)")
    parser.add_argument("-o", "--output", type=Path, metavar="PAGE", help="the page (REC with .html)")
    add_span_options(parser)
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_argument("--quiet", action="store_true", help="say nothing but errors")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Renders a recording that is on disk."""
    from gtrace.cli.finish import Wishes, finish
    from gtrace.recording import load

    require_sense(arguments.begin, arguments.end)
    recording = load(arguments.recording)
    page = arguments.output or arguments.recording.absolute().with_suffix(".html")
    span = (arguments.begin, arguments.end)
    finish(recording, Wishes(page, open=arguments.open, quiet=arguments.quiet, span=span))
    return 0
