"""Threads that wait for I/O: their waits overlap; and what a read of a file waits for."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from gtrace.lab.claims import CannotTell, Chart, Curve, Experiment, Figure, Finding, Outcome, Run, Table
from gtrace.lab.looking import lanes_named, seconds_in, spread
from gtrace.model import NS_PER_S, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from gtrace.lab.claims import Observation

    Waits = pd.DataFrame

KINDS: Final = ("sleep", "socket", "pipe")
COUNTS: Final = (1, 4, 16)
MOST: Final = COUNTS[-1]
WAITING: Final = (State.SLEEP, State.IO_WAIT)
OVERLAP: Final = 0.6
"""From this share of n on, n waits are at once: the threads of a busy machine do not start as one."""
ON_CORE: Final = (State.RUNNING, State.NATIVE)
MOSTLY: Final = 0.5
READS: Final = ("memory", "disk")
KEPT_IN_MEMORY: Final = (
    "A local file that was read or written lately is in the kernel's memory; where the temporary folder"
    " itself is kept in memory, asking the kernel to forget a file changes nothing."
)


def waits_of(observation: Observation, prefix: str) -> Waits:
    """The intervals in which the threads of that name wait; raises CannotTell where there are none."""
    lanes = lanes_named(observation.timeline, prefix)
    rows = observation.timeline.intervals
    waiting = rows["lane"].isin(lanes) & rows["state"].isin([state.value for state in WAITING])
    if not waiting.any():
        raise CannotTell(f"no thread called {prefix}… was seen to wait")
    return rows[waiting.to_numpy()]


def span(waits: Waits) -> float:
    """Seconds from the start of the first of ``waits`` to the end of the last."""
    return float(waits["end_ns"].max() - waits["start_ns"].min()) / NS_PER_S


def overlap(waits: Waits) -> float:
    """How many of ``waits`` are at once, on average: all of them added up, over their span."""
    return float((waits["end_ns"] - waits["start_ns"]).sum()) / NS_PER_S / span(waits)


def check(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """Of n threads that each wait once, n wait at once, whatever they wait for."""
    runs = observations["answers"]
    waits = {
        (kind, count): [waits_of(run, f"{kind}-{count}-") for run in runs]
        for kind in KINDS
        for count in COUNTS
    }
    at_once = {of: tuple(map(overlap, seen)) for of, seen in waits.items()}
    holds = all(median(seen) >= OVERLAP * count for (_, count), seen in at_once.items())
    words = ", ".join(f"{spread(at_once[kind, MOST], '.1f')} of {kind}" for kind in KINDS)
    return Finding(
        Outcome.HOLDS if holds else Outcome.FAILS,
        f"Of {MOST} threads that wait once, so many waited at once: {words}; the longest of these groups took"
        f" {max(_times_one(waits, kind) for kind in KINDS):.2f} times as long as one wait.",
        tuple(Figure(f"{kind}: waits at once, of {MOST}", at_once[kind, MOST]) for kind in KINDS),
        (_table(waits, at_once),),
        (_chart(at_once),),
    )


def _times_one(waits: Mapping[tuple[str, int], Sequence[Waits]], kind: str) -> float:
    """How long the waits of the largest group lasted, one is the wait of a thread alone."""
    return median(map(span, waits[kind, MOST])) / median(map(span, waits[kind, 1]))


def _table(
    waits: Mapping[tuple[str, int], Sequence[Waits]], at_once: Mapping[tuple[str, int], Sequence[float]]
) -> Table:
    return Table(
        f"{MOST} threads that wait",
        ("for", "waits at once", "times as long as one"),
        tuple(
            (kind, round(median(at_once[kind, MOST]), 1), round(_times_one(waits, kind), 2)) for kind in KINDS
        ),
    )


def _chart(at_once: Mapping[tuple[str, int], Sequence[float]]) -> Chart:
    def points(kind: str) -> tuple[tuple[float, float, float, float], ...]:
        seen = ((count, at_once[kind, count]) for count in COUNTS)
        return tuple((count, median(values), min(values), max(values)) for count, values in seen)

    curves = tuple(Curve(kind, points(kind)) for kind in KINDS)
    return Chart("Threads that wait: waits at once", "threads", "waits at once", curves)


def share(observation: Observation, prefix: str, *states: State) -> float:
    """The share of ``states`` in the time that the threads of that name wait for I/O or are on a core.

    What they wait for the GIL, for each other's start or for a core says nothing of files.
    """
    lanes = lanes_named(observation.timeline, prefix)
    active = seconds_in(observation.timeline, lanes, *ON_CORE, State.IO_WAIT)
    if not active:
        raise CannotTell(f"no thread called {prefix}… was seen to read")
    return seconds_in(observation.timeline, lanes, *states) / active


def check_files(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """Threads that read a file that the kernel has in memory wait for most of the time."""
    runs = observations["reads"]
    waited = {kind: tuple(share(run, f"{kind}-", State.IO_WAIT) for run in runs) for kind in READS}
    released = tuple(share(run, "memory-", State.NATIVE) for run in runs)
    memory, disk = (median(waited[kind]) for kind in READS)
    words = f"Threads that read files the kernel has in memory waited {memory:.0%} of the time"
    if not runs[0].timeline.run.free_threaded:
        words += f", and {median(released):.0%} of it they copied without the GIL"
    return Finding(
        Outcome.HOLDS if memory >= MOSTLY else Outcome.FAILS,
        f"{words}; for files that the kernel was asked to forget they waited {disk:.0%} of the time.",
        (
            *(Figure(f"waiting, read from {kind}", _percent(shares), "%") for kind, shares in waited.items()),
            Figure("copying without the GIL, read from memory", _percent(released), "%"),
        ),
    )


def _percent(shares: Sequence[float]) -> tuple[float, ...]:
    return tuple(100 * part for part in shares)


EXPERIMENT: Final = Experiment(
    name="io_overlap",
    claim="Threads that wait for I/O wait side by side: n waits take the time of one.",
    source="docs.python.org/3/library/threading.html: an appropriate model for multiple I/O-bound tasks",
    runs=(Run("answers", "slow_answers", ("--threads", *map(str, COUNTS)), repeats=3),),
    check=check,
    needs=("gil", "calls"),
)

FILES: Final = Experiment(
    name="file_reads",
    claim="Reading a file is a wait, as reading a socket is.",
    source="docs.python.org/3/library/threading.html: file operations are where threads spend time waiting",
    runs=(Run("reads", "file_reads", repeats=5),),
    check=check_files,
    needs=("gil", "scheduler", "calls"),
    notes=(KEPT_IN_MEMORY,),
)
