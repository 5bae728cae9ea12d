"""The numbers of one run by which runs are compared and held to limits, and why one is not known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gtrace.analysis.facts import find_facts
from gtrace.analysis.holds import hold_table
from gtrace.analysis.measures import NO_GIL
from gtrace.analysis.naming import pool_name
from gtrace.analysis.summary import state_seconds
from gtrace.analysis.verdict import judge_facts
from gtrace.model import NS_PER_S, RUN_STATES, Source, State

if TYPE_CHECKING:
    import pandas as pd

    from gtrace.analysis.rules import Verdict
    from gtrace.timeline import Timeline
    from gtrace.timeline.timeline import RunInfo

NO_END: Final = "nobody saw the end of the run"
NO_THREAD_SEEN: Final = "nothing was recorded of any thread"
_GIL: Final = frozenset({Source.GIL})
_CALLS: Final = frozenset({Source.CALLS})
_SCHEDULER: Final = frozenset({Source.SCHEDULER})
NEEDS: Final[dict[str, frozenset[Source]]] = {
    "cores": _GIL | _SCHEDULER,
    State.RUNNING.value: _GIL,
    State.NATIVE.value: _GIL,
    State.GIL_WAIT.value: _GIL,
    State.LOCK_WAIT.value: _GIL,
    State.IO_WAIT.value: _CALLS,
    State.SLEEP.value: _CALLS,
    State.BLOCKED.value: _GIL,
    State.STALLED.value: _GIL | _SCHEDULER,
    State.PREEMPTED.value: _SCHEDULER,
    **dict.fromkeys(("held", "handoffs", "longest_hold", "longest_gil_wait"), _GIL),
}
"""The sources without which a measure says nothing: calls alone leave open who had the GIL."""
TOLD_BY_THE_AGENT: Final = frozenset({State.IO_WAIT.value, State.SLEEP.value})
"""Without calls the agent tells these waits, and leaves those ``blocked`` that it does not know."""
OF_THE_GIL: Final = frozenset(
    {State.GIL_WAIT.value, State.STALLED.value, "held", "handoffs", "longest_hold", "longest_gil_wait"}
)
"""Measures that mean nothing on an interpreter without a GIL."""
_SOURCE_NAMES: Final = {
    Source.GIL: "the GIL and locks",
    Source.CALLS: "calls",
    Source.SCHEDULER: "the scheduler",
}


@dataclass(frozen=True)
class Figure:
    """The value of a measure; None where the evidence does not tell, and ``why`` says what is missing."""

    value: float | None
    more: float = 0.0
    """How much larger it may be: what was in unknown states."""
    why: str = ""


@dataclass(frozen=True)
class Pool:
    """Threads of a run whose names differ only in digits; ``states_s`` are their summed seconds by state."""

    name: str
    """The threads' name with a star for each number in it."""
    threads: int
    states_s: dict[str, float]
    sole: str = ""
    """The thread's own name where the pool has only one."""


@dataclass(frozen=True)
class Measured:
    """One run in numbers: ``figures`` by the keys of ``MEASURES``, ``lifetime_s`` of all threads together."""

    run: RunInfo
    figures: dict[str, Figure]
    lifetime_s: float
    pools: tuple[Pool, ...]
    verdict: Verdict
    unexplained: float
    """The part of the threads' active time of which no source says what it went into."""


def measure(timeline: Timeline) -> Measured:
    """The numbers of ``timeline``."""
    states = state_seconds(timeline)
    values = _values(timeline, states)
    unknown = float(states[State.UNKNOWN.value].sum())
    blocked = 0.0 if _seen(timeline.run, Source.CALLS, "") else float(states[State.BLOCKED.value].sum())
    wall = timeline.run.duration / NS_PER_S
    facts = find_facts(timeline)
    figures = {}
    for key, value in values.items():
        why = _why_not_known(timeline, key)
        more = _more(key, unknown, wall) + (blocked if key in TOLD_BY_THE_AGENT else 0.0)
        figures[key] = Figure(None, why=why) if why else Figure(value, more)
    return Measured(
        run=timeline.run,
        figures=figures,
        lifetime_s=float(states.to_numpy().sum()),
        pools=_pools(timeline, states),
        verdict=judge_facts(facts),
        unexplained=facts.unexplained,
    )


def _values(timeline: Timeline, states: pd.DataFrame) -> dict[str, float]:
    wall = timeline.run.duration / NS_PER_S
    sums = {state.value: float(states[state.value].sum()) for state in State}
    holds = hold_table(timeline)
    lengths = (holds["end_ns"] - holds["start_ns"]).to_numpy() / NS_PER_S
    intervals = timeline.intervals
    waits = intervals[(intervals["state"] == State.GIL_WAIT.value).to_numpy()]
    longest_wait = (waits["end_ns"] - waits["start_ns"]).to_numpy().max(initial=0) / NS_PER_S
    return {
        "wall": wall,
        "cores": sum(sums[state.value] for state in RUN_STATES) / wall if wall else 0.0,
        **sums,
        "held": float(lengths.sum()),
        "handoffs": (timeline.handoffs or 0) / wall if wall else 0.0,
        "longest_hold": float(lengths.max(initial=0.0)),
        "longest_gil_wait": float(longest_wait),
        "threads": float(len(timeline.threads)),
        "lost": float(sum(timeline.run.lost.values())),
    }


def _why_not_known(timeline: Timeline, key: str) -> str:
    """Why the evidence does not tell a measure; empty where it does."""
    run = timeline.run
    if key == "wall":
        return NO_END if run.exit_status is None else ""
    if key == "lost":
        return "the oldest calls were lost, nobody counted them" if timeline.calls_known_from else ""
    if not len(timeline.threads):
        return "" if key == "threads" else NO_THREAD_SEEN
    if run.free_threaded and key in OF_THE_GIL:
        return NO_GIL
    if key in TOLD_BY_THE_AGENT and _seen(run, Source.GIL, key):
        return ""
    needs = NEEDS.get(key, frozenset())
    if run.free_threaded and key != State.LOCK_WAIT.value and Source.GIL in needs:
        needs = needs - _GIL | _SCHEDULER  # without a GIL the core alone tells who runs
    return "; ".join(_missing(run, s) for s in Source if s in needs and not _seen(run, s, key))


def _seen(run: RunInfo, source: Source, key: str) -> bool:
    evidence = run.evidence.get(source.value, "none")
    return evidence.startswith("exact") or (key == State.LOCK_WAIT.value and "locks only" in evidence)


def _missing(run: RunInfo, source: Source) -> str:
    _, _, why = run.evidence.get(source.value, "").partition(": ")
    return f"no evidence of {_SOURCE_NAMES[source]}" + (f" ({why})" if why else "")


def _more(key: str, unknown: float, wall: float) -> float:
    if key == "cores":
        return unknown / wall if wall else 0.0
    of_state = key in {state.value for state in State} and key != State.UNKNOWN.value
    return unknown if of_state or key in ("held", "longest_hold", "longest_gil_wait") else 0.0


def _pools(timeline: Timeline, states: pd.DataFrame) -> tuple[Pool, ...]:
    names = [str(name) for name in timeline.threads["name"]]
    pools = [pool_name(name) for name in names]
    sole = dict(zip(pools, names, strict=True))
    sums = states.groupby(pools, sort=False).sum() if pools else states
    return tuple(
        Pool(
            pool,
            count,
            {state.value: float(sums[state.value][pool]) for state in State},
            sole[pool] if count == 1 else "",
        )
        for pool, count in Counter(pools).items()
    )
