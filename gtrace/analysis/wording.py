"""Amounts and changes as a reader sees them."""

from __future__ import annotations

from typing import Final

from gtrace.analysis.measures import Unit

ROUNDS_UP: Final = 0.9995
"""From this share of a unit on, three digits round up to the whole unit."""
TIMES: Final = 3.0
"""From so many times as much on, a change is told as a factor and not in percent."""
SMALLEST_S: Final = 1e-9
SMALLEST_SHARE: Final = 0.001
ROUGH_CORES: Final = 0.1
"""From so many cores in use on, two places after the point say enough."""
ONE_PLACE: Final = 0.0995
"""Below this share a percentage has a place after the point."""


def amount(value: float, unit: Unit) -> str:
    """A value with its unit, three digits where they say something."""
    if unit is Unit.SECONDS:
        return seconds(value)
    if unit is Unit.CORES:
        return f"{value:.{2 if value >= ROUGH_CORES or not value else 3}f}"
    if unit is Unit.PER_SECOND:
        return f"{digits(value)}/s"
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def band(low: float, high: float, unit: Unit) -> str:
    """From lowest to highest, the unit once where both have the same: ``1.12–1.36 s``."""
    first, last = amount(low, unit), amount(high, unit)
    number, _, name = first.rpartition(" ")
    return f"{number}–{last}" if number and last.endswith(f" {name}") else f"{first}–{last}"


def seconds(value: float) -> str:
    """A duration in the unit that suits its size."""
    size = abs(value)
    if size < SMALLEST_S:
        return "0 s"
    for limit, scale, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1.0, 1e3, "ms")):
        if size < limit * ROUNDS_UP:
            return f"{digits(value * scale)} {unit}"
    return f"{digits(value)} s"


def digits(value: float) -> str:
    """Three significant digits, thousands apart, never an exponent."""
    size = abs(value)
    places = 0 if size >= 100 * ROUNDS_UP else 1 if size >= 10 * ROUNDS_UP else 2
    return f"{value:,.{places}f}" if value else "0"


def percent(share: float) -> str:
    """A share of one; what is there but small never reads 0 %, nor what lacks a little 100 %."""
    size = abs(share)
    if 0 < size < SMALLEST_SHARE:
        return "<0.1 %"
    if 1 - SMALLEST_SHARE < size < 1:
        return ">99.9 %"
    return f"{size * 100:.{1 if 0 < size < ONE_PLACE else 0}f} %"


def change(before: float, after: float) -> str:
    """From one value to another: ``−74 %``, ``×12``, or ``from none``."""
    if before == after:
        return "no change"
    if before <= 0:
        return "from none"
    if after <= 0:
        return "to none"
    if after / before >= TIMES:
        return f"×{digits(after / before)}"
    return f"{'+' if after > before else '−'}{percent(after / before - 1)}"
