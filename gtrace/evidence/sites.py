"""Reads call sites: where in the program threads stood while they waited long.

The layout of the file is in ``site_format.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd

from gtrace.evidence.files import WHY_FULL, Layout, read_evidence
from gtrace.evidence.gil_format import CHUNK_BYTES, HEADER
from gtrace.evidence.line_table import line_of
from gtrace.evidence.site_format import (
    CODE_ENTRY,
    ENTRY,
    MAGIC,
    PYTHON_ENTRY,
    SITE_ENTRY,
    STACK_ENTRY,
    STACK_FRAME,
    VERSION,
    EntryKind,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Frame", "Sites", "Stack", "read_sites"]

LAYOUT: Final = Layout("call sites", MAGIC, VERSION, HEADER)
_RUN: Final = 1 << 14
"""Sites that follow each other are read so many at a time."""
_ENCODINGS: Final = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}
_HEADS: Final = np.dtype({"names": ["head"], "formats": ["<u8"], "itemsize": SITE_ENTRY.itemsize})
_LEAST_BYTES: Final[dict[int, int]] = {
    EntryKind.PYTHON: PYTHON_ENTRY.itemsize,
    EntryKind.CODE: CODE_ENTRY.itemsize,
    EntryKind.STACK: STACK_ENTRY.itemsize,
    EntryKind.SITE: SITE_ENTRY.itemsize,
    EntryKind.STILL: SITE_ENTRY.itemsize,
    EntryKind.MADE: SITE_ENTRY.itemsize,
}


class Frame(NamedTuple):
    """A function, where it begins, and the line in it."""

    name: str
    file: str
    first_line: int
    line: int


class Stack(NamedTuple):
    """Frames, innermost first; ``cut`` where there were further ones around them."""

    frames: tuple[Frame, ...]
    cut: bool


@dataclass(frozen=True)
class Sites:
    """The call sites of one process.

    ``table`` is sorted by time and has columns ``time_ns`` (int64, CLOCK_MONOTONIC), ``thread`` (int64:
    the native id, but the ident where ``still``), ``still`` (bool) and ``stack`` (int64, index into
    ``stacks``). At ``time_ns`` the thread took the GIL, and had stood there since it had let go of it;
    where ``still``, recording was ended then, and the thread had not come back. ``made`` tells where locks
    were made, by time: ``time_ns``, ``address``, ``stack``; all int64.
    """

    table: pd.DataFrame
    made: pd.DataFrame
    stacks: tuple[Stack, ...]
    pid: int
    started_ns: int
    stopped_ns: int
    lost: int
    """Sites that were left out."""
    full_at_ns: int
    """From then on there are none, 0 where all were recorded."""
    damage: tuple[str, ...]
    """What is wrong with the file, each a full sentence; whatever is whole was used."""


class _Code(NamedTuple):
    name: str
    file: str
    first_line: int
    table: bytes


@dataclass
class _Entries:
    """What was read so far."""

    version: tuple[int, int] = (0, 0)
    codes: list[_Code] = field(default_factory=list)
    stacks: list[tuple[list[tuple[int, int]], bool]] = field(default_factory=list)
    sites: list[NDArray[np.void]] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)


def read_sites(path: Path | str) -> Sites:
    """The call sites in the agent's file ``path``.

    Raises RecordingError where the file cannot be read or is none of the agent's, and
    RecordingFormatError where a newer gtrace wrote it.
    """
    content, header = read_evidence(path, LAYOUT)
    entries = _entries(content.tobytes())
    if header["full_at_ns"]:
        why = WHY_FULL[min(int(header["full"]), len(WHY_FULL) - 1)]
        entries.damage.append(f"Call sites end early: {why}.")
    stacks = _stacks(entries)
    sites = _by_time(entries, len(stacks))
    return Sites(
        table=_table(sites[sites["kind"] != EntryKind.MADE]),
        made=_made(sites[sites["kind"] == EntryKind.MADE]),
        stacks=stacks,
        pid=int(header["pid"]),
        started_ns=int(header["started_ns"]),
        stopped_ns=int(header["stopped_ns"]),
        lost=int(header["lost"]),
        full_at_ns=int(header["full_at_ns"]),
        damage=tuple(entries.damage),
    )


def _entries(content: bytes) -> _Entries:
    found, at = _Entries(), CHUNK_BYTES
    if len(content) % CHUNK_BYTES:
        found.damage.append("The file of call sites is cut short; what is whole was used.")
    while at + ENTRY.itemsize <= len(content):
        kind, size = (int(word) for word in np.frombuffer(content, "<u4", 2, at))
        if not kind:
            break
        least = _LEAST_BYTES.get(kind, ENTRY.itemsize)
        if size < least or size % ENTRY.itemsize or at + size > len(content):
            if not found.damage:
                found.damage.append("The file of call sites is damaged; what stands before was used.")
            break
        if kind in (EntryKind.SITE, EntryKind.STILL, EntryKind.MADE) and size == SITE_ENTRY.itemsize:
            run = _run(content, at)
            found.sites.append(run)
            at += run.nbytes
            continue
        _read(kind, content[at : at + size], found)
        at += size
    return found


def _run(content: bytes, at: int) -> NDArray[np.void]:
    """Entries like the one at ``at``, as far as they follow each other."""
    count = min((len(content) - at) // SITE_ENTRY.itemsize, _RUN)
    entries = np.frombuffer(content, SITE_ENTRY, count, at)
    other = np.flatnonzero(
        (entries["kind"] != entries["kind"][0]) | (entries["bytes"] != SITE_ENTRY.itemsize)
    )
    run: NDArray[np.void] = entries[: other[0]] if len(other) else entries
    return run


def _read(kind: int, entry: bytes, found: _Entries) -> None:
    """Takes in one entry; kinds of a later gtrace are passed over."""
    if kind == EntryKind.PYTHON:
        version = int(np.frombuffer(entry, PYTHON_ENTRY, 1)["version"][0])
        found.version = version >> 24, version >> 16 & 0xFF
    elif kind == EntryKind.CODE:
        found.codes.append(_code(entry))
    elif kind == EntryKind.STACK:
        head = np.frombuffer(entry, STACK_ENTRY, 1)[0]
        room = (len(entry) - STACK_ENTRY.itemsize) // STACK_FRAME.itemsize
        frames = np.frombuffer(entry, STACK_FRAME, min(int(head["count"]), room), STACK_ENTRY.itemsize)
        found.stacks.append((frames.tolist(), bool(head["cut"])))


def _code(entry: bytes) -> _Code:
    head = np.frombuffer(entry, CODE_ENTRY, 1)[0]
    texts, at = [], CODE_ENTRY.itemsize
    for part in ("name", "file"):
        width = int(head[f"{part}_width"])
        end = at + int(head[f"{part}_length"]) * width
        texts.append(_text(entry[at:end], width))
        at = end
    return _Code(texts[0], texts[1], int(head["first_line"]), entry[at : at + int(head["table_bytes"])])


def _text(characters: bytes, width: int) -> str:
    encoding = _ENCODINGS.get(width, "latin-1")
    try:
        return characters.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        return characters.decode(encoding, "replace")


def _stacks(entries: _Entries) -> tuple[Stack, ...]:
    known: dict[tuple[int, int], Frame] = {}
    result = []
    for frames, cut in entries.stacks:
        whole = [(code, offset) for code, offset in frames if code < len(entries.codes)]
        for place in whole:
            if place not in known:
                known[place] = _frame(entries.codes[place[0]], place[1], entries.version)
        result.append(Stack(tuple(known[place] for place in whole), cut))
    return tuple(result)


def _frame(code: _Code, offset: int, version: tuple[int, int]) -> Frame:
    line = line_of(code.table, code.first_line, offset, version)
    return Frame(code.name, code.file, code.first_line, code.first_line if line is None else line)


def _by_time(entries: _Entries, stacks: int) -> NDArray[np.void]:
    sites = np.concatenate([np.zeros(0, SITE_ENTRY), *entries.sites])
    sites = sites[sites["stack"] < stacks]
    return sites[np.argsort(sites["time_ns"], kind="stable")]


def _table(sites: NDArray[np.void]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "time_ns": sites["time_ns"].astype(np.int64),
            "thread": sites["subject"].astype(np.int64),
            "still": sites["kind"] == EntryKind.STILL,
            "stack": sites["stack"].astype(np.int64),
        }
    )


def _made(sites: NDArray[np.void]) -> pd.DataFrame:
    columns = {"time_ns": "time_ns", "address": "subject", "stack": "stack"}
    return pd.DataFrame({name: sites[field].astype(np.int64) for name, field in columns.items()})
