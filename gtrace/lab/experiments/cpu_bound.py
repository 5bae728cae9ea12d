"""Threads that only compute: no faster under the GIL, as fast as the cores without it, and at what price."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np

from gtrace.analysis.holds import hold_table
from gtrace.lab.claims import CannotTell, Chart, Curve, Experiment, Figure, Finding, Outcome, Run, Table
from gtrace.lab.looking import lanes_named, seconds_in, spread
from gtrace.model import NS_PER_S, Gil, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from gtrace.lab.claims import Observation
    from gtrace.timeline import Timeline

    Quantity = Callable[["Group"], float]

COUNTS: Final = (1, 2, 4, 8)
"""How many threads share the work."""
AT_ONCE: Final = (State.RUNNING, State.NATIVE, State.PREEMPTED)
"""What a thread is in that could go on: one whose core another program took could, too."""
ONE: Final = 1.05
"""The most threads that go on at once under a GIL, with what the edges of two clocks leave open."""
SEVERAL: Final = 1.5
"""From here on two threads do go on side by side."""
COMPUTES: Final = 0.6
"""The least share of its time a thread of this workload computes, or wants to, on a busy machine as well."""
DEARER: Final = 1.2
"""From here on a price is more than what other programs on the machine make of it."""
GROUPS: Final = "by-{}-"
SHARED_MACHINE: Final = (
    "A thread whose core another program took counts as if it ran: neither the cores in use nor the speed"
    " change with the load of the machine. The speed of one thread is 1."
)
BEFORE_3_2: Final = (
    f"Holds from {DEARER} times the CPU time on, the least of all repeats compared. What the talk measured is"
    " the GIL of Python 3.1 and before, which switched after every hundred instructions."
)


@dataclass(frozen=True)
class Group:
    """The threads that share the work between them, in one run."""

    timeline: Timeline
    lanes: tuple[int, ...]

    @classmethod
    def of(cls, observation: Observation, count: int) -> Group:
        """The ``count`` threads of that name; raises CannotTell where they did not all compute."""
        timeline = observation.timeline
        group = cls(timeline, tuple(lanes_named(timeline, GROUPS.format(count))))
        if len(group.lanes) != count or group.share(*AT_ONCE, State.GIL_WAIT) < COMPUTES:
            raise CannotTell(f"there were no {count} threads that did nothing but compute at the same time")
        return group

    @property
    def window(self) -> tuple[int, int]:
        """From the start of the last thread to the end of the first: all of them are there."""
        threads = self.timeline.threads.loc[[*self.lanes]]
        return int(threads["start_ns"].max()), int(threads["end_ns"].min())

    def threads_in(self, *states: State) -> float:
        """How many of the threads were in ``states``, on average over the window."""
        start, end = self.window
        rows = self._rows(states)
        inside = rows["end_ns"].clip(upper=end) - rows["start_ns"].clip(lower=start)
        return float(inside.clip(lower=0).sum() / max(end - start, 1))

    def share(self, *states: State) -> float:
        """The share of the threads' time in ``states`` while all of them are there."""
        return self.threads_in(*states) / len(self.lanes)

    def _rows(self, states: Sequence[State]) -> pd.DataFrame:
        rows = self.timeline.intervals
        wanted = rows["lane"].isin(self.lanes) & rows["state"].isin([state.value for state in states])
        # that one needs the GIL first, which another of them has
        without_gil = (rows["state"] == State.PREEMPTED.value) & (rows["gil"] == Gil.AWAY.value)
        return rows[(wanted & ~without_gil).to_numpy()]

    @property
    def cpu_seconds(self) -> float:
        return seconds_in(self.timeline, self.lanes, State.RUNNING, State.NATIVE)

    @property
    def gil_wait_seconds(self) -> float:
        return seconds_in(self.timeline, self.lanes, State.GIL_WAIT)

    @property
    def handoffs(self) -> int:
        """How often the GIL went from one of the threads to another."""
        holds = hold_table(self.timeline)
        lanes = holds[holds["lane"].isin(self.lanes)].sort_values("start_ns")["lane"].to_numpy()
        return int(np.count_nonzero(lanes[1:] != lanes[:-1]))

    @property
    def gap_seconds(self) -> float | None:
        """How long nobody had the GIL, in the middle one of the hand-offs; None where it is not known."""
        wakeups = self.timeline.wakeups
        if wakeups.empty:
            return None
        of_group = wakeups["lane"].isin(self.lanes) & (wakeups["cause"] == "gil")
        latencies = wakeups.loc[of_group.to_numpy(), "latency_ns"]
        return float(latencies.median() / NS_PER_S) if len(latencies) else None


def cores_in_use(group: Group) -> float:
    """How many of the threads went on at once, those counted in whose core another program took."""
    return min(group.threads_in(*AT_ONCE), group.timeline.run.cores)


def speed(one: Group, group: Group) -> float:
    """How fast the group did the work of ``one``, on a machine without other programs.

    Equal CPU time on as many cores is the same speed; what other programs took is left out on both
    sides, so that the machine's load decides nothing.
    """
    return one.cpu_seconds / group.cpu_seconds * cores_in_use(group) / cores_in_use(one)


def best_speed(ones: Sequence[Group], groups: Sequence[Group]) -> float:
    """The speed where both were least disturbed: other programs make CPU time longer, never shorter."""
    one, group = (min(repeats, key=lambda repeat: repeat.cpu_seconds) for repeats in (ones, groups))
    return speed(one, group)


def check(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """Under a GIL one thread goes on at a time, however many there are; without one, two of two do."""
    runs = observations["scaling"]
    by_count = {count: [Group.of(run, count) for run in runs] for count in COUNTS}
    cores = {count: tuple(map(cores_in_use, groups)) for count, groups in by_count.items()}
    free = runs[0].timeline.run.free_threaded
    if free and runs[0].timeline.run.cores < 2:  # noqa: PLR2004  two threads need two
        raise CannotTell("there is one core only: nothing can run side by side on it")
    middle = {count: median(values) for count, values in cores.items()}
    gain = best_speed(by_count[1], by_count[2])
    limited = max(middle.values()) <= ONE and gain < SEVERAL
    scaled = middle[2] >= SEVERAL and gain >= SEVERAL
    waits = median(group.share(State.GIL_WAIT) for group in by_count[2])
    return Finding(
        Outcome.HOLDS if (scaled if free else limited) else Outcome.FAILS,
        f"Two threads used {spread(cores[2])} cores, eight {spread(cores[8])};"
        f" each of the two waited {waits:.0%} of its time for the GIL, and they were {gain:.2f} times as fast"
        " as one.",
        tuple(Figure(f"cores in use, threads: {count}", values) for count, values in cores.items()),
        (_table(by_count),),
        (_chart(by_count),),
    )


def _table(by_count: Mapping[int, Sequence[Group]]) -> Table:
    def middle(groups: Sequence[Group], quantity: Quantity) -> float:
        return round(median(map(quantity, groups)), 3)

    return Table(
        "Threads that compute: cores in use",
        ("threads", "cores in use", "waiting for the GIL", "speed"),
        tuple(
            (
                count,
                middle(groups, cores_in_use),
                f"{middle(groups, lambda group: group.share(State.GIL_WAIT)):.0%}",
                round(best_speed(by_count[1], groups), 2),
            )
            for count, groups in by_count.items()
        ),
    )


def _chart(by_count: Mapping[int, Sequence[Group]]) -> Chart:
    cores = [(count, [*map(cores_in_use, groups)]) for count, groups in by_count.items()]
    speeds = [(count, _speeds(by_count[1], groups)) for count, groups in by_count.items()]
    return Chart(
        "Threads that compute: scaling",
        "threads",
        "cores, or times the speed of one thread",
        tuple(
            Curve(name, tuple((count, median(ys), min(ys), max(ys)) for count, ys in points))
            for name, points in (("cores in use", cores), ("speed", speeds))
        ),
    )


def _speeds(ones: Sequence[Group], groups: Sequence[Group]) -> list[float]:
    return [speed(one, group) for one, group in zip(ones, groups, strict=True)]


def check_price(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """The same work costs two threads clearly more CPU time than one, where least disturbed."""
    ones = [Group.of(run, 1) for run in observations["two"]]
    twos = [Group.of(run, 2) for run in observations["two"]]
    alone, shared = (tuple(group.cpu_seconds for group in groups) for groups in (ones, twos))
    price = min(shared) / min(alone)
    gaps = tuple(gap for gap in (two.gap_seconds for two in twos) if gap is not None)
    waits = tuple(two.gil_wait_seconds for two in twos)
    handoffs = tuple(two.handoffs for two in twos)
    words = f"The same work took two threads {price:.2f} times the CPU time of one"
    if not observations["two"][0].timeline.run.free_threaded:
        words += f"; they waited {spread(waits)} s for the GIL and passed it on {median(handoffs):.0f} times"
    if gaps:
        words += f", and each time nobody had it for {1e6 * median(gaps):.0f} µs"
    return Finding(
        Outcome.HOLDS if price >= DEARER else Outcome.FAILS,
        f"{words}.",
        (
            Figure("CPU time of one thread", alone, "s"),
            Figure("CPU time of two threads", shared, "s"),
            Figure("waited for the GIL, both threads", waits, "s"),
            Figure("hand-offs", handoffs),
            Figure("nobody had the GIL at a hand-off", gaps, "s"),
        ),
    )


EXPERIMENT: Final = Experiment(
    name="cpu_bound",
    claim="Threads that compute do not run faster under the GIL; without one, they do.",
    source="docs.python.org/3/library/threading.html: only one thread can execute Python code at once",
    runs=(Run("scaling", "scaling", ("--threads", *map(str, COUNTS)), repeats=3, light=True),),
    check=check,
    needs=("gil", "scheduler"),
    notes=(SHARED_MACHINE,),
)

PRICE: Final = Experiment(
    name="cpu_bound_price",
    claim="Two threads that compute are slower than one that does the work of both, for the switching.",
    source="often told, after David Beazley, Understanding the Python GIL (2010)",
    runs=(Run("two", "scaling", ("--threads", "1", "2", "--limit", "25000"), repeats=5, light=True),),
    check=check_price,
    needs=("gil", "scheduler"),
    notes=(BEFORE_3_2,),
)
