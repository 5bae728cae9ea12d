"""Waiting for the first of several threads: what each way costs the waiter, and the threads it waits for."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np

from gtrace.lab.claims import CannotTell, Experiment, Figure, Finding, Outcome, Run, Table
from gtrace.lab.looking import lanes_named, seconds_in, span_of, spread
from gtrace.model import NS_PER_S, Gil, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gtrace.lab.claims import Observation
    from gtrace.timeline import Timeline

POLLING: Final = "poll"
WAYS: Final = (POLLING, "poll-sleep", "semaphore", "event", "queue", "futures")
WAITING: Final = WAYS[2:]
"""The ways that wait for a word; the sleep in a loop is shown beside them, and nothing is claimed of it."""
BUSY: Final = (State.RUNNING, State.NATIVE, State.GIL_WAIT, State.PREEMPTED)
"""What a thread is in that never rests: it computes, or would if it were let."""
RESTLESS: Final = 0.8
"""The share of the time that a waiter is busy from which it never rests."""
RESTING: Final = 0.1
"""The share of the time that a waiter may run and still be said to burn nothing."""
STOLEN: Final = 0.1
"""Of the workers' time, what makes a difference to them."""
REPEATS: Final = 2
NOTICED_LATE: Final = (
    "Who waits for a word has to wait for the GIL as well before it can notice, as long as others compute: up"
    " to a switch interval for each of them."
)


@dataclass(frozen=True)
class Price:
    """What one way cost in one run."""

    busy: float
    """Of the time in which all workers worked, the share that the waiter ran, or wanted to."""
    ran: float
    """The share of it that it ran."""
    ran_s: float
    stolen_s: float
    """How long the workers waited for the GIL while the waiter had it."""
    stolen: float
    """The same as a share of the workers' lives."""
    latency_s: float
    """From the end of the first worker to that of the waiter."""


def price_of(timeline: Timeline, way: str) -> Price:
    """What ``way`` cost; raises CannotTell where its threads were not seen."""
    waiters, workers = lanes_named(timeline, f"{way}-waiter"), lanes_named(timeline, f"{way}-worker-")
    if len(waiters) != 1:
        raise CannotTell(f"{len(waiters)} threads are called {way}-waiter")
    # before, the waiter starts the workers; after, it has been told
    begin = max(span_of(timeline, [lane])[0] for lane in workers)
    end = span_of(timeline, lanes_named(timeline, f"{way}-worker-0"))[1]
    if end <= begin or not seconds_in(timeline, workers, *BUSY) > seconds_in(timeline, workers, *State) / 2:
        raise CannotTell(f"the threads that {way} waits for did not compute side by side")
    stolen = waited_while_held(timeline, waiters[0], workers)
    ran = seconds_in(timeline, waiters, State.RUNNING, State.NATIVE)
    return Price(
        busy=_seconds_between(timeline, waiters[0], (begin, end)) / (end - begin),
        ran=ran / (end - begin),
        ran_s=ran,
        stolen_s=stolen,
        stolen=stolen / seconds_in(timeline, workers, *State),
        latency_s=max(span_of(timeline, waiters)[1] - end, 0.0),
    )


def _seconds_between(timeline: Timeline, lane: int, window: tuple[float, float]) -> float:
    """How long the thread of ``lane`` was busy within ``window``, both in seconds."""
    intervals = timeline.intervals
    busy = intervals["state"].isin([state.value for state in BUSY])
    own = intervals[((intervals["lane"] == lane) & busy).to_numpy()]
    start, end = (own[c].to_numpy() / NS_PER_S for c in ("start_ns", "end_ns"))
    return float(np.maximum(np.minimum(end, window[1]) - np.maximum(start, window[0]), 0).sum())


def waited_while_held(timeline: Timeline, holder: int, waiters: Sequence[int]) -> float:
    """Seconds that the threads of ``waiters`` waited for the GIL while that of ``holder`` had it."""
    intervals = timeline.intervals
    held = intervals[((intervals["lane"] == holder) & (intervals["gil"] == Gil.HOLDS.value)).to_numpy()]
    state = intervals["state"] == State.GIL_WAIT.value
    waits = intervals[(intervals["lane"].isin([*waiters]) & state).to_numpy()]
    starts, ends = waits["start_ns"].to_numpy(), waits["end_ns"].to_numpy()
    total = 0
    for start, end in zip(held["start_ns"].to_numpy(), held["end_ns"].to_numpy(), strict=True):
        total += int(np.maximum(np.minimum(ends, end) - np.maximum(starts, start), 0).sum())
    return total / NS_PER_S


def check(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """Polling never rests and, under a GIL, keeps the workers from it; those that wait for a word do not."""
    timelines = [observation.timeline for observation in observations["ways"]]
    prices = {way: [price_of(timeline, way) for timeline in timelines] for way in WAYS}
    has_gil = not timelines[0].run.free_threaded
    burns = median(price.busy for price in prices[POLLING]) >= RESTLESS
    steals = median(price.stolen for price in prices[POLLING]) >= STOLEN
    rest = all(median(price.ran for price in prices[way]) <= RESTING for way in WAITING)
    spare = all(median(price.stolen for price in prices[way]) < STOLEN for way in WAITING)
    holds = burns and rest and spare and (steals or not has_gil)
    busy = tuple(price.busy * 100 for price in prices[POLLING])
    stolen = tuple(price.stolen * 100 for price in prices[POLLING])
    others = tuple(max(prices[way][run].ran * 100 for way in WAITING) for run in range(len(timelines)))
    took = (
        f" and had the GIL while they waited for it, {spread(stolen, '.0f')}% of their time"
        if has_gil
        else ""
    )
    return Finding(
        Outcome.HOLDS if holds else Outcome.FAILS,
        f"Who polled was busy {spread(busy, '.0f')}% of its time{took}; who waited for a word ran"
        f" {spread(others, '.1f')}% of it at most.",
        (
            Figure("busy while polling", busy, "%"),
            Figure("workers' time taken by polling", stolen, "%"),
            Figure("ran while waiting for a word, at most", others, "%"),
        ),
        (_table(prices),),
    )


def _table(prices: Mapping[str, Sequence[Price]]) -> Table:
    """The median of each way."""
    rows = [
        (
            way,
            round(median(price.ran_s for price in found) * 1000, 2),
            round(median(price.stolen_s for price in found) * 1000, 2),
            round(median(price.latency_s for price in found) * 1000, 2),
        )
        for way, found in prices.items()
    ]
    columns = ("way", "waiter ran (ms)", "workers waited for it (ms)", "end of the first to its notice (ms)")
    return Table("The price of waiting for the first of several", columns, tuple(rows))


EXPERIMENT: Final = Experiment(
    name="first_of_several",
    claim="To wait for the first of several threads by asking is_alive in a loop burns a core and takes the"
    " GIL from them; a semaphore, an event, a queue or concurrent.futures.wait does not.",
    source="often told; docs.python.org/3/library/concurrent.futures.html: wait with FIRST_COMPLETED",
    runs=(Run("ways", "first_of_several", ("--steps", "400"), REPEATS, light=True),),
    check=check,
    needs=("gil",),
    notes=(NOTICED_LATE,),
)
