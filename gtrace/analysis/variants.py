"""Which recordings are repeats of one thing, and what each such variant is called."""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from gtrace.analysis.compare import Variant
from gtrace.analysis.wording import percent, seconds
from gtrace.errors import UsageError
from gtrace.model import Source, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gtrace.analysis.measuring import Measured
    from gtrace.timeline.timeline import RunInfo

REPEAT: Final = re.compile(r"[-_][0-9]+$")
"""The end of a name by which repeats differ: ``before-1``, ``before-2``."""


MUCH_UNKNOWN: Final = 0.01
UNEVEN: Final = 0.1
"""From this difference in the share of preempted time on, the machine may have made the difference."""


@dataclass(frozen=True)
class Recorded:
    """One recording to compare: where it lies, its numbers, and the variant's name where one was given."""

    path: PurePath
    measured: Measured
    name: str = ""


@dataclass(frozen=True)
class Sorted:
    """A variant and where its recordings lie, in the order of its runs."""

    variant: Variant
    paths: tuple[PurePath, ...]

    @property
    def typical_run(self) -> int:
        """The number of the run whose length is the median (of an even number, the shorter middle one)."""
        lengths = [int(run.run.duration) for run in self.variant.runs]
        order = sorted(range(len(lengths)), key=lambda number: (lengths[number], number))
        return order[(len(order) - 1) // 2]


def sort_variants(recordings: Sequence[Recorded]) -> tuple[Sorted, ...]:
    """The variants in the order they were given.

    Named recordings belong to the variant of that name. Others are repeats of each other where command,
    interpreter and options are equal and their names differ in a number at the end only (``before-1``,
    ``before-2``); where that would leave a single variant, each recording is one of its own.
    Raises UsageError where there is nothing to compare.
    """
    keys = [(r.name, *(() if r.name else _likeness(r))) for r in recordings]
    if len(set(keys)) == 1 and not recordings[0].name:
        keys = [(r.name, str(r.path)) for r in recordings]
    groups: dict[tuple[object, ...], list[Recorded]] = {}
    for key, recording in zip(keys, recordings, strict=True):
        groups.setdefault(key, []).append(recording)
    if len(groups) == 1:
        raise UsageError("nothing to compare with: one variant only: give recordings of another one as well")
    names = _names([*groups.values()])
    return tuple(
        Sorted(Variant(name, tuple(r.measured for r in group)), tuple(r.path for r in group))
        for name, group in zip(names, groups.values(), strict=True)
    )


def _likeness(recording: Recorded) -> tuple[object, ...]:
    """What repeats have in common."""
    run = recording.measured.run
    settings = tuple(value for _, value in settings_of(run))
    return _without_number(recording.path), run.cwd, run.executable, settings


def _without_number(path: PurePath) -> str:
    return str(path.parent / REPEAT.sub("", path.stem))


def _names(groups: list[list[Recorded]]) -> list[str]:
    """A name for each: the one given, else its file's as short as tells it from the others."""
    full = [group[0].name or _file_name(group) for group in groups]
    if len(set(full)) < len(full):
        full = [group[0].name or str(group[0].path.with_suffix("")) for group in groups]
    parts = [
        (name,) if group[0].name else PurePath(name).parts for name, group in zip(full, groups, strict=True)
    ]
    for length in range(1, max(map(len, parts)) + 1):
        short = ["/".join(part[-length:]) for part in parts]
        if len(set(short)) == len(short):
            return short
    return full


def _file_name(group: list[Recorded]) -> str:
    """Of repeats what their names have in common."""
    path = group[0].path
    return _without_number(path) if len(group) > 1 else str(path.with_suffix(""))


def settings_of(run: RunInfo) -> tuple[tuple[str, str], ...]:
    """How a program was run, as label and value."""
    python = f"{run.implementation} {run.python_version}".strip()
    calls = run.evidence.get(Source.CALLS.value, "")
    return (
        ("command", " ".join(run.command)),
        ("interpreter", python + (", free-threaded" if run.free_threaded else "")),
        ("switch interval", "none" if run.free_threaded else seconds(run.switch_interval_s)),
        ("cores", str(run.cores)),
        ("platform", run.platform),
        ("calls", "recorded" if calls.startswith("exact") else "not recorded"),
    )


def differing_settings(variants: Sequence[Variant]) -> list[tuple[str, tuple[str, ...]]]:
    """The settings in which the variants differ: label, and the value of each."""
    found = [dict(settings_of(variant.runs[0].run)) for variant in variants]
    rows = [(label, tuple(settings[label] for settings in found)) for label in found[0]]
    return [(label, values) for label, values in rows if len(set(values)) > 1]


def cautions(variants: Sequence[Variant]) -> list[str]:
    """What a reader must know before believing the comparison, each a full sentence."""
    found = []
    free = [variant.name for variant in variants if variant.runs[0].run.free_threaded]
    if free and len(free) < len(variants):
        found.append(
            f"{', '.join(free)}: free-threaded, there is no GIL; GIL held, GIL wait, hand-offs, holds and"
            " stalls cannot be compared, and running means on a core."
        )
    single = [variant.name for variant in variants if len(variant.runs) == 1]
    if len(single) == len(variants):
        found.append(
            "One recording of each: there is no telling a difference from noise. Record repeats"
            " (NAME-1, NAME-2, NAME-3) and give them all."
        )
    elif single:
        found.append(f"{', '.join(single)}: one recording only; the noise is that of the others.")
    without = [variant.name for variant in variants if not _has_calls(variant)]
    if without and len(without) < len(variants):
        found.append(
            f"{', '.join(without)}: no evidence of calls, whose recording takes time of its own;"
            " I/O and sleep are blocked there."
        )
    found += _uneven_machine(variants)
    for variant in variants:
        found += _gaps(variant)
    return found


def _uneven_machine(variants: Sequence[Variant]) -> list[str]:
    """A machine that was busier for one variant than for another makes differences of its own."""
    shares = {variant.name: _share_of(variant, State.PREEMPTED) for variant in variants}
    known = {name: share for name, share in shares.items() if share is not None}
    if not known or max(known.values()) - min(known.values()) < UNEVEN:
        return []
    told = ", ".join(f"{name} {percent(share)}" for name, share in known.items())
    note = (
        f"Of the threads' time the operating system gave the core to others: {told}. If that was not the"
        " program's own doing, the machine made a difference: record the variants by turns on a quiet one."
    )
    return [note]


def _share_of(variant: Variant, state: State) -> float | None:
    spread = variant.spread(state.value)
    lifetime = statistics.median(run.lifetime_s for run in variant.runs)
    return spread.median / lifetime if spread and lifetime else None


def _has_calls(variant: Variant) -> bool:
    return all(run.run.evidence.get(Source.CALLS.value, "").startswith("exact") for run in variant.runs)


def _gaps(variant: Variant) -> list[str]:
    """What is not known of a variant, or may not have happened in it."""
    found = []
    unknown = _share_of(variant, State.UNKNOWN) or 0.0
    if unknown > MUCH_UNKNOWN:
        found.append(
            f"{variant.name}: {percent(unknown)} of the threads' time is unknown; the other states lasted"
            " at least as long as shown."
        )
    statuses = sorted({run.run.exit_status for run in variant.runs if run.run.exit_status})
    if statuses:
        found.append(
            f"{variant.name}: exit status {', '.join(map(str, statuses))}; it may not have done all its work."
        )
    if any(run.run.exit_status is None for run in variant.runs):
        found.append(f"{variant.name}: nobody saw the end of a run; its wall time is not known.")
    return found
