"""Locks that several threads want: throughput by the number of threads, RLock, Condition and Barrier."""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from gtrace.lab.claims import CannotTell, Chart, Curve, Experiment, Figure, Finding, Outcome, Run, Table
from gtrace.lab.looking import lanes_named, seconds_in, span_of, spread
from gtrace.model import NO_THREAD, NS_PER_S, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from gtrace.lab.claims import Observation
    from gtrace.timeline import Timeline

    Judge = Callable[[Observation], Finding]

COUNTS: Final = (1, 2, 4, 8)
STEPS: Final = 40
"""Done by each group of threads together."""
SHARED, OWN = "shared", "own"
ONE_AT_A_TIME: Final = 1.05
SCALES: Final = 2.0
"""From here on eight threads, each with a lock of its own, are clearly more at work than one."""
BY_STATES: Final = (
    "Judged by how many threads were at work at once; the throughput is that of the clock, and on a machine"
    " that is busy with other programs it varies."
)
LOCK, RLOCK, CONDITION, BARRIER = "lock", "rlock", "condition", "barrier"


@dataclass(frozen=True)
class Group:
    """The threads that do the steps together."""

    timeline: Timeline
    lanes: tuple[int, ...]

    @classmethod
    def of(cls, observation: Observation, locks: str, count: int) -> Group:
        lanes = lanes_named(observation.timeline, f"{locks}-{count}-")
        if len(lanes) != count:
            raise CannotTell(f"of {count} threads with {locks} locks the timeline shows {len(lanes)}")
        return cls(observation.timeline, tuple(lanes))

    @property
    def seconds(self) -> float:
        start, end = span_of(self.timeline, self.lanes)
        return end - start

    @property
    def steps_at_once(self) -> float:
        """How many threads were in a step, asleep with a lock in their hands, on average."""
        return seconds_in(self.timeline, self.lanes, State.SLEEP) / self.seconds

    @property
    def waiting_for_locks(self) -> float:
        """How many threads waited for a lock on average."""
        return seconds_in(self.timeline, self.lanes, State.LOCK_WAIT) / self.seconds

    @property
    def throughput(self) -> float:
        """Steps a second."""
        return STEPS / self.seconds


def check_throughput(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """Under one lock one thread is in a step at a time, however many there are, and all others wait."""
    runs = observations["steps"]
    groups = {
        locks: {n: [Group.of(run, locks, n) for run in runs] for n in COUNTS} for locks in (SHARED, OWN)
    }
    most = max(COUNTS)
    shared, own = groups[SHARED][most], groups[OWN][most]
    in_steps, own_steps = (tuple(group.steps_at_once for group in side) for side in (shared, own))
    if not min(*in_steps, *own_steps):
        raise CannotTell("the timeline does not show the steps")
    waiting = tuple(group.waiting_for_locks for group in shared)
    serial = max(in_steps) <= ONE_AT_A_TIME and median(waiting) > most / 4
    gain = {locks: _gain(by_count[1], by_count[most]) for locks, by_count in groups.items()}
    return Finding(
        Outcome.HOLDS if serial and median(own_steps) >= SCALES else Outcome.FAILS,
        f"Of eight threads under one lock {spread(in_steps)} were at work at once and {median(waiting):.1f}"
        f" waited for it: they got {spread(gain[SHARED])} times as much done as one. With a lock for each"
        f" {spread(own_steps)} were at work, and got {spread(gain[OWN])} times as much done.",
        (
            Figure("at work of eight threads, one lock", in_steps),
            Figure("at work of eight threads, a lock each", own_steps),
            Figure("throughput of eight threads against one, one lock", gain[SHARED]),
            Figure("throughput of eight threads against one, a lock each", gain[OWN]),
        ),
        (_steps_table(groups[SHARED]),),
        (_throughput_chart(groups),),
    )


def _gain(ones: Sequence[Group], groups: Sequence[Group]) -> tuple[float, ...]:
    return tuple(group.throughput / one.throughput for one, group in zip(ones, groups, strict=True))


def _steps_table(by_count: Mapping[int, Sequence[Group]]) -> Table:
    return Table(
        "Threads under one lock",
        ("threads", "at work", "waiting for the lock", "steps a second"),
        tuple(
            (
                count,
                round(median(group.steps_at_once for group in groups), 2),
                round(median(group.waiting_for_locks for group in groups), 2),
                round(median(group.throughput for group in groups)),
            )
            for count, groups in by_count.items()
        ),
    )


def _throughput_chart(groups: Mapping[str, Mapping[int, Sequence[Group]]]) -> Chart:
    names = {SHARED: "one lock for all", OWN: "a lock for each"}
    return Chart(
        "Throughput under locks",
        "threads",
        "steps a second",
        tuple(
            Curve(
                names[locks],
                tuple(
                    (count, median(ys), min(ys), max(ys))
                    for count, ys in ((n, [group.throughput for group in at]) for n, at in by_count.items())
                ),
            )
            for locks, by_count in groups.items()
        ),
        log="xy",
    )


@dataclass(frozen=True)
class Doer:
    """One thread, by its name."""

    timeline: Timeline
    lane: int

    @classmethod
    def of(cls, observation: Observation, name: str) -> Doer:
        return cls(observation.timeline, lanes_named(observation.timeline, name)[0])

    @property
    def tid(self) -> int:
        return int(self.timeline.threads["tid"].loc[self.lane])

    def waits(self, reason: str, function: str = "") -> pd.DataFrame:
        """Its waits for locks by reason, and by how the name of the innermost call begins."""
        rows = self.timeline.intervals
        chosen = (rows["lane"] == self.lane) & (rows["state"] == State.LOCK_WAIT.value)
        chosen &= (rows["reason"] == reason) & rows["function"].astype(str).str.startswith(function)
        return rows[chosen.to_numpy()]

    @property
    def sleeps(self) -> list[tuple[int, int]]:
        """When its sleeps began and ended."""
        rows = self.timeline.intervals
        chosen = rows[((rows["lane"] == self.lane) & (rows["state"] == State.SLEEP.value)).to_numpy()]
        return list(zip(chosen["start_ns"], chosen["end_ns"], strict=True))


def all_doers(observation: Observation, prefix: str) -> list[Doer]:
    return [Doer(observation.timeline, lane) for lane in lanes_named(observation.timeline, prefix)]


def check_rlock(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """The holder never waits, another waits for its last release, and a Lock's holder waits for itself."""
    return _each(observations["twice"], _rlock)


def _rlock(observation: Observation) -> Finding:
    holder, other, itself = (Doer.of(observation, name) for name in ("holder", "other", "itself"))
    inner, last = _ends_of_sleeps(holder, 2)
    blocked, alone = other.waits(RLOCK), itself.waits(LOCK, "_thread.lock.acquire")
    if blocked.empty or alone.empty or blocked["start_ns"].min() >= inner:
        raise CannotTell("the timeline does not show the waits for the locks")
    _require_wakers([blocked])
    # up to 3.13 a with statement is no call: the wait would be one of the function itself
    own = _seconds(holder.waits(RLOCK)) + _seconds(holder.waits(LOCK, "hold_twice ("))
    until_last = bool((blocked[_woken_by(blocked, holder)]["end_ns"] >= last).any())
    woken = bool((alone["blocker_tid"] != NO_THREAD).any())
    refused = "a Lock a second time: False" in observation.output and not woken
    return Finding(
        Outcome.HOLDS if not own and until_last and refused else Outcome.FAILS,
        f"The thread that took an RLock twice waited {own:.2f} s for it; another waited"
        f" {_seconds(blocked):.2f} s, {'until' if until_last else 'not until'} the last release; a thread"
        f" that took a Lock twice waited {_seconds(alone):.2f} s for itself, in vain.",
    )


def check_condition(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """The notifier gets the lock while all wait; notify ends one wait, notify_all the others."""
    return _each(observations["notify"], _condition)


def _condition(observation: Observation) -> Finding:
    notifier = Doer.of(observation, "notifier")
    waits = [waiter.waits(CONDITION) for waiter in all_doers(observation, "waiter-")]
    first_call, second_call, _ = _ends_of_sleeps(notifier, 3)
    if any(rows.empty for rows in waits):
        raise CannotTell("the timeline does not show the waits for the condition")
    _require_wakers(waits)
    before = sum(int(rows["start_ns"].min()) < first_call for rows in waits)
    ends = [
        int(rows["end_ns"].max()) for rows in (rows[_woken_by(rows, notifier)] for rows in waits) if len(rows)
    ]
    first = sum(first_call <= end < second_call for end in ends)
    later = sum(end >= second_call for end in ends)
    right = before == len(ends) == len(waits) == first + later and first == 1
    return Finding(
        Outcome.HOLDS if right else Outcome.FAILS,
        f"{before} of {len(waits)} threads waited while another held the condition's lock; {first} went on"
        f" after notify and {later} after notify_all; {len(ends)} were woken by the notifier.",
    )


def check_barrier(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """All but the last to come wait at the barrier until it comes, and it wakes them."""
    return _each(observations["meet"], _barrier)


def _barrier(observation: Observation) -> Finding:
    walkers = all_doers(observation, "walker-")
    came = re.search(rf"^(walker-\d+) came {len(walkers)}$", observation.output, re.MULTILINE)
    if came is None:
        raise CannotTell("the program did not say who came last to the barrier")
    last = Doer.of(observation, came[1])
    (last_arrival,) = _ends_of_sleeps(last, 1)
    waits = [walker.waits(BARRIER) for walker in walkers if walker.lane != last.lane]
    _require_wakers(waits)
    ends = [
        int(rows["end_ns"].max()) for rows in (rows[_woken_by(rows, last)] for rows in waits) if len(rows)
    ]
    met = [end for end in ends if end >= last_arrival]
    delay = max(met, default=last_arrival) - last_arrival
    return Finding(
        Outcome.HOLDS if len(met) == len(walkers) - 1 else Outcome.FAILS,
        f"{len(met)} of {len(walkers) - 1} threads that came earlier waited until the last one came and woke"
        f" them, and were on their way {delay / 1e6:.1f} ms later.",
    )


def _each(observations: Sequence[Observation], judge: Judge) -> Finding:
    """The first finding that does not hold, or that of the first repeat."""
    findings = [judge(observation) for observation in observations]
    return next((found for found in findings if found.outcome is not Outcome.HOLDS), findings[0])


def _woken_by(waits: pd.DataFrame, doer: Doer) -> NDArray[np.bool_]:
    return (waits["blocker_tid"] == doer.tid).to_numpy()


def _require_wakers(waits: Sequence[pd.DataFrame]) -> None:
    """Raises CannotTell where of no wait it is known who ended it: evidence is missing, not a waker."""
    if not any((rows["blocker_tid"] != NO_THREAD).any() for rows in waits):
        raise CannotTell("the timeline does not show who woke whom")


def _ends_of_sleeps(doer: Doer, count: int) -> list[int]:
    if len(doer.sleeps) != count:
        raise CannotTell(
            f"the timeline shows {len(doer.sleeps)} sleeps of a thread that sleeps {count} times"
        )
    return [end for _, end in doer.sleeps]


def _seconds(rows: pd.DataFrame) -> float:
    return float((rows["end_ns"] - rows["start_ns"]).sum()) / NS_PER_S


THROUGHPUT: Final = Experiment(
    name="lock_throughput",
    claim="More threads on one lock that is always held get no more done; the others wait for it.",
    source="often told of lock contention; Amdahl's law",
    runs=(Run("steps", "lock_throughput", ("--steps", str(STEPS), "--seconds", "0.003"), repeats=2),),
    check=check_throughput,
    needs=("gil", "calls"),
    notes=(BY_STATES,),
)

REENTRANT: Final = Experiment(
    name="rlock",
    claim="A thread can take an RLock that it holds again, and must release it as often; a Lock it cannot.",
    source="docs.python.org/3/library/threading.html: RLock objects",
    runs=(Run("twice", "rlock"),),
    check=check_rlock,
    needs=("gil", "calls"),
)

NOTIFY: Final = Experiment(
    name="condition",
    claim="Condition.wait lets the lock go while it waits; notify wakes one thread, notify_all all of them.",
    source="docs.python.org/3/library/threading.html: Condition objects",
    runs=(Run("notify", "condition"),),
    check=check_condition,
    needs=("gil", "calls"),
)

MEET: Final = Experiment(
    name="barrier",
    claim="A barrier holds the threads that come until the last of them comes, and then lets all go.",
    source="docs.python.org/3/library/threading.html: Barrier objects",
    runs=(Run("meet", "barrier"),),
    check=check_barrier,
    needs=("gil", "calls"),
)
