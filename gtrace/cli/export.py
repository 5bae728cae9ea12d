"""``gtrace export``: a recording in the format of another tool."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import argparse

NAMES: Final = ("perfetto", "firefox", "speedscope")
"""The keys of ``gtrace.export.formats.FORMATS``, which needs pandas."""


def add_parser(commands: Any) -> None:
    """Adds this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "export",
        help="write a recording for another viewer",
        description="Writes a recording for Perfetto, the Firefox Profiler or speedscope.",
    )
    parser.add_argument("recording", type=Path, metavar="REC", help="the recording (a folder)")
    parser.add_argument("--format", choices=NAMES, required=True, help="the viewer to write for")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE",
        help="the trace, compressed where its name ends in .gz (REC with .FORMAT.json.gz)",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Writes the file and says where it is and what opens it."""
    from gtrace.cli.files import write_whole
    from gtrace.export.calls import find_calls
    from gtrace.export.formats import FORMATS
    from gtrace.recording import load
    from gtrace.timeline.build import build_timeline

    chosen = FORMATS[arguments.format]
    recording = load(arguments.recording)
    output = arguments.output or recording.path.with_suffix(f".{arguments.format}.json.gz")
    timeline = build_timeline(recording)
    calls = find_calls(recording)
    write_whole(output, lambda part: chosen.write(timeline, calls, part))
    print(f"trace: {output}: {chosen.opens}", file=sys.stderr)
    return 0
