"""Reads scheduler evidence: when each thread was on a core, and whether it left it by its own will.

The file format is specified in ``gtrace/recorder/scheduler/record.h``; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gtrace.evidence.files import WHY_FULL, Layout, not_evidence, read_evidence

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MAGIC: Final = b"gtrcsch\0"
VERSION: Final = 1
KIND_BITS: Final = 5
CORE_BITS: Final = 13
ID_BITS: Final = 22

HEADER: Final = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("header_bytes", "<u4"),
        ("record_bytes", "<u4"),
        ("pid", "<u4"),
        ("drain_pid", "<u4"),
        ("cores", "<u4"),
        ("ring_bytes", "<u4"),
        ("new_cores", "<u4"),
        ("started_ns", "<u8"),
        ("stopped_ns", "<u8"),
        ("full_at_ns", "<u8"),
        ("lost", "<u8"),
        ("full", "<u4"),
        ("full_errno", "<u4"),
        ("end", "<u4"),
        ("reserved", "<u4"),
    ]
)
LAYOUT: Final = Layout("scheduler evidence", MAGIC, VERSION, HEADER)
RECORD: Final = np.dtype([("time_ns", "<i8"), ("word", "<i8")])

MOST_START_NS: Final = 60_000_000_000
"""Longer than it takes to open the cores' events."""
PARENT: Final = 30
TEXT: Final = 31


class SwitchKind(IntEnum):
    """What a row of ``SchedulerEvents.events`` says; the meanings are in ``record.h``."""

    IN = 1
    OUT = 2
    PREEMPT = 3
    FORK = 4
    EXIT = 5
    NAME = 6
    EXEC = 7
    LOST = 8


@dataclass(frozen=True)
class SchedulerEvents:
    """The evidence of a process and of all it started.

    ``events`` is sorted by time and has columns ``time_ns`` (int64, CLOCK_MONOTONIC), ``pid`` and ``tid``
    (int32; 0 for LOST), ``kind`` (int8, a SwitchKind) and ``core`` (int16).
    """

    events: pd.DataFrame
    forks: pd.DataFrame
    """One row a FORK: ``time_ns pid tid parent_pid parent_tid``."""
    names: pd.DataFrame
    """One row a NAME or EXEC: ``time_ns pid tid name exec``; names are hostile text of at most 15 bytes."""
    losses: pd.DataFrame
    """One row a LOST: ``start_ns end_ns core count``; records of that core are missing in between."""
    pid: int
    cores: int
    started_ns: int
    stopped_ns: int
    """End of the recording, 0 where the drain did not end in order (it was killed, or still runs)."""
    lost: int
    full_at_ns: int
    """From then on records were only counted, 0 where all were kept."""
    damage: tuple[str, ...]
    """What is wrong with the file, each a full sentence; whatever is whole was used."""

    @property
    def end_ns(self) -> int:
        """The last moment this evidence speaks of."""
        if self.full_at_ns:
            return self.full_at_ns
        return self.stopped_ns or int(self.events["time_ns"].max() if len(self.events) else self.started_ns)


def read_scheduler(path: Path | str) -> SchedulerEvents:
    """The events in the file ``path``.

    Raises RecordingError where the file cannot be read or holds something else, and RecordingFormatError
    where a newer gtrace wrote it.
    """
    content, header = read_evidence(path, LAYOUT)
    if not header["magic"]:
        raise not_evidence(path, LAYOUT)
    damage = _said_by(header)
    columns = _columns(content, header, damage)
    order = np.argsort(columns["time_ns"].to_numpy(), kind="stable")
    kind = columns["kind"].to_numpy()
    return SchedulerEvents(
        events=_events(columns, order),
        forks=_forks(columns, np.flatnonzero(kind == SwitchKind.FORK)),
        names=_names(columns, np.flatnonzero((kind == SwitchKind.NAME) | (kind == SwitchKind.EXEC))),
        losses=_losses(columns, int(header["started_ns"])),
        pid=int(header["pid"]),
        cores=int(header["cores"]),
        started_ns=int(header["started_ns"]),
        stopped_ns=int(header["stopped_ns"]),
        lost=int(header["lost"]),
        full_at_ns=int(header["full_at_ns"]),
        damage=tuple(damage),
    )


def _said_by(header: np.void) -> list[str]:
    """What the recorder itself says is missing."""
    said = []
    if header["full_at_ns"]:
        said.append(f"Scheduler evidence ends early: {WHY_FULL[min(int(header['full']), 3)]}.")
    elif not header["stopped_ns"]:
        said.append("The process that wrote the scheduler evidence was killed, or still runs.")
    if header["new_cores"]:
        said.append(f"{header['new_cores']} cores came online during the run and were not observed.")
    return said


def _columns(content: NDArray[np.uint8], header: np.void, damage: list[str]) -> pd.DataFrame:
    """All records as in the file, those with more about the one before included."""
    body = content[max(int(header["header_bytes"]), HEADER.itemsize) :]
    cut = len(body) % RECORD.itemsize
    if cut or len(content) < HEADER.itemsize:
        damage.append("The file is cut short; its last whole records were used.")
    records = body[: len(body) - cut].view(RECORD)
    time, word = records["time_ns"], records["word"]
    kind = (word & ((1 << KIND_BITS) - 1)).astype(np.int8)
    whole = _plausible(time, kind, header)
    torn = len(whole) - int(whole.sum())
    if torn:
        damage.append(f"{torn} records make no sense and were left out.")
    # while the cores' events were opened one by one, some were observed already and others not yet,
    # and at the end, or when the file was full, more of one core may be in it than of another
    until = int(header["full_at_ns"]) or int(header["stopped_ns"]) + 1
    until = until if until > 1 else np.iinfo(np.int64).max
    used = whole & ((time >= int(header["started_ns"])) & (time < until) | (kind >= PARENT))
    if not used.all():
        time, word, kind = time[used], word[used], kind[used]
    ids = (1 << ID_BITS) - 1
    return pd.DataFrame(
        {
            "time_ns": time,
            "pid": (word >> (KIND_BITS + CORE_BITS) & ids).astype(np.int32),
            "tid": (word >> (KIND_BITS + CORE_BITS + ID_BITS) & ids).astype(np.int32),
            "kind": kind,
            "core": (word >> KIND_BITS & ((1 << CORE_BITS) - 1)).astype(np.int16),
        },
        copy=False,
    )


def _plausible(time: NDArray[np.int64], kind: NDArray[np.int8], header: np.void) -> NDArray[np.bool_]:
    latest = int(header["stopped_ns"]) + 1_000_000_000 if header["stopped_ns"] else np.iinfo(np.int64).max
    known = (kind >= min(SwitchKind)) & (kind <= max(SwitchKind))
    earliest = max(int(header["started_ns"]) - MOST_START_NS, 1)
    timed = known & (time >= earliest) & (time <= latest)
    plausible: NDArray[np.bool_] = timed | (kind == TEXT) | (kind == PARENT)
    return plausible


def _events(columns: pd.DataFrame, order: NDArray[np.int64]) -> pd.DataFrame:
    kind = columns["kind"].to_numpy()
    order = order[kind[order] < PARENT]
    events = pd.DataFrame({name: values.to_numpy()[order] for name, values in columns.items()}, copy=False)
    lost = events["kind"] == SwitchKind.LOST
    if lost.any():
        events.loc[lost, ["pid", "tid"]] = 0
    return events


def _behind(columns: pd.DataFrame, at: NDArray[np.int64], kind: int, count: int) -> NDArray[np.int64]:
    """Those places in ``at`` with ``count`` records of ``kind`` right behind them."""
    kinds = np.append(columns["kind"].to_numpy(), np.zeros(count, np.int8))
    for step in range(1, count + 1):
        at = at[kinds[at + step] == kind]
    return at


def _forks(columns: pd.DataFrame, at: NDArray[np.int64]) -> pd.DataFrame:
    at = _behind(columns, at, PARENT, 1)
    forks = columns.iloc[at][["time_ns", "pid", "tid"]].reset_index(drop=True)
    parents = columns.iloc[at + 1]
    forks["parent_pid"], forks["parent_tid"] = parents["pid"].to_numpy(), parents["tid"].to_numpy()
    return forks.sort_values("time_ns", kind="stable", ignore_index=True)


def _names(columns: pd.DataFrame, at: NDArray[np.int64]) -> pd.DataFrame:
    at = _behind(columns, at, TEXT, 2)
    names = columns.iloc[at][["time_ns", "pid", "tid"]].reset_index(drop=True)
    words = columns["time_ns"].to_numpy()
    texts = np.stack([words[at + 1], words[at + 2]], axis=1).astype("<i8").view("S16").ravel()
    names["name"] = pd.Series([text.decode("utf-8", "replace") for text in texts.tolist()], dtype=object)
    names["exec"] = columns["kind"].to_numpy()[at] == SwitchKind.EXEC
    return names.sort_values("time_ns", kind="stable", ignore_index=True)


def _losses(columns: pd.DataFrame, started_ns: int) -> pd.DataFrame:
    own = columns[columns["kind"] < PARENT]
    by_core = own.iloc[np.argsort(own["core"].to_numpy(), kind="stable")]
    core, time = by_core["core"].to_numpy(), by_core["time_ns"].to_numpy()
    lost = np.flatnonzero(by_core["kind"].to_numpy() == SwitchKind.LOST)
    before = np.maximum(lost - 1, 0)
    count = by_core["pid"].to_numpy()[lost].astype(np.int64) << ID_BITS | by_core["tid"].to_numpy()[lost]
    table = pd.DataFrame(
        {
            "start_ns": np.where((lost > 0) & (core[before] == core[lost]), time[before], started_ns),
            "end_ns": time[lost],
            "core": core[lost],
            "count": count,
        }
    )
    return table.sort_values("start_ns", kind="stable", ignore_index=True)


ENDED: Final = pd.CategoricalDtype(["voluntary", "preempted", "exit", "open", "lost"])
"""Why a stretch on a core ended; ``open`` where the evidence ended first, ``lost`` where its end was lost."""
_ENDED_BY: Final = np.array([-1, -1, 0, 1, -1, 2, -1, -1, -1], np.int8)
_OPEN: Final = 3
_LOST: Final = 4


def on_core(evidence: SchedulerEvents) -> pd.DataFrame:
    """Every stretch of a thread on a core: ``start_ns end_ns pid tid core ended``, by start.

    ``ended`` is a category of ``ENDED`` and thus the reason of the time off the core behind it. A thread
    that was on a core when recording began has been so from ``started_ns`` on. Where the end of a stretch
    was lost (``losses``) it is cut where the loss may have begun; where its
    beginning was lost, it is left out.
    """
    rows = _by_thread(evidence.events)
    time, tid = rows["time_ns"].to_numpy(), rows["tid"].to_numpy()
    kind, core = rows["kind"].to_numpy(), rows["core"].to_numpy()
    new_thread = np.append(True, tid[1:] != tid[:-1])[: len(rows)]
    all_known_until = int(evidence.losses["start_ns"].min()) if len(evidence.losses) else evidence.end_ns
    since_start = np.flatnonzero(new_thread & (_ENDED_BY[kind] >= 0) & (time <= all_known_until))
    begin = np.flatnonzero(kind == SwitchKind.IN)
    after = np.minimum(begin + 1, max(len(rows) - 1, 0))
    followed = (after > begin) & ~new_thread[after]
    ended = np.where(followed, _ENDED_BY[kind[after]], _OPEN)
    ended = np.where(ended < 0, _LOST, ended)
    end = np.where(followed, time[after], np.maximum(evidence.end_ns, time[begin]))
    cut = ended == _LOST
    end[cut] = _loss_after(evidence.losses, time[begin[cut]], core[begin[cut]])
    at = np.concatenate([since_start, begin])
    table = pd.DataFrame(
        {
            "start_ns": np.concatenate([np.minimum(evidence.started_ns, time[since_start]), time[begin]]),
            "end_ns": np.concatenate([time[since_start], end]),
            "pid": rows["pid"].to_numpy()[at],
            "tid": tid[at],
            "core": core[at],
            "ended": pd.Categorical.from_codes(
                np.concatenate([_ENDED_BY[kind[since_start]], ended]), dtype=ENDED
            ),
        }
    )
    return table.iloc[np.argsort(table["start_ns"].to_numpy(), kind="stable")].reset_index(drop=True)


def _by_thread(events: pd.DataFrame) -> pd.DataFrame:
    """What says where a thread is, thread by thread, each in the order of time."""
    kind = events["kind"].to_numpy()
    about = np.flatnonzero(kind <= SwitchKind.EXIT)
    return events.iloc[about[np.argsort(events["tid"].to_numpy()[about], kind="stable")]]


def _loss_after(losses: pd.DataFrame, time: NDArray[np.int64], core: NDArray[np.int16]) -> NDArray[np.int64]:
    """When the first loss behind each time on its core may have begun; the time itself if there is none."""
    result = time.copy()
    for number, of_core in losses.groupby("core"):
        mine = np.flatnonzero(core == number)
        window = np.searchsorted(of_core["end_ns"].to_numpy(), time[mine], side="right")
        mine, window = mine[window < len(of_core)], window[window < len(of_core)]
        result[mine] = np.maximum(time[mine], of_core["start_ns"].to_numpy()[window])
    return result


def check_scheduler(evidence: SchedulerEvents) -> list[str]:
    """What contradicts "a core has one thread and a thread one core at an instant", each a sentence."""
    found: list[str] = []
    stretches = on_core(evidence)
    for what in ("core", "tid"):
        for number, of_one in stretches.groupby(what):
            start, end = of_one["start_ns"].to_numpy(), of_one["end_ns"].to_numpy()
            busy_until = np.maximum.accumulate(end)
            found += [
                f"{what} {number}: a stretch begins at {start[row]}, one lasts until {busy_until[row - 1]}"
                for row in np.flatnonzero(start[1:] < busy_until[:-1]) + 1
            ]
    return found
