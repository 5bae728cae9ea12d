"""Reads the agent's evidence: who had a GIL, who waited for it or for a lock, and who woke whom.

The file format is specified in ``gtrace/recorder/agent/record.h``; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gtrace.errors import RecordingError, RecordingFormatError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MAGIC: Final = b"gtrcgil\0"
VERSION: Final = 1
CHUNK_MAGIC: Final = 0x4B435447
CHUNK_BYTES: Final = 4096
KIND_BITS: Final = 5

HEADER: Final = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("chunk_bytes", "<u4"),
        ("record_bytes", "<u4"),
        ("pid", "<u4"),
        ("started_ns", "<u8"),
        ("stopped_ns", "<u8"),
        ("full_at_ns", "<u8"),
        ("lost", "<u8"),
        ("gil_address", "<u8"),
        ("full", "<u4"),
        ("full_errno", "<u4"),
        ("level", "<u4"),
        ("unknown_gils", "<u4"),
        ("reason", "S160"),
    ]
)
CHUNK_HEADER: Final = np.dtype(
    [
        ("magic", "<u4"),
        ("tid", "<u4"),
        ("thread", "<u4"),
        ("filled", "<u4"),
        ("started_ns", "<u8"),
        ("next_free", "<u4"),
        ("reserved", "<u4"),
    ]
)
RECORD: Final = np.dtype("<u8")
CHUNK_RECORDS: Final = (CHUNK_BYTES - CHUNK_HEADER.itemsize) // RECORD.itemsize
CHUNK: Final = np.dtype([("header", CHUNK_HEADER), ("records", RECORD, (CHUNK_RECORDS,))])


VALUE: Final = 31


class GilKind(IntEnum):
    """What a row of ``GilEvents.events`` says; the meanings are in ``record.h``."""

    THREAD = 1
    THREAD_EXIT = 2
    GIL_HOLDS = 3
    GIL_WAIT = 4
    GIL_ACQUIRE = 5
    GIL_RELEASE = 6
    GIL_FORCED_RELEASE = 7
    LOCK_WAIT = 8
    LOCK_ACQUIRE = 9
    LOCK_TIMEOUT = 10
    LOCK_INTERRUPT = 11
    LOCK_POST = 12


GIL_KINDS: Final = (
    GilKind.GIL_HOLDS,
    GilKind.GIL_WAIT,
    GilKind.GIL_ACQUIRE,
    GilKind.GIL_RELEASE,
    GilKind.GIL_FORCED_RELEASE,
)
WHY_FULL: Final = ("", "it reached the size it may have", "the disk is full", "its file could not grow")


@dataclass(frozen=True)
class GilEvents:
    """The evidence of one process.

    ``events`` is sorted by time and has columns ``time_ns`` (int64, CLOCK_MONOTONIC), ``tid`` (int64,
    native id), ``thread`` (int64, counts the threads of the file from 1, so that reused native ids are
    told apart), ``kind`` (int8, a GilKind), ``address`` (int64, of the GIL or lock, 0 where there is
    none) and ``gil`` (int16, index into ``gils``, -1 for rows that are not about a GIL).
    """

    events: pd.DataFrame
    gils: tuple[int, ...]
    """Addresses in the order in which they appear."""
    level: str
    """``exact``, or ``locks only: why`` where there is no GIL evidence."""
    pid: int
    started_ns: int
    stopped_ns: int
    """End of the recording, 0 where it was not ended in order (killed, crashed, ``os._exit``, exec)."""
    lost: int
    full_at_ns: int
    """From then on events were only counted, 0 where all were recorded."""
    damage: tuple[str, ...]
    """What is wrong with the file, each a full sentence; whatever is whole was used."""

    @property
    def end_ns(self) -> int:
        """The last moment this evidence speaks of."""
        if self.full_at_ns:
            return self.full_at_ns
        return self.stopped_ns or int(self.events["time_ns"].max() if len(self.events) else self.started_ns)


def read_gil(path: Path | str) -> GilEvents:
    """The events in the agent's file ``path``.

    Raises RecordingError where the file cannot be read or is none of the agent's, and
    RecordingFormatError where a newer gtrace wrote it.
    """
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise RecordingError(f"cannot read GIL evidence: {path}: {error.strerror}") from error
    header = _header(content, path)
    damage: list[str] = []
    if header["magic"] == b"":
        damage.append("The process ended before the agent had written anything.")
    chunks = _chunks(content, damage)
    events = _events(chunks, header, damage)
    about_gil = events["gil"].to_numpy() >= 0
    gils = tuple(int(a) for a in pd.unique(events["address"].to_numpy()[about_gil]))
    if header["unknown_gils"]:
        damage.append(f"{header['unknown_gils']} events of further GILs were left out: there are too many.")
    if header["full_at_ns"]:
        damage.append(f"GIL evidence ends early: {WHY_FULL[min(int(header['full']), 3)]}.")
    return GilEvents(
        events=events,
        gils=gils,
        level="exact" if header["level"] == 0 else f"locks only: {_reason(header)}",
        pid=int(header["pid"]),
        started_ns=int(header["started_ns"]),
        stopped_ns=int(header["stopped_ns"]),
        lost=int(header["lost"]),
        full_at_ns=int(header["full_at_ns"]),
        damage=tuple(damage),
    )


def _reason(header: np.void) -> str:
    text: bytes = header["reason"]
    return text.decode("utf-8", "replace")


def _header(content: NDArray[np.uint8], path: Path | str) -> np.void:
    whole = np.zeros(HEADER.itemsize, np.uint8)
    whole[: min(len(content), HEADER.itemsize)] = content[: HEADER.itemsize]
    header: np.void = whole.view(HEADER)[0]
    start = bytes(content[: len(MAGIC)])
    if any(start) and not MAGIC.startswith(start):
        raise RecordingError(f"not GIL evidence: {path}: record again")
    if header["version"] > VERSION:
        raise RecordingFormatError(
            f"GIL evidence of format {header['version']}: {path}: "
            f"this gtrace reads up to {VERSION}, update it"
        )
    return header


def _chunks(content: NDArray[np.uint8], damage: list[str]) -> NDArray[np.void]:
    """The chunks that hold records, without the file header."""
    body = content[CHUNK_BYTES:]
    cut = len(body) % CHUNK_BYTES
    if cut or len(content) < CHUNK_BYTES:
        damage.append("The file is cut short; what its last whole records say was used.")
    if cut:
        body = np.concatenate([body[: len(body) - cut % RECORD.itemsize], np.zeros(_missing(cut), np.uint8)])
    chunks = body.view(CHUNK)
    magic = chunks["header"]["magic"]
    foreign = int(((magic != CHUNK_MAGIC) & (magic != 0)).sum())
    if foreign:
        damage.append(f"{foreign} parts of the file are damaged and were left out.")
    used: NDArray[np.void] = chunks[magic == CHUNK_MAGIC]
    return used


def _missing(cut: int) -> int:
    return CHUNK_BYTES - (cut - cut % RECORD.itemsize)


def _events(chunks: NDArray[np.void], header: np.void, damage: list[str]) -> pd.DataFrame:
    records = chunks["records"]
    kind = (records & ((1 << KIND_BITS) - 1)).astype(np.int8)
    value = (records >> KIND_BITS).view(np.int64)
    extra = _values_behind(kind, value)
    at = np.flatnonzero((records.ravel() != 0) & (kind.ravel() != VALUE))
    name = _names(chunks, at, kind.ravel(), extra.ravel())
    kind, time, extra = kind.ravel()[at], value.ravel()[at], extra.ravel()[at]
    extra[np.isin(kind, GIL_KINDS) & (extra == 0)] = header["gil_address"]
    extra[kind <= GilKind.THREAD_EXIT] = 0
    whole = _plausible(time, kind, header)
    torn = len(whole) - int(whole.sum())
    if torn:
        damage.append(f"{torn} records make no sense and were left out.")
    order = np.flatnonzero(whole)[np.argsort(time[whole], kind="stable")]
    kind, extra, name = kind[order], extra[order], name[order]
    return pd.DataFrame(
        {
            "time_ns": time[order],
            "tid": name & 0xFFFFFFFF,
            "thread": name >> 32,
            "kind": kind,
            "address": extra,
            "gil": _gil_index(kind, extra),
        }
    )


def _values_behind(kind: NDArray[np.int8], value: NDArray[np.int64]) -> NDArray[np.int64]:
    """For every place the VALUE right behind it in its chunk, 0 where there is none."""
    behind = np.zeros_like(value)
    np.multiply(value[:, 1:], kind[:, 1:] == VALUE, out=behind[:, :-1])
    return behind


def _names(
    chunks: NDArray[np.void],
    at: NDArray[np.int64],
    kind: NDArray[np.int8],
    extra: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The thread of the records at the places ``at``, as tid | serial << 32: the last one named before."""
    headers = chunks["header"]
    starts = np.arange(len(chunks)) * CHUNK_RECORDS
    named = np.flatnonzero((kind == GilKind.THREAD) & (extra != 0))
    places = np.concatenate([starts, named])
    names = np.concatenate(
        [headers["tid"].astype(np.int64) | headers["thread"].astype(np.int64) << 32, extra[named]]
    )
    order = np.argsort(places, kind="stable")
    result: NDArray[np.int64] = names[order][np.searchsorted(places[order], at, side="right") - 1]
    return result


def _plausible(time: NDArray[np.int64], kind: NDArray[np.int8], header: np.void) -> NDArray[np.bool_]:
    latest = int(header["stopped_ns"]) + 1_000_000_000 if header["stopped_ns"] else np.iinfo(np.int64).max
    known = (kind >= min(GilKind)) & (kind <= max(GilKind))
    return known & (time >= int(header["started_ns"])) & (time <= latest)


def _gil_index(kind: NDArray[np.int8], address: NDArray[np.int64]) -> NDArray[np.int16]:
    about = (kind >= GIL_KINDS[0]) & (kind <= GIL_KINDS[-1])
    index = np.full(len(kind), -1, np.int16)
    index[about] = pd.factorize(address[about])[0]
    return index


def holds(evidence: GilEvents) -> pd.DataFrame:
    """Every time a thread had a GIL: ``start_ns end_ns tid thread gil forced closed``, by start.

    ``forced`` tells holds that ended because another thread had asked; ``closed`` is false where
    the end was not seen and ``end_ns`` is the end of the evidence.
    """
    events = evidence.events
    about = events["kind"].isin([GilKind.GIL_HOLDS, *GIL_KINDS[2:]]).to_numpy()
    rows = events[about]
    order = np.lexsort((rows["time_ns"].to_numpy(), rows["thread"].to_numpy(), rows["gil"].to_numpy()))
    rows = rows.iloc[order]
    kind = rows["kind"].to_numpy()
    starts = np.isin(kind, [GilKind.GIL_HOLDS, GilKind.GIL_ACQUIRE])
    group = rows[["gil", "thread"]].to_numpy()
    follows = np.zeros(len(rows), bool)
    follows[:-1] = (group[1:] == group[:-1]).all(axis=1) & ~starts[1:]
    begin = np.flatnonzero(starts)
    closed = follows[begin]
    end_at = np.minimum(begin + 1, len(rows) - 1)
    time = rows["time_ns"].to_numpy()
    table = pd.DataFrame(
        {
            "start_ns": time[begin],
            "end_ns": np.where(closed, time[end_at], np.maximum(evidence.end_ns, time[begin])),
            "tid": rows["tid"].to_numpy()[begin],
            "thread": rows["thread"].to_numpy()[begin],
            "gil": rows["gil"].to_numpy()[begin],
            "forced": closed & (kind[end_at] == GilKind.GIL_FORCED_RELEASE),
            "closed": closed,
        }
    )
    return table.sort_values("start_ns", kind="stable", ignore_index=True)


OUTCOMES: Final[dict[int, str]] = {
    0: "open",
    GilKind.LOCK_ACQUIRE: "acquired",
    GilKind.LOCK_TIMEOUT: "timed out",
    GilKind.LOCK_INTERRUPT: "interrupted",
}
RACE_NS: Final = 1_000_000
"""How far a post may be stamped on the wrong side of the wait it ended, where both raced."""


def lock_waits(evidence: GilEvents) -> pd.DataFrame:
    """Every wait for a lock: ``start_ns end_ns tid thread address outcome poster poster_tid``, by start.

    ``outcome`` is a category (acquired, timed out, interrupted, or ``open`` where the end was not
    seen and ``end_ns`` is the end of the evidence). ``poster`` and ``poster_tid`` are the thread
    that released the lock to this one, -1 where that was not seen.
    """
    events = evidence.events
    about = events["kind"].between(GilKind.LOCK_WAIT, GilKind.LOCK_INTERRUPT).to_numpy()
    rows = events[about].sort_values("thread", kind="stable")
    kind, time = rows["kind"].to_numpy(), rows["time_ns"].to_numpy()
    begin = np.flatnonzero(kind == GilKind.LOCK_WAIT)
    after = np.minimum(begin + 1, len(rows) - 1)
    same = rows[["thread", "address"]].to_numpy()
    closed = (same[after] == same[begin]).all(axis=1) & (kind[after] != GilKind.LOCK_WAIT)
    waits = rows.iloc[begin][["tid", "thread", "address"]].reset_index(drop=True)
    waits.insert(0, "start_ns", time[begin])
    waits.insert(1, "end_ns", np.where(closed, time[after], np.maximum(evidence.end_ns, time[begin])))
    outcome = pd.Series(np.where(closed, kind[after], 0)).map(OUTCOMES)
    waits["outcome"] = pd.Categorical(outcome, categories=list(OUTCOMES.values()))
    return _with_posters(waits, events[events["kind"] == GilKind.LOCK_POST])


def _with_posters(waits: pd.DataFrame, posts: pd.DataFrame) -> pd.DataFrame:
    """The last post before each acquiring, or where both raced the first one after it."""
    known = posts[["time_ns", "address", "thread", "tid"]].rename(
        columns={"thread": "poster", "tid": "poster_tid", "time_ns": "posted_ns"}
    )
    by_end = waits[waits["outcome"] == "acquired"].reset_index().sort_values("end_ns", kind="stable")
    joined = [
        pd.merge_asof(
            by_end, known, left_on="end_ns", right_on="posted_ns", by="address", direction=direction
        ).set_index("index")
        for direction in ("backward", "forward")
    ]
    before, after = (
        table.where(table["posted_ns"].between(table["start_ns"] - RACE_NS, table["end_ns"] + RACE_NS))
        for table in joined
    )
    for column in ("poster", "poster_tid"):
        poster = before[column].fillna(after[column])
        waits[column] = poster.reindex(waits.index).fillna(-1).astype(np.int64)
    return waits.sort_values("start_ns", kind="stable", ignore_index=True)


def check_gil(evidence: GilEvents) -> list[str]:
    """What contradicts "at most one thread has a GIL at an instant", each a sentence; none is the rule.

    Holds whose end was not seen are left out where the thread shows no further GIL event.
    """
    found: list[str] = []
    table = holds(evidence)
    for gil, of_gil in table[table["closed"]].groupby("gil"):
        start, end = of_gil["start_ns"].to_numpy(), of_gil["end_ns"].to_numpy()
        busy_until = np.maximum.accumulate(end)
        found += [
            f"GIL {gil}: thread {of_gil['tid'].iloc[row]} took it at {start[row]}, "
            f"but it was held until {busy_until[row - 1]}"
            for row in np.flatnonzero(start[1:] < busy_until[:-1]) + 1
        ]
    return found
