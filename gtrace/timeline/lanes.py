"""Which threads there were: the registry's, and those that only another source has seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gtrace.evidence.calls import OPEN
from gtrace.evidence.gil import GilKind
from gtrace.evidence.threads import ThreadRecord
from gtrace.timeline.cores import NATIVE, native_threads
from gtrace.timeline.steps import Axis

if TYPE_CHECKING:
    from gtrace.evidence.scheduler import SchedulerEvents
    from gtrace.recording import Process
    from gtrace.timeline.steps import Ints


FOREIGN: Final = -1
"""The key of a thread that the registry does not know."""
NATIVE_NAME: Final = "native thread"
"""The name of a thread of C code that has none, before its native id."""
LATE_NS: Final = 1_000_000_000
"""How long after its end a thread may still run destructors; native ids come back much later."""


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
        groups = np.split(order, first[1:]) if len(found) else []
        for tid, rows in zip(found.tolist(), groups, strict=True):
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
                "name": [
                    r.name or f"{NATIVE_NAME if r.key == NATIVE else 'thread'} {r.tid}" for r in records
                ],
                "kind": ["native" if r.key == NATIVE else "python" for r in records],
                "daemon": np.array([r.daemon for r in records], dtype=bool),
                "parent_tid": np.array([r.parent for r in records], dtype=np.int64),
                "target": [r.target for r in records],
                "created": [r.created for r in records],
                "start_ns": self.axis.starts,
                "end_ns": self.axis.ends,
                "ended": np.array(self.ended, dtype=bool),
            }
        )


def find_lanes(process: Process, zero: int, end: int, scheduler: SchedulerEvents | None = None) -> Lanes:
    """The lanes of ``process``, in the order the threads began; ``end`` is that of its recording.

    Daemon threads go on when recording has stopped: what they do then is not in it.
    """
    seen = _seen_by_agent(process)
    records = [_widened(record, seen.get(record.tid, [])) for record in process.registry.threads]
    records += _foreign(process, seen, end)
    if scheduler is not None:
        records += native_threads(scheduler, process.pid, {record.tid for record in records}, end)
    records = sorted((r for r in records if (r.begin_ns or 0) < end), key=lambda r: r.begin_ns or 0)
    ended = tuple(r.end_ns is not None and r.end_ns <= end for r in records)
    starts = np.array([r.begin_ns for r in records], dtype=np.int64) - zero
    ends = [end if r.end_ns is None else min(r.end_ns, end) for r in records]
    stops = np.array(ends, dtype=np.int64) - zero
    starts = np.maximum(starts, 0)
    axis = Axis.of(starts, np.maximum(stops, starts + 1))
    return Lanes(process.pid, tuple(records), axis, ended)


@dataclass(frozen=True)
class _Sight:
    """When the agent saw a thread first and last, and when the thread let the GIL go."""

    first: int
    last: int
    exited: bool
    releases: Ints


def _seen_by_agent(process: Process) -> dict[int, list[_Sight]]:
    """The agent's sight of each native id, one entry a thread that had it."""
    evidence = process.load_gil()
    if evidence is None:
        return {}
    events = evidence.events.sort_values(["thread", "time_ns"], kind="stable")
    thread, tid, time, kind = (events[c].to_numpy() for c in ("thread", "tid", "time_ns", "kind"))
    starts = np.flatnonzero(np.append(True, thread[1:] != thread[:-1])[: len(thread)])
    seen: dict[int, list[_Sight]] = {}
    for begin, end in zip(starts, np.append(starts[1:], len(thread)), strict=False):
        part = slice(begin, end)
        releases = time[part][np.isin(kind[part], (GilKind.GIL_RELEASE, GilKind.GIL_FORCED_RELEASE))]
        exited = bool(kind[end - 1] == GilKind.THREAD_EXIT)
        sight = _Sight(int(time[begin]), int(time[end - 1]), exited, releases)
        seen.setdefault(int(tid[begin]), []).append(sight)
    return seen


def _begins_in(record: ThreadRecord, sight: _Sight) -> bool:
    """Whether a thread that began when ``record`` says may be the one of ``sight``."""
    begin = record.begin_ns or 0
    return sight.first <= begin and (begin <= sight.last or not sight.exited)


def _belongs_to(record: ThreadRecord, sight: _Sight) -> bool:
    """As ``_begins_in``, or seen later in its life: its locks alone, or destructors behind its exit."""
    if _begins_in(record, sight):
        return True
    end = sight.first if record.end_ns is None else record.end_ns + LATE_NS
    return (record.begin_ns or 0) <= sight.first <= end


def _widened(record: ThreadRecord, seen: list[_Sight]) -> ThreadRecord:
    """A thread waits for the GIL before it can say that it has begun, and lets it go after its end.

    What comes after that release is the exit of the operating system's thread, and destructors.
    """
    begin, end = record.begin_ns or 0, record.end_ns
    own = [sight for sight in seen if _begins_in(record, sight)]
    if not own:
        return record
    if end is not None:
        following = own[-1].releases[np.searchsorted(own[-1].releases, end) :]
        end = int(following[0]) if len(following) else end
    return replace(record, begin_ns=own[-1].first if record.parent >= 0 else begin, end_ns=end)


def _foreign(process: Process, seen: dict[int, list[_Sight]], end: int) -> list[ThreadRecord]:
    """Threads that took the GIL or made calls but that no registry has: started by C code."""
    known: dict[int, list[ThreadRecord]] = {}
    for record in process.registry.threads:
        known.setdefault(record.tid, []).append(record)
    called = _callers_unknown(process, set(known), end)
    seen_alone = {
        tid: [s for s in sights if not any(_belongs_to(record, s) for record in known.get(tid, ()))]
        for tid, sights in seen.items()
    }
    # a thread without an exit is there to the end
    found = called | {
        tid: [(sight.first, sight.last if sight.exited else None) for sight in sights]
        for tid, sights in seen_alone.items()
        if sights
    }
    return [
        ThreadRecord(key=FOREIGN, tid=tid, begin_ns=first, end_ns=last)
        for tid, spans in found.items()
        for first, last in spans
    ]


def _callers_unknown(process: Process, known: set[int], end: int) -> dict[int, list[tuple[int, int | None]]]:
    """By native id, from the first to the last call of threads that made calls but are in no registry."""
    table = process.load_calls().table
    forked_from = process.registry.process.get("forked_from", -1)
    strangers = table[~table["tid"].isin([*known, forked_from])]
    stop = strangers["end_ns"].where(strangers["end_ns"] != OPEN, end)
    spans = pd.DataFrame({"tid": strangers["tid"], "start": strangers["start_ns"], "end": stop})
    grouped = spans.groupby("tid").agg(start=("start", "min"), end=("end", "max"))
    return {
        int(tid): [(int(first), int(last))]
        for tid, first, last in zip(grouped.index, grouped["start"], grouped["end"], strict=True)
    }
