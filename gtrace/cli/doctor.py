"""``gtrace doctor``: which sources of evidence work on this machine and interpreter, and a live test."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gtrace.model import NS_PER_S, Source

if TYPE_CHECKING:
    import argparse

    from gtrace.timeline import Timeline

CONTENDERS: Final = 2
PROGRAM: Final = """
import threading, time
def contend():
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        sum(range(100))
threads = [threading.Thread(target=contend, name=f"contender-{n}") for n in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
"""The live test: two threads that both want the GIL for 50 ms."""
TELLS: Final = {
    Source.CALLS: "which function, and why a thread waits",
    Source.GIL: "who holds the GIL, who waits for it or for a lock",
    Source.SCHEDULER: "who was on a core",
    Source.THREADS: "names, parents, starts, ends, joins",
    Source.SITES: "where threads waited long, also with --light",
}
HERE: Final = {"exact": "works", "none": "missing"}


@dataclass(frozen=True)
class Finding:
    """One source: what it tells, and why not all of that and what to do about it (empty: it works)."""

    source: Source
    tells: str
    quality: str
    """``exact``, ``derived``, ``inferred`` or ``none``."""
    why_not: str


def add_parser(commands: Any) -> None:
    """Adds this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "doctor",
        help="say which evidence can be recorded here, and try it",
        description="Records a program of two threads, and says of each source of evidence whether it works"
        " here, and what to do where it does not.",
        epilog="Exit code: 0 where the GIL was seen, 1 where it was not.",
    )
    parser.add_argument(
        "--python", default=sys.executable, metavar="EXE", help="the interpreter to look at (this one)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Records the live test and prints what was seen; 1 where the GIL was not seen."""
    timeline = try_out(arguments.python)
    findings = examine(timeline)
    show(timeline, findings)
    return int(any(f.why_not for f in findings if f.source is Source.GIL))


def try_out(python: str) -> Timeline:
    """The timeline of the live test under ``python``."""
    from gtrace.cli.capture import capture, require_evidence
    from gtrace.recorder.launch import LaunchOptions
    from gtrace.recording import load
    from gtrace.timeline.build import build_timeline

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "doctor.gtrace"
        capture(["-c", PROGRAM], path, LaunchOptions(str(path), python))
        recording = load(path)
        require_evidence(recording, python)
        return build_timeline(recording)


def examine(timeline: Timeline) -> list[Finding]:
    """What each source gave in the live test."""
    found = [(Source(name), *said.partition(": ")) for name, said in timeline.run.evidence.items()]
    return [Finding(source, TELLS[source], quality, why) for source, quality, _, why in found]


def show(timeline: Timeline, findings: list[Finding]) -> None:
    """Prints the findings as a table, what is missing in words, and the live test."""
    from rich.table import Table
    from rich.text import Text

    from gtrace.cli.console import Console, clean

    console = Console()
    run = timeline.run
    interpreter = f"{run.implementation} {run.python_version} at {run.executable}"
    console.print(Text(clean(interpreter)), soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("evidence", "here", "tells"):
        table.add_column(title)
    for found in findings:
        here = HERE.get(found.quality, found.quality)
        style = "yellow" if found.why_not else "green"
        table.add_row(found.source.value, Text(here, style=style), found.tells)
    console.print(table)
    for found in findings:
        if found.why_not:
            why_not = clean(f"{found.source.value}: {found.why_not}")
            console.print(Text(why_not, style="yellow"), soft_wrap=True)
    console.print(Text(live_test(timeline)), soft_wrap=True)


def live_test(timeline: Timeline) -> str:
    """What was seen of the two contenders, in one sentence."""
    from gtrace.analysis.summary import state_seconds

    threads = timeline.threads[timeline.threads["name"].str.startswith("contender-")]
    if len(threads) != CONTENDERS:
        return f"live test: {len(threads)} of {CONTENDERS} threads were seen"
    states = state_seconds(timeline).loc[threads.index]
    span = (threads["end_ns"].max() - threads["start_ns"].min()) / NS_PER_S
    ran, waited = states["running"].sum(), states["gil_wait"].sum()
    return (
        f"live test: two threads wanted the GIL for {span * 1000:.0f} ms: together they ran"
        f" {ran * 1000:.0f} ms and waited {waited * 1000:.0f} ms for each other"
    )
