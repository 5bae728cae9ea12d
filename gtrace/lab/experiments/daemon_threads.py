"""What keeps a process alive, what is cut off when it ends, and what Ctrl-C ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gtrace.lab.claims import CannotTell, Experiment, Figure, Finding, Outcome, Run, Table
from gtrace.lab.looking import lanes_named, spread
from gtrace.model import NS_PER_S, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gtrace.lab.claims import Observation
    from gtrace.timeline import Timeline

CTRL_C: Final = 130
"""The exit status of a program that Ctrl-C ended."""
GOES_ON_S: Final = 0.1
"""How long the worker of ``interrupted`` goes on once main is interrupted."""
PATIENCE_S: Final = 0.6
REPEATS: Final = 2
LEFT_BEHIND: Final = (
    "Up to Python 3.12 a join that Ctrl-C interrupts takes the thread for ended, so that the process does not"
    " wait for it any more."
)
CUT, ENDED = "cut off at the end", "ended by itself"


def only_lane(timeline: Timeline, name: str) -> int:
    """The lane of the one thread called ``name``; raises CannotTell where there is none or another one."""
    lanes = lanes_named(timeline, name)
    if len(lanes) != 1:
        raise CannotTell(f"there are {len(lanes)} threads called {name}")
    return lanes[0]


def fate(timeline: Timeline, lane: int) -> str:
    """How the thread of ``lane`` ended."""
    return ENDED if timeline.threads["ended"][lane] else CUT


def last_end_of(timeline: Timeline, lane: int, state: State) -> float:
    """When the thread of ``lane`` last left ``state``, in seconds; raises CannotTell where it never did."""
    own = timeline.intervals[(timeline.intervals["lane"] == lane).to_numpy()]
    ends = own.loc[(own["state"] == state.value).to_numpy(), "end_ns"]
    if ends.empty:
        raise CannotTell(f"{timeline.threads['name'][lane]} was never seen in {state.value}")
    return float(ends.iloc[-1]) / NS_PER_S


def outlived_main(timeline: Timeline) -> bool:
    """Whether main, done with its own code, waited for the worker, and the run ended with that one."""
    main, worker = only_lane(timeline, "MainThread"), only_lane(timeline, "worker-0")
    end = timeline.threads["end_ns"][worker] / NS_PER_S
    own = timeline.intervals[(timeline.intervals["lane"] == main).to_numpy()]
    own = own[(own["state"] == State.LOCK_WAIT.value).to_numpy()]
    waited = (own["end_ns"] - own["start_ns"]).max() / NS_PER_S if len(own) else 0.0
    life = end - timeline.threads["start_ns"][worker] / NS_PER_S
    return bool(timeline.threads["ended"][worker]) and waited > life / 2


def check(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """The worker ends by itself and main waits for it; the daemons are alive when the run ends."""
    timelines = [observation.timeline for observation in observations["daemons"]]
    rows, kept, cut = [], [], []
    for timeline in timelines:
        daemons = [int(lane) for lane in timeline.threads.index[timeline.threads["daemon"]]]
        if not daemons:
            raise CannotTell("no daemon thread was seen")
        kept.append(outlived_main(timeline))
        cut.append(all(fate(timeline, lane) == CUT for lane in daemons))
    first = timelines[0]
    after = tuple(t.run.duration / NS_PER_S - _end_of_worker(t) for t in timelines)
    for lane, thread in enumerate(first.threads.to_dict("records")):
        kind = "daemon" if thread["daemon"] else "main" if thread["name"] == "MainThread" else "not a daemon"
        how = "ended the process" if kind == "main" else fate(first, lane)
        rows.append((thread["name"], kind, how, thread["end_ns"] / NS_PER_S))
    holds = all(kept) and all(cut)
    words = "waited for the worker and cut" if holds else "did not wait for the worker, or did not cut"
    return Finding(
        Outcome.HOLDS if holds else Outcome.FAILS,
        f"The process {words} its daemon threads; it ended {spread(after, '.3f')} s after the worker.",
        (Figure("from the worker's end to that of the process", after, "s"),),
        (
            Table(
                "How each thread ended", ("thread", "kind", "how it ended", "last seen at (s)"), tuple(rows)
            ),
        ),
    )


def _end_of_worker(timeline: Timeline) -> float:
    return float(timeline.threads["end_ns"][only_lane(timeline, "worker-0")]) / NS_PER_S


def check_lock(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """At the end one daemon is inside the lock, and the other waits for it, as it did all the time."""
    freed, waited = [], []
    for observation in observations["lock"]:
        timeline = observation.timeline
        has, wants = only_lane(timeline, "daemon-has-it"), only_lane(timeline, "daemon-wants-it")
        if fate(timeline, has) != CUT:
            raise CannotTell("the thread that has the lock ended before the process did")
        own = timeline.intervals[(timeline.intervals["lane"] == wants).to_numpy()]
        last = own.iloc[-1]
        waits = last["state"] == State.LOCK_WAIT.value and fate(timeline, wants) == CUT
        waited.append(float(last["end_ns"] - last["start_ns"]) / NS_PER_S if waits else 0.0)
        freed.append("given back" in observation.output or not waits)
    if any(freed):
        return Finding(Outcome.HOLDS, "The lock was given back when its daemon thread was cut off.")
    return Finding(
        Outcome.FAILS,
        "The daemon thread was cut off inside the lock: its finally never ran, and the thread that waited"
        f" for the lock, {spread(waited)} s so far, never got it.",
        (Figure("waited in vain", tuple(waited), "s"),),
    )


def check_interrupt(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """After Ctrl-C the process lives until the worker ends; a second one cuts it off."""
    sleeping = observations["sleeping"]
    joined, twice = observations["joining"][0], observations["twice"][0]
    went_on = tuple(_went_on(observation) for observation in sleeping)
    if _worker(twice) != CUT:
        raise CannotTell("the worker that never ends has ended")
    columns = ("main thread", "Ctrl-C", "the worker", "process after the first Ctrl-C (s)")
    rows = (
        ("in a sleep", 1, _worker(sleeping[0]), went_on[0]),
        ("in a join of the worker", 1, _worker(joined), _went_on(joined)),
        ("in a sleep, then waiting for the worker", 2, _worker(twice), _went_on(twice)),
    )
    lived_on = all(_worker(observation) == ENDED for observation in sleeping) and min(went_on) >= GOES_ON_S
    words = "Ctrl-C ended the process while its worker still worked."
    if lived_on:
        words = (
            f"Ctrl-C ended the main thread alone: the process went on for {spread(went_on)} s, until its"
            " worker had ended. A second one cut a worker off."
        )
    if _worker(joined) == CUT:
        words += " Interrupted in a join, main took the worker for ended and left it behind."
    return Finding(
        Outcome.FAILS if lived_on else Outcome.HOLDS,
        words,
        (Figure("the process after Ctrl-C", went_on, "s"),),
        (Table("Where Ctrl-C met the main thread", columns, rows),),
    )


def _went_on(observation: Observation) -> float:
    """Seconds from the interrupt, on which main lets the worker go on, to the end of the run."""
    if "main is interrupted" not in observation.output or observation.exit_status != CTRL_C:
        raise CannotTell("Ctrl-C did not meet the main thread")
    timeline = observation.timeline
    at = last_end_of(timeline, only_lane(timeline, "worker-0"), State.LOCK_WAIT)
    return timeline.run.duration / NS_PER_S - at


def _worker(observation: Observation) -> str:
    return fate(observation.timeline, only_lane(observation.timeline, "worker-0"))


EXPERIMENT: Final = Experiment(
    name="daemon_threads",
    claim="The process lives as long as a thread that is no daemon; daemon threads are cut off at its end.",
    source="docs.python.org/3/library/threading.html: the entire Python program exits when only daemon"
    " threads are left",
    runs=(Run("daemons", "daemon_threads", ("--seconds", "0.25"), REPEATS, light=True),),
    check=check,
    needs=("gil", "threads"),
)

LOCK: Final = Experiment(
    name="daemon_lock",
    claim="A daemon thread gives back what it has when the program ends.",
    source="often told; docs.python.org/3/library/threading.html says that their resources may not be"
    " released properly",
    runs=(Run("lock", "daemon_lock", ("--seconds", "0.2"), REPEATS, light=True),),
    check=check_lock,
    needs=("gil", "threads"),
)

CTRL_C_ENDS: Final = Experiment(
    name="ctrl_c",
    claim="Ctrl-C ends a program, also while its threads work.",
    source="often told; docs.python.org/3/library/signal.html: signal handlers run in the main thread",
    runs=(
        Run(
            "sleeping",
            "interrupted",
            ("--patience", "10", "--seconds", str(1.5 * GOES_ON_S)),
            light=True,
            interrupt_after_s=PATIENCE_S,
        ),
        Run(
            "joining",
            "interrupted",
            ("--patience", "10", "--main", "join", "--seconds", str(1.5 * GOES_ON_S)),
            light=True,
            interrupt_after_s=PATIENCE_S,
        ),
        Run(
            "twice",
            "interrupted",
            ("--patience", "10", "--worker", "stubborn"),
            light=True,
            interrupt_after_s=PATIENCE_S,
        ),
    ),
    check=check_interrupt,
    needs=("gil", "threads"),
    notes=(LEFT_BEHIND,),
)
