"""Which threads there were: the registry's, and those that only another source has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gtrace.evidence.calls import OPEN
from gtrace.evidence.threads import ThreadRecord
from gtrace.timeline.steps import Axis

if TYPE_CHECKING:
    from gtrace.recording import Process
    from gtrace.timeline.steps import Ints


@dataclass(frozen=True)
class Lanes:
    """The threads of one process; times in ns since the recording began."""

    pid: int
    records: tuple[ThreadRecord, ...]
    axis: Axis
    ended: tuple[bool, ...]

    def of(self, tids: Ints, times: Ints) -> Ints:
        """The lane of each (native id, time), -1 where there is none; native ids are reused."""
        result = np.full(len(tids), -1, dtype=np.int64)
        lanes_of: dict[int, list[int]] = {}
        for lane, record in enumerate(self.records):
            lanes_of.setdefault(record.tid, []).append(lane)
        order = np.argsort(tids, kind="stable")
        found, first = np.unique(tids[order], return_index=True)
        for tid, rows in zip(found.tolist(), np.split(order, first[1:]), strict=True):
            lanes = np.array(lanes_of.get(tid, []), dtype=np.int64)
            if len(lanes):
                # calls around the first record of a thread return after it, those of the thread
                # that had the id before return before it: the time of return decides
                later = np.searchsorted(self.axis.starts[lanes], times[rows], side="right")
                result[rows] = lanes[np.maximum(later - 1, 0)]
        return result

    def frame(self) -> pd.DataFrame:
        """The threads table of a Timeline."""
        records = self.records
        return pd.DataFrame(
            {
                "pid": np.full(len(records), self.pid, dtype=np.int64),
                "tid": np.array([r.tid for r in records], dtype=np.int64),
                "ident": np.array([r.ident for r in records], dtype=np.int64),
                "name": [r.name or f"thread {r.tid}" for r in records],
                "daemon": np.array([r.daemon for r in records], dtype=bool),
                "parent_tid": np.array([r.parent for r in records], dtype=np.int64),
                "target": [r.target for r in records],
                "created": [r.created for r in records],
                "start_ns": self.axis.starts,
                "end_ns": self.axis.ends,
                "ended": np.array(self.ended, dtype=bool),
            }
        )


def find_lanes(process: Process, zero: int, end: int) -> Lanes:
    """The lanes of ``process``, in the order the threads began; ``end`` is that of its recording."""
    known = {record.tid for record in process.registry.threads}
    foreign = _foreign(process, known, end)
    records = sorted([*process.registry.threads, *foreign], key=lambda r: r.begin_ns or 0)
    starts = np.array([r.begin_ns for r in records], dtype=np.int64) - zero
    stops = np.array([end if r.end_ns is None else r.end_ns for r in records], dtype=np.int64) - zero
    starts = np.maximum(starts, 0)
    axis = Axis.of(starts, np.maximum(stops, starts + 1))
    return Lanes(process.pid, tuple(records), axis, tuple(r.end_ns is not None for r in records))


def _foreign(process: Process, known: set[int], end: int) -> list[ThreadRecord]:
    """Threads that made calls but that no registry has: started by C code, or before recording."""
    table = process.load_calls().table
    forked_from = process.registry.process.get("forked_from", -1)
    strangers = table[~table["tid"].isin([*known, forked_from])]
    stop = strangers["end_ns"].where(strangers["end_ns"] != OPEN, end)
    spans = pd.DataFrame({"tid": strangers["tid"], "start": strangers["start_ns"], "end": stop})
    grouped = spans.groupby("tid").agg(start=("start", "min"), end=("end", "max"))
    return [
        ThreadRecord(key=-1, tid=int(row.Index), begin_ns=int(row.start), end_ns=int(row.end))
        for row in grouped.itertuples()
    ]
