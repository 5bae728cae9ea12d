"""Runs side by side: what differs between variants by more than their runs differ among themselves."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gtrace.analysis.measures import BY_KEY, MEASURES, NO_GIL, STATE_MEASURES, Unit
from gtrace.analysis.wording import amount, change, percent
from gtrace.model import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gtrace.analysis.measures import Measure
    from gtrace.analysis.measuring import Measured

STUDENT_98: Final = (
    (1, 31.82), (2, 6.96), (3, 4.54), (4, 3.75), (5, 3.36), (6, 3.14), (7, 3.00), (8, 2.90), (9, 2.82),
    (10, 2.76), (12, 2.68), (15, 2.60), (20, 2.53), (30, 2.46), (60, 2.39),
)  # fmt: skip
"""Degrees of freedom and the factor of the 98 % interval: some twenty measures are looked at at once."""
LEAST_SHARE: Final = 0.01
"""A change below this part of the larger value is not worth a word, however sure it is."""
NOTICED: Final = 0.05
"""From this change on the wall time is told first, where no noise says whether it is one."""
LEAST_SECONDS: Final = 0.001
TELLING: Final = (
    State.GIL_WAIT, State.STALLED, State.LOCK_WAIT, State.PREEMPTED, State.IO_WAIT, State.RUNNING,
    State.NATIVE, State.BLOCKED, State.SLEEP, State.UNKNOWN,
)  # fmt: skip
"""Of two states that changed as much, the one to tell first: time that left one state went to another."""
MOST_OF_IT: Final = 0.6
"""The part of a change from which on the pool it happened in is named."""


@dataclass(frozen=True)
class Variant:
    """Runs of the same thing under one name; more than one are repeats and tell the noise."""

    name: str
    runs: tuple[Measured, ...]

    def spread(self, key: str) -> Spread | None:
        """The values of a measure; None where one of the runs does not tell it."""
        values = [run.figures[key].value for run in self.runs]
        known = tuple(sorted(value for value in values if value is not None))
        return Spread(known) if len(known) == len(values) else None

    def why_not(self, key: str) -> str:
        """Why a measure is not known in one of the runs; empty where it is in all."""
        return next((run.figures[key].why for run in self.runs if run.figures[key].why), "")

    def verdicts(self) -> Counter[str]:
        """How many runs got each verdict, by its code."""
        return Counter(sorted(run.verdict.code for run in self.runs))


@dataclass(frozen=True)
class Spread:
    """The values of a measure in the runs of a variant, sorted."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return self.values[0]

    @property
    def high(self) -> float:
        return self.values[-1]


@dataclass(frozen=True)
class Difference:
    """A measure in two variants. ``noise`` is None where there are no repeats to tell it from."""

    measure: Measure
    before: Spread
    after: Spread
    noise: float | None
    pool: str = ""
    """The pool of threads in which most of it happened, where there is one among several."""

    @property
    def amount(self) -> float:
        return self.after.median - self.before.median

    @property
    def matters(self) -> bool:
        """Whether it is large enough to be worth a word at all."""
        size = max(abs(self.before.median), abs(self.after.median))
        least = LEAST_SECONDS if self.measure.unit is Unit.SECONDS else 0.0
        return abs(self.amount) > max(least, LEAST_SHARE * size)

    @property
    def exceeds_noise(self) -> bool | None:
        """Whether chance would not make it and no two runs overlap; None where that cannot be told."""
        if self.noise is None:
            return None
        apart = self.before.high < self.after.low or self.after.high < self.before.low
        return self.matters and apart and abs(self.amount) > self.noise

    @property
    def text(self) -> str:
        """``GIL wait: 1.20 s → 0.31 s (−74 %), noise ±4.0 %, most of it in worker-*``."""
        unit, before, after = self.measure.unit, self.before.median, self.after.median
        words = [
            f"{self.measure.label}: {amount(before, unit)} → {amount(after, unit)} ({change(before, after)})"
        ]
        if self.noise:
            share = percent(self.noise / before) if before > 0 else amount(self.noise, unit)
            words.append(f"noise ±{share}")
        if self.pool:
            words.append(f"most of it in {self.pool}")
        return ", ".join(words)


@dataclass(frozen=True)
class Comparison:
    """One variant against the first: every difference, the largest first, and what cannot be compared."""

    before: Variant
    after: Variant
    differences: tuple[Difference, ...]
    not_comparable: tuple[tuple[Measure, str], ...]

    @property
    def has_noise(self) -> bool:
        return len(self.before.runs) + len(self.after.runs) > len((self.before, self.after))

    @property
    def named(self) -> tuple[Difference, ...]:
        """What is worth a word: beyond the noise, or all that matters where there is no telling."""
        return tuple(d for d in self.differences if (d.exceeds_noise if self.has_noise else d.matters))

    @property
    def nothing_named(self) -> str:
        """The sentence for a comparison in which nothing is named."""
        return "no difference exceeds the noise" if self.has_noise else "no difference worth a word"

    @property
    def verdict_change(self) -> str:
        """The verdicts, where no run of one variant got one that the other got too; else empty."""
        before, after = self.before.verdicts(), self.after.verdicts()
        return "" if before.keys() & after.keys() else f"verdict: {_codes(before)} → {_codes(after)}"


def _codes(verdicts: Counter[str]) -> str:
    if len(verdicts) == 1:
        return next(iter(verdicts))
    return " or ".join(
        f"{code} ({count} {'run' if count == 1 else 'runs'})" for code, count in verdicts.items()
    )


def compare(variants: Sequence[Variant]) -> tuple[Comparison, ...]:
    """Each variant against the first."""
    first, *others = variants
    return tuple(_comparison(first, other) for other in others)


def _comparison(before: Variant, after: Variant) -> Comparison:
    differences, silent = [], []
    for measure in MEASURES:
        old, new = before.spread(measure.key), after.spread(measure.key)
        if old is None or new is None:
            silent.append((measure, why_not_comparable(before, after, measure.key)))
            continue
        pool = _main_pool(before, after, measure)
        differences.append(Difference(measure, old, new, noise_of(old, new), pool))
    order = sorted(differences, key=lambda d: _rank(d, before, after))
    return Comparison(before, after, tuple(order), tuple(silent))


def why_not_comparable(before: Variant, after: Variant, key: str) -> str:
    """Which of the variants does not tell a measure, and why."""
    parts = {variant.name: variant.why_not(key) for variant in (before, after)}
    if all(why == NO_GIL for why in parts.values()):
        return NO_GIL
    return "; ".join(f"{name}: {why}" for name, why in parts.items() if why)


def noise_of(before: Spread, after: Spread) -> float | None:
    """What chance alone keeps the two within in 49 of 50 cases; None without repeats.

    From the spread of the repeats, pooled over both, by Student's t; of few repeats it is wide.
    """
    counts = len(before.values), len(after.values)
    freedom = sum(counts) - len(counts)
    if freedom < 1:
        return None
    squares = sum((v - statistics.fmean(s.values)) ** 2 for s in (before, after) for v in s.values)
    factor = next(t for least, t in reversed(STUDENT_98) if least <= freedom)
    return float(factor * (squares / freedom * sum(1 / count for count in counts)) ** 0.5)


def _rank(difference: Difference, before: Variant, after: Variant) -> tuple[bool, int, float, int]:
    """Sorts what is named first: wall time, states by what they are of the threads' time, the rest."""
    measure = difference.measure
    named = difference.exceeds_noise is not False and difference.matters
    if measure in STATE_MEASURES:
        size, place = max(_lifetime(before), _lifetime(after)), TELLING.index(State(measure.key))
    else:
        size = max(abs(difference.before.median), abs(difference.after.median))
        place = MEASURES.index(measure)
    share = round(abs(difference.amount) / size, 3) if size else 0.0
    headline = measure is BY_KEY["wall"] and (difference.exceeds_noise or share >= NOTICED)
    kind = 0 if headline else 1 if measure in STATE_MEASURES else 2
    return (not named, kind, -share, place)


def _lifetime(variant: Variant) -> float:
    return statistics.median(run.lifetime_s for run in variant.runs)


def _main_pool(before: Variant, after: Variant, measure: Measure) -> str:
    """The pool in which most of a state's change happened; empty where there is none, or only one."""
    if measure not in STATE_MEASURES:
        return ""
    changes = {
        row.label: row.after.get(measure.key, 0.0) - row.before.get(measure.key, 0.0)
        for row in pool_rows(before, after)
    }
    total = sum(changes.values())
    largest = max(changes, key=lambda label: (abs(changes[label]), label), default="")
    if len(changes) < len((before, after)) or not total or changes[largest] / total < MOST_OF_IT:
        return ""
    return largest


@dataclass(frozen=True)
class PoolRow:
    """A pool of threads in two variants: its median seconds by state, empty where it is not there."""

    label: str
    before: dict[str, float]
    after: dict[str, float]


def pool_rows(before: Variant, after: Variant) -> list[PoolRow]:
    """The pools of both variants, matched by name."""
    names = pool_labels((before, after))
    return [
        PoolRow(label, pool_states(before, pool), pool_states(after, pool)) for pool, label in names.items()
    ]


def pool_labels(variants: Sequence[Variant]) -> dict[str, str]:
    """Pool -> how it is shown, in the order of the runs: a thread that is alone everywhere keeps its name."""
    found: dict[str, set[str]] = {}
    for variant in variants:
        for run in variant.runs:
            for pool in run.pools:
                found.setdefault(pool.name, set()).add(pool.sole)
    return {pool: next(iter(soles)) or pool if len(soles) == 1 else pool for pool, soles in found.items()}


def pool_states(variant: Variant, pool: str) -> dict[str, float]:
    """The pool's median seconds by state over the runs of a variant; a run without it counts as none."""
    found = [{p.name: p.states_s for p in run.pools}.get(pool, {}) for run in variant.runs]
    if not any(found):
        return {}
    keys = [measure.key for measure in STATE_MEASURES]
    return {key: statistics.median(states.get(key, 0.0) for states in found) for key in keys}


def pool_threads(variant: Variant, pool: str) -> float:
    """The median number of the pool's threads."""
    return statistics.median({p.name: p.threads for p in run.pools}.get(pool, 0) for run in variant.runs)
