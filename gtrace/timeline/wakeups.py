"""How long it took a thread to go on once it could: from being let go to having what it waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gtrace.timeline.cells import Turn
from gtrace.timeline.interleaving import NOBODY

if TYPE_CHECKING:
    from gtrace.timeline.gil import GilHistory
    from gtrace.timeline.interleaving import Holders
    from gtrace.timeline.lanes import Lanes
    from gtrace.timeline.steps import Ints

COLUMNS: Final = ("lane", "time_ns", "latency_ns", "cause")
CAUSES: Final = pd.CategoricalDtype(["gil", "lock"])


def find_wakeups(lanes: Lanes, gil: GilHistory) -> pd.DataFrame:
    """One row a wake-up: ``lane time_ns latency_ns cause``, by time.

    ``time_ns`` is when the thread had what it waited for, and ``latency_ns`` how long before that
    the GIL became free, or the lock was given to it. Waits that ran out woke nobody.
    """
    parts = [_lock_wakeups(gil)]
    if gil.turns is not None:
        parts += [_gil_wakeups(lanes, gil, number, holders) for number, holders in enumerate(gil.holders)]
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values("time_ns", kind="stable", ignore_index=True)


def no_wakeups() -> pd.DataFrame:
    """The table where nothing was seen."""
    nothing = np.zeros(0, dtype=np.int64)
    return _table(nothing, nothing, nothing, "gil")


def _gil_wakeups(lanes: Lanes, gil: GilHistory, number: int, holders: Holders) -> pd.DataFrame:
    if gil.turns is None:
        return no_wakeups()
    keys, turn = gil.turns.keys, gil.turns.values  # noqa: PD011  no pandas object
    taken = np.flatnonzero((turn[1:] == Turn.HOLDS) & (turn[:-1] == Turn.WAITS)) + 1
    taken = taken[gil.gils.at(keys[taken]) == number]
    lane, time = lanes.axis.lanes(keys[taken]), lanes.axis.times(keys[taken])
    at = np.searchsorted(holders.times, time, side="right") - 1
    before = np.maximum(at - 1, 0)
    seen = (at > 0) & (holders.lanes[at] == lane) & (holders.lanes[before] == NOBODY)
    return _table(lane[seen], time[seen], (time - holders.times[before])[seen], "gil")


def _lock_wakeups(gil: GilHistory) -> pd.DataFrame:
    waits = gil.waits
    posted, end = waits["posted_ns"].to_numpy(), waits["end_ns"].to_numpy()
    given = (waits["outcome"] == "acquired").to_numpy() & (posted >= 0)
    # where waiter and poster raced, the post may be stamped after the wait was over
    latency = np.maximum(end - posted, 0)
    return _table(waits["lane"].to_numpy()[given], end[given], latency[given], "lock")


def _table(lane: Ints, time: Ints, latency: Ints, cause: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "lane": lane.astype(np.int64),
            "time_ns": time.astype(np.int64),
            "latency_ns": latency.astype(np.int64),
            "cause": pd.Categorical([cause] * len(lane), dtype=CAUSES),
        }
    )
