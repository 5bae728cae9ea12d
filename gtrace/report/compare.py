"""The page of a comparison: what differs in words, all numbers side by side, and the runs on one axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from gtrace.analysis.compare import pool_labels, pool_states, pool_threads
from gtrace.analysis.measures import MEASURES, STATE_MEASURES, Unit
from gtrace.analysis.variants import cautions, differing_settings
from gtrace.analysis.wording import amount, band, change
from gtrace.model import MEANING, NS_PER_S, State
from gtrace.report import facts
from gtrace.report.escape import prose, safe_text, script_json
from gtrace.report.frame import About, frame
from gtrace.report.legend import evidence_entries, state_entries
from gtrace.report.palette import LABELS
from gtrace.report.part import MOST_BYTES, fitting_part
from gtrace.report.script import bundle
from gtrace.report.template import template
from gtrace.timeline.labels import thread_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gtrace.analysis.compare import Comparison, Difference, Spread, Variant
    from gtrace.analysis.measures import Measure
    from gtrace.report.part import Part
    from gtrace.timeline.timeline import Timeline

COMPARE_SCRIPTS: Final = (
    "format.js", "unpack.js", "store.js", "aggregate.js", "gil.js", "groups.js", "view.js", "navigate.js",
    "theme.js", "charts.js", "draw.js", "strips.js", "joins.js", "tooltip.js", "find.js", "marks.js",
    "lanes.js", "timeline.js", "runs.js", "runsgestures.js", "comparison.js",
)  # fmt: skip
"""The page's modules, each after those it imports."""
VARIANT_COLOURS: Final = 6
"""So many variants have a colour of their own; further ones begin again, and all have their names."""
MOST_POOLS: Final = 24
"""Pools shown, those with most time first; the number of the others is told."""
MOST_NAMED: Final = 12
NOT_KNOWN: Final = "not known"


@dataclass(frozen=True)
class Shown:
    """A variant, and the run of it that the page draws."""

    variant: Variant
    number: int
    timeline: Timeline


def render_comparison(shown: Sequence[Shown], comparisons: Sequence[Comparison]) -> str:
    """The page, as text that asks for nothing else; the same comparison gives the same text."""
    return template("compare.html").render(_context(shown, comparisons))


def _context(shown: Sequence[Shown], comparisons: Sequence[Comparison]) -> dict[str, Any]:
    variants = [one.variant for one in shown]
    names = [safe_text(variant.name) for variant in variants]
    parts = [fitting_part(one.timeline, None, MOST_BYTES // len(shown)) for one in shown]
    runs = [{**_run_config(part.timeline), "columns": part.packed.header} for part in parts]
    config = {"runs": runs, "states": state_entries(), "evidence": evidence_entries()}
    first = variants[0].runs[0].run
    return {
        "names": names,
        **frame(_about(shown, comparisons), "compare.css"),
        "started": facts.started(first),
        "pythons": _pythons(variants),
        "cautions": [prose(caution) for caution in cautions(variants)],
        "comparisons": [_told(comparison) for comparison in comparisons],
        "settings": [
            (label, [safe_text(value) for value in values]) for label, values in differing_settings(variants)
        ],
        "rows": _rows(variants, comparisons),
        "bars": _bars(variants),
        "pools": _pools(variants)[:MOST_POOLS],
        "pools_left": max(0, len(pool_labels(variants)) - MOST_POOLS),
        "runs": [_run(one, part) for one, part in zip(shown, parts, strict=True)],
        "details": [_details(variant) for variant in variants],
        "states": [(state.value, LABELS[state], MEANING[state]) for state in State],
        "colours": VARIANT_COLOURS,
        "config": Markup(script_json(config)),  # noqa: S704 - escaped there
        "blobs": [part.packed.blob for part in parts],
        "script": bundle(COMPARE_SCRIPTS),
    }


def _about(shown: Sequence[Shown], comparisons: Sequence[Comparison]) -> About:
    variants = [one.variant for one in shown]
    names = [safe_text(variant.name) for variant in variants]
    sentences = [line for comparison in comparisons for line in _sentences(comparison)]
    first = variants[0].runs[0].run
    return About(
        version=safe_text(first.gtrace_version),
        title=" → ".join(names) if len(names) == len(("one", "two")) else " · ".join(names),
        command=facts.command_line(first),
        started=first.started_at,
        python=", ".join(_pythons(variants)),
        verdict_code="comparison",
        verdict=safe_text("; ".join(sentences[:2]) or comparisons[0].nothing_named),
    )


def _pythons(variants: Sequence[Variant]) -> list[str]:
    return list(dict.fromkeys(facts.python_of(variant.runs[0].run) for variant in variants))


def _run_config(timeline: Timeline) -> dict[str, Any]:
    """What the lanes of a run, and the words under the pointer, are made of."""
    labels = thread_labels(timeline.threads, timeline.run.pids)
    return {
        "duration": int(timeline.run.duration),
        "joins": [],
        "threads": [
            {
                "name": safe_text(label) or f"thread {row['tid']}",
                "tid": int(row["tid"]),
                "daemon": bool(row["daemon"]),
                "target": safe_text(str(row["target"])),
                "start": int(row["start_ns"]),
                "end": int(row["end_ns"]),
                "native": row["kind"] == "native",
                "started": row["kind"] == "native" and row["pid"] not in timeline.run.pids,
            }
            for label, row in zip(labels, timeline.threads.to_dict("records"), strict=True)
        ],
    }


def _sentences(comparison: Comparison) -> list[str]:
    change = [comparison.verdict_change] if comparison.verdict_change else []
    return [*(difference.text for difference in comparison.named), *change]


def _told(comparison: Comparison) -> dict[str, Any]:
    """What differs between two variants, in words, and the verdict of each."""
    named = comparison.named
    return {
        "before": safe_text(comparison.before.name),
        "after": safe_text(comparison.after.name),
        "has_noise": comparison.has_noise,
        "named": [_difference(difference) for difference in named[:MOST_NAMED]],
        "left": max(0, len(named) - MOST_NAMED),
        "nothing": comparison.nothing_named,
        "within": [d.measure.label for d in comparison.differences if d.matters and d not in named],
        "not_comparable": [(m.label, safe_text(why)) for m, why in comparison.not_comparable],
        "verdict_changed": bool(comparison.verdict_change),
        "verdicts": [_verdict(comparison.before), _verdict(comparison.after)],
    }


def _verdict(variant: Variant) -> dict[str, str]:
    """The verdicts of the runs by their codes, and the commonest in full."""
    counts = variant.verdicts().most_common()
    several = len(variant.runs) > 1
    codes = [
        code.replace("_", " ") + (f" ({count} of {len(variant.runs)} runs)" if several else "")
        for code, count in counts
    ]
    text = next(run.verdict.text for run in variant.runs if run.verdict.code == counts[0][0])
    return {"name": safe_text(variant.name), "codes": ", ".join(codes), "text": safe_text(text)}


def _difference(difference: Difference) -> dict[str, str]:
    before, after, unit = difference.before.median, difference.after.median, difference.measure.unit
    details = difference.text.partition("), ")[2]
    return {
        "key": difference.measure.key,
        "label": difference.measure.label,
        "from": amount(before, unit),
        "to": amount(after, unit),
        "change": change(before, after),
        "details": safe_text(details),
    }


def _rows(variants: Sequence[Variant], comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """A row a measure, in the order of the first comparison: what differs is on top."""
    order = [difference.measure for difference in comparisons[0].differences]
    order += [measure for measure in MEASURES if measure not in order]
    named = {d.measure for comparison in comparisons if comparison.has_noise for d in comparison.named}
    rows = []
    for measure in order:
        spreads = [variant.spread(measure.key) for variant in variants]
        if all(spread is not None and spread.high <= 0 for spread in spreads):
            continue
        rows.append({
            "key": measure.key,
            "label": measure.label,
            "named": measure in named,
            "cells": [_cell(v, measure, s) for v, s in zip(variants, spreads, strict=True)],
            "strip": _strip(spreads),
        })  # fmt: skip
    return rows


def _cell(variant: Variant, measure: Measure, spread: Spread | None) -> dict[str, str]:
    if spread is None:
        return {"value": NOT_KNOWN, "band": "", "why": safe_text(variant.why_not(measure.key))}
    several = len(spread.values) > 1 and spread.low < spread.high
    return {
        "value": amount(spread.median, measure.unit),
        "band": band(spread.low, spread.high, measure.unit) if several else "",
        "why": "",
    }


def _strip(spreads: Sequence[Spread | None]) -> list[dict[str, Any]]:
    """Where each run lies between nothing and the largest of all, in percent."""
    largest = max((spread.high for spread in spreads if spread), default=0.0) or 1.0
    return [
        {
            "number": number % VARIANT_COLOURS,
            "low": _percent(spread.low / largest),
            "wide": _percent((spread.high - spread.low) / largest),
            "median": _percent(spread.median / largest) if len(spread.values) > 1 else "",
            "dots": [_percent(value / largest) for value in spread.values],
        }
        if spread
        else {"number": number % VARIANT_COLOURS, "dots": []}
        for number, spread in enumerate(spreads)
    ]


def _percent(share: float) -> str:
    return f"{share * 100:.2f}"


def _bars(variants: Sequence[Variant]) -> list[dict[str, Any]]:
    """The time of all threads by state, a bar a variant, on one scale."""
    keys = [measure.key for measure in STATE_MEASURES]
    found = [{key: _median_state(variant, key) for key in keys} for variant in variants]
    longest = max((sum(states.values()) for states in found), default=0.0) or 1.0
    return [_bar(safe_text(v.name), states, longest) for v, states in zip(variants, found, strict=True)]


def _median_state(variant: Variant, key: str) -> float:
    """Also of a state that is not fully known: what was seen of it is drawn."""
    sums = sorted(sum(pool.states_s.get(key, 0.0) for pool in run.pools) for run in variant.runs)
    middle = len(sums) // 2
    return sums[middle] if len(sums) % 2 else (sums[middle - 1] + sums[middle]) / 2


def _bar(label: str, states: dict[str, float], longest: float) -> dict[str, Any]:
    parts = [
        {
            "state": state.value,
            "wide": _percent(states[state.value] / longest),
            "title": f"{LABELS[state]}: {amount(states[state.value], Unit.SECONDS)}",
        }
        for state in State
        if states.get(state.value, 0.0) > 0
    ]
    return {"label": label, "parts": parts, "total": amount(sum(states.values()), Unit.SECONDS)}


def _pools(variants: Sequence[Variant]) -> list[dict[str, Any]]:
    """The pools with most time first; in each a bar a variant."""
    found = []
    for pool, label in pool_labels(variants).items():
        states = [pool_states(variant, pool) for variant in variants]
        threads = [pool_threads(variant, pool) for variant in variants]
        found.append((max(sum(s.values()) for s in states), label, states, threads))
    found.sort(key=lambda row: (-row[0], row[1]))
    longest = found[0][0] if found and found[0][0] else 1.0
    names = [safe_text(variant.name) for variant in variants]
    return [
        {
            "label": safe_text(label) or "(no name)",
            "bars": [
                {**_bar(name, one, longest), "threads": _threads(count)}
                for name, one, count in zip(names, states, threads, strict=True)
            ],
        }
        for _, label, states, threads in found
    ]


def _threads(count: float) -> str:
    return "1 thread" if count == 1 else f"{amount(count, Unit.COUNT)} threads" if count else "none"


def _run(one: Shown, part: Part) -> dict[str, str]:
    runs = len(one.variant.runs)
    which = f"run {one.number + 1} of {runs}, of median length" if runs > 1 else "the only run"
    wall = amount(int(one.timeline.run.duration) / NS_PER_S, Unit.SECONDS)
    if part.span is not None:
        which += f", drawn to {amount(part.span.end / NS_PER_S, Unit.SECONDS)} to keep the page small"
    return {"name": safe_text(one.variant.name), "which": which, "wall": wall}


def _details(variant: Variant) -> dict[str, Any]:
    run = variant.runs[0].run
    notes = dict.fromkeys(note for measured in variant.runs for note in measured.run.notes)
    return {
        "name": safe_text(variant.name),
        "environment": facts.environment(run),
        "evidence": [(row.source, row.quality, row.detail) for row in facts.evidence_rows(run)],
        "notes": [prose(note) for note in notes],
    }
