"""A bounded queue between a producer and consumers: the faster side waits for the slower one."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from gtrace.lab.claims import CannotTell, Experiment, Figure, Finding, Outcome, Run, Table
from gtrace.lab.looking import lanes_named, seconds_in, spread
from gtrace.model import NO_THREAD, NS_PER_S, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from gtrace.lab.claims import Observation
    from gtrace.timeline import Timeline

PRODUCER: Final = "producer-"
CONSUMER: Final = "consumer-"
MOSTLY: Final = 0.5
SIZE: Final = ("--items", "30", "--seconds", "0.008")


@dataclass(frozen=True)
class Side:
    """The producers, or the consumers, of one run."""

    timeline: Timeline
    lanes: tuple[int, ...]
    function: str
    """The function of the program that puts, or gets."""

    @classmethod
    def of(cls, observation: Observation, prefix: str, function: str) -> Side:
        return cls(observation.timeline, tuple(lanes_named(observation.timeline, prefix)), function)

    @property
    def life_seconds(self) -> float:
        threads = self.timeline.threads.loc[[*self.lanes]]
        return float((threads["end_ns"] - threads["start_ns"]).sum()) / NS_PER_S

    @property
    def waits(self) -> pd.DataFrame:
        """Its waits for the queue, in its own function."""
        rows = self.timeline.intervals
        chosen = rows["lane"].isin(self.lanes) & (rows["state"] == State.LOCK_WAIT.value)
        chosen &= (rows["reason"] == "queue") & rows["caller"].astype(str).str.startswith(
            f"{self.function} ("
        )
        return rows[chosen.to_numpy()]

    @property
    def waiting(self) -> float:
        """The share of its time it waits for the queue."""
        waits = self.waits
        return float((waits["end_ns"] - waits["start_ns"]).sum() / NS_PER_S / self.life_seconds)

    @property
    def working(self) -> float:
        """The share of its time in sleeps, which stand for work."""
        return seconds_in(self.timeline, self.lanes, State.SLEEP) / self.life_seconds

    def woken_by(self, other: Side) -> float:
        """The share of its waits that ended because a thread of the other side woke it."""
        wakers = self.waits["blocker_tid"]
        return (
            float(wakers.isin(self.timeline.threads.loc[[*other.lanes], "tid"]).mean())
            if len(wakers)
            else 0.0
        )


def check(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """The fast side waits in its own function for most of its life, and the slow side wakes it."""
    put, get = (PRODUCER, "produce"), (CONSUMER, "consume")
    found, figures, rows = [], [], []
    for label, fast, slow in (("slow consumers", put, get), ("slow producer", get, put)):
        pairs = [(Side.of(run, *fast), Side.of(run, *slow)) for run in observations[label]]
        waiting = tuple(one.waiting for one, _ in pairs)
        _require_wakers(label, [side.waits for pair in pairs for side in pair])
        idle = tuple(other.waiting for _, other in pairs)
        woken = median(one.woken_by(other) for one, other in pairs)
        right = min(waiting) > MOSTLY > max(idle) and woken > MOSTLY
        found.append(right and min(other.working for _, other in pairs) > MOSTLY)
        figures.append(Figure(f"time the fast side waits for the queue, {label}", waiting))
        where = "put, for room" if fast is put else "get, for an item"
        rows.append((label, where, f"{median(waiting):.0%}", f"{woken:.0%}", f"{median(idle):.0%}"))
    in_put, in_get = (spread(figure.values, ".0%") for figure in figures)
    return Finding(
        Outcome.HOLDS if all(found) else Outcome.FAILS,
        f"With slow consumers the producer waited {in_put} of its time in put, woken"
        f" by consumers; with a slow producer they waited {in_get} in get, woken by it.",
        tuple(figures),
        (
            Table(
                "A bounded queue: who waits where",
                (
                    "case",
                    "where the fast side waits",
                    "of its time",
                    "woken by the other side",
                    "slow side waits",
                ),
                tuple(rows),
            ),
        ),
    )


def _require_wakers(label: str, waits: Sequence[pd.DataFrame]) -> None:
    """Raises CannotTell where the timeline does not show who waited for the queue, or who ended it."""
    if all(rows.empty for rows in waits):
        raise CannotTell(f"{label}: the timeline shows no wait for the queue on either side")
    if not any((rows["blocker_tid"] != NO_THREAD).any() for rows in waits):
        raise CannotTell(f"{label}: the timeline does not show who woke whom")


EXPERIMENT: Final = Experiment(
    name="bounded_queue",
    claim="A bounded queue makes the faster side wait: a producer in put when it is full, a consumer in get.",
    source="docs.python.org/3/library/queue.html: put blocks until a free slot is available",
    runs=(
        Run("slow consumers", "producer_consumer", SIZE, repeats=2),
        Run("slow producer", "producer_consumer", ("--slow", "producer", *SIZE), repeats=2),
    ),
    check=check,
    needs=("gil", "calls"),
)
