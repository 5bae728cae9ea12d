"""The lanes of the threads that intervals name by their native ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from gtrace.timeline.steps import Ints


def blocker_lanes(threads: pd.DataFrame, rows: pd.DataFrame) -> Ints:
    """Per row of intervals the lane of the thread that kept or released this one, -1 where not known.

    ``threads`` and ``rows`` have the columns of a ``Timeline``. A native id can name several threads
    in a row: the last one started before the interval's end is meant.
    """
    tids = rows["blocker_tid"].to_numpy("int64")
    found = np.full(len(rows), -1, dtype=np.int64)
    named = np.flatnonzero(tids >= 0)
    known = pd.DataFrame(
        {
            "pid": threads["pid"].to_numpy("int64"),
            "tid": threads["tid"].to_numpy("int64"),
            "time": threads["start_ns"].to_numpy("int64"),
            "lane": np.arange(len(threads)),
        }
    ).sort_values("time", kind="stable")
    asked = pd.DataFrame(
        {
            "pid": rows["pid"].to_numpy("int64")[named],
            "tid": tids[named],
            "time": rows["end_ns"].to_numpy("int64")[named],
            "row": named,
        }
    ).sort_values("time", kind="stable")
    if len(asked) and len(known):
        merged = pd.merge_asof(asked, known, on="time", by=["pid", "tid"])
        found[merged["row"].to_numpy("int64")] = merged["lane"].fillna(-1).to_numpy("int64")
    return found
