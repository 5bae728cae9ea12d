"""What became of limits: held, broken, or not to be told from the evidence."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from gtrace.analysis.compare import Spread, noise_of
from gtrace.analysis.limits import CHANGES, Form
from gtrace.analysis.measures import NO_GIL
from gtrace.analysis.rules import NOTICED
from gtrace.analysis.verdict import RULES, mixed
from gtrace.analysis.wording import amount, percent
from gtrace.errors import UsageError
from gtrace.model import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gtrace.analysis.limits import Bound, Limit
    from gtrace.analysis.measures import Measure
    from gtrace.analysis.measuring import Measured

_BY_A_HAIR: Final = 1e-9
"""A sum of floats may miss the limit it is equal to."""


class Status(str, Enum):
    """How a check came out."""

    OK = "ok"
    FAILED = "failed"
    NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Check:
    """One limit and what became of it; ``text`` names the measure, its value and the limit."""

    name: str
    status: Status
    text: str


@dataclass(frozen=True)
class _Value:
    """A measure of several runs: at least ``low``, at most ``high``; None where it is not known."""

    low: float | None
    high: float = 0.0
    why: str = ""
    spread: Spread | None = None
    """What is known of it in each run."""


def check_bound(bound: Bound, runs: Sequence[Measured], baseline: Sequence[Measured]) -> Check:
    """Holds the median of ``runs`` to a bound; what the evidence leaves open does not pass."""
    measure, name = bound.limit.measure, f"{bound.limit.option} {bound.text}"
    found = _value(runs, measure, bound.form)
    if found.low is None:
        if found.why == NO_GIL and not bound.limit.least:
            return Check(name, Status.OK, f"{measure.label}: none, {NO_GIL}")
        return Check(name, Status.NOT_KNOWN, f"{measure.label}: not known: {found.why}")
    base = _value(baseline, measure, bound.form) if bound.form in CHANGES else _Value(0.0)
    if base.low is None:
        return Check(name, Status.NOT_KNOWN, f"{measure.label}: not known of the baseline: {base.why}")
    allowed = base.low * (1 + bound.value) if bound.form is Form.CHANGE_SHARE else base.low + bound.value
    status = _judge(bound.limit, found.low, found.high, allowed)
    words = f"{_found_words(bound, found, status)}; {_allowed_words(bound, allowed)}"
    if bound.form in CHANGES:
        words += f" (baseline {_word(bound, base.low)}, {bound.text}{_noise_words(bound, base, found)})"
    return Check(name, status, words)


def _value(runs: Sequence[Measured], measure: Measure, form: Form) -> _Value:
    figures = [run.figures[measure.key] for run in runs]
    why = next((figure.why for figure in figures if figure.value is None), "")
    if why or not figures:
        return _Value(None, why=why or "there is no baseline")
    scales = [run.lifetime_s or 1.0 if form is Form.SHARE else 1.0 for run in runs]
    lows = [(f.value or 0.0) / scale for f, scale in zip(figures, scales, strict=True)]
    highs = [((f.value or 0.0) + f.more) / scale for f, scale in zip(figures, scales, strict=True)]
    return _Value(statistics.median(lows), statistics.median(highs), spread=Spread(tuple(sorted(lows))))


def _judge(limit: Limit, low: float, high: float, allowed: float) -> Status:
    hair = _BY_A_HAIR * max(abs(allowed), 1e-3)
    if limit.least:
        passes, fails = low >= allowed - hair, high < allowed - hair
    else:
        passes, fails = high <= allowed + hair, low > allowed + hair
    return Status.OK if passes else Status.FAILED if fails else Status.NOT_KNOWN


def _found_words(bound: Bound, found: _Value, status: Status) -> str:
    text = f"{bound.limit.measure.label}: {_word(bound, found.low or 0.0)}"
    if bound.form is Form.SHARE:
        text += " of the threads' time"
    if status is Status.NOT_KNOWN:
        text += f", but it may be up to {_word(bound, found.high)}, for part of the time is unknown"
    return text


def _allowed_words(bound: Bound, allowed: float) -> str:
    side = "at least" if bound.limit.least else "at most"
    return f"allowed is {side} {_word(bound, max(allowed, 0.0))}"


def _noise_words(bound: Bound, base: _Value, found: _Value) -> str:
    """How far chance alone may bring runs and baseline apart, where there are repeats to tell."""
    noise = noise_of(base.spread, found.spread) if base.spread and found.spread else None
    return "" if noise is None else f", noise ±{_word(bound, noise)}"


def _word(bound: Bound, value: float) -> str:
    return percent(value) if bound.form is Form.SHARE else amount(value, bound.limit.measure.unit)


_GIL: Final = (Source.GIL,)
VERDICT_NEEDS: Final[dict[str, tuple[Source, ...]]] = {
    "deadlock": (Source.THREADS,),
    "stuck": _GIL,
    "stalled": (Source.GIL, Source.SCHEDULER),
    "starved": (Source.SCHEDULER,),
    "gil_hogged": _GIL,
    "convoy": _GIL,
    "gil_bound": _GIL,
    "native": _GIL,
    "computing": _GIL,
}
"""The sources without which a verdict is not given though it might be true."""
VERDICT_OF_WAITS: Final = ("lock_bound", "waiting_for_each_other", "io_bound", "waiting")
"""Verdicts that rest on what threads waited for: calls tell that, and without them agent and call sites,
as far as they know."""
VERDICT_OF_THE_GIL: Final = ("gil_hogged", "convoy", "gil_bound", "stalled")
VERDICTS: Final = (*(rule.__name__ for rule in RULES), mixed.__name__)


def parse_verdict(code: str) -> str:
    """The code of a verdict; raises UsageError where there is none of that name."""
    if code not in VERDICTS:
        raise UsageError(f"no such verdict: --verdict-not {code}: say one of {', '.join(VERDICTS)}")
    return code


def check_verdict(code: str, runs: Sequence[Measured]) -> Check:
    """Holds each of ``runs`` to a verdict it must not get."""
    name = f"--verdict-not {code}"
    found = [run.verdict for run in runs]
    for verdict in found:
        if verdict.code == code:
            return Check(name, Status.FAILED, f"verdict: {code}: {verdict.text}")
    for run in runs:
        why = _why_open(run, code)
        if why:
            return Check(
                name, Status.NOT_KNOWN, f"verdict: {run.verdict.code}, but {code} is not ruled out: {why}"
            )
    return Check(name, Status.OK, f"verdict: {', '.join(dict.fromkeys(v.code for v in found))}")


def _why_open(run: Measured, code: str) -> str:
    """Why a verdict that a run did not get might be true of it; empty where it is not."""
    missing = [source.value for source in VERDICT_NEEDS.get(code, ()) if not _can_tell(run, code, source)]
    if missing:
        return f"no evidence of {', '.join(missing)}"
    if run.verdict.code == "thin_evidence":
        return run.verdict.text
    if code in VERDICT_OF_WAITS and run.unexplained >= NOTICED:
        return f"for what threads waited {percent(run.unexplained)} of their time is not known"
    return ""


def _can_tell(run: Measured, code: str, source: Source) -> bool:
    free = run.run.free_threaded
    if free and code in VERDICT_OF_THE_GIL:
        return True
    needed = Source.SCHEDULER if free and source is Source.GIL else source
    return run.run.evidence.get(needed.value, "").startswith("exact")
