"""``gtrace compare``: recordings side by side, and what differs by more than noise."""

from __future__ import annotations

import json
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gtrace.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from gtrace.analysis.compare import Comparison
    from gtrace.analysis.variants import Recorded, Sorted
    from gtrace.cli.console import Console
    from gtrace.timeline import Timeline

PAGE: Final = Path("reports/compare.html")
KEPT: Final = 4
"""Timelines kept in memory: enough that small comparisons fold nothing twice."""


def add_parser(commands: Any) -> None:
    """Adds this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "compare",
        help="show recordings side by side, and what differs by more than noise",
        description="Recordings of the same command, interpreter and options whose names differ in a number"
        " at the end (before-1, before-2) are repeats of one variant; the first variant is what the others"
        " are compared with. NAME=REC and --variant say otherwise.",
    )
    parser.add_argument("recordings", nargs="*", metavar="REC", help="recordings (folders), or NAME=REC")
    parser.add_argument(
        "--variant",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME", "REC"),
        help="a variant's name and its recordings; may be given more than once",
    )
    parser.add_argument("-o", "--output", type=Path, default=PAGE, metavar="PAGE", help=f"the page ({PAGE})")
    parser.add_argument("--no-report", action="store_true", help="write no page")
    parser.add_argument("--json", metavar="FILE", help="write the numbers as JSON there, - for stdout")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_argument("--quiet", action="store_true", help="say nothing but errors")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measures the recordings, names what differs, and writes JSON and page."""
    from gtrace.analysis.compare import compare
    from gtrace.analysis.compared import as_data
    from gtrace.analysis.variants import sort_variants
    from gtrace.cli.console import Aside
    from gtrace.cli.files import put_output, require_writable, require_writable_output

    given = places(arguments.recordings, arguments.variant)
    if not arguments.no_report:
        require_writable(arguments.output)
    require_writable_output(arguments.json)
    timeline_of = lru_cache(maxsize=KEPT)(fold)
    measured = _measured(given, timeline_of, Aside(quiet=arguments.quiet))
    found = sort_variants(measured)
    comparisons = compare([one.variant for one in found])
    # files first: a reader of what is printed may leave at any line
    if not arguments.no_report:
        as_given = {os.path.abspath(path): path for _, path in given}
        shown = [(one, timeline_of(as_given[str(one.paths[one.typical_run])])) for one in found]
        _write_page(shown, comparisons, arguments.output)
    if arguments.json is not None:
        put_output(arguments.json, json.dumps(as_data(found, comparisons), indent=1) + "\n")
    _show(found, comparisons, arguments)
    return 0


def places(recordings: Sequence[str], variants: Sequence[Sequence[str]]) -> list[tuple[str, Path]]:
    """The variant's name (empty where none was given) and the folder of every recording, in order.

    Raises UsageError where there are fewer than two, or one is to be its own repeat.
    """
    found = [_place(text) for text in recordings]
    for name, *paths in variants:
        if not paths:
            raise UsageError(f"no recordings of the variant {name}: say --variant NAME REC [REC ...]")
        found += [(name, Path(path)) for path in paths]
    if len(found) < len(("one", "another")):
        raise UsageError("nothing to compare with: give two recordings or more")
    seen = set()
    for name, path in found:
        key = name, os.path.realpath(path)
        if key in seen:
            raise UsageError(f"the same recording twice: {path}: a run is no repeat of itself")
        seen.add(key)
    return found


def _place(text: str) -> tuple[str, Path]:
    """``NAME=REC``, or a path, which may have an equals sign of its own."""
    name, equals, path = text.partition("=")
    return (name, Path(path)) if equals and name and path and not Path(text).exists() else ("", Path(text))


def fold(path: Path) -> Timeline:
    """The timeline of the recording in the folder ``path``."""
    from gtrace.recording import load
    from gtrace.timeline.build import build_timeline

    return build_timeline(load(path))


def _measured(
    given: list[tuple[str, Path]], timeline_of: Callable[[Path], Timeline], console: Console
) -> list[Recorded]:
    from gtrace.analysis.measuring import measure
    from gtrace.analysis.variants import Recorded

    return [
        Recorded(Path(os.path.abspath(path)), measure(timeline_of(path)), name)
        for name, path in _counted(given, console)
    ]


def _counted(given: list[tuple[str, Path]], console: Console) -> Iterator[tuple[str, Path]]:
    """Each of ``given``; on a terminal a bar tells how many are left."""
    if not console.is_interactive:  # early versions of rich end even a disabled bar with an empty line
        yield from given
        return
    from rich.progress import track

    yield from track(given, "reading", console=console, transient=True)


def _write_page(
    drawn: Sequence[tuple[Sorted, Timeline]], comparisons: Sequence[Comparison], page: Path
) -> None:
    from gtrace.cli.pages import write_page
    from gtrace.report.compare import Shown, render_comparison

    shown = [Shown(one.variant, one.typical_run, timeline) for one, timeline in drawn]
    write_page(page, render_comparison(shown, comparisons))


def _show(found: Sequence[Sorted], comparisons: Sequence[Comparison], arguments: argparse.Namespace) -> None:
    from gtrace.cli.comparing import show_comparison
    from gtrace.cli.console import Aside, Console
    from gtrace.cli.files import STDOUT
    from gtrace.cli.pages import open_page

    quiet = arguments.quiet
    show_comparison(
        found, comparisons, Aside(quiet=quiet) if arguments.json == STDOUT else Console(quiet=quiet)
    )
    if arguments.no_report:
        return
    if not quiet:
        print(f"page: {arguments.output}", file=sys.stderr)
    if arguments.open:
        open_page(arguments.output)
