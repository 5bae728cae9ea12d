"""How threads stood to locks when the program was asked to end, by lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

if TYPE_CHECKING:
    from gtrace.recording import Process
    from gtrace.timeline.lanes import Lanes

COLUMNS: Final = (
    "time_ns", "lane", "role", "kind", "lock", "name", "where", "owner_lane", "asking", "evidence",
)  # fmt: skip


def find_standing(process: Process, lanes: Lanes, zero: int) -> pd.DataFrame:
    """One row a lock that a thread waited for or had: the columns of ``COLUMNS``, as in ``Timeline``."""
    rows: list[dict[str, Any]] = []
    for event in process.registry.locks:
        lane = _lane(lanes, event["ident"], event["time"] - zero)
        if lane >= 0:
            owner = _lane(lanes, event["owner"], event["time"] - zero) if event["owner"] else -1
            rows.append({**event, "time_ns": event["time"] - zero, "lane": lane, "owner_lane": owner})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def shifted(standing: pd.DataFrame, first: int) -> pd.DataFrame:
    """The same with ``first`` lanes before them."""
    owner = standing["owner_lane"]
    return standing.assign(lane=standing["lane"] + first, owner_lane=owner.where(owner < 0, owner + first))


def _lane(lanes: Lanes, ident: int, time: int) -> int:
    """The thread that had an ident at a time, -1 where there is none: idents are reused."""
    found = [
        lane
        for lane, record in enumerate(lanes.records)
        if record.ident == ident and lanes.axis.starts[lane] <= time <= lanes.axis.ends[lane]
    ]
    return found[-1] if found else -1
