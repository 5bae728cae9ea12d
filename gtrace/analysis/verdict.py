"""What the timeline says in plain words: one rule a function, the first that speaks wins.

Shares are of the threads' active time: their lifetimes without waits for other threads to be done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gtrace.analysis.facts import find_facts
from gtrace.analysis.naming import brief
from gtrace.analysis.rules import MOSTLY, NOTICED, RECORD_CALLS, Verdict
from gtrace.analysis.verdict_gil import (
    convoy,
    gil_bound,
    gil_hogged,
    python_contended,
    stalled,
    starved,
)
from gtrace.analysis.verdict_processes import in_processes, other_processes, ran_elsewhere
from gtrace.model import NS_PER_S, Evidence, State

if TYPE_CHECKING:
    from gtrace.analysis.deadlock import Deadlock, Link
    from gtrace.analysis.facts import Facts
    from gtrace.timeline import Timeline

NEARLY_ALL: Final = 0.995
"""From this share on it reads 100 %."""
LEAST_NAMED: Final = 0.02
"""The share of active time from which a kind of wait is named."""
HOLDER_KNOWN: Final = {
    Evidence.EXACT: "the locks' own word",
    Evidence.DERIVED: "where the threads stood in their source",
}
MOST_NAMED: Final = 5
"""Threads named in a sentence; the others are in the table of threads."""
THIN: Final = 0.6
"""The share of unknown time from which nothing is concluded."""
WORDS: Final = {state: state.value.replace("_", " ") for state in State} | {
    State.GIL_WAIT: "waiting for the GIL",
    State.LOCK_WAIT: "waiting for locks or each other",
    State.IO_WAIT: "waiting for I/O",
    State.SLEEP: "sleeping",
    State.STALLED: "stalled with the GIL",
    State.NATIVE: "in native code",
}


def judge(timeline: Timeline) -> Verdict:
    """The verdict on ``timeline``."""
    return judge_facts(find_facts(timeline))


def judge_facts(facts: Facts) -> Verdict:
    """The verdict on what was found."""
    for rule in RULES:
        verdict = rule(facts)
        if verdict is not None:
            return verdict
    return mixed(facts)


def deadlock(facts: Facts) -> Verdict | None:
    """Threads wait for each other: each for what the next one has."""
    if not facts.deadlocks:
        return None
    found = facts.deadlocks[0]
    waits = "; ".join(_wait(link, len(found.links)) for link in found.links)
    behind = f" {_listed(found.behind)} waited for them." if found.behind else ""
    more = len(facts.deadlocks) - 1
    others = f" There were {more} more such cycles." if more > 1 else " There was one more." if more else ""
    waited = (found.time - found.since) / NS_PER_S
    return Verdict(
        "deadlock",
        f"Deadlock: {waits}. They had waited {waited:.2f} s when the program was ended, and would have"
        f" for ever.{behind}{others}",
        _way_out(found),
        (("threads in the cycle", str(len(found.links))), ("known from", HOLDER_KNOWN[found.evidence])),
    )


def _wait(link: Link, threads: int) -> str:
    has = "it has itself" if threads == 1 else f"{link.holder} has"
    if link.holder_where:
        has += f" since {brief(link.holder_where)}"
    if link.waits_for.startswith("the end of ") and threads > 1:
        return f"{link.thread} waits for {link.waits_for} in {brief(link.where)}"
    return f"{link.thread} waits for {link.waits_for} in {brief(link.where)}, which {has}"


def _way_out(found: Deadlock) -> str:
    if len(found.links) == 1:
        return "Take that lock once, or make it an RLock."
    if any(link.waits_for.startswith("the end of ") for link in found.links):
        return "Let go of the lock before joining a thread that needs it."
    return "Take these locks in the same order everywhere, or with a timeout, or make them one."


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - MOST_NAMED
    shown = [*names[:MOST_NAMED], f"{more} others"] if more > 1 else list(names)
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def stuck(facts: Facts) -> Verdict | None:
    """The program was killed, and every thread that was left waited for a lock to its end."""
    if not facts.stuck:
        return None
    return Verdict(
        "stuck",
        f"All {len(facts.stuck)} threads that were left when the program was killed waited for locks:"
        f" {_listed(facts.stuck)}. None of them could have let another one go, but for a signal (inferred);"
        " who had which lock was not recorded.",
        "End the program by Ctrl-C or SIGTERM instead of SIGKILL: then gtrace sees who has what.",
        (("threads", str(len(facts.stuck))),),
    )


def thin_evidence(facts: Facts) -> Verdict | None:
    """More than ``THIN`` of the time is unknown."""
    unknown = facts.share(State.UNKNOWN) - facts.of_active(facts.undecided)
    if facts.active and unknown < THIN:
        return None
    if not facts.active:
        return Verdict("thin_evidence", "Nothing was recorded of any thread.", "See below why.")
    return Verdict(
        "thin_evidence",
        f"Too little was recorded to say what the threads did: {unknown:.0%} of their time is unknown.",
        "See below which source of evidence is missing, and why.",
        (("unknown", f"{unknown:.0%}"),),
    )


def single_threaded(facts: Facts) -> Verdict | None:
    """There is one thread that runs Python code."""
    if facts.threads > 1:
        return None
    own = sum(facts.own.values())
    ran = sum(facts.own[s] for s in (State.RUNNING, State.NATIVE, State.PREEMPTED, State.UNKNOWN))
    waits = 1 - ran / own if own else 0.0
    preempted = facts.own[State.PREEMPTED] / own if own else 0.0
    kept_off = f", and others had its core {preempted:.0%}" if preempted >= NOTICED else ""
    beside = ""
    if facts.native_s >= NOTICED * facts.wall:
        beside = (
            f" {_counted(facts.native_threads, 'thread')} of native libraries ran beside it, for"
            f" {facts.native_s:.2f} s in all: {facts.cores_used:.2f} of {facts.cores} cores were in use."
        )
    started = ""
    anew = facts.elsewhere
    if anew.anew_s >= NOTICED * facts.wall:
        processes = _counted(anew.anew, "process", "processes")
        started = f" It started {processes}, which ran for {anew.anew_s:.2f} s in all."
    advice = (
        "The libraries' own settings say how many threads they use." if beside else _for_one_thread(waits)
    )
    return Verdict(
        "single_threaded",
        f"One Python thread only: nothing can compete for the GIL. It waited {waits:.0%} of the time"
        f"{kept_off}.{beside}{started}",
        in_processes(facts.elsewhere) if facts.computed_elsewhere else advice,
        (("threads", "1"), ("waiting", f"{waits:.0%}"), ("cores in use", f"{facts.cores_used:.2f}")),
    )


def _for_one_thread(waits: float) -> str:
    if waits >= MOSTLY:
        return "Threads, or asyncio, can overlap these waits."
    return (
        "To use more cores, spread the work over processes, or threads in native code that releases the GIL."
    )


def _counted(count: int, noun: str, nouns: str = "") -> str:
    return f"1 {noun}" if count == 1 else f"{count} {nouns or noun + 's'}"


def lock_bound(facts: Facts) -> Verdict | None:
    """Waits for locks proper take ``MOSTLY`` of the time."""
    share = facts.of_active(facts.locks)
    if share < MOSTLY:
        return None
    return Verdict(
        "lock_bound",
        f"Locks are the limit: threads spent {share:.0%} of their time waiting for one, above all for"
        f" {facts.longest.lock}.{_worst_lock(facts)}",
        "Hold that lock for less time, guard less with it, or give each thread a lock of its own.",
        (("waiting for locks", f"{share:.0%}"), ("cores in use", f"{facts.cores_used:.2f}")),
    )


def _worst_lock(facts: Facts) -> str:
    """Which lock it is, and who has it, where that is known of one."""
    found = facts.worst_lock
    if found is None or found.share < MOSTLY or not (found.created or found.giver):
        return ""
    part = "All" if found.share >= NEARLY_ALL else f"{found.share:.0%}"
    created = f", created in {brief(found.created)}" if found.created else ""
    giver = f"; mostly {found.giver} had it before" if found.giver else ""
    return f" {part} of that was for one lock{created}{giver}."


def waiting_for_each_other(facts: Facts) -> Verdict | None:
    """Waits for what other threads have yet to do (queues, events, conditions) take ``MOSTLY``."""
    share = facts.of_active(facts.state[State.LOCK_WAIT] - facts.locks - facts.unnamed_locks)
    if share < MOSTLY:
        return None
    return Verdict(
        "waiting_for_each_other",
        f"Threads spent {share:.0%} of their time waiting for work or a word from other"
        f" threads, above all for {facts.longest.handover}.",
        "Look at the thread that feeds them: it is the one to make faster. If they are spare, have fewer.",
        (("waiting for others", f"{share:.0%}"), ("cores in use", f"{facts.cores_used:.2f}")),
    )


def _beside_the_waits(facts: Facts) -> str:
    """What the GIL has to do with threads that mostly wait for something else."""
    wait = facts.share(State.GIL_WAIT)
    said = f"They waited for the GIL as well, {wait:.0%} of their time." if wait >= NOTICED else ""
    if facts.computed_elsewhere:
        meanwhile = f"Meanwhile {ran_elsewhere(facts.elsewhere)}, most of what was computed."
        return f"{said} {meanwhile}".lstrip()
    return said or "The GIL is not the limit."


def io_bound(facts: Facts) -> Verdict | None:
    """I/O and sleep take ``MOSTLY`` of the time."""
    share = facts.share(State.IO_WAIT, State.SLEEP)
    if share < MOSTLY:
        return None
    waited = facts.state[State.IO_WAIT] + facts.state[State.SLEEP]
    overlap = waited / facts.wall if facts.wall else 0.0
    overlapped = f"; {overlap:.1f} waits overlapped on average" if overlap > 1 else ""
    return Verdict(
        "io_bound",
        f"Threads spent {share:.0%} of their time waiting for I/O or sleeping, above all"
        f" {facts.longest.idle}{overlapped}. {_beside_the_waits(facts)}",
        in_processes(facts.elsewhere)
        if facts.computed_elsewhere
        else "More threads, or asyncio, can overlap more waits, as long as the other side keeps up.",
        (("I/O and sleep", f"{share:.0%}"), ("waits at once", f"{overlap:.1f}")),
    )


def away(facts: Facts) -> Verdict | None:
    """Time away from the GIL for reasons that were not recorded takes ``MOSTLY``, with I/O and sleep."""
    share = facts.share(State.BLOCKED, State.IO_WAIT, State.SLEEP)
    if share < MOSTLY:
        return None
    where = f", above all in {facts.longest.blocked}" if facts.longest.blocked else ""
    return Verdict(
        "away",
        f"Threads spent {share:.0%} of their time away from the GIL and off the core{where}: for what, their"
        f" libraries do not say. {_beside_the_waits(facts)}",
        "That call waits inside its library, for a file, a lock, the network or a thread of its own."
        if facts.calls_known
        else f"Which call it was {RECORD_CALLS}",
        (("away from the GIL", f"{share:.0%}"), ("cores in use", f"{facts.cores_used:.2f}")),
    )


def waiting(facts: Facts) -> Verdict | None:
    """Waits of all kinds together take ``MOSTLY`` of the time, and none of them alone."""
    parts = _waits(facts)
    share = facts.of_active(sum(seconds for seconds, _, _ in parts))
    if share < MOSTLY:
        return None
    shown = ", ".join(
        f"{facts.of_active(seconds):.0%} {what}{f' ({top})' if top else ''}" for seconds, what, top in parts
    )
    return Verdict(
        "waiting",
        f"Threads waited {share:.0%} of their time, for different things: {shown}."
        f" {_beside_the_waits(facts)}",
        "The table of waits below says which thread waited for what, and who let it go on."
        if facts.calls_known
        else f"What a lock, a queue or an event is {RECORD_CALLS}",
        (("waiting", f"{share:.0%}"), ("cores in use", f"{facts.cores_used:.2f}")),
    )


def _waits(facts: Facts) -> list[tuple[float, str, str]]:
    """Seconds, for what, and the longest of them, of each kind of wait that is worth naming."""
    handed = facts.state[State.LOCK_WAIT] - facts.locks - facts.unnamed_locks
    parts = [
        (facts.locks, "for locks", facts.longest.lock),
        (handed, "for other threads", facts.longest.handover),
        (facts.unnamed_locks, "for locks, queues or events", ""),
        (facts.state[State.IO_WAIT] + facts.state[State.SLEEP], "for I/O or sleeping", facts.longest.idle),
        (facts.state[State.BLOCKED], "for what is not known", facts.longest.blocked),
    ]
    named = [part for part in parts if part[0] >= LEAST_NAMED * facts.active]
    return sorted(named, key=lambda part: -part[0])


def native(facts: Facts) -> Verdict | None:
    """Native code without the GIL takes ``MOSTLY`` of the time."""
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


def computing(facts: Facts) -> Verdict | None:
    """Threads mostly run, and nothing above stood in their way."""
    share = facts.share(State.RUNNING)
    if share < MOSTLY:
        return None
    return Verdict(
        "computing",
        f"Threads spent {share:.0%} of their time running, and waited little for each other.",
        "The work itself is the limit: make it less, or spread it over processes.",
        (("running", f"{share:.0%}"), ("cores in use", f"{facts.cores_used:.2f}")),
    )


def mixed(facts: Facts) -> Verdict:
    """No rule spoke."""
    order = sorted(facts.state.items(), key=lambda item: -item[1])[:3]
    parts = ", ".join(f"{facts.share(state):.0%} {WORDS[state]}" for state, _ in order)
    return Verdict(
        "mixed",
        f"No single cause stands out: of the threads' time {parts}.",
        "Look at the thread with the longest bar of waits below.",
        (("cores in use", f"{facts.cores_used:.2f}"),),
    )


RULES: Final = (
    deadlock,
    thin_evidence,
    stuck,
    single_threaded,
    stalled,
    starved,
    gil_hogged,
    convoy,
    python_contended,
    gil_bound,
    lock_bound,
    other_processes,
    waiting_for_each_other,
    io_bound,
    away,
    waiting,
    native,
    computing,
)
"""In the order in which they are asked: causes that stop other threads before those that do not."""
