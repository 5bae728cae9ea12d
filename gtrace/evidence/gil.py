"""Reads the agent's evidence: who had a GIL, who waited for it or for a lock, and who woke whom.

The layout of the file is in ``gil_format.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from gtrace.evidence.files import WHY_FULL, Layout, read_evidence
from gtrace.evidence.gil_format import (
    CHUNK,
    CHUNK_BYTES,
    CHUNK_MAGIC,
    CHUNK_RECORDS,
    GIL_KINDS,
    HEADER,
    KIND_BITS,
    MAGIC,
    RECORD,
    VALUE,
    VERSION,
    GilKind,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["GilEvents", "GilKind", "check_gil", "holds", "lock_waits", "read_gil"]

LAYOUT: Final = Layout("GIL evidence", MAGIC, VERSION, HEADER)


@dataclass(frozen=True)
class GilEvents:
    """The evidence of one process.

    ``events`` is sorted by time and has columns ``time_ns`` (int64, CLOCK_MONOTONIC), ``tid`` (int64,
    native id), ``thread`` (int64, counts the threads of the file from 1, so that reused native ids are
    told apart), ``kind`` (int8, a GilKind), ``address`` (int64, of the GIL or lock, 0 where there is
    none; of a call what ``blocking_calls`` reads) and ``gil`` (int16, index into ``gils``, -1 for rows
    that are not about a GIL).
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
    content, header = read_evidence(path, LAYOUT)
    damage: list[str] = []
    if header["magic"] == b"":
        damage.append("The process ended before the agent had written anything.")
    chunks = _chunks(content, damage)
    events, late = _up_to(_events(chunks, header, damage), int(header["full_at_ns"]))
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
        lost=int(header["lost"]) + late,
        full_at_ns=int(header["full_at_ns"]),
        damage=tuple(damage),
    )


def _up_to(events: pd.DataFrame, full_at_ns: int) -> tuple[pd.DataFrame, int]:
    """The events up to the moment the file was full, and how many came after it.

    Threads that still had room wrote on, but of the others nothing more is known.
    """
    if not full_at_ns:
        return events, 0
    count = int(events["time_ns"].searchsorted(full_at_ns, side="right"))
    return events.iloc[:count], len(events) - count


def _reason(header: np.void) -> str:
    text: bytes = header["reason"]
    return text.decode("utf-8", "replace")


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
    used = magic == CHUNK_MAGIC
    result: NDArray[np.void] = chunks if used.all() else chunks[used]
    return result


def _missing(cut: int) -> int:
    return CHUNK_BYTES - (cut - cut % RECORD.itemsize)


def _events(chunks: NDArray[np.void], header: np.void, damage: list[str]) -> pd.DataFrame:
    records = np.ascontiguousarray(chunks["records"]).ravel()
    low_byte = records.view(np.uint8)[:: RECORD.itemsize]
    kinds = (low_byte & ((1 << KIND_BITS) - 1)).view(np.int8)
    at = np.flatnonzero((records != 0) & (kinds != VALUE))
    kind = kinds[at]
    time = (records[at] >> KIND_BITS).view(np.int64)
    address = _addresses(records, kinds, at, int(header["gil_address"]))
    name = _names(chunks["header"], kind, at, address)
    address[kind <= GilKind.THREAD_EXIT] = 0
    _time_calls(kind, time, address, (at // CHUNK_RECORDS, name))
    whole = _plausible(time, kind, header)
    torn = len(whole) - int(np.count_nonzero(whole))
    if torn:
        damage.append(f"{torn} records make no sense and were left out.")
        kind, time, address, name = kind[whole], time[whole], address[whole], name[whole]
    order = np.argsort(time, kind="stable")
    kind, address, name = kind[order], address[order], name[order]
    columns = {
        "time_ns": time[order],
        "tid": name & 0xFFFFFFFF,
        "thread": name >> 32,
        "kind": kind,
        "address": address,
        "gil": _gil_index(kind, address),
    }
    return pd.DataFrame(columns, copy=False)


def _time_calls(
    kind: NDArray[np.int8],
    time: NDArray[np.int64],
    address: NDArray[np.int64],
    place: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> None:
    """Gives each CALL its value as its address, and the time of the release before it.

    That is in the same chunk and of the same thread, the two of ``place``; else the time becomes 0.
    """
    calls = np.flatnonzero(kind == GilKind.CALL)
    address[calls] = time[calls]
    released = np.flatnonzero((kind == GilKind.GIL_RELEASE) | (kind == GilKind.GIL_FORCED_RELEASE))
    before = np.searchsorted(released, calls) - 1
    calls, before = calls[before >= 0], released[before[before >= 0]]
    same = np.ones(len(calls), dtype=bool)
    for column in place:
        same &= column[calls] == column[before]
    times = np.where(same, time[before], 0)
    time[kind == GilKind.CALL] = 0
    time[calls] = times
    kind[kind == GilKind.TIMED_CALL] = GilKind.CALL


def _addresses(
    records: NDArray[np.uint64], kinds: NDArray[np.int8], at: NDArray[np.int64], main_gil: int
) -> NDArray[np.int64]:
    """For every record at the places ``at`` the VALUE behind it in its chunk, or what stands for it."""
    kind = kinds[at]
    address = np.zeros(len(at), np.int64)
    address[(kind >= GIL_KINDS[0]) & (kind <= GIL_KINDS[-1])] = main_gil
    values = np.flatnonzero(kinds == VALUE)
    values = values[values % CHUNK_RECORDS != 0]
    before = np.searchsorted(at, values - 1)
    found = before < len(at)
    found[found] = at[before[found]] == values[found] - 1
    address[before[found]] = (records[values[found]] >> KIND_BITS).view(np.int64)
    return address


def _names(
    headers: NDArray[np.void], kind: NDArray[np.int8], at: NDArray[np.int64], address: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The thread of every record, as tid | serial << 32: the last one named before it in its chunk."""
    named = np.flatnonzero((kind == GilKind.THREAD) & (address != 0))
    places = np.concatenate([np.arange(len(headers)) * CHUNK_RECORDS, at[named]])
    of_chunk = headers["tid"].astype(np.int64) | headers["thread"].astype(np.int64) << 32
    names = np.concatenate([of_chunk, address[named]])
    order = np.argsort(places, kind="stable")
    first = np.searchsorted(at, places[order])
    result: NDArray[np.int64] = np.repeat(names[order], np.diff(np.append(first, len(at))))
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
    rows = _by_thread(evidence.events, _changes_holder)
    kind, time = rows["kind"], rows["time_ns"]
    starts = (kind == GilKind.GIL_HOLDS) | (kind == GilKind.GIL_ACQUIRE)
    begin = np.flatnonzero(starts)
    begin = begin[np.argsort(time[begin], kind="stable")]
    after = np.minimum(begin + 1, len(kind) - 1)
    closed = (rows["group"][after] == rows["group"][begin]) & ~starts[after]
    start_ns = time[begin]
    columns = {
        "start_ns": start_ns,
        "end_ns": np.where(closed, time[after], np.maximum(evidence.end_ns, start_ns)),
        "tid": rows["tid"][begin],
        "thread": rows["thread"][begin],
        "gil": rows["gil"][begin],
        "forced": closed & (kind[after] == GilKind.GIL_FORCED_RELEASE),
        "closed": closed,
    }
    return pd.DataFrame(columns, copy=False)


def _changes_holder(kind: NDArray[np.int8]) -> NDArray[np.bool_]:
    about = (kind >= GilKind.GIL_HOLDS) & (kind <= GilKind.GIL_FORCED_RELEASE)
    result: NDArray[np.bool_] = about & (kind != GilKind.GIL_WAIT)
    return result


def _is_lock_wait(kind: NDArray[np.int8]) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = (kind >= GilKind.LOCK_WAIT) & (kind <= GilKind.LOCK_INTERRUPT)
    return result


def _by_thread(
    events: pd.DataFrame, wanted: Callable[[NDArray[np.int8]], NDArray[np.bool_]]
) -> dict[str, NDArray[Any]]:
    """The columns of the wanted events, by (gil, thread), then time, and that ``group`` as a number."""
    at = np.flatnonzero(wanted(events["kind"].to_numpy()))
    thread, gil = events["thread"].to_numpy()[at], events["gil"].to_numpy()[at]
    group = thread + (gil.astype(np.int64) + 1) * (int(thread.max(initial=0)) + 1)
    if int(group.max(initial=0)) < 1 << 16:
        group = group.astype(np.uint16)  # which numpy sorts in linear time
    order = np.argsort(group, kind="stable")
    rows = {name: events[name].to_numpy()[at][order] for name in events.columns}
    return {**rows, "group": group[order]}


OUTCOMES: Final[dict[int, str]] = {
    0: "open",
    GilKind.LOCK_ACQUIRE: "acquired",
    GilKind.LOCK_TIMEOUT: "timed out",
    GilKind.LOCK_INTERRUPT: "interrupted",
}
RACE_NS: Final = 1_000_000
"""How far a post may be stamped on the wrong side of the wait it ended, where both raced."""


def lock_waits(evidence: GilEvents) -> pd.DataFrame:
    """Every wait for a lock, by start.

    Columns ``start_ns end_ns tid thread address outcome poster poster_tid posted_ns``.

    ``outcome`` is a category (acquired, timed out, interrupted, or ``open`` where the end was not
    seen and ``end_ns`` is the end of the evidence). ``poster`` and ``poster_tid`` are the thread
    that released the lock to this one, and ``posted_ns`` when it did, -1 where that was not seen.
    """
    rows = _by_thread(evidence.events, _is_lock_wait)
    kind, time = rows["kind"], rows["time_ns"]
    begin = np.flatnonzero(kind == GilKind.LOCK_WAIT)
    after = np.minimum(begin + 1, len(kind) - 1)
    closed = (rows["group"][after] == rows["group"][begin]) & (
        rows["address"][after] == rows["address"][begin]
    )
    closed &= kind[after] != GilKind.LOCK_WAIT
    waits = pd.DataFrame(
        {
            "start_ns": time[begin],
            "end_ns": np.where(closed, time[after], np.maximum(evidence.end_ns, time[begin])),
            **{name: rows[name][begin] for name in ("tid", "thread", "address")},
        }
    )
    outcome = pd.Series(np.where(closed, kind[after], 0)).map(OUTCOMES)
    waits["outcome"] = pd.Categorical(outcome, categories=list(OUTCOMES.values()))
    posts = evidence.events["kind"] == GilKind.LOCK_POST
    return _with_posters(waits, evidence.events[posts])


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
    for column in ("poster", "poster_tid", "posted_ns"):
        poster = before[column].fillna(after[column])
        waits[column] = poster.reindex(waits.index).fillna(-1).astype(np.int64)
    return waits.sort_values("start_ns", kind="stable", ignore_index=True)


def check_gil(evidence: GilEvents) -> list[str]:
    """What contradicts "at most one thread has a GIL at an instant", each a sentence; none is the rule.

    Holds whose end was not seen are left out where the thread shows no further GIL event.
    """
    found: list[str] = []
    table = holds(evidence)
    table = table[table["closed"]]
    for gil in range(len(evidence.gils)):
        of_gil = table[table["gil"] == gil]
        start, end = of_gil["start_ns"].to_numpy(), of_gil["end_ns"].to_numpy()
        busy_until = np.maximum.accumulate(end)
        found += [
            f"GIL {gil}: thread {of_gil['tid'].iloc[row]} took it at {start[row]}, "
            f"but it was held until {busy_until[row - 1]}"
            for row in np.flatnonzero(start[1:] < busy_until[:-1]) + 1
        ]
    return found
