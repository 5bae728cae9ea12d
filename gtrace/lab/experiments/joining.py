"""join waits for the end of a thread or for its timeout; nothing stops a thread but an event it looks at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gtrace.lab.claims import CannotTell, Experiment, Figure, Finding, Outcome, Run, Table
from gtrace.lab.experiments.daemon_threads import CUT, ENDED, fate, only_lane
from gtrace.lab.looking import lanes_named, spread
from gtrace.model import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from gtrace.lab.claims import Observation
    from gtrace.timeline import Timeline

REPEATS: Final = 2
SAME_MOMENT_S: Final = 0.01
"""A thread's last step and the return of its join: which of the two is stamped first says nothing."""
ANSWER: Final = re.compile(r"(worker-\d+): join gave (\w+), alive: (True|False)")


def joins_of(observation: Observation) -> list[dict[str, Any]]:
    """Each join with what the program said after it; raises CannotTell where they do not belong together."""
    timeline = observation.timeline
    answers = ANSWER.findall(observation.output)
    joins = [] if timeline.joins.empty else timeline.joins.sort_values("time_ns").to_dict("records")
    if not joins or len(joins) != len(answers):
        raise CannotTell(f"the program told of {len(answers)} joins, {len(joins)} were seen")
    found = []
    for join, (name, gave, alive) in zip(joins, answers, strict=True):
        lane = only_lane(timeline, name)
        if join["joined_tid"] != timeline.threads["tid"][lane]:
            raise CannotTell(f"the join that is said to be of {name} was of another thread")
        facts: dict[str, Any] = {str(key): value for key, value in join.items()}
        facts |= {"name": name, "gave": gave, "alive": alive == "True", "lane": lane}
        found.append({**facts, "took_s": (join["end_ns"] - join["time_ns"]) / NS_PER_S})
    return found


def waited_rightly(timeline: Timeline, join: dict[str, Any]) -> bool:
    """Whether a join returned when its thread had ended, or not before its time ran out."""
    end = timeline.threads["end_ns"][join["lane"]]
    if join["timed_out"]:
        return bool(join["took_s"] >= join["timeout_s"] - SAME_MOMENT_S and join["end_ns"] < end)
    return bool(timeline.threads["ended"][join["lane"]] and join["end_ns"] >= end - SAME_MOMENT_S * NS_PER_S)


def told_rightly(join: dict[str, Any]) -> bool:
    """Whether ``is_alive`` told what became of the join, and its answer, None either way, did not."""
    return bool(join["gave"] == "None" and join["alive"] == join["timed_out"])


def check(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """Each join returns at its thread's end or its timeout; after the last one all have ended."""
    repeats = observations["joining"]
    holds = all(_is_as_told(observation) for observation in repeats)
    waits = tuple(sum(join["took_s"] for join in joins_of(observation)) for observation in repeats)
    rows = tuple(_row(join) for join in joins_of(repeats[0]))
    words = (
        " The one with a timeout returned at it, the others when their threads had ended; all gave None, and"
        " is_alive told which it was."
    )
    if not holds:
        words = " One returned at another time than that, or is_alive told something else."
    return Finding(
        Outcome.HOLDS if holds else Outcome.FAILS,
        f"{len(rows)} joins of {len({row[0] for row in rows})} threads took {spread(waits)} s in all.{words}",
        (Figure("all joins together", waits, "s"),),
        (Table("Joins", ("thread", "timeout (s)", "took (s)", "how it went", "is_alive after"), rows),),
    )


def _is_as_told(observation: Observation) -> bool:
    """Whether every join did what it is said to; raises CannotTell where none of them ran out, or all."""
    timeline, joins = observation.timeline, joins_of(observation)
    if {bool(join["timed_out"]) for join in joins} != {True, False}:
        raise CannotTell("there was no join that ran out beside those that did not")
    last = max(timeline.threads["end_ns"][lane] for lane in lanes_named(timeline, "worker-"))
    all_gone = max(join["end_ns"] for join in joins) >= last - SAME_MOMENT_S * NS_PER_S
    return bool(all_gone and all(waited_rightly(timeline, join) and told_rightly(join) for join in joins))


def _row(join: dict[str, Any]) -> tuple[object, ...]:
    how = "ran out" if join["timed_out"] else "ended"
    return join["name"], join["timeout_s"], join["took_s"], how, join["alive"]


def check_stopping(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """The thread that was asked ends; the one that was not is alive at the end, and no method stops it."""
    fates, took = [], []
    for observation in observations["stopping"]:
        timeline = observation.timeline
        ways = re.search(r"ways to stop a thread: (\[.*\])", observation.output)
        if ways is None:
            raise CannotTell("the program did not say which ways there are to stop a thread")
        asked, other = only_lane(timeline, "asked"), only_lane(timeline, "not-asked")
        joins = timeline.joins
        if joins.empty:
            raise CannotTell("nobody waited for the thread that was asked to stop")
        fates.append((ways[1], fate(timeline, asked), fate(timeline, other)))
        # it may have ended before main got to its join
        took.append(max(timeline.threads["end_ns"][asked] - int(joins["time_ns"].iloc[-1]), 0) / NS_PER_S)
    holds = all(seen == ("[]", ENDED, CUT) for seen in fates)
    words = (
        f"A thread has no method to stop it. The one whose event was set ended {spread(took, '.3f')} s later;"
        " the other one worked on to the end of the process."
    )
    if not holds:
        ways_there, was_asked, was_not = next(seen for seen in fates if seen != ("[]", ENDED, CUT))
        words = (
            f"Ways to stop a thread: {ways_there}; the one that was asked {was_asked}, the other {was_not}."
        )
    return Finding(
        Outcome.HOLDS if holds else Outcome.FAILS,
        words,
        (Figure("from the question to the end of the thread", tuple(took), "s"),),
    )


EXPERIMENT: Final = Experiment(
    name="joining",
    claim="join waits for the end of a thread or for its timeout, and is_alive tells which; several joins"
    " wait for all.",
    source="docs.python.org/3/library/threading.html: you must call is_alive() after join() to decide whether"
    " a timeout happened",
    runs=(Run("joining", "joining", (), REPEATS, light=True),),
    check=check,
    needs=("threads",),
)

STOPPING: Final = Experiment(
    name="stopping",
    claim="A thread cannot be stopped from outside; an event asks it to stop.",
    source="docs.python.org/3/library/threading.html: threads cannot be destroyed, stopped, suspended,"
    " resumed, or interrupted",
    runs=(Run("stopping", "stopping", (), REPEATS, light=True),),
    check=check_stopping,
    needs=("threads",),
)
