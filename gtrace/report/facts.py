"""The sentences and numbers a page opens with, worded; what is not known says so."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gtrace.analysis.summary import gil_numbers, parallelism
from gtrace.analysis.wording import percent, seconds
from gtrace.model import NS_PER_S, Evidence, Gil, Source, State
from gtrace.report.escape import safe_text
from gtrace.report.part import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from gtrace.report.part import Part
    from gtrace.timeline.timeline import RunInfo, Timeline

NOT_KNOWN: Final = "not known"
MUCH_UNKNOWN: Final = 0.01
"""From this share of the run in unknown states on, a sum of known states is a lower bound."""
INFERRED_BANNER: Final = (
    "Calls alone cannot tell running from gil_wait: this run holds no evidence of who had the GIL. "
    "Hatched intervals are inferred from the calls; where the calls leave it open, the state is unknown."
)
LABELS: Final[dict[str, str]] = {
    "wall": "Wall time",
    "cores": "Cores in use",
    "held": "GIL held",
    "wait": "GIL wait",
    "handoffs": "Hand-offs",
    "hold": "Longest hold",
    "longest": "Longest GIL wait",
}
SOURCE_LABELS: Final[dict[str, str]] = {
    Source.CALLS.value: "Calls",
    Source.GIL.value: "GIL and locks",
    Source.SCHEDULER.value: "Scheduler",
    Source.THREADS.value: "Threads",
    Source.SITES.value: "Call sites",
}
SOURCE_MEANING: Final[dict[str, str]] = {
    Source.CALLS.value: "every Python and C function call of every thread",
    Source.GIL.value: "who holds, wants and releases the GIL and every lock",
    Source.SCHEDULER.value: "when the operating system put each thread on a core and took it off",
    Source.THREADS.value: "names, ids, parents, start and end of every thread",
    Source.SITES.value: "where in the program threads stood when they waited long, or let go of the GIL",
}
HOW_TO_GET: Final[dict[str, str]] = {
    Source.CALLS.value: "record without --light, with viztracer installed",
    Source.GIL.value: "record with the agent, on Linux; gtrace doctor says what stands in its way",
    Source.SCHEDULER.value: "set kernel.perf_event_paranoid to 2 or less, and allow perf_event_open",
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


def python_of(run: RunInfo) -> str:
    """The interpreter in three words."""
    return safe_text(
        f"{run.implementation} {run.python_version}" + (", free-threaded" if run.free_threaded else "")
    )


def started(run: RunInfo) -> str:
    """When the run began, to the minute, UTC: a page must not depend on where it is rendered."""
    return datetime.fromtimestamp(run.started_at, tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def only_inferred(timeline: Timeline) -> bool:
    """Whether no interval rests on the agent or the scheduler."""
    kinds = set(timeline.intervals["evidence"].dropna().unique())
    return kinds == {Evidence.INFERRED.value} and not timeline.run.free_threaded


def part_words(timeline: Timeline, part: Part) -> str:
    """What a page that does not hold the whole run must say of itself."""
    if part.span is None:
        return ""
    begin, end = part.span.begin / NS_PER_S, part.span.end / NS_PER_S
    whole = seconds(timeline.run.duration / NS_PER_S)
    why = f" (all that was asked for would have passed {MOST_BYTES // 10**6} MB)" if part.shortened else ""
    return (
        f"This page holds every interval from {begin:.6g} s to {end:.6g} s of a run of {whole}{why}. The"
        " timeline, the charts and the tables are of that part; the verdict, the headline numbers and the"
        " strip named whole run are of all of it. `gtrace report REC --from S --to S` makes the page of"
        " another part."
    )


def headline(timeline: Timeline) -> list[Number]:
    """The numbers to read first; those about the GIL only where there is one."""
    run = timeline.run
    numbers = [
        Number("wall", LABELS["wall"], seconds(run.duration / NS_PER_S), _threads_note(timeline)),
        _number("cores", parallelism(timeline), lambda n: (f"{n:.2f}", _cores_note(timeline))),
    ]
    if run.free_threaded:
        return numbers
    return [*numbers, *_gil_numbers(timeline, gil_numbers(timeline))]


def _cores_note(timeline: Timeline) -> str:
    intervals = timeline.intervals
    unknown = (intervals["state"] == State.UNKNOWN.value).to_numpy()
    lengths = (intervals["end_ns"] - intervals["start_ns"]).to_numpy()
    open_share = lengths[unknown].sum() / max(1, int(timeline.run.duration))
    return f"of {timeline.run.cores}, " + ("at least" if open_share > MUCH_UNKNOWN else "on average")


def _threads_note(timeline: Timeline) -> str:
    count = len(timeline.threads)
    return "one thread" if count == 1 else f"{count:,} threads"


def _gil_numbers(timeline: Timeline, gil: dict[str, Any]) -> list[Number]:
    wall = timeline.run.duration / NS_PER_S
    lifetime = float((timeline.threads["end_ns"] - timeline.threads["start_ns"]).sum()) / NS_PER_S
    exact = timeline.run.evidence.get(Source.GIL.value, "").startswith("exact")
    least = "" if exact else ", at least"
    held, waited, processes = gil.get("utilization"), gil.get("wait_s"), gil.get("processes") or 0
    of_each = f", sum of {processes} processes" if processes > 1 else ""
    changes = gil.get("handoffs")
    if changes is None:
        changes = handoffs(timeline.intervals)
    return [
        _number("held", held, lambda share: (percent(share), f"of wall time{of_each}{least}")),
        _number(
            "wait",
            waited,
            lambda s: (
                percent(s / lifetime if lifetime else 0.0),
                f"{seconds(s)}, all threads{least}",
            ),
        ),
        _number("handoffs", changes, lambda n: (f"{n / wall if wall else 0:,.0f}/s", f"{n:,} in all")),
        _number(
            "hold", longest_hold(timeline.intervals), lambda hold: (seconds(hold[0] / NS_PER_S), hold[1])
        ),
        _number(
            "longest", longest_wait(timeline.intervals), lambda wait: (seconds(wait[0] / NS_PER_S), wait[1])
        ),
    ]


def _number(key: str, fact: Any, word: Callable[[Any], tuple[str, str]]) -> Number:
    if fact is None:
        return Number(key, LABELS[key], NOT_KNOWN, "no evidence of it in this run", known=False)
    return Number(key, LABELS[key], *word(fact))


def _seen(intervals: pd.DataFrame) -> pd.DataFrame:
    """The intervals whose relation to the GIL was seen, not concluded from calls."""
    return intervals[
        (intervals["gil"].notna() & (intervals["evidence"] != Evidence.INFERRED.value)).to_numpy()
    ]


def handoffs(intervals: pd.DataFrame) -> int | None:
    """How often the GIL went from one thread to another; None where nobody saw who held it."""
    held = _seen(intervals)
    held = held[(held["gil"] == Gil.HOLDS.value).to_numpy()].sort_values("start_ns", kind="stable")
    if held.empty:
        return None
    lane = held["lane"].to_numpy()
    return int((lane[1:] != lane[:-1]).sum())


def longest_hold(intervals: pd.DataFrame) -> tuple[int, str] | None:
    """The longest unbroken hold of the GIL, in ns, and whose it was; None where none is known."""
    held = _seen(intervals)
    held = held[(held["gil"] == Gil.HOLDS.value).to_numpy()]
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
    known = _seen(intervals)
    waits = known[(known["state"] == State.GIL_WAIT.value).to_numpy()]
    if not (known["gil"] == Gil.HOLDS.value).any():
        return None
    if waits.empty:
        return 0, "nobody waited"
    lengths = (waits["end_ns"] - waits["start_ns"]).to_numpy()
    best = int(lengths.argmax())
    return int(lengths[best]), safe_text(str(waits["thread"].iloc[best]))


def evidence_rows(run: RunInfo) -> list[EvidenceRow]:
    """Per source: what it gave, what it lost, and how to get it where it is missing."""
    return [_evidence_row(run, source) for source in run.evidence]


def knows_ends_alone(run: RunInfo) -> bool:
    """Whether of time with the GIL only the function is known in which it ended."""
    calls, sites = (run.evidence.get(source.value, "none") for source in (Source.CALLS, Source.SITES))
    return calls.startswith("none") and sites.startswith("exact")


def _recorder(run: RunInfo) -> str:
    gtrace = f"gtrace {run.gtrace_version}"
    return f"{gtrace}, viztracer {run.viztracer_version}" if run.viztracer_version else gtrace


def _evidence_row(run: RunInfo, source: str) -> EvidenceRow:
    quality, _, why = run.evidence[source].partition(": ")
    lost = run.lost.get(source)
    detail = safe_text(why)
    if quality != "exact" and source in HOW_TO_GET and not (run.free_threaded and source == Source.GIL.value):
        cure = f"To get {'it' if quality == 'none' else 'all of it'}: {HOW_TO_GET[source]}."
        detail = f"{detail}. {cure}" if detail else cure
    return EvidenceRow(
        SOURCE_LABELS.get(source, safe_text(source)),
        SOURCE_MEANING.get(source, ""),
        "not available" if quality == "none" else safe_text(quality),
        detail,
        NOT_KNOWN if lost is None else f"{lost:,}",
    )


def environment(run: RunInfo) -> list[tuple[str, str]]:
    """What ran where, as label and value."""
    rows = [
        ("Command", command_line(run)),
        ("Working directory", run.cwd),
        ("Python", python_of(run)),
        ("Interpreter", run.executable),
        ("Exit status", NOT_KNOWN if run.exit_status is None else str(run.exit_status)),
        ("Started", started(run)),
        ("Cores", str(run.cores)),
        ("Platform", run.platform),
        ("Processes", ", ".join(str(pid) for pid in run.pids)),
        ("Recorded with", _recorder(run)),
    ]
    if not run.free_threaded:
        rows.insert(7, ("Switch interval", seconds(run.switch_interval_s)))
    return [(label, safe_text(value)) for label, value in rows if value]
