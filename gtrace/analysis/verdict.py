"""What the timeline says in plain words: one rule a function, the first that speaks wins.

Shares are of the threads' active time: their lifetimes without waits for other threads to be done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gtrace.analysis.facts import brief, find_facts
from gtrace.model import NS_PER_S, Evidence, State

if TYPE_CHECKING:
    from gtrace.analysis.deadlock import Deadlock, Link
    from gtrace.analysis.facts import Facts
    from gtrace.timeline import Timeline

MOSTLY: Final = 0.5
"""The share of active time from which one state decides the verdict."""
CONTENDED: Final = 0.2
"""The share of the time threads wanted to run Python code from which waiting for the GIL decides."""
NOTICED: Final = 0.1
"""The share of active time from which stalls, preemption or a convoy are worth the headline."""
HOLDER_KNOWN: Final = {
    Evidence.EXACT: "the locks' own word",
    Evidence.DERIVED: "where the threads stood in their source",
}
MOST_NAMED: Final = 5
"""Threads named in a sentence; the others are in the table of threads."""
THIN: Final = 0.6
"""The share of unknown time from which nothing is concluded."""


@dataclass(frozen=True)
class Verdict:
    """``text`` says what was seen, ``advice`` what to try next, ``numbers`` what both rest on."""

    code: str
    text: str
    advice: str
    numbers: tuple[tuple[str, str], ...] = ()


def judge(timeline: Timeline) -> Verdict:
    """The verdict on ``timeline``."""
    facts = find_facts(timeline)
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
    shown = [*names[:MOST_NAMED], *([f"{len(names) - MOST_NAMED} others"] if names[MOST_NAMED:] else [])]
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
    """There is one thread."""
    if facts.threads > 1:
        return None
    waits = max(0.0, 1 - facts.share(State.RUNNING, State.NATIVE, State.PREEMPTED, State.UNKNOWN))
    preempted = facts.share(State.PREEMPTED)
    kept_off = f", and other programs had its core {preempted:.0%}" if preempted >= NOTICED else ""
    return Verdict(
        "single_threaded",
        f"One thread only: nothing can compete for the GIL. It waited {waits:.0%} of the time{kept_off}.",
        "If it waits for I/O, threads can overlap the waits; if it computes, look for"
        " processes or native code.",
        (("threads", "1"), ("waiting", f"{waits:.0%}")),
    )


def stalled(facts: Facts) -> Verdict | None:
    """A call blocks while it keeps the GIL, for ``NOTICED`` of the wall time."""
    seconds = facts.state[State.STALLED]
    if seconds < NOTICED * facts.wall:
        return None
    return Verdict(
        "stalled",
        f"Everything stood still for {seconds:.2f} s: {facts.top_stall} blocked without letting the GIL go.",
        "Let that call release the GIL (Py_BEGIN_ALLOW_THREADS, ctypes.CDLL instead of"
        " PyDLL), or give it a process.",
        (("stalled", f"{seconds:.2f} s"),),
    )


def gil_hogged(facts: Facts) -> Verdict | None:
    """Waits for the GIL of several switch intervals: the holder did not let go when asked."""
    hog = facts.hog
    wait = facts.state[State.GIL_WAIT]
    if hog is None or not hog.is_native or hog.waited_s < MOSTLY * wait or wait < NOTICED * facts.active:
        return None
    return Verdict(
        "gil_hogged",
        f"{hog.function} keeps the GIL: {hog.thread} held it for up to"
        f" {hog.longest_s * 1000:.0f} ms at a time,"
        f" and other threads waited {hog.waited_s:.2f} s for it.",
        "A C function that does not release the GIL stops every other thread. Give it"
        " smaller pieces, or run it"
        " in a process.",
        (("longest hold", f"{hog.longest_s * 1000:.0f} ms"), ("waited for the GIL", f"{wait:.2f} s")),
    )


def convoy(facts: Facts) -> Verdict | None:
    """I/O threads pay about a switch interval for each return, ``NOTICED`` of their time or more."""
    found = facts.convoy
    if found is None or found.share < NOTICED or found.mean_s < facts.switch_interval * MOSTLY:
        return None
    who = "1 thread" if found.threads == 1 else f"{found.threads} threads"
    asked = found.mean_s < facts.switch_interval * 2
    keeps = "keeps it for a whole switch interval" if asked else "has it for longer than the switch interval"
    return Verdict(
        "convoy",
        f"{who} that mostly wait for I/O wait for the GIL as well:"
        f" {found.mean_s * 1000:.1f} ms on average, each"
        f" of {found.returns} times they had to, because {found.holder} {keeps}"
        f" ({facts.switch_interval * 1000:g} ms).",
        "Move the computing thread to a process, or lower sys.setswitchinterval:"
        " `gtrace run --switch-interval` tries it without a change.",
        (
            ("GIL wait per return", f"{found.mean_s * 1000:.1f} ms"),
            ("of these threads' time", f"{found.share:.0%}"),
            ("cores in use", f"{facts.cores_used:.2f}"),
        ),
    )


def python_contended(facts: Facts) -> Verdict | None:
    """Without the agent, time in Python code may be a wait for the GIL, or for a lock taken by ``with``."""
    doubtful = facts.undecided + facts.state[State.GIL_WAIT]
    if facts.gil_known or facts.free_threaded or doubtful < CONTENDED * facts.active:
        return None
    return Verdict(
        "python_contended",
        f"Several threads were in Python code at once for {doubtful:.2f} s of their time,"
        " and under the GIL only"
        " one runs at a time. Calls alone do not tell which one, nor waits for the GIL"
        " from waits of `with lock:`.",
        "Record where the agent works to see who held the GIL: `gtrace doctor` says what it needs.",
        (("in Python code at once", f"{doubtful:.2f} s"),),
    )


def gil_bound(facts: Facts) -> Verdict | None:
    """Threads wait for the GIL ``CONTENDED`` of the time they want to run, and it is mostly held."""
    wait, run = facts.state[State.GIL_WAIT], facts.held
    if facts.free_threaded or wait < CONTENDED * (wait + run) or wait + run < CONTENDED * facts.active:
        return None
    if facts.held < MOSTLY * facts.wall:
        return None
    by = f" It was held longest by {facts.holder}." if facts.holder else ""
    return Verdict(
        "gil_bound",
        f"The GIL is the limit: of {wait + run:.2f} s in which threads wanted to run Python"
        " code, they waited"
        f" {wait:.2f} s for each other.{by}",
        "More threads will not make this faster. Move the hot function to processes, to native code that"
        " releases the GIL, or to a free-threaded interpreter.",
        (
            ("waited for the GIL", f"{wait:.2f} s"),
            ("cores in use", f"{facts.cores_used:.2f} of {facts.cores}"),
        ),
    )


def starved(facts: Facts) -> Verdict | None:
    """The operating system kept threads off the cores for ``CONTENDED`` of their time."""
    share = facts.share(State.PREEMPTED)
    if share < CONTENDED:
        return None
    return Verdict(
        "starved",
        f"Threads that could run were off the core {share:.0%} of their time: more of them"
        " want to run than there"
        f" are cores ({facts.cores}), or other programs take them.",
        "Run fewer threads at once, or give the program more cores.",
        (("preempted", f"{share:.0%}"), ("cores in use", f"{facts.cores_used:.2f} of {facts.cores}")),
    )


def lock_bound(facts: Facts) -> Verdict | None:
    """Waits for locks proper take ``MOSTLY`` of the time."""
    share = facts.of_active(facts.locks)
    if share < MOSTLY:
        return None
    return Verdict(
        "lock_bound",
        f"Locks are the limit: threads spent {share:.0%} of their time waiting for one, most of it for"
        f" {facts.top_lock}.",
        "Hold that lock for less time, guard less with it, or give each thread a lock of its own.",
        (("waiting for locks", f"{share:.0%}"), ("cores in use", f"{facts.cores_used:.2f}")),
    )


def waiting_for_each_other(facts: Facts) -> Verdict | None:
    """Waits for what other threads have yet to do (queues, events, conditions) take ``MOSTLY``."""
    share = facts.of_active(facts.state[State.LOCK_WAIT] - facts.locks)
    if share < MOSTLY:
        return None
    return Verdict(
        "waiting_for_each_other",
        f"Threads spent {share:.0%} of their time waiting for work or a word from other"
        " threads, most of it for"
        f" {facts.top_handover}.",
        "Look at the thread that feeds them: it is the one to make faster. If they are spare, have fewer.",
        (("waiting for others", f"{share:.0%}"), ("cores in use", f"{facts.cores_used:.2f}")),
    )


def _beside_the_waits(facts: Facts) -> str:
    """What the GIL has to do with threads that mostly wait for something else."""
    wait = facts.share(State.GIL_WAIT)
    if wait < NOTICED:
        return "The GIL is not the limit."
    return f"They waited for the GIL as well, {wait:.0%} of their time."


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
        f"Threads spent {share:.0%} of their time waiting for I/O or sleeping{overlapped}."
        f" {_beside_the_waits(facts)}",
        "More threads, or asyncio, can overlap more waits, as long as the other side keeps up.",
        (("I/O and sleep", f"{share:.0%}"), ("waits at once", f"{overlap:.1f}")),
    )


def away(facts: Facts) -> Verdict | None:
    """Time away from the GIL for reasons that were not recorded takes ``MOSTLY``, with I/O and sleep."""
    share = facts.share(State.BLOCKED, State.IO_WAIT, State.SLEEP)
    if share < MOSTLY:
        return None
    return Verdict(
        "away",
        f"Threads spent {share:.0%} of their time away from the GIL, for reasons that were not recorded."
        f" {_beside_the_waits(facts)}",
        "Record the calls as well, without --light, to see what they waited for.",
        (("away from the GIL", f"{share:.0%}"), ("cores in use", f"{facts.cores_used:.2f}")),
    )


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
    parts = ", ".join(f"{facts.share(state):.0%} {state.value.replace('_', ' ')}" for state, _ in order)
    return Verdict(
        "mixed",
        f"No single cause stands out: {parts}.",
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
    waiting_for_each_other,
    io_bound,
    away,
    native,
    computing,
)
"""In the order in which they are asked: causes that stop other threads before those that do not."""
