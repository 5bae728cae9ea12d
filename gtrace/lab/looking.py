"""What several checks look at: times in states, and numbers with their spread as words."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from gtrace.analysis.summary import state_seconds
from gtrace.lab.claims import CannotTell
from gtrace.model import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from gtrace.model import State
    from gtrace.timeline import Timeline


def lanes_named(timeline: Timeline, prefix: str) -> list[int]:
    """The lanes of the threads whose names start with ``prefix``, in the order of their starts.

    Raises CannotTell where there is none.
    """
    names = timeline.threads["name"].astype(str)
    lanes = [int(lane) for lane in timeline.threads.index[names.str.startswith(prefix)]]
    if not lanes:
        raise CannotTell(f"no thread called {prefix}… was seen")
    return lanes


def seconds_in(timeline: Timeline, lanes: Iterable[int], *states: State) -> float:
    """How long the threads of ``lanes`` were in ``states``, added up."""
    table: pd.DataFrame = state_seconds(timeline)
    return float(table.loc[[*lanes], [state.value for state in states]].to_numpy().sum())


def span_of(timeline: Timeline, lanes: Iterable[int]) -> tuple[float, float]:
    """When the first of ``lanes`` starts and the last one ends, in seconds of the recording."""
    threads = timeline.threads.loc[[*lanes]]
    return float(threads["start_ns"].min()) / NS_PER_S, float(threads["end_ns"].max()) / NS_PER_S


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """The median, and where there is more than one value the least and the greatest, as text."""
    middle = format(median(values), form)
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):{form}} to {max(values):{form}})"
