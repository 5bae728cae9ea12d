"""The rule of the verdict about other processes, whose work is no time of the first one's threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gtrace.analysis.rules import MOSTLY, Verdict

if TYPE_CHECKING:
    from gtrace.analysis.facts import Elsewhere, Facts


def other_processes(facts: Facts) -> Verdict | None:
    """Processes beside the first one kept half a core busy or more, and did most of what was computed."""
    found = facts.elsewhere
    if not facts.computed_elsewhere or found.ran_s < MOSTLY * facts.wall:
        return None
    own = found.ran_s * (1 / found.share - 1)
    return Verdict(
        "other_processes",
        f"Most of the computing was done in other processes than the first one: {found.processes} of them"
        f" ran for {found.ran_s:.2f} s in all, the first one for {own:.2f} s.",
        in_processes(found),
        (
            ("ran in other processes", f"{found.ran_s:.2f} s"),
            ("cores in use", f"{(found.ran_s + own) / facts.wall:.2f} of {facts.cores}"),
        ),
    )


def ran_elsewhere(found: Elsewhere) -> str:
    """How many other processes ran, and for how long."""
    processes = "1 other process" if found.processes == 1 else f"{found.processes} other processes"
    return f"{processes} ran for {found.ran_s:.2f} s in all"


def in_processes(found: Elsewhere) -> str:
    """What to try next about time that other processes took."""
    if found.anew:
        return (
            "What processes do that are started anew is not recorded: to see it, record that work in a"
            " process of its own, by `gtrace run`."
        )
    return "The work is in those processes: look at what their threads do."
