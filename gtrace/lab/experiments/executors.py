"""Pools of threads, processes and interpreters that compute; start methods; ``asyncio.to_thread``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np

from gtrace.lab.claims import CannotTell, Experiment, Figure, Finding, Outcome, Run, Table
from gtrace.lab.looking import lanes_named, spread
from gtrace.model import RUN_STATES, Gil, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from gtrace.lab.claims import Observation
    from gtrace.timeline import Timeline

COMPUTING: Final = (State.RUNNING, State.NATIVE, State.PREEMPTED)
"""States of a thread that computes, or would if no other program had taken its core."""
SLEEPING: Final = (State.SLEEP,)
SIDE_BY_SIDE: Final = 1.5
"""From here on two workers are at it at once."""
IN_TURNS: Final = 1.2
"""Up to here they take turns."""
A_GIL_OF_ITS_OWN: Final = 0.1
"""The least share of the workers' time with a GIL that makes one count as theirs."""
TOGETHER: Final = 0.2
"""The least share of the time in which all workers must be at it to be looked at by itself."""
MIDDLE: Final = (0.1, 0.9)
"""Of a worker's work, what is neither its start nor its end."""
HELD_UP: Final = 0.2
"""From here on waiting for the GIL is a good part of the event loop's time."""
THREADS, PROCESSES, INTERPRETERS = "threads", "processes", "interpreters"
SHARED_MACHINE: Final = (
    "At once: how many workers were on a core, or ready to run while another program had it, on average while"
    " all of them were at work."
)
FORKED: Final = "The processes here are forked, whatever the default is, so that they are recorded."
NEW_PROGRAMS: Final = (
    "gtrace records a forked child like its parent; one that is spawned, or that a fork server makes, is a"
    " new program and is not recorded. From Python 3.14 on the fork server is the default, because a fork"
    " copies locks that other threads hold, but not those threads."
)


@dataclass(frozen=True)
class Workers:
    """The threads, or the main threads of the processes, that do the work of one run."""

    timeline: Timeline
    lanes: tuple[int, ...]

    @property
    def rows(self) -> pd.DataFrame:
        intervals = self.timeline.intervals
        return intervals[intervals["lane"].isin(self.lanes).to_numpy()]

    def at_once(self, states: Sequence[State]) -> float:
        """How many of them were in ``states`` on average, while all were in the middle of their work.

        Where that is next to no time, because one came after the other: over the whole time.
        """
        rows = self.rows
        chosen = rows[rows["state"].isin([state.value for state in states]).to_numpy()]
        if chosen.empty:
            return 0.0
        begun, done = zip(*(_middle(of_one) for _, of_one in chosen.groupby("lane")), strict=True)
        start, end = max(begun), min(done)
        first, last = int(chosen["start_ns"].min()), int(chosen["end_ns"].max())
        if end - start < TOGETHER * (last - first):
            start, end = first, last
        inside = chosen["end_ns"].clip(upper=end) - chosen["start_ns"].clip(lower=start)
        return float(inside.clip(lower=0).sum() / max(end - start, 1))

    @property
    def cores_in_use(self) -> float:
        """Cores they were on, on average: those at once, less what other programs took."""
        length = self.rows["end_ns"] - self.rows["start_ns"]
        states = self.rows["state"].astype(str)
        on_a_core = length[states.isin([state.value for state in RUN_STATES])].sum()
        wanted = length[states.isin([state.value for state in COMPUTING])].sum()
        return float(on_a_core / wanted * self.at_once(COMPUTING)) if wanted else 0.0

    @property
    def gils(self) -> int:
        """How many GILs they held for a good part of the time in which they held any."""
        held = self.rows[(self.rows["gil"] == Gil.HOLDS.value).to_numpy()]
        length = (held["end_ns"] - held["start_ns"]).groupby([held["pid"], held["gil_number"]]).sum()
        return int((length > A_GIL_OF_ITS_OWN * length.sum()).sum())

    @property
    def gil_wait_share(self) -> float:
        """Waiting for a GIL, as a share of computing and waiting for it."""
        length = self.rows["end_ns"] - self.rows["start_ns"]
        states = self.rows["state"].astype(str)
        waited = length[states == State.GIL_WAIT.value].sum()
        wanted = waited + length[states.isin([state.value for state in COMPUTING])].sum()
        return float(waited / wanted) if wanted else 0.0


def _middle(rows: pd.DataFrame) -> tuple[float, float]:
    """When a worker had done the first part of its work, and when only the last was left."""
    edges = rows[["start_ns", "end_ns"]].to_numpy()
    lengths = edges[:, 1] - edges[:, 0]
    after = np.cumsum(lengths)
    begun, done = np.interp(
        np.array(MIDDLE) * after[-1], np.stack([after - lengths, after], 1).ravel(), edges.ravel()
    )
    return float(begun), float(done)


def pool(observation: Observation) -> Workers:
    """The workers of a pool of threads or interpreters."""
    return Workers(observation.timeline, tuple(lanes_named(observation.timeline, "pool_")))


def children(observation: Observation) -> Workers:
    """The main threads of all processes but the first; raises CannotTell where none was recorded."""
    threads = observation.timeline.threads
    main = (threads["tid"] == threads["pid"]).to_numpy() & (
        threads["pid"] != threads["pid"].iloc[0]
    ).to_numpy()
    if not main.any():
        raise CannotTell("no child process was recorded")
    return Workers(observation.timeline, tuple(int(lane) for lane in threads.index[main]))


def check_executors(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """Threads take turns on one GIL; processes and interpreters compute side by side on their own."""
    find = {THREADS: pool, PROCESSES: children, INTERPRETERS: pool}
    seen = {kind: [find[kind](run) for run in runs] for kind, runs in observations.items()}
    at_once = {kind: tuple(w.at_once(COMPUTING) for w in workers) for kind, workers in seen.items()}
    if not all(min(values) > 0 for values in at_once.values()):
        raise CannotTell("a pool's workers did not compute")
    run = seen[THREADS][0].timeline.run
    if run.cores < 2:  # noqa: PLR2004  two workers need two
        raise CannotTell("there is one core only: nothing can run side by side on it")
    gils = {kind: round(median(w.gils for w in workers)) for kind, workers in seen.items()}
    free = run.free_threaded
    others = [kind for kind in (PROCESSES, INTERPRETERS) if kind in seen]
    limited = max(at_once[THREADS]) <= IN_TURNS and gils[THREADS] == 1
    scaled = all(max(at_once[kind]) >= SIDE_BY_SIDE and (free or gils[kind] > 1) for kind in others)
    words = [
        f"two {kind} computed {spread(values)} at once" + ("" if free else f" with {_gils(gils[kind])}")
        for kind, values in at_once.items()
    ]
    if INTERPRETERS not in seen:
        words.append("there are no pools of interpreters before Python 3.14")
    text = "; ".join(words)
    return Finding(
        Outcome.HOLDS if limited and scaled else Outcome.FAILS,
        f"{text[0].upper()}{text[1:]}.",
        tuple(Figure(f"workers at once, {kind}", values) for kind, values in at_once.items()),
        (_pools(seen),),
    )


def _gils(count: int) -> str:
    return "one GIL" if count == 1 else f"{count} GILs"


def _pools(seen: Mapping[str, Sequence[Workers]]) -> Table:
    return Table(
        "Pools of two workers that compute",
        ("workers", "at once", "cores in use", "GILs", "time waiting for a GIL", "processes recorded"),
        tuple(
            (
                kind,
                round(median(w.at_once(COMPUTING) for w in workers), 2),
                round(median(w.cores_in_use for w in workers), 2),
                round(median(w.gils for w in workers)),
                f"{median(w.gil_wait_share for w in workers):.0%}",
                len(workers[0].timeline.run.pids),
            )
            for kind, workers in seen.items()
        ),
    )


def check_start_methods(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """The default is fork; and a child by fork, no other, is this process's own copy, and so recorded."""
    (observation,) = observations["each"]
    said = re.search(r"^default: (\w+)\nparent: (\d+)$", observation.output, re.MULTILINE)
    lines = re.findall(r"^(\w+): child (\d+) of (\d+)$", observation.output, re.MULTILINE)
    started = {method: (int(child), int(parent)) for method, child, parent in lines}
    if said is None or said[1] not in started or "fork" not in started:
        raise CannotTell("the program did not say how it started its children")
    pids = observation.timeline.run.pids
    rows = tuple(
        (method, "yes" if parent == int(said[2]) else "no", "yes" if child in pids else "no")
        for method, (child, parent) in started.items()
    )
    for method, own, recorded in rows:
        if (recorded == "yes") != (method == "fork") or (method == "fork" and own == "no"):
            raise CannotTell(f"what the recording says of the child by {method} contradicts the program")
    return Finding(
        Outcome.HOLDS if said[1] == "fork" else Outcome.FAILS,
        f"The default here is {said[1]}; of the children by {', '.join(started)} the recording has those by"
        f" {', '.join(method for method, _, recorded in rows if recorded == 'yes')}.",
        tables=(
            Table("Start methods of multiprocessing", ("method", "child of this process", "recorded"), rows),
        ),
    )


def check_to_thread(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """Calls that sleep, and hashes, go on side by side; calls that compute take turns, with the loop too."""
    seen = {work: [_calls(run) for run in runs] for work, runs in observations.items()}
    states = {"sleep": SLEEPING, "compute": COMPUTING, "hash": COMPUTING}
    at_once = {work: tuple(w.at_once(states[work]) for w in workers) for work, workers in seen.items()}
    if not all(min(values) > 0 for values in at_once.values()):
        raise CannotTell("the calls did not do their work in threads called asyncio_…")
    waits = {
        work: tuple(loop_waits(w, states[work]) for w in workers) for work, workers in seen.items()
    }  # fmt: skip
    # one run side by side shows that they can be; on a busy machine a call may begin when the other has ended
    beside = all(max(at_once[work]) >= SIDE_BY_SIDE for work in ("sleep", "hash"))
    in_turns = max(at_once["compute"]) <= IN_TURNS
    held_up = median(waits["compute"]) >= HELD_UP > median(waits["sleep"])
    return Finding(
        Outcome.HOLDS if beside and in_turns and held_up else Outcome.FAILS,
        f"Of two calls {spread(at_once['sleep'])} slept at once, {spread(at_once['hash'])} hashed and"
        f" {spread(at_once['compute'])} computed; meanwhile the event loop waited"
        f" {median(waits['sleep']):.0%}, {median(waits['hash']):.0%} and {median(waits['compute']):.0%} of"
        " the time for the GIL.",
        tuple(Figure(f"calls at once, {work}", values) for work, values in at_once.items()),
        (
            Table(
                "Calls by asyncio.to_thread, two at a time",
                ("what they do", "at once", "event loop waits for the GIL"),
                tuple(
                    (work, round(median(at_once[work]), 2), f"{median(waits[work]):.0%}") for work in at_once
                ),
            ),
        ),
    )


def _calls(observation: Observation) -> Workers:
    return Workers(observation.timeline, tuple(lanes_named(observation.timeline, "asyncio_")))


def loop_waits(workers: Workers, states: Sequence[State]) -> float:
    """The share of the time between first and last of ``states`` that the main thread waited for a worker."""
    rows = workers.rows
    busy = rows[rows["state"].isin([state.value for state in states]).to_numpy()]
    start, end = int(busy["start_ns"].min()), int(busy["end_ns"].max())
    all_rows = workers.timeline.intervals
    waits = all_rows[
        (all_rows["state"] == State.GIL_WAIT.value).to_numpy()
        & (all_rows["tid"] == all_rows["pid"]).to_numpy()
        & all_rows["blocker_tid"].isin(rows["tid"]).to_numpy()
    ]
    inside = waits["end_ns"].clip(upper=end) - waits["start_ns"].clip(lower=start)
    return float(inside.clip(lower=0).sum() / max(end - start, 1))


EXECUTORS: Final = Experiment(
    name="executors",
    claim="For work that computes, processes and interpreters use several cores, where threads use one.",
    source="docs.python.org/3/library/concurrent.futures.html: it side-steps the Global Interpreter Lock",
    runs=(
        Run(THREADS, "executors", ("--pool", THREADS), light=True),
        Run(PROCESSES, "executors", ("--pool", PROCESSES), light=True, repeats=2),
        Run(INTERPRETERS, "executors", ("--pool", INTERPRETERS), light=True, repeats=2, since=(3, 14)),
    ),
    check=check_executors,
    needs=("gil", "scheduler"),
    shown=PROCESSES,
    notes=(SHARED_MACHINE, FORKED),
)

START_METHODS: Final = Experiment(
    name="start_methods",
    claim="On Linux multiprocessing starts its children by fork, as copies of their parent.",
    source="often told; docs.python.org/3/library/multiprocessing.html up to 3.13",
    runs=(Run("each", "start_methods", light=True),),
    check=check_start_methods,
    notes=(NEW_PROGRAMS,),
)

TO_THREAD: Final = Experiment(
    name="to_thread",
    claim="asyncio.to_thread runs blocking calls beside the event loop; ones that compute hold it up.",
    source="docs.python.org/3/library/asyncio-task.html: due to the GIL, only for I/O-bound functions",
    runs=(
        Run("sleep", "to_thread", ("--work", "sleep", "--amount", "25")),
        Run("hash", "to_thread", ("--work", "hash"), light=True, repeats=3),
        Run("compute", "to_thread", ("--work", "compute", "--amount", "15"), light=True),
    ),
    check=check_to_thread,
    needs=("gil", "scheduler"),
    shown="compute",
)
