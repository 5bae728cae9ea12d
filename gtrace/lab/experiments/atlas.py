"""The atlas: which calls let the GIL go, from which size on, and for what share of their time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gtrace.lab.claims import CannotTell, Experiment, Figure, Finding, Outcome, Run, Table
from gtrace.model import Gil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from gtrace.lab.claims import Observation
    from gtrace.timeline import Timeline

CONTROL: Final = "nothing"
"""The call that does nothing: whatever it shows is not a call's own."""
PROOF: Final = "time.sleep(0.001)"
"""The call that lets the GIL go on every interpreter: where it does not, nothing was seen."""
NEVER: Final = "keeps it"
ALWAYS: Final = "lets it go"
COLUMNS: Final = ("call", "the GIL", "share away %", "releases a call", "at size", "sizes tried")


@dataclass(frozen=True)
class Sample:
    """A call at one size: medians over its repeats."""

    size: int
    releases: float
    share: float
    """Of the call's time away from the GIL, 0 to 1."""


@dataclass(frozen=True)
class Answer:
    """What one call did with the GIL; ``samples`` are in the order of their sizes."""

    call: str
    unit: str = ""
    samples: tuple[Sample, ...] = ()
    why_not: str = ""
    """Why it was not measured; empty where it was."""

    @property
    def lets_go(self) -> bool:
        return any(sample.releases > 0 for sample in self.samples)

    @property
    def verdict(self) -> str:
        """``keeps it``, ``lets it go``, or from which size on it does."""
        if self.why_not:
            return self.why_not
        if not self.lets_go:
            return NEVER
        if all(sample.releases > 0 for sample in self.samples):
            return ALWAYS
        keeping = max(number for number, sample in enumerate(self.samples) if not sample.releases)
        if keeping + 1 == len(self.samples):
            return "lets it go at some sizes"
        return f"from {self.samples[keeping + 1].size:,} {self.unit} on"

    @property
    def row(self) -> tuple[Any, ...]:
        """The cells of ``COLUMNS``; share and releases are those of the largest size."""
        if not self.samples:
            return self.call, self.verdict, None, None, "", ""
        largest = self.samples[-1]
        at = f"{largest.size:,} {self.unit}" if self.unit else ""
        tried = ", ".join(f"{sample.size:,}" for sample in self.samples) if self.unit else ""
        return self.call, self.verdict, round(100 * largest.share), round(largest.releases), at, tried


@dataclass(frozen=True)
class Absences:
    """The stretches in which one thread was away from the GIL, ns since the recording began."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def inside(self, begin: int, end: int) -> tuple[int, int]:
        """How many begin from ``begin`` on and before ``end``, and how long they last there, in ns."""
        first, after = np.searchsorted(self.starts, (begin, end))
        lengths = np.minimum(self.ends[first:after], end) - self.starts[first:after]
        return int(after - first), int(lengths.sum())


def absences(timeline: Timeline, tid: int) -> Absences:
    """When the thread ``tid`` was away from the GIL, whatever it did meanwhile.

    Raises CannotTell where it was made to let go: what was its own will is not told then.
    """
    lanes = timeline.threads.index[(timeline.threads["tid"] == tid).to_numpy()]
    if len(lanes) != 1:
        raise CannotTell("the thread that made the calls was not recorded")
    forced = int(timeline.threads["gil_forced_releases"].loc[lanes[0]])
    if forced > 0:
        raise CannotTell(f"another thread made the one that called let the GIL go, {forced} times")
    rows = timeline.intervals
    away = rows[((rows["lane"] == lanes[0]) & (rows["gil"] == Gil.AWAY.value)).to_numpy()]
    starts, ends = away["start_ns"].to_numpy(), away["end_ns"].to_numpy()
    begins = np.append(True, starts[1:] != ends[:-1])[: len(starts)]
    finishes = np.append(begins[1:], True)[: len(starts)]
    return Absences(starts[begins].astype(np.int64), ends[finishes].astype(np.int64))


def answers(observation: Observation) -> tuple[Answer, ...]:
    """What each call did, in the order in which they were made.

    Raises CannotTell where the evidence does not tell.
    """
    lines = [json.loads(line) for line in observation.output.splitlines()]
    if not lines or "tid" not in lines[0]:
        raise CannotTell("the workload said nothing")
    away = absences(observation.timeline, lines[0]["tid"])
    began = observation.timeline.run.began_ns
    by_call: dict[str, list[dict[str, Any]]] = {}
    for line in lines[1:]:
        by_call.setdefault(line["call"], []).append(line)
    if CONTROL not in by_call:
        raise CannotTell("no call that does nothing was made")
    stray = sum(away.inside(*_since(began, w))[0] for line in by_call[CONTROL] for w in line["windows"])
    if stray:
        raise CannotTell(f"a call that does nothing let the GIL go {stray} times")
    found = tuple(_answer(call, of_call, away, began) for call, of_call in by_call.items() if call != CONTROL)
    if not any(answer.call == PROOF and answer.lets_go for answer in found):
        raise CannotTell(f"{PROOF} was not seen to let the GIL go")
    return found


def _since(began: int, window: Sequence[int]) -> tuple[int, int]:
    return window[0] - began, window[1] - began


def _answer(call: str, lines: Sequence[Mapping[str, Any]], away: Absences, began: int) -> Answer:
    if "absent" in lines[0]:
        return Answer(call, why_not=f"no {lines[0]['absent']}")
    failed = [line["error"] for line in lines if "error" in line]
    if failed:
        return Answer(call, why_not=f"not measured: {failed[0]}")
    samples = tuple(_sample(line["size"], line["windows"], away, began) for line in lines)
    return Answer(call, lines[0]["unit"], samples)


def _sample(size: int, windows: Sequence[Sequence[int]], away: Absences, began: int) -> Sample:
    """Medians, so that what happens once (a file read from disk, a core lost) decides nothing."""
    spans = [_since(began, window) for window in windows]
    seen = [away.inside(*span) for span in spans]
    shares = [time / (end - begin) for (_, time), (begin, end) in zip(seen, spans, strict=True)]
    return Sample(size, median(count for count, _ in seen), median(shares))


def check(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """The claim holds where every call lets the GIL go at every size."""
    found = answers(observations["atlas"][0])
    measured = [answer for answer in found if answer.samples]
    always = [answer for answer in measured if answer.verdict == ALWAYS]
    never = [answer for answer in measured if answer.verdict == NEVER]
    sometimes = len(measured) - len(always) - len(never)
    named = [name for name in ("math.sin", "json.loads", "re.search", "sorted") if name in _names(never)]
    return Finding(
        Outcome.HOLDS if len(always) == len(measured) else Outcome.FAILS,
        f"Of {len(measured)} calls {len(always)} let the GIL go at every size tried, {sometimes} only from"
        f" some size on, {len(never)} never{': ' if named else ''}{', '.join(named)}"
        f"{' among them' if named else ''}.",
        (Figure("calls that let the GIL go, of all measured",
                (100 * (len(measured) - len(never)) / max(len(measured), 1),), "%"),),
        (Table("Atlas", COLUMNS, tuple(answer.row for answer in found), muted=(NEVER,)),),
    )  # fmt: skip


def _names(found: Sequence[Answer]) -> list[str]:
    return [answer.call for answer in found]


EXPERIMENT: Final = Experiment(
    name="atlas",
    claim="Functions written in C let the GIL go, so that other threads run meanwhile.",
    source="often told, of math.sin as well as of hashlib",
    runs=(Run("atlas", "atlas", light=True),),
    check=check,
    needs=("gil",),
    without_gil=False,
    notes=(
        "The only Python thread makes each call five times at each size, after one that warms up.",
        "What is shown is the median of the five.",
        "A share is of the call's whole time at the largest size, with its way in and out of Python.",
    ),
)
