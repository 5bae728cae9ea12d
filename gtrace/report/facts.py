"""The sentences and numbers a page opens with, worded; what is not known says so."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gtrace.model import NS_PER_S, Evidence, Gil, Source, State
from gtrace.report.escape import safe_text

if TYPE_CHECKING:
    import pandas as pd

    from gtrace.timeline.timeline import RunInfo, Timeline

NOT_KNOWN: Final = "not known"
INFERRED_BANNER: Final = (
    "Calls alone cannot tell running from gil_wait: only the calls of this run were recorded, so where two threads "
    "seem to run at once, at most one of them held the GIL. Hatched intervals are inferred."
)
SOURCE_LABELS: Final[dict[str, str]] = {
    Source.CALLS.value: "Calls",
    Source.GIL.value: "GIL and locks",
    Source.SCHEDULER.value: "Scheduler",
    Source.THREADS.value: "Threads",
}
SOURCE_MEANING: Final[dict[str, str]] = {
    Source.CALLS.value: "every Python and C function call of every thread",
    Source.GIL.value: "who holds, wants and releases the GIL and every lock",
    Source.SCHEDULER.value: "when the operating system put each thread on a core and took it off",
    Source.THREADS.value: "names, ids, parents, start and end of every thread",
}
HOW_TO_GET: Final[dict[str, str]] = {
    Source.CALLS.value: "record without --light, with viztracer installed",
    Source.GIL.value: "record with the agent on Linux, with an interpreter that has a GIL; gtrace doctor says what stands in the way",
    Source.SCHEDULER.value: "allow perf_event_open: kernel.perf_event_paranoid of 2 or less, and a container that permits the call",
    Source.THREADS.value: "start the program with gtrace run",
}


@dataclass(frozen=True)
class Number:
    """One headline number; ``key`` is what the page's script updates it by."""

    key: str
    label: str
    value: str
    note: str
    known: bool = True


@dataclass(frozen=True)
class EvidenceRow:
    """What one source gave, and how to get it where it gave nothing."""

    source: str
    meaning: str
    quality: str
    detail: str
    lost: str


def title_of(run: RunInfo) -> str:
    """The name of what ran: the script, ``-m module``, or the first words of the command."""
    words = [word for word in run.command if word]
    for before, word in zip(["", *words], words, strict=False):
        if before == "-m" or word.endswith(".py"):
            return safe_text(PurePosixPath(word).name or word)
    return safe_text(" ".join(words[:2])) or "a Python program"


def command_line(run: RunInfo) -> str:
    """The command as one would type it."""
    return safe_text(shlex.join(run.command))


def started(run: RunInfo) -> str:
    """When the run began, to the minute, UTC: a page must not depend on where it is rendered."""
    return datetime.fromtimestamp(run.started_at, tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def seconds(value: float) -> str:
    """A duration with three significant digits, in the unit that suits its size."""
    for limit, scale, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1.0, 1e3, "ms")):
        if abs(value) < limit * 0.9995:
            return f"{_significant(value * scale)} {unit}" if value else "0 s"
    return f"{value:,.0f} s" if value >= 999.5 else f"{_significant(value)} s"


def _significant(value: float) -> str:
    return f"{value:.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f}"


def percent(share: float) -> str:
    """A share of one as a percentage; what is there but small never reads 0 %."""
    if 0 < share < 0.001:
        return "<0.1 %"
    return f"{share * 100:.{1 if 0 < share < 0.1 else 0}f} %"


def only_inferred(timeline: Timeline) -> bool:
    """Whether no interval rests on the agent or the scheduler."""
    kinds = set(timeline.intervals["evidence"].dropna().unique())
    return kinds == {Evidence.INFERRED.value} and not timeline.run.free_threaded


def headline(timeline: Timeline, summary: dict[str, Any]) -> list[Number]:
    """The numbers to read first; those about the GIL only where there is one."""
    run = timeline.run
    wall = run.duration / NS_PER_S
    parallelism = summary.get("parallelism")
    cores = Number("cores", "Cores in use", NOT_KNOWN, f"of {run.cores}, on average", known=False)
    if parallelism is not None:
        cores = Number("cores", "Cores in use", f"{parallelism:.2f}", f"of {run.cores}, on average")
    numbers = [Number("wall", "Wall time", seconds(wall), _threads_note(timeline)), cores]
    if run.free_threaded:
        return numbers
    gil = summary.get("gil") or {}
    lifetime = float((timeline.threads["end_ns"] - timeline.threads["start_ns"]).sum()) / NS_PER_S
    return [*numbers, *_gil_numbers(gil, wall, lifetime), *_extremes(timeline)]


def _threads_note(timeline: Timeline) -> str:
    count = len(timeline.threads)
    return "one thread" if count == 1 else f"{count:,} threads"


def _gil_numbers(gil: dict[str, Any], wall: float, lifetime: float) -> list[Number]:
    held, waited, handoffs = gil.get("utilization"), gil.get("wait_s"), gil.get("handoffs")
    numbers = []
    numbers.append(
        _unknown("held", "GIL held") if held is None else Number("held", "GIL held", percent(held), "of wall time")
    )
    numbers.append(
        _unknown("wait", "Waiting for the GIL")
        if waited is None
        else Number("wait", "Waiting for the GIL", percent(waited / lifetime if lifetime else 0.0), f"of all threads’ time, {seconds(waited)}")
    )
    numbers.append(
        _unknown("handoffs", "Hand-offs")
        if handoffs is None
        else Number("handoffs", "Hand-offs", f"{handoffs / wall if wall else 0:,.0f}/s", f"{handoffs:,} in all")
    )
    return numbers


def _unknown(key: str, label: str) -> Number:
    return Number(key, label, NOT_KNOWN, "no GIL evidence in this run", known=False)


def _extremes(timeline: Timeline) -> list[Number]:
    hold = longest_hold(timeline.intervals)
    wait = longest_wait(timeline.intervals)
    return [
        _unknown("hold", "Longest hold") if hold is None else Number("hold", "Longest hold", seconds(hold[0] / NS_PER_S), hold[1]),
        _unknown("longest", "Longest GIL wait") if wait is None else Number("longest", "Longest GIL wait", seconds(wait[0] / NS_PER_S), wait[1]),
    ]


def longest_hold(intervals: pd.DataFrame) -> tuple[int, str] | None:
    """The longest unbroken hold of the GIL, in ns, and whose it was; None where none is known."""
    held = intervals[(intervals["gil"] == Gil.HOLDS.value) & (intervals["evidence"] != Evidence.INFERRED.value)]
    if held.empty:
        return None
    lane, start, end = (held[c].to_numpy() for c in ("lane", "start_ns", "end_ns"))
    new = np.concatenate(([True], (lane[1:] != lane[:-1]) | (start[1:] != end[:-1])))
    first = np.flatnonzero(new)
    last = np.concatenate((first[1:], [len(held)])) - 1
    lengths = end[last] - start[first]
    best = int(lengths.argmax())
    return int(lengths[best]), safe_text(str(held["thread"].iloc[int(first[best])]))


def longest_wait(intervals: pd.DataFrame) -> tuple[int, str] | None:
    """The longest wait for the GIL, in ns, and whose; None where waits are not known."""
    known = intervals[(intervals["gil"].notna()) & (intervals["evidence"] != Evidence.INFERRED.value)]
    waits = known[known["state"] == State.GIL_WAIT.value]
    if known.empty:
        return None
    if waits.empty:
        return 0, "nobody waited"
    lengths = (waits["end_ns"] - waits["start_ns"]).to_numpy()
    best = int(lengths.argmax())
    return int(lengths[best]), safe_text(str(waits["thread"].iloc[best]))


def evidence_rows(run: RunInfo) -> list[EvidenceRow]:
    """Per source: what it gave, what it lost, and how to get it where it is missing."""
    return [_evidence_row(run, source) for source in run.evidence]


def _evidence_row(run: RunInfo, source: str) -> EvidenceRow:
    quality, _, why = run.evidence[source].partition(": ")
    lost = run.lost.get(source)
    detail = safe_text(why)
    if quality == "none" and source in HOW_TO_GET and not (run.free_threaded and source == Source.GIL.value):
        detail = f"{detail}. To get it: {HOW_TO_GET[source]}." if detail else f"To get it: {HOW_TO_GET[source]}."
    return EvidenceRow(
        SOURCE_LABELS.get(source, safe_text(source)),
        SOURCE_MEANING.get(source, ""),
        "not available" if quality == "none" else safe_text(quality),
        detail,
        NOT_KNOWN if lost is None else f"{lost:,}",
    )


def environment(run: RunInfo) -> list[tuple[str, str]]:
    """What ran where, as label and value."""
    build = "free-threaded" if run.free_threaded else "with a GIL"
    rows = [
        ("Command", command_line(run)),
        ("Working directory", run.cwd),
        ("Python", f"{run.implementation} {run.python_version}, {build}"),
        ("Interpreter", run.executable),
        ("Exit status", NOT_KNOWN if run.exit_status is None else str(run.exit_status)),
        ("Started", started(run)),
        ("Cores", str(run.cores)),
        ("Platform", run.platform),
        ("Processes", ", ".join(str(pid) for pid in run.pids)),
        ("Recorded with", f"gtrace {run.gtrace_version}" + (f", viztracer {run.viztracer_version}" if run.viztracer_version else "")),
    ]
    if not run.free_threaded:
        rows.insert(7, ("Switch interval", seconds(run.switch_interval_s)))
    return [(label, safe_text(value)) for label, value in rows if value]
