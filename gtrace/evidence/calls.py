"""Reads what viztracer dumped: one row a call, as columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPEN: Final = -1
"""``end_ns`` of a call that had not returned when recording stopped."""
CHUNK_BYTES: Final = 1 << 25
_BETWEEN: Final = b'},{"pid":'
# viztracer prints every event with one fixed shape, so its JSON becomes CSV by dropping the keys;
# Arrow reads that on all cores, in a quarter of the memory its JSON reader takes
_KEYS: Final = (
    (_BETWEEN, b"\n"),
    (b',"tid":', b","),
    (b',"ts":', b","),
    (b',"ph":"', b","),
    (b'","cat":"fee","dur":', b","),
    (b',"name":"', b',"'),
)
_REPLACED: Final = "\N{REPLACEMENT CHARACTER}".encode()
_COLUMNS: Final = ["pid", "tid", "ts", "ph", "dur", "name"]
_TYPES: Final = {
    "pid": pa.int32(),
    "tid": pa.int32(),
    "ts": pa.float64(),
    "ph": pa.dictionary(pa.int32(), pa.string()),
    "dur": pa.float64(),
    "name": pa.dictionary(pa.int32(), pa.string()),
}
SCHEMA: Final = pa.schema(
    [
        ("tid", pa.int64()),
        ("start_ns", pa.int64()),
        ("end_ns", pa.int64()),
        ("name", pa.dictionary(pa.int32(), pa.string())),
    ]
)


@dataclass(frozen=True)
class Calls:
    """The calls of one process.

    ``table`` has columns ``tid`` (native id), ``start_ns``, ``end_ns`` (CLOCK_MONOTONIC; ``OPEN``
    for a call that had not returned) and ``name`` (category), in the order the calls ended.
    ``damaged`` counts events that could not be read.
    """

    table: pd.DataFrame
    damaged: int = 0


def read_calls(path: Path) -> Calls:
    """Reads one dump, also one that breaks off: whole events are used, the rest is counted."""
    tables, damaged = [], 0
    for chunk in _chunks(path):
        table, bad = _parse(chunk)
        tables.append(table)
        damaged += bad
    if not tables:
        return Calls(empty_calls(), damaged)
    calls = Calls(_frame(pa.concat_tables(tables).unify_dictionaries()), damaged)
    tables.clear()
    # Arrow keeps what it has freed; the fold needs the room
    pa.default_memory_pool().release_unused()
    return calls


def empty_calls() -> pd.DataFrame:
    """A table of no calls."""
    table: pd.DataFrame = SCHEMA.empty_table().to_pandas()
    return table


def _chunks(path: Path) -> Iterator[bytes]:
    """Whole events, separated by ``_BETWEEN``, without the braces at both ends."""
    with path.open("rb") as file:
        rest = file.read(CHUNK_BYTES)
        rest = rest[_first_call(rest) :]
        while block := file.read(CHUNK_BYTES):
            rest += block
            cut = rest.rfind(_BETWEEN)
            if cut >= 0:
                yield rest[:cut]
                rest = rest[cut + len(_BETWEEN) :]
    end = rest.rfind(b'"}]')
    cut = end + 1 if end >= 0 else rest.rfind(_BETWEEN)
    if cut > 0:
        yield rest[:cut]


def _first_call(head: bytes) -> int:
    """Where the first call begins, behind the metadata; the end where there is none."""
    call = re.search(rb'\{"pid":(?=\d+,"tid":\d+,"ts":)', head)
    return call.end() if call else len(head)


def _parse(chunk: bytes) -> tuple[pa.Table, int]:
    chunk = _plain(chunk)
    for key, separator in _KEYS:
        chunk = chunk.replace(key, separator)
    bad: list[csv.InvalidRow] = []

    def skip(row: csv.InvalidRow) -> str:
        bad.append(row)
        return "skip"

    try:
        table = _read_csv(chunk, _TYPES, skip)
    except pa.ArrowInvalid:
        table, unreadable = _read_leniently(chunk, skip)
        return table, unreadable + len(bad)
    return table, len(bad)


def _plain(chunk: bytes) -> bytes:
    """Without what no name should have: bytes that are not UTF-8, and control characters by letter."""
    try:
        chunk.decode()
    except UnicodeDecodeError:
        chunk = chunk.decode("utf-8", "replace").encode()
    if b"\\" not in chunk:
        return chunk
    return re.sub(rb"\\(.)", lambda found: _REPLACED if found[1] in b"bfnrt" else found[0], chunk)


def _read_csv(chunk: bytes, types: dict[str, pa.DataType], skip: object) -> pa.Table:
    return csv.read_csv(
        pa.py_buffer(chunk),
        read_options=csv.ReadOptions(column_names=_COLUMNS, block_size=1 << 22),
        parse_options=csv.ParseOptions(escape_char="\\", double_quote=False, invalid_row_handler=skip),
        convert_options=csv.ConvertOptions(column_types=types, strings_can_be_null=False, check_utf8=False),
    )


def _read_leniently(chunk: bytes, skip: object) -> tuple[pa.Table, int]:
    """Reads all as text and keeps the rows whose numbers are numbers."""
    text = _read_csv(chunk, dict.fromkeys(_COLUMNS, pa.string()), skip).to_pandas()
    for column in ("pid", "tid", "ts", "dur"):
        text[column] = pd.to_numeric(text[column], errors="coerce")
    good = text[text[["pid", "tid", "ts", "dur"]].notna().all(axis=1) & text["ph"].isin(["X", "B"])]
    schema = pa.schema([(name, _TYPES[name]) for name in _COLUMNS])
    good = good.astype({"pid": "int32", "tid": "int32"})
    return pa.Table.from_pandas(good, schema=schema, preserve_index=False), len(text) - len(good)


def _frame(table: pa.Table) -> pd.DataFrame:
    """To int64 ns; a microsecond with three decimals is exact in a double for 104 days of uptime."""
    begin, length = table["ts"].to_numpy(), table["dur"].to_numpy()
    start = np.rint(begin * 1000).astype("int64")
    end = start + np.rint(length * 1000).astype("int64")
    phase = table["ph"].combine_chunks()
    is_open = phase.to_pandas().to_numpy() == "B" if len(phase) else np.zeros(0, bool)
    return pd.DataFrame(
        {
            "tid": table["tid"].to_numpy().astype("int64"),
            "start_ns": start,
            "end_ns": np.where(is_open, OPEN, end),
            "name": table["name"].to_pandas().astype("category"),
        }
    )
