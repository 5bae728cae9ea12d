"""The rules of the verdict about the GIL and the cores: what stops threads that could run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gtrace.analysis.naming import is_native, placed
from gtrace.analysis.rules import MOSTLY, NOTICED, RECORD_CALLS, Verdict
from gtrace.model import State

if TYPE_CHECKING:
    from gtrace.analysis.contention import Blame
    from gtrace.analysis.facts import Facts

CONTENDED: Final = 0.2
"""The share of the time threads wanted to run Python code from which waiting for the GIL decides."""
STARVED_TIMES: Final = 2
"""So many times as long as for a GIL whose holder ran, threads must lack a core for that to be the cause."""
FEWEST_RETURNS: Final = 5
"""Of fewer returns from I/O nobody can speak of a convoy."""
MOST_HOLDERS: Final = 2
"""Threads to blame for a convoy that are named; more are counted."""
BUSY: Final = "mostly because other programs had the cores, or a CPU limit kept this one from them"
QUIETER: Final = (
    "Record it again while the machine is quiet, or give the program more cores: waits for the GIL and for"
    " locks are longer than they would be."
)
CROWDED: Final = "because more of them want to run at once than there are cores"
FEWER: Final = "Run fewer threads at once, or give the program more cores."


def stalled(facts: Facts) -> Verdict | None:
    """A call blocks while it keeps the GIL, and others waited for it, for ``NOTICED`` of the wall time."""
    seconds = facts.state[State.STALLED]
    if min(seconds, facts.stalled_others) < NOTICED * facts.wall:
        return None
    return Verdict(
        "stalled",
        f"Everything stood still for {seconds:.2f} s: {facts.longest.stall} blocked without letting the GIL"
        " go.",
        "Let that call release the GIL (Py_BEGIN_ALLOW_THREADS, ctypes.CDLL instead of"
        " PyDLL), or give it a process.",
        (("stalled", f"{seconds:.2f} s"), ("others waited for it", f"{facts.stalled_others:.2f} s")),
    )


def starved(facts: Facts) -> Verdict | None:
    """The operating system kept threads off the cores for ``CONTENDED`` of their time.

    Who waits for the GIL of such a thread waits for the core as well. Where waits for a GIL whose holder
    ran are worth mentioning beside that, they decide.
    """
    found, off = facts.crowding, facts.state[State.PREEMPTED]
    if found is None or off + found.behind_s < CONTENDED * facts.active:
        return None
    rest = facts.state[State.GIL_WAIT] - found.behind_s
    if off + found.behind_s < STARVED_TIMES * rest:
        return None
    by_others = found.by_others_s / off
    why, advice = (BUSY, QUIETER) if by_others >= MOSTLY else (CROWDED, FEWER)
    behind = ""
    if found.behind_s >= NOTICED * facts.active:
        behind = f" Some of them had the GIL then, and others waited {found.behind_s:.2f} s behind them."
    if rest >= NOTICED * facts.active:
        behind += f" For the GIL of threads that ran they waited {rest:.2f} s."
    return Verdict(
        "starved",
        f"Threads that could run were off the core {facts.share(State.PREEMPTED):.0%} of their time,"
        f" {why}.{behind}",
        advice,
        (
            ("preempted", f"{facts.share(State.PREEMPTED):.0%}"),
            ("of that by others", f"{by_others:.0%}"),
            ("cores in use", f"{facts.cores_used:.2f} of {facts.cores}"),
        ),
    )


def gil_hogged(facts: Facts) -> Verdict | None:
    """Waits for the GIL of several switch intervals: the holder did not let go when asked."""
    hog = facts.hog
    wait = facts.state[State.GIL_WAIT]
    behind = facts.crowding.behind_s if facts.crowding else 0.0
    if hog is None or hog.waited_s < MOSTLY * (wait - behind) or wait < NOTICED * facts.active:
        return None
    longest = f"{hog.longest_s * 1000:.0f} ms"
    where = placed(hog.function, hog.own)
    culprit = where if is_native(hog.function) else f"C code called by {where}" if where else "C code"
    return Verdict(
        "gil_hogged",
        f"{culprit} keeps the GIL: {hog.thread} held it for up to {longest} at a time,"
        f" and other threads waited {hog.waited_s:.2f} s for it.",
        "A C function that does not release the GIL stops every other thread. Give it smaller pieces, or run"
        f" it in a process.{'' if facts.calls_known else f' Which one it is {RECORD_CALLS}'}",
        (("longest hold", longest), ("waited for the GIL", f"{wait:.2f} s")),
    )


def convoy(facts: Facts) -> Verdict | None:
    """I/O threads pay about a switch interval for each return, ``NOTICED`` of their time or more.

    Most waits for the GIL are theirs: where those who compute wait more for each other, that is the cause.
    And most of what they pay is for others: I/O threads that wait for each other are too many for one GIL,
    but nobody among them computes.
    """
    found = facts.convoy
    if found is None or found.share < NOTICED or found.mean_s < facts.switch_interval * MOSTLY:
        return None
    if found.returns < FEWEST_RETURNS or found.waited_s < MOSTLY * facts.state[State.GIL_WAIT]:
        return None
    if found.for_others_s < MOSTLY * found.waited_s:
        return None
    who = (
        "1 thread that mostly waits for I/O waits"
        if found.threads == 1
        else (f"{found.threads} threads that mostly wait for I/O wait")
    )
    asked = found.mean_s < facts.switch_interval * 2
    many = len(found.holders) > 1
    keeps = f"keep{'' if many else 's'} it for a whole switch interval"
    if not asked:
        keeps = f"{'have' if many else 'has'} it for longer than the switch interval"
    return Verdict(
        "convoy",
        f"{who} for the GIL as well: {found.mean_s * 1000:.1f} ms on average, each of {found.returns} times"
        f" they had to, because {_holders(found.holders)} {keeps} ({facts.switch_interval * 1000:g} ms).",
        f"Move the computing thread{'s' if many else ''} to a process, or lower sys.setswitchinterval:"
        " `gtrace run --switch-interval` tries it without a change.",
        (
            ("GIL wait per return", f"{found.mean_s * 1000:.1f} ms"),
            ("of these threads' time", f"{found.share:.0%}"),
            ("cores in use", f"{facts.cores_used:.2f}"),
        ),
    )


def _holders(names: tuple[str, ...]) -> str:
    return " and ".join(names) if len(names) <= MOST_HOLDERS else f"{len(names)} threads that compute"


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
    hot = facts.blame and facts.blame.share >= MOSTLY
    return Verdict(
        "gil_bound",
        f"The GIL is the limit: of {wait + run:.2f} s in which threads wanted to run Python code, they waited"
        f" {wait:.2f} s for each other.{_blamed(facts.blame)}",
        f"More threads will not make this faster. Move the {'hot function' if hot else 'work'} to processes,"
        " to native code that releases the GIL, or to a free-threaded interpreter.",
        (
            ("waited for the GIL", f"{wait:.2f} s"),
            ("cores in use", f"{facts.cores_used:.2f} of {facts.cores}"),
        ),
    )


def _blamed(blame: Blame | None) -> str:
    """Whom the waits were for: the function if one decides, else how little it is, and which threads."""
    if blame is None:
        return ""
    if blame.share >= MOSTLY:
        return f" {blame.share:.0%} of that was for {blame.function}."
    if not blame.function:
        told = blame.threads_share >= NOTICED
        return f" {blame.threads_share:.0%} of that was for {blame.threads}." if told else ""
    threads = f"; {blame.threads_share:.0%} was for {blame.threads}" if blame.threads_share >= MOSTLY else ""
    return (
        f" No function stands out: the one with most of that, {blame.function}, has"
        f" {blame.share:.0%}{threads}."
    )
