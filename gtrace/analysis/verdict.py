"""What the timeline says in plain words: one rule a function, the first that speaks wins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd

from gtrace.model import NS_PER_S, Gil, Source, State
from gtrace.timeline.cells import UNPROVEN

if TYPE_CHECKING:
    import numpy as np

    from gtrace.timeline import Timeline

MOSTLY: Final = 0.5
"""The share of the threads' time from which a state decides the verdict."""
CONTENDED: Final = 0.2
"""The share of the time threads wanted to run from which waiting for the GIL decides it."""
THIN: Final = 0.6
"""The share of unknown time from which nothing is concluded."""
_PASSIVE: Final = ("thread join",)
"""Waits for other threads to end: the cause, if there is one, is in those threads."""


@dataclass(frozen=True)
class Verdict:
    """``text`` says what was seen, ``advice`` what to try next, ``numbers`` what both rest on."""

    code: str
    text: str
    advice: str
    numbers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Facts:
    """What the rules look at; seconds summed over all threads, waits for the end of threads left out."""

    threads: int
    wall: float
    cores: int
    state: dict[State, float]
    undecided: float
    """Time in Python code beside other threads, where nothing tells who had the GIL."""
    active: float
    """All time but waits for the end of threads."""
    held: float
    holder: str
    """The thread that held the GIL longest, and in which function most of it."""
    top_wait: str
    """The function and the reason most lock waits stand in."""
    gil_known: bool
    free_threaded: bool

    def share(self, *states: State) -> float:
        return sum(self.state[state] for state in states) / self.active if self.active else 0.0

    @property
    def cores_used(self) -> float:
        ran = self.state[State.RUNNING] + self.state[State.NATIVE]
        return ran / self.wall if self.wall else 0.0


def judge(timeline: Timeline) -> Verdict:
    """The verdict on ``timeline``."""
    facts = _facts(timeline)
    for rule in RULES:
        verdict = rule(facts)
        if verdict is not None:
            return verdict
    return _mixed(facts)


def _facts(timeline: Timeline) -> Facts:
    intervals, run = timeline.intervals, timeline.run
    seconds = ((intervals["end_ns"] - intervals["start_ns"]) / NS_PER_S).to_numpy()
    state, reason = intervals["state"], intervals["reason"]
    passive = ((state == State.LOCK_WAIT.value) & reason.isin(_PASSIVE)).to_numpy()
    totals = {s: float(seconds[(state == s.value).to_numpy() & ~passive].sum()) for s in State}
    in_python = (state == State.UNKNOWN.value) & (reason == UNPROVEN)
    held = (intervals["gil"] == Gil.HOLDS.value).to_numpy()
    return Facts(
        threads=len(timeline.threads),
        wall=run.duration / NS_PER_S,
        cores=run.cores,
        state=totals,
        undecided=float(seconds[in_python.to_numpy()].sum()),
        active=float(seconds[~passive].sum()),
        held=float(seconds[held].sum()),
        holder=_top(intervals, seconds, held, ["thread", "function"], "{} in {}"),
        top_wait=_top(
            intervals,
            seconds,
            (state == State.LOCK_WAIT.value).to_numpy() & ~passive,
            ["reason", "caller"],
            "{} in {}",
        ),
        gil_known=run.evidence.get(Source.GIL.value, "").startswith("exact"),
        free_threaded=run.free_threaded,
    )


def _top(
    intervals: pd.DataFrame, seconds: np.ndarray, rows: np.ndarray, keys: list[str], form: str
) -> str:
    chosen = intervals[rows]
    if chosen.empty:
        return ""
    totals = pd.Series(seconds[rows], index=chosen.index).groupby([chosen[k] for k in keys], observed=True).sum()
    found = totals.idxmax()
    return form.format(*(str(part) or "code outside any recorded call" for part in found))


def _thin(facts: Facts) -> Verdict | None:
    known = facts.share(State.UNKNOWN) - (facts.undecided / facts.active if facts.active else 0)
    if known < THIN:
        return None
    return Verdict(
        "thin_evidence",
        f"Too little was recorded to say what the threads did: {known:.0%} of their time is unknown.",
        "See below which source of evidence is missing, and why.",
        (("unknown", f"{known:.0%}"),),
    )


def _single(facts: Facts) -> Verdict | None:
    if facts.threads > 1:
        return None
    waits = 1 - facts.share(State.RUNNING, State.NATIVE, State.UNKNOWN)
    return Verdict(
        "single_threaded",
        f"One thread only: nothing can compete for the GIL. It waited {waits:.0%} of the time.",
        "If it waits for I/O, threads can overlap the waits; if it computes, look for processes or native code.",
        (("threads", "1"), ("waiting", f"{waits:.0%}")),
    )


def _undecided(facts: Facts) -> Verdict | None:
    """Without the agent, time in Python code may be a wait for the GIL, or for a lock taken by ``with``."""
    doubtful = facts.undecided + facts.state[State.GIL_WAIT]
    if facts.gil_known or facts.free_threaded or doubtful < CONTENDED * facts.active:
        return None
    return Verdict(
        "python_contended",
        f"Several threads were in Python code at once for {doubtful:.2f} s of their time, and under the GIL only"
        " one runs at a time. Calls alone do not tell which one, nor waits for the GIL from waits of `with lock:`.",
        "Record where the agent works to see who held the GIL: `gtrace doctor` says what it needs.",
        (("in Python code at once", f"{doubtful:.2f} s"),),
    )


def _gil_bound(facts: Facts) -> Verdict | None:
    wait, run = facts.state[State.GIL_WAIT], facts.state[State.RUNNING]
    if facts.free_threaded or wait < CONTENDED * (wait + run) or wait + run < CONTENDED * facts.active:
        return None
    if facts.held < MOSTLY * facts.wall:
        return None
    by = f" It was held longest by {facts.holder}." if facts.holder else ""
    return Verdict(
        "gil_bound",
        f"The GIL is the limit: of {wait + run:.2f} s in which threads wanted to run Python code, they waited"
        f" {wait:.2f} s for each other.{by}",
        "More threads will not make this faster. Move the hot function to processes, to native code that"
        " releases the GIL, or to a free-threaded interpreter.",
        (("waited for the GIL", f"{wait:.2f} s"), ("cores in use", f"{facts.cores_used:.2f}")),
    )


def _lock_bound(facts: Facts) -> Verdict | None:
    share = facts.share(State.LOCK_WAIT)
    if share < MOSTLY:
        return None
    return Verdict(
        "lock_bound",
        f"Threads spent {share:.0%} of their time waiting for locks and for each other, most of it for"
        f" {facts.top_wait}.",
        "If that is a lock: hold it for less, or guard less with it. If it is a queue or an event: the thread"
        " that feeds it is the one to look at.",
        (("waiting for locks", f"{share:.0%}"), ("cores in use", f"{facts.cores_used:.2f}")),
    )


def _io_bound(facts: Facts) -> Verdict | None:
    share = facts.share(State.IO_WAIT, State.SLEEP)
    if share < MOSTLY:
        return None
    waited = facts.state[State.IO_WAIT] + facts.state[State.SLEEP]
    overlap = waited / facts.wall if facts.wall else 0.0
    overlapped = f"; {overlap:.1f} waits overlapped on average" if overlap > 1 else ""
    return Verdict(
        "io_bound",
        f"Threads spent {share:.0%} of their time waiting for I/O or sleeping{overlapped}. The GIL is not the limit.",
        "More threads, or asyncio, can overlap more waits, as long as the other side keeps up.",
        (("I/O and sleep", f"{share:.0%}"), ("waits at once", f"{overlap:.1f}")),
    )


def _native(facts: Facts) -> Verdict | None:
    share = facts.share(State.NATIVE)
    if share < MOSTLY:
        return None
    return Verdict(
        "native",
        f"Threads spent {share:.0%} of their time in native code that releases the GIL;"
        f" {facts.cores_used:.2f} of {facts.cores} cores were in use.",
        "This scales with the cores. Fewer, larger native calls cost less of the GIL.",
        (("native", f"{share:.0%}"), ("cores in use", f"{facts.cores_used:.2f} of {facts.cores}")),
    )


def _computing(facts: Facts) -> Verdict | None:
    share = facts.share(State.RUNNING)
    if share < MOSTLY:
        return None
    return Verdict(
        "computing",
        f"Threads spent {share:.0%} of their time running, and waited little for each other.",
        "The work itself is the limit: make it less, or spread it over processes.",
        (("running", f"{share:.0%}"), ("cores in use", f"{facts.cores_used:.2f}")),
    )


def _mixed(facts: Facts) -> Verdict:
    order = sorted(facts.state.items(), key=lambda item: -item[1])[:3]
    parts = ", ".join(f"{facts.share(state):.0%} {state.value}" for state, _ in order)
    return Verdict(
        "mixed",
        f"No single cause stands out: {parts}.",
        "Look at the thread with the longest bar of waits below.",
        (("cores in use", f"{facts.cores_used:.2f}"),),
    )


RULES: Final = (_thin, _single, _undecided, _gil_bound, _lock_bound, _io_bound, _native, _computing)
