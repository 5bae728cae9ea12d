"""Measured runs for tests of comparisons: two threads, of which one waits for the GIL and then sleeps."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import PurePath

from timelines import EXACT_RUN, timeline

from gtrace.analysis.compare import Variant
from gtrace.analysis.measuring import measure
from gtrace.analysis.variants import Recorded

FREE_RUN = replace(EXACT_RUN, free_threaded=True)
LIGHT_RUN = replace(EXACT_RUN, evidence={**EXACT_RUN.evidence, "calls": "none: left out by --light"})


@cache
def contended(waits, wall=100):
    """Two threads, of which ``w-1`` waits so many ms for the GIL and then sleeps."""
    return contended_in(EXACT_RUN, waits, wall)


def contended_in(run, waits, wall=100):
    return measure(
        timeline(f"main 0-{wall} running f\nw-1 0-{waits} gil_wait g <- main\nw-1 {waits}-{wall} sleep", run)
    )


def variant(name, *waits, **options):
    return Variant(name, tuple(contended(ms, **options) for ms in waits))


def recorded(path, name="", run=EXACT_RUN):
    return Recorded(PurePath(path), contended_in(run, 10), name)
