"""Exports for tests: a run and its calls as text, and the file that a format makes of them."""

from __future__ import annotations

import gzip
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from gtrace.export.calls import LaneCalls, nested_ends, order_of_entry
from gtrace.export.formats import FORMATS

if TYPE_CHECKING:
    from gtrace.timeline import Timeline

NS_PER_MS: Final = 1_000_000

CONVOY: Final = """
main  0-30    running   "crunch (a.py:3)" caller="main (a.py:1)"
main  30-40   preempted "crunch (a.py:3)"
main  40-60   gil_wait  "crunch (a.py:3)" <- io
main  60-100  lock_wait reason="thread join" caller="main (a.py:1)" <- io
io    0-10    io_wait   socket.recv reason="socket recv" evidence=derived core=1
io    10-40   gil_wait  socket.recv <- main
io    40-60   running   "parse (b.py:9)"
io    60-80   lock_wait reason=lock lock=4660 gil=away
io    80-90   native    zlib.compress
"""
"""A run in which every kind of track, arrow and counter occurs."""

HOSTILE: Final = (
    "</script><img src=x onerror=alert(1)>",
    'quote " back \\ slash',
    "lone \udcff surrogate",
    "nul \x00 and \x1b[31m and\ta\nline",
    "line \u2028 paragraph \u2029",
    "\u202egnp.exe",
    "Grüße 🐍",
)
"""Names that break what is put together without quoting."""


def calls_from(timeline: Timeline, text: str) -> list[LaneCalls]:
    """Calls from lines ``THREAD START-END NAME``, in ms, in the order they ended."""
    rows = [shlex.split(line) for line in text.strip().split("\n") if line.strip()]
    texts = tuple(dict.fromkeys(row[2] for row in rows))
    lanes = {name: lane for lane, name in enumerate(timeline.threads["name"])}
    found = []
    for name in dict.fromkeys(row[0] for row in rows):
        own = [row for row in rows if row[0] == name]
        spans = [[round(float(part) * NS_PER_MS) for part in row[1].split("-")] for row in own]
        starts, ends = (np.array(column, dtype=np.int64) for column in zip(*spans, strict=True))
        order = order_of_entry(starts, ends)
        names = np.array([texts.index(row[2]) for row in own])[order]
        nested = nested_ends(starts[order], ends[order])
        found.append(LaneCalls(lanes[name], starts[order], nested, names, texts))
    return found


def written(format_name: str, timeline: Timeline, calls: list[LaneCalls], path: Path) -> Any:
    """What stands in the file, strictly read: no duplicate keys, no NaN."""
    FORMATS[format_name].write(timeline, calls, path)
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return strictly(data.decode())


def strictly(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    assert len(found) == len(pairs), f"a key stands twice: {[key for key, _ in pairs]}"
    return found


def _no_constant(name: str) -> Any:
    raise AssertionError(f"not JSON: {name}")


def named(timeline: Timeline, name: str) -> Timeline:
    """The run of one thread, in which the thread, its functions and the command have this name."""
    timeline.threads["name"] = pd.Series([name], dtype=object)
    function = timeline.intervals["function"].cat.rename_categories(pd.Index([name], dtype=object))
    run = replace(timeline.run, command=(name,))
    return replace(timeline, run=run, intervals=timeline.intervals.assign(function=function))


def shown(name: str) -> str:
    """As every format shows it."""
    return re.sub(r"[\x00-\x1f]", "\N{REPLACEMENT CHARACTER}", name.replace("\udcff", "?"))


def badly_nested(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans that neither lie within the one they begin in nor begin after its end.

    Spans come as they stand in a file: of two that begin together the outer one first.
    """
    bad, around = [], []
    for start, end in sorted(spans, key=lambda span: span[0]):
        while around and around[-1] <= start:
            around.pop()
        if start > end or (around and end > around[-1]):
            bad.append((start, end))
        around.append(end)
    return bad
