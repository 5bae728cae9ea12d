"""What the scheduler saw, as histories of lanes: who was on which core, and who left it against its will."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from gtrace.evidence.scheduler import SwitchKind, on_core
from gtrace.evidence.threads import ThreadRecord
from gtrace.timeline.cells import Presence
from gtrace.timeline.steps import make_steps

if TYPE_CHECKING:
    from gtrace.evidence.scheduler import SchedulerEvents
    from gtrace.timeline.lanes import Lanes
    from gtrace.timeline.steps import Steps

NATIVE: Final = -2
"""The key of a thread that never had anything to do with Python."""
AFTER: Final = {
    "voluntary": Presence.OFF,
    "preempted": Presence.PREEMPTED,
    "exit": Presence.OFF,
    "open": Presence.UNSEEN,
    "lost": Presence.UNSEEN,
}


def presence(lanes: Lanes, evidence: SchedulerEvents, zero: int) -> Steps:
    """``Presence`` values by lane; from ``Presence.ON`` on they tell the core as well."""
    table = on_core(evidence)
    table = table[(table["pid"] == lanes.pid).to_numpy()]
    start, end = table["start_ns"].to_numpy() - zero, table["end_ns"].to_numpy() - zero
    lane = lanes.of(table["tid"].to_numpy().astype(np.int64), end)
    seen = lane >= 0
    lane, start, end, table = lane[seen], start[seen], end[seen], table[seen]
    after = np.array([int(AFTER[name]) for name in table["ended"].cat.categories])
    every = np.arange(len(lanes.records), dtype=np.int64)
    # a stretch may begin in the nanosecond in which another ended: begins come last, and win
    keys = np.concatenate(
        [
            lanes.axis.keys(lane, end),
            lanes.axis.keys(lane, start),
            lanes.axis.keys(every, np.maximum(evidence.end_ns - zero, lanes.axis.starts)),
        ]
    )
    values = np.concatenate(
        [
            after[table["ended"].cat.codes.to_numpy()],
            int(Presence.ON) + np.maximum(table["core"].to_numpy().astype(np.int64), 0),
            np.full(len(every), int(Presence.UNSEEN)),
        ]
    )
    return make_steps(lanes.axis, keys, values, int(Presence.UNSEEN))


def native_threads(evidence: SchedulerEvents, pid: int, known: set[int], end: int) -> list[ThreadRecord]:
    """Threads of the process that no other source knows: pools of native libraries."""
    events = evidence.events
    strange = (events["pid"] == pid).to_numpy() & ~events["tid"].isin(known).to_numpy()
    rows = events[strange & (events["tid"] > 0).to_numpy()]
    if rows.empty:
        return []
    first = rows.groupby("tid")["time_ns"].min()
    gone = rows[(rows["kind"] == SwitchKind.EXIT) & (rows["time_ns"] <= end)]
    exits = {int(tid): int(time) for tid, time in zip(gone["tid"], gone["time_ns"], strict=True)}
    names = evidence.names.drop_duplicates("tid", keep="last").set_index("tid")["name"].to_dict()
    return [
        ThreadRecord(
            key=NATIVE,
            tid=int(tid),
            names=[str(names.get(tid, ""))],
            begin_ns=int(begin),
            end_ns=exits.get(int(tid)),
        )
        for tid, begin in zip(first.index.to_list(), first.to_list(), strict=True)
    ]
