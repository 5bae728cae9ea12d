"""Processes that the program started and that nobody recorded: the scheduler saw them all the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from gtrace.evidence.scheduler import SchedulerEvents

OTHERS: Final = 0
"""The process id under which all of them are folded at once: no process that is seen has it."""


MOST_NAMED: Final = 3
"""Programs that are named in a note."""
PREFIX: Final = "process "


@dataclass(frozen=True)
class Others:
    """``evidence`` is of their threads alone, all of process ``OTHERS``; ``pids`` has theirs by native id."""

    evidence: SchedulerEvents
    pids: dict[int, int]


def find_others(evidence: SchedulerEvents, recorded: set[int]) -> Others | None:
    """The processes that were forked while recording, less those ``recorded``; None where there is none."""
    forked = set(evidence.forks["pid"].tolist()) - recorded
    if not forked:
        return None
    events = evidence.events[evidence.events["pid"].isin(forked)]
    names = evidence.names[evidence.names["pid"].isin(forked)]
    of_process = (names["tid"] == names["pid"]).to_numpy()
    named = names.assign(name=np.where(of_process, PREFIX + names["name"].astype(str), names["name"]))
    pids = dict(zip(events["tid"].tolist(), events["pid"].tolist(), strict=True))
    return Others(replace(evidence, events=events.assign(pid=np.int32(OTHERS)), names=named), pids)


def anew_notes(threads: pd.DataFrame) -> list[str]:
    """What the reader must know of the ``threads`` of processes that nobody recorded."""
    count = threads["pid"].nunique()
    if not count:
        return []
    names = [str(name) for name in threads["name"].unique()]
    programs = [name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)]
    others = ", …" if len(programs) > MOST_NAMED else ""
    named = f" ({', '.join(programs[:MOST_NAMED])}{others})" if programs else ""
    was, they = ("1 process was", "it") if count == 1 else (f"{count} processes were", "they")
    known = f"only when {they} ran is known, which shows as native, not what {they} ran."
    return [f"{was} started anew{named}: {known}"]
