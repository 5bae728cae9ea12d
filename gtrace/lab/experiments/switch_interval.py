"""The switch interval: what it is unless set, how long a turn is, and what it does not do."""

from __future__ import annotations

import json
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gtrace.analysis.holds import hold_table
from gtrace.lab.claims import CannotTell, Chart, Curve, Experiment, Figure, Finding, Outcome, Run, Table
from gtrace.lab.looking import lanes_named
from gtrace.model import NS_PER_S, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gtrace.lab.claims import Observation
    from gtrace.timeline import Timeline

DEFAULT_S: Final = 0.005
INTERVALS_S: Final = (0.001, 0.005, 0.02)
MICROSECOND: Final = 1e-6
"""The interpreter keeps whole ones."""
FOLLOWS: Final = (0.8, 1.25)
"""How much longer turns get, for each second by which the interval is: between these it is what it sets."""
UNDISTURBED: Final = 0.25
"""The turns compared: of the longer ones some are what other programs made of them."""
SOONER: Final = 0.98
"""The clocks of the interpreter and of the agent differ by no more than the rest of an interval."""
FAR_LONGER: Final = 3.0
"""From so many switch intervals on, the GIL was kept beyond what a busy machine makes of one."""
AND_A_CORE: Final = (
    "A turn is the interval, and what it takes until the waiting thread has a core to ask from: some µs, or a"
    " few ms where other programs have the cores. So what decides is how turns grow with the interval."
)
SHARES: Final = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)


def turns(timeline: Timeline, prefix: str) -> pd.DataFrame:
    """Each time a thread of that name had the GIL: ``lane start_ns end_ns forced ran_ns``.

    ``forced`` says that the thread still wanted it when it let it go, ``ran_ns`` for how much of the
    time it was on a core.
    """
    holds = hold_table(timeline)
    holds = holds[holds["lane"].isin(lanes_named(timeline, prefix)).to_numpy()]
    rows = timeline.intervals
    waits = rows[(rows["state"] == State.GIL_WAIT.value).to_numpy()]
    ends, begins = (
        pd.MultiIndex.from_arrays([frame["lane"], frame[time]])
        for frame, time in ((holds, "end_ns"), (waits, "start_ns"))
    )
    return holds.assign(forced=ends.isin(begins), ran_ns=_ran(rows, holds))


def _ran(rows: pd.DataFrame, holds: pd.DataFrame) -> np.ndarray:
    """For how many ns of each hold its thread was running."""
    running = rows[(rows["state"] == State.RUNNING.value).to_numpy() & rows["lane"].isin(holds["lane"])]
    of_lane = {lane: part.index for lane, part in holds.groupby("lane")}
    ran = pd.Series(0, index=holds.index)
    for lane, part in running.groupby("lane"):
        starts = holds.loc[of_lane[lane], "start_ns"].to_numpy()
        number = np.searchsorted(starts, part["start_ns"].to_numpy(), side="right") - 1
        lengths = (part["end_ns"] - part["start_ns"]).to_numpy()
        ran[of_lane[lane]] += np.bincount(number, lengths, len(starts)).astype("int64")
    return ran.to_numpy()


def forced_seconds(observation: Observation, interval_s: float) -> list[float]:
    """How long each turn was that ended because another thread asked, at this switch interval."""
    seen = turns(observation.timeline, f"turn-{1_000 * interval_s:g}ms-")
    seen = seen[seen["forced"].to_numpy()]
    if seen.empty:
        raise CannotTell(f"no thread was asked for the GIL at a switch interval of {interval_s:g} s")
    return [float(length) / NS_PER_S for length in seen["end_ns"] - seen["start_ns"]]


def check(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """It is 5 ms, reads as it was set, and turns grow by what it grows."""
    runs = observations["turns"]
    told = [json.loads(run.output) for run in runs]
    found = told[0]["found"]
    kept = all(abs(asked - answered) < MICROSECOND for words in told for asked, answered in words["set"])
    lengths = {interval: [forced_seconds(run, interval) for run in runs] for interval in INTERVALS_S}
    least, most = INTERVALS_S[0], INTERVALS_S[-1]
    grown = tuple(
        float(np.quantile(long, UNDISTURBED) - np.quantile(short, UNDISTURBED)) / (most - least)
        for long, short in zip(lengths[most], lengths[least], strict=True)
    )
    follows = FOLLOWS[0] <= median(grown) <= FOLLOWS[1]
    middle = {interval: median(chain.from_iterable(runs)) for interval, runs in lengths.items()}
    words = ", ".join(f"{1e3 * middle[interval]:.1f} ms at {1e3 * interval:g} ms" for interval in INTERVALS_S)
    return Finding(
        Outcome.HOLDS if found == DEFAULT_S and kept and follows else Outcome.FAILS,
        f"It is {1e3 * found:g} ms, and reads {'as' if kept else 'otherwise than'} it was set; the middle"
        f" turn of two threads that compute was {words}.",
        (Figure("growth of a turn, of the interval is 1", grown),),
        (_table(lengths),),
        (_chart(lengths),),
    )


def _table(lengths: Mapping[float, Sequence[Sequence[float]]]) -> Table:
    rows = []
    for interval, runs in lengths.items():
        of_all = [1e3 * length for run in runs for length in run]
        rows.append((f"{1e3 * interval:g} ms", *(round(f(of_all), 2) for f in (median, min, max))))
    return Table(
        "Turns of threads that compute", ("switch interval", "median, ms", "least", "most"), (*rows,)
    )


def _chart(lengths: Mapping[float, Sequence[Sequence[float]]]) -> Chart:
    """How the turns are distributed: the share of them that are no longer than so many intervals."""

    def points(interval: float) -> tuple[tuple[float, float, float, float], ...]:
        of_runs = [np.quantile(run, SHARES) / interval for run in lengths[interval]]
        return tuple(
            (100 * share, float(np.median(at)), float(min(at)), float(max(at)))
            for share, at in zip(SHARES, np.transpose(of_runs), strict=True)
        )

    return Chart(
        "Turns of threads that compute: how long",
        "% of the turns are no longer",
        "switch intervals",
        tuple(Curve(f"{1e3 * interval:g} ms", points(interval)) for interval in INTERVALS_S),
        log="y",
    )


def check_forced(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """Some thread keeps the GIL for many intervals: in a long call of C while another waits, or alone."""
    runs = [run.timeline for run in observations["calls"]]
    intervals = [run.run.switch_interval_s for run in runs]
    calls = tuple(map(_longest, runs, ("caller-",) * len(runs), intervals))
    alone = tuple(map(_longest, runs, ("alone-",) * len(runs), intervals))
    sooner = tuple(map(_shortest, runs, intervals))
    keeps = median(calls) >= FAR_LONGER or median(alone) >= FAR_LONGER
    code = "never had to sooner than" if min(sooner) >= SOONER else "had to"
    return Finding(
        Outcome.FAILS if keeps else Outcome.HOLDS,
        f"A thread in long calls of C ran {median(calls):.0f} switch intervals without giving the GIL up"
        f" while another waited, a thread alone {median(alone):.0f}; Python code {code} after"
        f" {min(sooner):.2f} intervals.",
        (
            Figure("longest turn in calls of C, in switch intervals", calls),
            Figure("longest turn of a thread alone, in switch intervals", alone),
            Figure("shortest turn of Python code, in switch intervals", sooner),
        ),
    )


def _longest(timeline: Timeline, prefix: str, interval_s: float) -> float:
    """The most time on a core within one turn, in switch intervals: other programs do not make it longer."""
    return float(turns(timeline, prefix)["ran_ns"].max()) / NS_PER_S / interval_s


def _shortest(timeline: Timeline, interval_s: float) -> float:
    """The shortest turn that Python code had to end, in switch intervals."""
    seen = turns(timeline, "other-")
    seen = seen[seen["forced"].to_numpy()]
    if seen.empty:
        raise CannotTell("no thread was asked for the GIL in Python code")
    return float((seen["end_ns"] - seen["start_ns"]).min()) / NS_PER_S / interval_s


EXPERIMENT: Final = Experiment(
    name="switch_interval",
    claim="Threads that compute take turns of one switch interval: 5 ms, or what it is set to.",
    source="docs.python.org/3/library/sys.html#sys.setswitchinterval",
    runs=(Run("turns", "switch_interval", repeats=3, light=True),),
    check=check,
    needs=("gil",),
    without_gil=False,
    notes=(AND_A_CORE,),
)

FORCED: Final = Experiment(
    name="switch_interval_forced",
    claim="Each time the switch interval is over, the running thread has to give the GIL up.",
    source="often told; the documentation of sys.setswitchinterval calls the interval ideal",
    runs=(Run("calls", "long_calls", repeats=3),),
    check=check_forced,
    needs=("gil", "scheduler"),
    without_gil=False,
)
