"""Blocking calls let the GIL go before they block; C code called with the GIL kept stalls everybody."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from gtrace.lab.claims import CannotTell, Experiment, Figure, Finding, Outcome, Run, Table
from gtrace.lab.looking import spread
from gtrace.model import Gil, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from gtrace.lab.claims import Observation
    from gtrace.timeline import Timeline

COUNTER: Final = "counter"
STALLS: Final = "PyDLL usleep"
"""The counter-example: it must be seen to keep the GIL, else nothing could have been."""
OFF_CORE: Final = (State.SLEEP, State.IO_WAIT, State.LOCK_WAIT, State.BLOCKED)
NEARLY_ALL: Final = 0.9
"""Of the time a call blocks; the rest is what a thread waits for pages and the kernel's own locks."""
LEAST_NS: Final = 1_000_000
"""A thread that was off its core for less did not block."""
NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True)
class Wait:
    """How long one thread was off its core by its own will, in ns, and how its time went for the counter."""

    call: str
    away: int
    kept: int
    counted: int
    """How much of both the counter ran."""

    @property
    def blocked(self) -> int:
        return self.away + self.kept

    @property
    def has_blocked(self) -> bool:
        """Not where what it was to wait for was there before it, as on a machine that is busy."""
        return self.blocked >= LEAST_NS

    @property
    def lets_go(self) -> bool:
        return self.away >= NEARLY_ALL * self.blocked

    @property
    def row(self) -> tuple[Any, ...]:
        shares = (round(100 * part / self.blocked) for part in (self.away, self.kept, self.counted))
        return self.call, "lets it go" if self.lets_go else "keeps it", self.blocked / NS_PER_MS, *shares


def waits(observation: Observation) -> tuple[Wait, ...]:
    """What each call of the run did, in their order; raises CannotTell where its thread was not seen."""
    timeline = observation.timeline
    counter = _rows(timeline, COUNTER)
    counting = counter[(counter["state"] == State.RUNNING.value).to_numpy()]
    return tuple(_wait(timeline, call, counting) for call in observation.output.splitlines())


def _wait(timeline: Timeline, call: str, counting: pd.DataFrame) -> Wait:
    rows = _rows(timeline, call)
    off_core = rows["state"].isin([state.value for state in OFF_CORE]) & (rows["gil"] == Gil.AWAY.value)
    stalled = rows["state"] == State.STALLED.value
    blocked = rows[(off_core | stalled).to_numpy()]
    spans = zip(blocked["start_ns"].to_list(), blocked["end_ns"].to_list(), strict=True)
    return Wait(
        call,
        _length(rows[off_core.to_numpy()]),
        _length(rows[stalled.to_numpy()]),
        sum(_overlap(counting, start, end) for start, end in spans),
    )


def _rows(timeline: Timeline, name: str) -> pd.DataFrame:
    rows = timeline.intervals[(timeline.intervals["thread"] == name).to_numpy()]
    if rows.empty:
        raise CannotTell(f"no thread called {name} was seen")
    return rows


def _length(rows: pd.DataFrame) -> int:
    return int((rows["end_ns"] - rows["start_ns"]).sum())


def _overlap(rows: pd.DataFrame, start: int, end: int) -> int:
    return int((rows["end_ns"].clip(start, end) - rows["start_ns"].clip(start, end)).sum())


def by_call(observations: Sequence[Observation]) -> dict[str, list[Wait]]:
    """The waits of each call in all runs in which it blocked.

    Raises CannotTell for a call that did in none, and where the counter-example is missing or let the GIL go.
    """
    found: dict[str, list[Wait]] = {}
    for wait in (wait for observation in observations for wait in waits(observation)):
        found.setdefault(wait.call, []).append(wait)
    for call, of_call in found.items():
        found[call] = [wait for wait in of_call if wait.has_blocked]
        if not found[call]:
            raise CannotTell(f"{call} was not seen to block")
    if any(wait.lets_go for wait in found.get(STALLS, ())) or STALLS not in found:
        raise CannotTell(f"{STALLS}, which keeps the GIL, was not seen to keep it")
    return found


def check(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """The claim holds where each call, but the counter-example, lets the GIL go in at least one run.

    A call that keeps it does so always; a core lost or a page read from disk at the wrong moment does not.
    """
    found = by_call(observations["blocking"])
    told = {call: of_call for call, of_call in found.items() if call != STALLS}
    keep = [call for call, of_call in told.items() if not any(wait.lets_go for wait in of_call)]
    shares = tuple(100 * wait.away / wait.blocked for of_call in told.values() for wait in of_call)
    stalled = median(wait.kept for wait in found[STALLS]) / NS_PER_MS
    which = f"{', '.join(keep)} kept the GIL; all together" if keep else f"All {len(told)} calls"
    return Finding(
        Outcome.FAILS if keep else Outcome.HOLDS,
        f"{which} were away from it for {spread(shares, '.1f')} % of the time they blocked. A C function"
        f" called through PyDLL kept it for {stalled:.0f} ms, and everybody stood still.",
        (Figure("of the time a call blocked away from the GIL", shares, "%"),),
        (Table("Blocking calls", COLUMNS, tuple(of_call[0].row for of_call in found.values())),),
    )


COLUMNS: Final = ("call", "the GIL", "blocked ms", "away %", "kept %", "another thread ran %")
EXPERIMENT: Final = Experiment(
    name="releases_gil",
    claim="Every blocking call of the standard library lets the GIL go before it blocks.",
    source="docs.python.org/3/c-api: the GIL is released around potentially blocking I/O operations",
    runs=(Run("blocking", "blocking_calls", repeats=2, light=True),),
    check=check,
    needs=("gil", "scheduler"),
    without_gil=False,
    notes=(
        "Each call blocks in a thread of its own, while another one counts and always wants the GIL.",
        "ctypes.PyDLL calls a C function with the GIL kept: its sleep is what a careless extension does.",
    ),
)
