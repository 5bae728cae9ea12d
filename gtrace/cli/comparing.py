"""A comparison as a person reads it in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from gtrace.analysis.measures import MEASURES
from gtrace.analysis.variants import cautions, differing_settings
from gtrace.analysis.wording import amount, band
from gtrace.cli.console import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from gtrace.analysis.compare import Comparison, Variant
    from gtrace.analysis.measures import Measure
    from gtrace.analysis.variants import Sorted

MOST_NAMED: Final = 8
"""Differences told in words; the table has them all."""
PADDING: Final = 2


def show_comparison(found: Sequence[Sorted], comparisons: Sequence[Comparison], console: Console) -> None:
    """Prints what differs in words, then all numbers side by side, then what to be careful about."""
    variants = [one.variant for one in found]
    for comparison in comparisons:
        _show_differences(comparison, console)
    console.print(_table(variants, comparisons, console.width))
    for label, values in differing_settings(variants):
        told = " → ".join(clean(value) for value in values)
        console.print(Text(f"{label}: {told}", style="dim"), soft_wrap=True)
    for note in cautions(variants):
        console.print(Text(f"note: {clean(note)}", style="yellow"), soft_wrap=True)
    for variant in variants:
        for note in dict.fromkeys(note for run in variant.runs for note in run.run.notes):
            console.print(Text(f"note: {clean(variant.name)}: {clean(note)}", style="yellow"), soft_wrap=True)


def heading(comparison: Comparison) -> str:
    """The two variants: ``before (3 runs) → after (3 runs)``."""
    return " → ".join(f"{v.name} ({_runs(v)})" for v in (comparison.before, comparison.after))


def _runs(variant: Variant) -> str:
    return "1 run" if len(variant.runs) == 1 else f"{len(variant.runs)} runs"


def _show_differences(comparison: Comparison, console: Console) -> None:
    console.print(Text(clean(heading(comparison)), style="bold"), soft_wrap=True)
    named = comparison.named
    if not comparison.has_noise:
        console.print(Text("  seen, without repeats to tell it from noise:", style="dim"))
    lines = [comparison.verdict_change] if comparison.verdict_change else []
    lines += [difference.text for difference in named[:MOST_NAMED]]
    for line in lines or [comparison.nothing_named]:
        console.print(Text(f"  {clean(line)}"), soft_wrap=True)
    if len(named) > MOST_NAMED:
        console.print(Text(f"  … and {len(named) - MOST_NAMED} more, see the table", style="dim"))
    console.print()


def _table(variants: Sequence[Variant], comparisons: Sequence[Comparison], width: int) -> Table:
    """A row a measure; the bands are left out where they would not fit on a line."""
    told = [measure for measure in MEASURES if any(variant_has(variant, measure) for variant in variants)]
    cells = {measure: [cell(variant, measure) for variant in variants] for measure in told}
    first = "median (lowest–highest)"
    if _room(first, variants, cells) > width:
        first = "median"
        cells = {measure: [text.partition(" (")[0] for text in row] for measure, row in cells.items()}
    table = Table(box=None, padding=(0, PADDING, 0, 0), header_style="dim")
    table.add_column(first)
    for variant in variants:
        table.add_column(Text(clean(variant.name)), justify="right")
    named = {d.measure for comparison in comparisons if comparison.has_noise for d in comparison.named}
    for measure, row in cells.items():
        style = "bold" if measure in named else ""
        table.add_row(Text(measure.label, style), *(Text(text, style) for text in row))
    table.add_row("verdict", *(Text(" ".join(variant.verdicts())) for variant in variants))
    return table


def _room(first: str, variants: Sequence[Variant], cells: dict[Measure, list[str]]) -> int:
    """How wide the table would be."""
    columns = [
        [variant.name, *(row[number] for row in cells.values())] for number, variant in enumerate(variants)
    ]
    return len(first) + sum(max(map(len, column)) + PADDING for column in columns) + PADDING


def variant_has(variant: Variant, measure: Measure) -> bool:
    """Whether there is anything of the measure, or it is not known: what is zero everywhere is left out."""
    spread = variant.spread(measure.key)
    return spread is None or spread.high > 0


def cell(variant: Variant, measure: Measure) -> str:
    """``0.31 s (0.30–0.33)``, or that it is not known."""
    spread = variant.spread(measure.key)
    if spread is None:
        return "not known"
    text = amount(spread.median, measure.unit)
    if len(spread.values) == 1 or spread.low == spread.high:
        return text
    return f"{text} ({band(spread.low, spread.high, measure.unit)})"
