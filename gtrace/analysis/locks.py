"""Which locks threads waited for: where each was created, and who let go of the one waited for most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gtrace.analysis.rules import MOSTLY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gtrace.timeline import Timeline

_LOCK: Final = ["pid", "lock"]


@dataclass(frozen=True)
class WorstLock:
    """``share`` is of all waits for locks; ``created`` and ``giver`` are empty where they are not known."""

    share: float
    created: str
    """``function (file:line)``."""
    giver: str
    """The thread that let the lock go for ``MOSTLY`` of the time others waited for it; empty for several."""


def find_worst_lock(timeline: Timeline, seconds: NDArray[np.float64]) -> WorstLock | None:
    """The lock with most of ``seconds``, one value an interval and zero where it is not about a lock."""
    waits = timeline.intervals[_LOCK].assign(
        seconds=seconds,
        giver=timeline.intervals["blocker_tid"],
        start_ns=timeline.intervals["start_ns"],
    )
    waits = waits[((waits["seconds"] > 0) & (waits["lock"] != 0)).to_numpy()]
    if waits.empty:
        return None
    number = waits.groupby(_LOCK).ngroup().to_numpy()
    sums = np.bincount(number, weights=waits["seconds"])
    own = waits[number == sums.argmax()]
    return WorstLock(float(sums.max() / seconds.sum()), _created(timeline, own), _giver(timeline, own))


def places_of(timeline: Timeline, waits: pd.DataFrame) -> pd.Series[str]:
    """Where the lock of each of ``waits``, rows of the intervals, was created; empty where not known.

    An address is that of another lock once one was created there.
    """
    if timeline.locks.empty:
        return pd.Series("", index=waits.index, dtype=object)
    made = timeline.locks[["pid", "lock", "since_ns", "where"]].sort_values("since_ns")
    rows = waits[["pid", "lock", "start_ns"]].rename_axis("row").reset_index().sort_values("start_ns")
    found = pd.merge_asof(rows, made, left_on="start_ns", right_on="since_ns", by=_LOCK)
    return found.set_index("row")["where"].fillna("").reindex(waits.index)


def _created(timeline: Timeline, waits: pd.DataFrame) -> str:
    """Where the lock of ``waits`` was created, if all of them were for the same one at its address."""
    where = set(places_of(timeline, waits))
    return where.pop() if len(where) == 1 else ""


def _giver(timeline: Timeline, waits: pd.DataFrame) -> str:
    tids, number = np.unique(waits["giver"].to_numpy(), return_inverse=True)
    sums = np.bincount(number, weights=waits["seconds"])
    if tids[sums.argmax()] < 0 or sums.max() < MOSTLY * sums.sum():
        return ""
    names = timeline.threads["name"][(timeline.threads["tid"] == tids[sums.argmax()]).to_numpy()].unique()
    return str(names[0]) if len(names) == 1 else ""
