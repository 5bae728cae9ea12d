"""The options that choose the part of a run a page is of."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Final

from gtrace.errors import UsageError
from gtrace.model import NS_PER_S, TimeNs

if TYPE_CHECKING:
    from gtrace.report import Span

HELP: Final = "show the run from S seconds on; numbers and verdict at the top stay those of all of it"
HELP_TO: Final = "show the run until S seconds"


def add_span_options(parser: argparse.ArgumentParser) -> None:
    """Adds ``--from`` and ``--to``."""
    parser.add_argument("--from", dest="begin", type=_seconds, metavar="S", help=HELP)
    parser.add_argument("--to", dest="end", type=_seconds, metavar="S", help=HELP_TO)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"not a time in seconds since the start: {text}")
    return value


def require_sense(begin: float | None, end: float | None) -> None:
    """Raises UsageError where nothing can lie between the two, s."""
    if end is not None and end <= (begin or 0.0):
        raise UsageError(f"nothing to show: --to {end:g} is not after --from {begin or 0.0:g}: swap them")


def span_of(begin: float | None, end: float | None, duration: TimeNs) -> Span | None:
    """What the options, in s, choose of a run of ``duration``; None for all of it."""
    from gtrace.report import Span

    if begin is None and end is None:
        return None
    first = TimeNs(round((begin or 0.0) * NS_PER_S))
    if first >= duration:
        lasted = duration / NS_PER_S
        raise UsageError(f"nothing to show: the run lasted {lasted:.3f} s: give a --from before that")
    last = duration if end is None else TimeNs(min(round(end * NS_PER_S), duration))
    return Span(first, last)
