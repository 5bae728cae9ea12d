"""The convoy: what a thread that comes back from a wait pays beside one that computes, by switch interval."""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np

from gtrace.lab.claims import CannotTell, Chart, Curve, Experiment, Figure, Finding, Outcome, Run, Table
from gtrace.lab.looking import lanes_named, seconds_in, span_of
from gtrace.model import NS_PER_S, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gtrace.lab.claims import Observation

INTERVALS_MS: Final = (0.1, 0.5, 1.0, 5.0, 20.0, 100.0)
DEFAULT_MS: Final = 5.0
WHOLE_FROM_MS: Final = 1.0
"""A shorter interval is no longer than it takes to give a thread a core, and says nothing by itself."""
WHOLE: Final = 0.9
FOLLOWS: Final = (0.8, 1.25)
"""How much longer a return takes, for each second by which the interval is: between these it is its doing."""
UNDISTURBED: Final = 0.25
"""The returns compared: of the longer ones some are what other programs made of them."""
LINE: Final = re.compile(r"([\d.]+ms): \d+ returns, (\d+) steps")
LOAD_LEFT_OUT: Final = (
    "Speed is that of the thread that computes, in the least disturbed repeat, over the time in"
    " which no other program had its core; at 5 ms it is 1."
)


@dataclass(frozen=True)
class Beside:
    """What the two threads did at one switch interval: seconds of each return, and steps a second."""

    returns: tuple[float, ...]
    steps_per_s: float

    @classmethod
    def of(cls, observation: Observation, interval_ms: float) -> Beside:
        """Raises CannotTell where the waiting thread never had to wait for the GIL."""
        timeline, name = observation.timeline, f"{interval_ms:g}ms"
        rows = timeline.intervals
        waiting = rows["lane"].isin(lanes_named(timeline, f"io-{name}"))
        waits = rows[(waiting & (rows["state"] == State.GIL_WAIT.value)).to_numpy()]
        if waits.empty:
            raise CannotTell(f"at a switch interval of {name} no thread was seen to wait for the GIL")
        lanes = lanes_named(timeline, f"cpu-{name}")
        begin, end = span_of(timeline, lanes)
        own = end - begin - seconds_in(timeline, lanes, State.PREEMPTED)
        lengths = (waits["end_ns"] - waits["start_ns"]) / NS_PER_S
        return cls(tuple(map(float, lengths)), _steps(observation)[name] / own)


def _steps(observation: Observation) -> dict[str, int]:
    return {name: int(steps) for name, steps in LINE.findall(observation.output)}


def check(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """The middle return takes a whole switch interval, whatever it is set to."""
    runs = observations["sweep"]
    beside = {interval: [Beside.of(run, interval) for run in runs] for interval in INTERVALS_MS}
    returns_ms = {
        interval: [1e3 * t for one in seen for t in one.returns] for interval, seen in beside.items()
    }
    middle = {interval: median(returns) for interval, returns in returns_ms.items()}
    least, most = INTERVALS_MS[0], INTERVALS_MS[-1]
    quarter = [float(np.quantile(returns_ms[ms], UNDISTURBED)) for ms in (least, most)]
    grown = (quarter[1] - quarter[0]) / (most - least)
    whole = all(middle[ms] >= WHOLE * ms for ms in INTERVALS_MS if ms >= WHOLE_FROM_MS)
    best = {interval: max(one.steps_per_s for one in seen) for interval, seen in beside.items()}
    words = ", ".join(f"{middle[ms]:.1f} ms at {ms:g} ms" for ms in (least, DEFAULT_MS, most))
    return Finding(
        Outcome.HOLDS if whole and FOLLOWS[0] <= grown <= FOLLOWS[1] else Outcome.FAILS,
        f"To go on after a wait took the thread {words} of switch interval; beside it the other computed"
        f" {best[least] / best[DEFAULT_MS]:.2f} times as fast at {least:g} ms as at {DEFAULT_MS:g} ms.",
        (Figure("growth of a return, of the interval is 1", (grown,)),),
        (_table(returns_ms, best),),
        (_chart(beside),),
    )


def _table(returns_ms: Mapping[float, Sequence[float]], best: Mapping[float, float]) -> Table:
    columns = ("switch interval", "to go on, ms", "least", "most", "speed")
    rows = tuple(
        (
            f"{interval:g} ms",
            *(round(f(returns), 2) for f in (median, min, max)),
            round(best[interval] / best[DEFAULT_MS], 2),
        )
        for interval, returns in returns_ms.items()
    )
    return Table("A thread that waits beside one that computes", columns, rows)


def _chart(beside: Mapping[float, Sequence[Beside]]) -> Chart:
    """Both as multiples of what they are at the default, so that one axis does for them."""
    response = {ms: [1e3 * median(one.returns) for one in seen] for ms, seen in beside.items()}
    speed = {ms: [one.steps_per_s for one in seen] for ms, seen in beside.items()}
    return Chart(
        "The convoy: response against throughput",
        "switch interval, ms",
        f"times what it is at {DEFAULT_MS:g} ms",
        (
            _curve("response time of the thread that waits", response),
            _curve("throughput of the thread that computes", speed),
        ),
        log="xy",
    )


def _curve(name: str, values: Mapping[float, Sequence[float]]) -> Curve:
    one = median(values[DEFAULT_MS])
    return Curve(
        name, tuple((ms, median(of) / one, min(of) / one, max(of) / one) for ms, of in values.items())
    )


EXPERIMENT: Final = Experiment(
    name="convoy",
    claim="A thread that waits for I/O beside one that computes pays a switch interval for each return.",
    source="github.com/python/cpython/issues/52194, and David Beazley, Understanding the Python GIL (2010)",
    runs=(Run("sweep", "convoy", repeats=3, light=True),),
    check=check,
    needs=("gil", "scheduler"),
    without_gil=False,
    notes=(LOAD_LEFT_OUT,),
)
