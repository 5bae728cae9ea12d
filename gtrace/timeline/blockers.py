"""The lanes of the threads that intervals name by their native ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from gtrace.timeline.steps import Ints


def blocker_lanes(threads: pd.DataFrame, rows: pd.DataFrame) -> Ints:
    """Per row of intervals the lane of the thread that kept or released this one, -1 where not known.

    ``threads`` and ``rows`` have the columns of a ``Timeline``.
    """
    pid, tid, time = (rows[name].to_numpy("int64") for name in ("pid", "blocker_tid", "end_ns"))
    return lanes_at(threads, pid, tid, time)


def lanes_at(threads: pd.DataFrame, pid: Ints, tid: Ints, time: Ints) -> Ints:
    """The lane of each thread that ``pid`` and ``tid`` name at ``time``, -1 where there is none.

    A native id can name several threads in a row: the last one started by then is meant.
    """
    found = np.full(len(tid), -1, dtype=np.int64)
    named = np.flatnonzero(tid >= 0)
    known = pd.DataFrame(
        {
            "pid": threads["pid"].to_numpy("int64"),
            "tid": threads["tid"].to_numpy("int64"),
            "time": threads["start_ns"].to_numpy("int64"),
            "lane": np.arange(len(threads)),
        }
    ).sort_values("time", kind="stable")
    asked = pd.DataFrame({"pid": pid[named], "tid": tid[named], "time": time[named], "row": named})
    if len(asked) and len(known):
        merged = pd.merge_asof(asked.sort_values("time", kind="stable"), known, on="time", by=["pid", "tid"])
        found[merged["row"].to_numpy("int64")] = merged["lane"].fillna(-1).to_numpy("int64")
    return found
