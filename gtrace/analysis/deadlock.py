"""Threads that wait for each other: cycles of who waits for a lock and who has it."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gtrace.model import NS_PER_S, Evidence, State, TimeNs

if TYPE_CHECKING:
    import pandas as pd

    from gtrace.timeline import Timeline

ASKED_WITHIN_NS: Final = NS_PER_S
"""So long ago the wait of the thread that was asked to end the program may have been interrupted."""
MAY_WAIT: Final = tuple(s.value for s in (State.LOCK_WAIT, State.UNKNOWN, State.BLOCKED))
"""What a timeline can say of a thread that stands at a lock; other states contradict that."""
KILLED: Final = 128 + signal.SIGKILL
"""The exit status of a program that had no time to look at its threads' stacks."""
WEAKER: Final = (Evidence.EXACT, Evidence.DERIVED, Evidence.INFERRED)


@dataclass(frozen=True)
class Link:
    """One thread of a cycle; what it waits for, the next one has."""

    lane: int
    thread: str
    waits_for: str
    """What the program calls the lock, or ``the end of NAME``."""
    where: str
    """``function (file:line)`` of the wait."""
    since: TimeNs
    holder: str
    holder_where: str
    """``function (file:line)`` where the holder took it; empty where that is not known."""
    evidence: Evidence
    """How it is known that the holder has it: ``exact`` by the lock's own word, ``derived`` from where
    the holder stood in its source."""


@dataclass(frozen=True)
class Deadlock:
    """A cycle of waits, seen at ``time`` when the program was asked to end.

    ``links`` has one entry a thread, in the order in which they wait for each other; ``since`` is
    when the last of them began to wait. ``behind`` names further threads that wait for these.
    """

    links: tuple[Link, ...]
    time: TimeNs
    since: TimeNs
    behind: tuple[str, ...]
    evidence: Evidence


def find_deadlocks(timeline: Timeline) -> tuple[Deadlock, ...]:
    """The cycles of ``timeline``, each once, in the order in which they were seen.

    They rest on the stacks, which were looked at when the program was asked to end (``standing``),
    and on the intervals, which must not say that a thread did something else at that time.
    """
    found: dict[frozenset[int], Deadlock] = {}
    if timeline.standing.empty:
        return ()
    for time, rows in timeline.standing.groupby("time_ns"):
        links = _links(timeline, rows)
        holders = {lane: holder for lane, (_, holder) in links.items()}
        for cycle in _cycles(holders):
            found.setdefault(frozenset(cycle), _deadlock(cycle, links, int(str(time))))
    return tuple(found.values())


def standstill(timeline: Timeline) -> tuple[str, ...]:
    """The threads of a killed program that all waited for locks to its end, with nobody left to let them go.

    Empty where any thread did something else, or where the stacks could be looked at: this is
    inferred, and says nothing of who had which lock.
    """
    threads, intervals = timeline.threads, timeline.intervals
    if timeline.run.exit_status != KILLED or not timeline.standing.empty:
        return ()
    alive = threads[~threads["ended"].to_numpy(bool) & (threads["kind"] == "python").to_numpy()]
    last = intervals.groupby("lane").tail(1).set_index("lane").reindex(alive.index)
    waits = (last["state"] == State.LOCK_WAIT.value) & (last["evidence"] == Evidence.EXACT.value)
    return tuple(map(str, alive["name"])) if len(alive) > 1 and bool(waits.all()) else ()


def _links(timeline: Timeline, rows: pd.DataFrame) -> dict[int, tuple[Link, int]]:
    """By lane its wait and the lane it waits for, of the waits whose holder is known."""
    had = rows[(rows["role"] == "has").to_numpy()]
    links: dict[int, tuple[Link, int]] = {}
    for wait in rows[(rows["role"] == "waits").to_numpy()].to_dict("records"):
        since = _waiting_since(timeline, wait)
        holders = had[(had["lock"] == wait["lock"]).to_numpy()]
        said = {int(lane) for lane in holders["lane"]} | ({int(wait["owner_lane"])} - {-1})
        # two holders of one lock: what stood in the source was not so
        if since is not None and len(said) == 1:
            holder = said.pop()
            links[int(wait["lane"])] = _link(timeline, wait, holders, (holder, since)), holder
    return links


def _link(timeline: Timeline, wait: dict[Any, Any], had: pd.DataFrame, known: tuple[int, TimeNs]) -> Link:
    holder, since = known
    names = timeline.threads["name"]
    own_word = wait["owner_lane"] >= 0
    return Link(
        lane=int(wait["lane"]),
        thread=str(names[wait["lane"]]),
        waits_for=f"the end of {names[holder]}" if wait["kind"] == "thread" else str(wait["name"]),
        where=str(wait["where"]),
        since=since,
        holder=str(names[holder]),
        holder_where=str(had["where"].iloc[0]) if len(had) else "",
        evidence=Evidence.EXACT if own_word else Evidence.DERIVED,
    )


def _waiting_since(timeline: Timeline, wait: dict[Any, Any]) -> TimeNs | None:
    """When a thread began the wait it stood in; None where its intervals say that it did not wait."""
    intervals, time = timeline.intervals, int(wait["time_ns"])
    own = intervals[(intervals["lane"] == wait["lane"]).to_numpy()]
    if wait["asking"]:  # the signal interrupted its wait, so that it could look around
        ended = (own["state"] == State.LOCK_WAIT.value) & own["end_ns"].between(time - ASKED_WITHIN_NS, time)
        now = own[(ended | ((own["start_ns"] <= time) & (time <= own["end_ns"]))).to_numpy()]
        waits = now[now["state"].isin(MAY_WAIT).to_numpy()]
        return TimeNs(int(waits["start_ns"].iloc[-1])) if len(waits) else None
    now = own[((own["start_ns"] <= time) & (time <= own["end_ns"])).to_numpy()]
    if now.empty:
        return None
    row = now.iloc[0]
    contradicts = row["evidence"] == Evidence.EXACT.value and row["state"] not in MAY_WAIT
    return None if contradicts else TimeNs(int(row["start_ns"]))


def _cycles(holders: dict[int, int]) -> list[list[int]]:
    """The cycles of a graph in which each waits for one at most."""
    cycles: list[list[int]] = []
    seen: set[int] = set()
    for start in holders:
        path: list[int] = []
        lane = start
        while lane in holders and lane not in seen:
            seen.add(lane)
            path.append(lane)
            lane = holders[lane]
        if lane in path:
            cycles.append(path[path.index(lane) :])
    return cycles


def _deadlock(cycle: list[int], links: dict[int, tuple[Link, int]], time: int) -> Deadlock:
    first = cycle.index(min(cycle))  # however the cycle was come upon, it is told from the same thread on
    own = tuple(links[lane][0] for lane in cycle[first:] + cycle[:first])
    return Deadlock(
        links=own,
        time=TimeNs(time),
        since=TimeNs(max(link.since for link in own)),
        behind=tuple(links[lane][0].thread for lane in links if _leads_into(lane, cycle, links)),
        evidence=max((link.evidence for link in own), key=WEAKER.index),
    )


def _leads_into(lane: int, cycle: list[int], links: dict[int, tuple[Link, int]]) -> bool:
    if lane in cycle:
        return False
    passed: set[int] = set()
    while lane in links and lane not in passed and lane not in cycle:
        passed.add(lane)
        lane = links[lane][1]
    return lane in cycle
