"""The processed profile of profiler.firefox.com: markers and exact weights by state.

Each interval is a marker of its state, and two samples: one as it begins, and one just before it
ends, so that the graph of a thread changes colour at that very instant. Their weights add up to the
interval, so that the call tree (state, caller, function) shows exact milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gtrace.export.firefox_counters import find_counters
from gtrace.export.firefox_tables import CATEGORIES, FREE, HELD, MARKER_COLOURS, UNIQUE, Tables, meta
from gtrace.export.kinds import kinds_of_intervals
from gtrace.export.turns import holds
from gtrace.export.writing import open_json, quoted, write_columns
from gtrace.model import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    import numpy.typing as npt
    import pandas as pd

    from gtrace.export.calls import LaneCalls
    from gtrace.export.firefox_counters import Counter
    from gtrace.export.kinds import Kind
    from gtrace.export.writing import Columns
    from gtrace.timeline import Timeline

    Ints = npt.NDArray[np.int64]

_INTERVAL: Final = 1
"""The phase of a marker that has a beginning and an end."""


@dataclass(frozen=True)
class Style:
    """What all spans of one kind share: a stack, and a marker, or none where ``data`` is empty."""

    stack: int
    category: int
    name: int
    data: str


@dataclass(frozen=True)
class Track:
    """A thread of the profile: ``head`` is all but samples and markers; spans leave no gap."""

    head: dict[str, Any]
    starts: Ints
    ends: Ints
    codes: Ints
    """Places in the styles of the profile."""


def write_firefox(timeline: Timeline, calls: list[LaneCalls], path: Path) -> None:
    """One track a GIL, then one a lane. ``calls`` stay out: the format samples stacks."""
    del calls
    tables = Tables()
    kinds = kinds_of_intervals(timeline)
    styles = [_style_of(kind, tables) for kind in kinds.found]
    tracks = [*_gil_tracks(timeline, tables, styles), *_lane_tracks(timeline, kinds.codes)]
    with open_json(path) as file:
        file.write(f'{{"meta":{quoted(meta(timeline, len(tracks)))},\n"libs":[],\n'.encode())
        file.write(f'"shared":{quoted(tables.as_json())},\n"threads":['.encode())
        for i, track in enumerate(tracks):
            file.write(b",\n" if i else b"")
            _write_track(file, track, styles)
        file.write(b'],\n"counters":[')
        for i, counter in enumerate(find_counters(timeline, _main_threads(tracks))):
            file.write(b",\n" if i else b"")
            _write_counter(file, counter)
        file.write(b"]}\n")


def _main_threads(tracks: list[Track]) -> dict[int, int]:
    """The place of the first track of each process's threads; that of a GIL is none."""
    places: dict[int, int] = {}
    for place, track in enumerate(tracks):
        if type(track.head["tid"]) is int:
            places.setdefault(int(track.head["pid"]), place)
    return places


def _write_counter(file: IO[bytes], counter: Counter) -> None:
    columns: Columns = {"time": (counter.times, _ms), "count": (counter.steps, str)}
    file.write(quoted(counter.head)[:-1].encode())
    file.write(b',\n"samples":{')
    write_columns(file, columns)
    file.write(b"}")


def _style_of(kind: Kind, tables: Tables) -> Style:
    around = (kind.caller, kind.function) if kind.caller != kind.function else (kind.function,)
    facts = {key: tables.string(value) if key in UNIQUE else value for key, value in kind.facts.items()}
    category = CATEGORIES.index(kind.state)
    return Style(
        stack=tables.path((kind.state, *(name for name in around if name)), category),
        category=category,
        name=tables.string(kind.state),
        data=quoted({"type": kind.state, "color": MARKER_COLOURS[kind.state], **facts}),
    )


def _lane_tracks(timeline: Timeline, codes: Ints) -> Iterator[Track]:
    starts = timeline.intervals["start_ns"].to_numpy("int64")
    ends = timeline.intervals["end_ns"].to_numpy("int64")
    lanes = timeline.intervals["lane"].to_numpy("int64")
    seen: set[tuple[int, int]] = set()
    for lane, thread in enumerate(timeline.threads.to_dict("records")):
        rows = slice(*np.searchsorted(lanes, [lane, lane + 1]).tolist())
        who = (thread["pid"], thread["tid"])
        # a native id can name several threads in a row, and the viewer wants each id once
        tid = f"{thread['tid']} in lane {lane}" if who in seen else thread["tid"]
        seen.add(who)
        head = _head(timeline, thread["pid"], str(thread["name"])) | {
            "registerTime": thread["start_ns"] / 1e6,
            "unregisterTime": thread["end_ns"] / 1e6 if thread["ended"] else None,
            "isMainThread": thread["pid"] == thread["tid"],
            "tid": tid,
        }
        yield Track(head, starts[rows], ends[rows], codes[rows])


def _gil_tracks(timeline: Timeline, tables: Tables, styles: list[Style]) -> Iterator[Track]:
    """Adds the styles of turns with a GIL to ``styles``."""
    turns = holds(timeline)
    free = len(styles)
    category = CATEGORIES.index(FREE)
    styles.append(Style(tables.path((FREE,), category), category, tables.string(FREE), ""))
    gils = sorted(set(zip(turns["pid"].tolist(), turns["gil_number"].tolist(), strict=True)))
    for pid, number in gils:
        own = turns[((turns["pid"] == pid) & (turns["gil_number"] == number)).to_numpy()]
        name = f"GIL of subinterpreter {number}" if number else "GIL"
        head = _head(timeline, pid, name) | {"tid": f"{name} of {pid}"}
        codes = _turn_styles(timeline, own, tables, styles)
        yield _without_gaps(Track(head, own["start_ns"].to_numpy(), own["end_ns"].to_numpy(), codes), free)


def _turn_styles(timeline: Timeline, turns: pd.DataFrame, tables: Tables, styles: list[Style]) -> Ints:
    known: dict[tuple[int, str], int] = {}
    codes = []
    names = [str(name) for name in timeline.threads["name"]]
    category = CATEGORIES.index(State.RUNNING.value)
    for lane, function in zip(turns["lane"].tolist(), turns["function"].tolist(), strict=True):
        code = known.get((lane, function))
        if code is None:
            code = known[lane, function] = len(styles)
            facts = {"type": HELD, "color": MARKER_COLOURS[HELD], "function": tables.string(function)}
            stack = tables.path((names[lane], *([function] if function else [])), category)
            styles.append(Style(stack, category, tables.string(names[lane]), quoted(facts)))
        codes.append(code)
    return np.array(codes, dtype=np.int64)


def _without_gaps(track: Track, free: int) -> Track:
    gaps = np.flatnonzero(track.starts[1:] > track.ends[:-1]) + 1
    return Track(
        track.head,
        np.insert(track.starts, gaps, track.ends[gaps - 1]),
        np.insert(track.ends, gaps, track.starts[gaps]),
        np.insert(track.codes, gaps, free),
    )


def _head(timeline: Timeline, pid: int, name: str) -> dict[str, Any]:
    return {
        "processType": "default",
        "processStartupTime": 0,
        "processShutdownTime": None,
        "registerTime": 0,
        "unregisterTime": None,
        "pausedRanges": [],
        "showMarkersInTimeline": True,
        "name": name,
        "isMainThread": False,
        "processName": " ".join(timeline.run.command) or "python",
        "pid": str(pid),
    }


def _write_track(file: IO[bytes], track: Track, styles: list[Style]) -> None:
    starts, ends, codes = track.starts, track.ends, track.codes
    lengths = ends - starts
    twice = np.repeat(codes, 2)
    times = np.stack([starts, ends - 1], axis=1).ravel()
    weights = np.stack([lengths - lengths // 2, lengths // 2], axis=1).ravel()
    marked = np.array([bool(style.data) for style in styles], dtype=bool)[codes]
    starts, ends, codes = starts[marked], ends[marked], codes[marked]
    samples: Columns = {
        "stack": (twice, [str(style.stack) for style in styles].__getitem__),
        "time": (times, _ms),
        "weight": (weights, _ms),
    }
    markers: Columns = {
        "data": (codes, [style.data for style in styles].__getitem__),
        "name": (codes, [str(style.name) for style in styles].__getitem__),
        "startTime": (starts, _ms),
        "endTime": (ends, _ms),
        "phase": (np.full(len(codes), _INTERVAL), str),
        "category": (codes, [str(style.category) for style in styles].__getitem__),
    }
    file.write(quoted(track.head)[:-1].encode())
    file.write(b',\n"samples":{"weightType":"tracing-ms",')
    write_columns(file, samples)
    file.write(b',\n"markers":{')
    write_columns(file, markers)
    file.write(b"}")


def _ms(time_ns: int) -> str:
    """Milliseconds, exact to the nanosecond, of a time that is not negative."""
    return f"{time_ns // 1_000_000}.{time_ns % 1_000_000:06d}"
