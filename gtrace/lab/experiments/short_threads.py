"""Threads that end within a switch interval: nobody makes them give the GIL up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gtrace.analysis.holds import hold_table
from gtrace.lab.claims import CannotTell, Experiment, Figure, Finding, Outcome, Run
from gtrace.lab.looking import lanes_named
from gtrace.model import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from gtrace.lab.claims import Observation

MOST_OF_THEM: Final = 0.5
TAKEN_OFF: Final = (
    "A thread that other programs kept from a core while it had the GIL was not short, and does not count."
)


def threads_called(observation: Observation, prefix: str) -> pd.DataFrame:
    """A row a thread of that name: ``longest_s``, its longest time with the GIL, and ``forced``.

    Raises CannotTell where it is not known how often they had to give the GIL up.
    """
    timeline = observation.timeline
    threads = timeline.threads.loc[lanes_named(timeline, prefix)]
    if (threads["gil_forced_releases"] < 0).any():
        raise CannotTell(f"how often the threads called {prefix}… had to give the GIL up was not seen")
    holds = hold_table(timeline)
    longest = ((holds["end_ns"] - holds["start_ns"]) / NS_PER_S).groupby(holds["lane"]).max()
    return threads.assign(
        longest_s=longest.reindex(threads.index, fill_value=0.0), forced=threads["gil_forced_releases"]
    )


def check(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """No thread has to give the GIL up that had it for less than a switch interval; others have to."""
    runs = observations["threads"]
    interval = runs[0].timeline.run.switch_interval_s
    short = [threads_called(run, "short-") for run in runs]
    within = [threads[(threads["longest_s"] < interval).to_numpy()] for threads in short]
    started, ended = (sum(map(len, tables)) for tables in (short, within))
    forced = tuple(float(threads["forced"].sum()) for threads in within)
    others = tuple(float(threads_called(run, "long-")["forced"].sum()) for run in runs)
    if ended < MOST_OF_THEM * started or not min(others):
        raise CannotTell("too few threads were short, or no long one had to give the GIL up")
    return Finding(
        Outcome.FAILS if any(forced) else Outcome.HOLDS,
        f"Of {started} short threads {ended} never had the GIL for a switch interval, and had to give it up"
        f" {sum(forced):.0f} times; threads with more to do had to {sum(others):.0f} times.",
        (
            Figure("short threads: had to give the GIL up", forced),
            Figure("long threads: had to give the GIL up", others),
        ),
    )


EXPERIMENT: Final = Experiment(
    name="short_threads",
    claim="Threads that end within a switch interval are never switched.",
    source="often told, to explain why the output of small examples never mixes",
    runs=(Run("threads", "short_threads", repeats=3, light=True),),
    check=check,
    needs=("gil",),
    without_gil=False,
    notes=(TAKEN_OFF,),
)
