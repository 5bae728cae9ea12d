"""Lost updates of a shared variable, explained by the switches between its reading and its writing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from gtrace.lab.claims import CannotTell, Experiment, Figure, Finding, Outcome, Run, Table
from gtrace.lab.looking import lanes_named, seconds_in, spread
from gtrace.model import NS_PER_S, Gil, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from gtrace.lab.claims import Observation
    from gtrace.timeline import Timeline

ADDERS: Final = "adder-"
SLEEP: Final = "time.sleep"
SWITCH_INTERVAL_S: Final = 0.001
"""Shorter than by default, for many switches in a short run."""
SIDE_BY_SIDE: Final = 1.05
"""More than one adder at it on average, by more than the edges of two clocks leave open."""
SINCE_3_10: Final = (
    "From Python 3.10 on a thread looks only at calls, at starts of functions and at jumps back whether it is"
    " to let the GIL go; counter += 1 has none of them between its read and its write. Up to 3.9 it looked"
    " between almost any two instructions, and updates were lost. It is no promise of the language."
)
WHAT_IT_TAKES: Final = (
    "To see an update lost under the GIL, something must stand between the read and the write where a thread"
    " may be switched: a call of a Python function (here one with a loop), or one that lets the GIL go."
)
REPLAYED: Final = (
    "Replayed: each sleep on the timeline is taken for a read at its start and a write of one more at the end"
    " of the wait to go on; what the counter comes to then is laid beside what the program printed."
)


@dataclass(frozen=True)
class Adding:
    """What one run of the adders came to."""

    timeline: Timeline
    lanes: tuple[int, ...]
    added: int
    lost: int

    @classmethod
    def of(cls, observation: Observation) -> Adding:
        """Raises CannotTell where the program did not say what it came to."""
        said = re.search(r"^added: (\d+) counter: (\d+) lost: (\d+)$", observation.output, re.MULTILINE)
        if said is None:
            raise CannotTell("the program did not say what its counter came to")
        lanes = tuple(lanes_named(observation.timeline, ADDERS))
        return cls(observation.timeline, lanes, int(said[1]), int(said[3]))

    @property
    def rows(self) -> pd.DataFrame:
        intervals = self.timeline.intervals
        return intervals[intervals["lane"].isin(self.lanes).to_numpy()]

    def switches(self, function: str) -> int:
        """How often one adder waited in ``function`` for the GIL while another one had it."""
        rows = self.rows
        waits = rows[(rows["state"] == State.GIL_WAIT.value).to_numpy()]
        there = waits["function"].astype(str).str.startswith(f"{function} (")
        tids = self.timeline.threads.loc[[*self.lanes], "tid"]
        return int((there & waits["blocker_tid"].isin(tids) & (waits["blocker_tid"] != waits["tid"])).sum())

    @property
    def ran_side_by_side(self) -> bool:
        """Whether, without a GIL, two adders were on a core or ready to be for some of the time."""
        threads = self.timeline.threads.loc[[*self.lanes]]
        together = int(threads["end_ns"].max() - threads["start_ns"].min()) / NS_PER_S
        at_it = seconds_in(self.timeline, self.lanes, State.RUNNING, State.NATIVE, State.PREEMPTED)
        return at_it > SIDE_BY_SIDE * together

    @property
    def sleeps(self) -> list[tuple[int, int]]:
        """When each sleep began and when its thread went on, with the GIL where there is one."""
        rows = self.rows
        inside = (rows["function"].astype(str) == SLEEP) & (rows["gil"].astype(object) != Gil.HOLDS.value)
        first = (rows["start_ns"] != rows["end_ns"].shift()) | (rows["lane"] != rows["lane"].shift())
        first |= ~inside.shift(fill_value=False)
        number = first[inside].cumsum()
        windows = rows[inside.to_numpy()].groupby(number.to_numpy())
        return list(zip(windows["start_ns"].min(), windows["end_ns"].max(), strict=True))

    @property
    def replayed_loss(self) -> int:
        """How many updates are lost when each sleep has the read before it and the write behind it."""
        windows = self.sleeps
        moments = [(end, 0, i) for i, (_, end) in enumerate(windows)]
        moments += [(start, 1, i) for i, (start, _) in enumerate(windows)]
        counter, read = 0, [0] * len(windows)
        for _, starts, i in sorted(moments):
            if starts:
                read[i] = counter
            else:
                counter = read[i] + 1
        return len(windows) - counter


def check_increment(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """Nothing stands between read and write, and the threads are switched: updates are lost, or none is."""
    runs = [Adding.of(observation) for observation in observations["nothing"]]
    lost = tuple(run.lost for run in runs)
    if runs[0].timeline.run.free_threaded:
        if not any(run.ran_side_by_side for run in runs):
            raise CannotTell("the adders did not run side by side: nothing could be lost")
        return _increments(runs, (), "with the adders side by side")
    switches = tuple(run.switches("add_at_once") for run in runs)
    if not any(lost) and not any(switches):
        raise CannotTell("the adders were never switched: nothing could be lost")
    words = f"though one adder waited for the other's GIL {spread(switches, '.0f')} times"
    return _increments(runs, switches, words if not any(lost) else "")


def _increments(runs: Sequence[Adding], switches: tuple[int, ...], circumstance: str) -> Finding:
    lost = tuple(run.lost for run in runs)
    figures = [Figure("updates lost", lost)]
    figures += [Figure("switches from one adder to the other", switches)] if switches else []
    words = f"Of {runs[0].added:,} updates {spread(lost, ',.0f') if any(lost) else 'none'} were lost"
    return Finding(
        Outcome.HOLDS if any(lost) else Outcome.FAILS,
        f"{words}, {circumstance}." if circumstance else f"{words}.",
        tuple(figures),
    )


def check_lost_update(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """Switches between read and write are there where updates are lost, and are not where none is."""
    runs = {label: [Adding.of(seen) for seen in repeats] for label, repeats in observations.items()}
    free = runs["call"][0].timeline.run.free_threaded
    called = _explained(runs["call"])
    slept = all(run.lost for run in runs["sleep"]) and _mostly_replayed(runs["sleep"])
    waits = tuple(seconds_in(run.timeline, run.lanes, State.LOCK_WAIT) for run in runs["lock"])
    locked = not any(run.lost or run.replayed_loss for run in runs["lock"])
    if locked and not min(waits):
        raise CannotTell("the timeline shows no wait for the lock")
    within = tuple(run.switches("step") for run in runs["call"])
    words = "with the adders side by side" if free else f"where {sum(within)} switches were seen"
    by_sleep, lock = runs["sleep"], runs["lock"]
    replayed = median(run.replayed_loss for run in by_sleep)
    return Finding(
        Outcome.HOLDS if called and slept and locked else Outcome.FAILS,
        f"With a call between read and write, {words}, {_share_lost(runs['call'])} of the updates were lost;"
        f" with a sleep {median(run.lost for run in by_sleep):.0f} of {by_sleep[0].added}, and the timeline's"
        f" sleeps, replayed, lose {replayed:.0f}; under a lock {_share_lost(lock)}, and the adders waited"
        f" {spread(waits)} s for it.",
        (
            *(Figure(f"updates lost, {label}", tuple(run.lost for run in runs[label])) for label in runs),
            Figure("switches seen in the call", within),
            Figure("updates lost by the replay, sleep", tuple(run.replayed_loss for run in by_sleep)),
        ),
        (_what_stands_between(runs),),
    )


def _explained(runs: Sequence[Adding]) -> bool:
    """Updates were lost, and what must be between a read and a write for that was seen there."""
    if runs[0].timeline.run.free_threaded:
        return all(run.lost for run in runs) and any(run.ran_side_by_side for run in runs)
    switched = any(run.switches("step") for run in runs)
    if not switched and not any(run.lost for run in runs):
        raise CannotTell("no adder was switched between its read and its write")
    return switched and any(run.lost for run in runs)


def _mostly_replayed(runs: Sequence[Adding]) -> bool:
    """The replay is exact but where a thread is switched in the steps beside a sleep, which is rare."""
    return sum(run.lost == run.replayed_loss for run in runs) > len(runs) / 2


def _share_lost(runs: Sequence[Adding]) -> str:
    return f"{median(run.lost / run.added for run in runs):.0%}"


def _what_stands_between(runs: Mapping[str, Sequence[Adding]]) -> Table:
    between = {"call": "a call", "sleep": "a sleep", "lock": "a sleep, all under a lock"}
    return Table(
        "What stands between reading and writing a shared variable, and what is lost",
        ("between read and write", "lost", "updates", "lost in a replay of the timeline"),
        tuple(
            (
                words,
                _share_lost(runs[label]),
                runs[label][0].added,
                None if label == "call" else round(median(run.replayed_loss for run in runs[label])),
            )
            for label, words in between.items()
        ),
    )


INCREMENT: Final = Experiment(
    name="increment",
    claim="Two threads that do counter += 1 on a shared variable lose updates.",
    source="often told: it is three steps, and a switch may come between any two of them",
    runs=(
        Run(
            "nothing",
            "lost_update",
            ("--between", "nothing", "--rounds", "1000000"),
            repeats=2,
            switch_interval_s=SWITCH_INTERVAL_S,
        ),
    ),
    check=check_increment,
    needs=("gil", "calls"),
    notes=(SINCE_3_10,),
)

LOST_UPDATE: Final = Experiment(
    name="lost_update",
    claim="A switch between reading and writing a shared variable loses updates; a lock mends it.",
    source="docs.python.org/3/library/threading.html: lock objects",
    runs=(
        Run(
            "call",
            "lost_update",
            ("--between", "call", "--rounds", "25000"),
            repeats=2,
            switch_interval_s=SWITCH_INTERVAL_S,
        ),
        Run("sleep", "lost_update", ("--between", "sleep"), repeats=3),
        Run("lock", "lost_update", ("--between", "lock", "--rounds", "30")),
    ),
    check=check_lost_update,
    needs=("gil", "calls"),
    shown="sleep",
    notes=(WHAT_IT_TAKES, REPLAYED),
)
