"""Two locks in opposite order: who waits for whom is a cycle, and gtrace names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gtrace.analysis.deadlock import find_deadlocks, standstill
from gtrace.lab.claims import CannotTell, Experiment, Finding, Outcome, Run, Table
from gtrace.lab.looking import lanes_named
from gtrace.model import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gtrace.lab.claims import Observation
    from gtrace.timeline import Timeline

OPPOSITE: Final = ("itself", "four", "interrupted")
"""The runs in which the cycle must be found, by how they end."""
NAMES: Final = "philosopher-"
HOW_IT_IS_KNOWN: Final = (
    "Who has a lock is told by the stacks, which gtrace looks at when the program is asked to end. SIGKILL"
    " leaves no time for that, and a free-threaded interpreter does not allow it."
)


@dataclass(frozen=True)
class Seen:
    """What the end of one run shows."""

    threads: int
    waiting: int
    """Threads in a wait for a lock that did not end before the run did."""
    cycle: tuple[str, ...]
    """The threads of the one cycle found, in the order of their waits; empty where there is none."""
    known: str


def look(timeline: Timeline) -> Seen:
    """What the end of ``timeline`` shows of its philosophers; raises CannotTell where there are none."""
    lanes = lanes_named(timeline, NAMES)
    last = timeline.intervals.groupby("lane").tail(1).set_index("lane").loc[lanes]
    stuck = (last["state"] == State.LOCK_WAIT.value).to_numpy() & ~timeline.threads["ended"].to_numpy()[lanes]
    found = find_deadlocks(timeline)
    if len(found) > 1:
        raise CannotTell(f"{len(found)} cycles were found where there can be one at most")
    names = tuple(link.thread for link in found[0].links) if found else ()
    return Seen(len(lanes), int(stuck.sum()), names, _known(timeline))


def _known(timeline: Timeline) -> str:
    found = find_deadlocks(timeline)
    if found:
        return "the threads' stacks when the run was ended"
    return "inferred: nobody was left to let go" if standstill(timeline) else "no cycle"


def is_whole(seen: Seen) -> bool:
    """Whether the cycle has every thread of the ring, each waiting for its neighbour."""
    ring = [f"{NAMES}{i}" for i in range(seen.threads)]
    return list(seen.cycle) == ring and seen.waiting == seen.threads


def check(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """In opposite order all wait to the end, in a cycle; in the same order all end, and there is none."""
    seen = {label: look(repeats[0].timeline) for label, repeats in observations.items()}
    free_threaded = observations["itself"][0].timeline.run.free_threaded
    stuck = all(seen[label].waiting == seen[label].threads for label in (*OPPOSITE, "killed"))
    named = all(is_whole(seen[label]) for label in OPPOSITE)
    went_well = seen["ordered"].waiting == 0 and not seen["ordered"].cycle
    if went_well and stuck and not named and not free_threaded:
        raise CannotTell("all of them waited to the end, but the stacks did not tell who had which lock")
    if seen["killed"].cycle:
        raise CannotTell("a cycle was claimed of a run that was killed before anyone could look")
    table = Table(
        "The end of each run",
        ("run", "threads", "waited to the end", "cycle", "known from"),
        tuple((label, s.threads, s.waiting, " -> ".join(s.cycle), s.known) for label, s in seen.items()),
    )
    return Finding(
        Outcome.HOLDS if went_well and stuck else Outcome.FAILS, _words(seen, named=named), tables=(table,)
    )


def _words(seen: Mapping[str, Seen], *, named: bool) -> str:
    ordered = seen["ordered"]
    ended = f"In the same order {ordered.threads - ordered.waiting} of {ordered.threads} threads ended."
    waited = ", ".join(f"{seen[label].waiting} of {seen[label].threads}" for label in OPPOSITE)
    if not named:
        return f"In opposite order {waited} waited for a lock to the end; who had which was not seen. {ended}"
    return f"In opposite order {waited} waited for a lock to the end, in a cycle that was found. {ended}"


EXPERIMENT: Final = Experiment(
    name="deadlock",
    claim="Threads that take two locks in opposite order can wait for each other for ever; in the same order"
    " everywhere, they cannot.",
    source="often told; Coffman, Elphick and Shoshani, System Deadlocks, 1971: a circular wait is one of the"
    " conditions of deadlock",
    runs=(
        Run("itself", "deadlock", light=True),
        Run("four", "deadlock", ("--threads", "4"), light=True),
        Run("interrupted", "deadlock", ("--end", "interrupt"), light=True, interrupt_after_s=0.6),
        Run("killed", "deadlock", ("--end", "kill")),
        Run("ordered", "deadlock", ("--order", "same"), light=True),
    ),
    check=check,
    needs=("gil", "threads"),
    notes=(HOW_IT_IS_KNOWN,),
)
