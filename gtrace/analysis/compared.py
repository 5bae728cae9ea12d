"""A comparison as a dictionary that can be written as JSON; keys are only ever added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gtrace.analysis.compare import pool_labels, pool_states, pool_threads
from gtrace.analysis.measures import MEASURES
from gtrace.analysis.variants import cautions, settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gtrace.analysis.compare import Comparison, Difference, Variant
    from gtrace.analysis.measures import Measure
    from gtrace.analysis.variants import Sorted

VERSION: Final = 1


def as_data(found: Sequence[Sorted], comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """The variants with all their numbers, and each of them against the first."""
    variants = [one.variant for one in found]
    labels = pool_labels(variants)
    return {
        "version": VERSION,
        "variants": [_variant(one, labels) for one in found],
        "comparisons": [_comparison(comparison) for comparison in comparisons],
        "notes": cautions(variants),
    }


def _variant(one: Sorted, labels: dict[str, str]) -> dict[str, Any]:
    variant = one.variant
    run = variant.runs[0].run
    return {
        "name": variant.name,
        "recordings": [str(path) for path in one.paths],
        "command": list(run.command),
        "python": {
            "version": run.python_version,
            "implementation": run.implementation,
            "free_threaded": run.free_threaded,
        },
        "settings": dict(settings_of(run)),
        "verdicts": dict(variant.verdicts()),
        "measures": {measure.key: _measure(variant, measure) for measure in MEASURES},
        "pools": [
            {"name": label, "threads": pool_threads(variant, pool), "states_s": pool_states(variant, pool)}
            for pool, label in labels.items()
            if pool_states(variant, pool)
        ],
        "notes": list(dict.fromkeys(note for measured in variant.runs for note in measured.run.notes)),
    }


def _measure(variant: Variant, measure: Measure) -> dict[str, Any]:
    spread = variant.spread(measure.key)
    return {
        "unit": measure.unit.value,
        "values": [run.figures[measure.key].value for run in variant.runs],
        "median": spread.median if spread else None,
        "low": spread.low if spread else None,
        "high": spread.high if spread else None,
        "why": variant.why_not(measure.key) or None,
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "from": comparison.before.name,
        "to": comparison.after.name,
        "verdict_change": comparison.verdict_change or None,
        "differences": [_difference(difference) for difference in comparison.differences],
        "not_comparable": {measure.key: why for measure, why in comparison.not_comparable},
    }


def _difference(difference: Difference) -> dict[str, Any]:
    before, after = difference.before.median, difference.after.median
    return {
        "measure": difference.measure.key,
        "unit": difference.measure.unit.value,
        "from": before,
        "to": after,
        "change": after - before,
        "relative": (after - before) / before if before else None,
        "noise": difference.noise,
        "exceeds_noise": difference.exceeds_noise,
        "matters": difference.matters,
        "pool": difference.pool or None,
        "text": difference.text,
    }
