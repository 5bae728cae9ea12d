"""From a recording to what the user asked for: page, JSON, and a short summary on stderr."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn

from gtrace.analysis.summary import summarize
from gtrace.cli.console import Aside, show_summary
from gtrace.cli.files import put_output
from gtrace.cli.pages import open_page, write_page
from gtrace.cli.span import span_of
from gtrace.recording import compact
from gtrace.timeline.build import build_timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gtrace.cli.console import Console
    from gtrace.recording import Recording
    from gtrace.timeline import Timeline


@dataclass(frozen=True)
class Wishes:
    """Where the page and the JSON go (None: nowhere), and how much is said."""

    page: Path | None
    json: str | None = None
    open: bool = False
    quiet: bool = False
    span: tuple[float | None, float | None] = (None, None)
    """From when to when in seconds the page is; None: from the start, to the end."""


def finish(recording: Recording, wishes: Wishes) -> None:
    """Folds ``recording`` and writes what is wished for."""
    if wishes.quiet and wishes.page is None and wishes.json is None:
        compact(recording)
        return
    console = Aside(quiet=wishes.quiet)
    with _steps(console) as step:
        step("reading")
        for process in recording.processes:
            process.load_calls()
        step("folding")
        timeline = build_timeline(recording)
        step("rendering")
        _write_page(timeline, wishes)
        step("saving")
        compact(recording)
    summary = summarize(timeline)
    if not wishes.quiet:
        show_summary(summary, console)
    if wishes.page is not None:
        console.print(f"page: {wishes.page}", soft_wrap=True, markup=False, highlight=False)
    else:
        console.print(f"recording: {recording.path}", soft_wrap=True, markup=False, highlight=False)
    if wishes.json is not None:
        put_output(wishes.json, json.dumps(summary, indent=1) + "\n")
    if wishes.open and wishes.page is not None:
        open_page(wishes.page)


@contextmanager
def _steps(console: Console) -> Iterator[Callable[[str], None]]:
    """Gives what to call as each of the four steps begins; the bar is for a terminal only."""
    if not console.is_interactive:  # early versions of rich end even a disabled bar with an empty line
        yield lambda _: None
        return
    columns = TextColumn("{task.description:>9}"), BarColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=4)
        done = count()
        yield lambda description: progress.update(task, completed=next(done), description=description)


def _write_page(timeline: Timeline, wishes: Wishes) -> None:
    from gtrace.report import render

    if wishes.page is not None:
        write_page(wishes.page, render(timeline, span_of(*wishes.span, timeline.run.duration)))
