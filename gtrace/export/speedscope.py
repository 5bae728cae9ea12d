"""The file format of speedscope.app: per thread its calls, and its states as a stack of names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gtrace.export.kinds import kinds_of_intervals
from gtrace.export.names import locate
from gtrace.export.writing import ROWS, open_json, quoted, write_array

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import IO

    import numpy.typing as npt

    from gtrace.export.calls import LaneCalls
    from gtrace.export.kinds import Kind
    from gtrace.timeline import Timeline

    Ints = npt.NDArray[np.int64]

SCHEMA = "https://www.speedscope.app/file-format-schema.json"


class Frames:
    """The functions of all profiles, each kept once and named by its number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, function: str) -> int:
        return self._numbers.setdefault(function, len(self._numbers))

    def as_json(self) -> list[dict[str, Any]]:
        return [_frame(function) for function in self._numbers]


def _frame(function: str) -> dict[str, Any]:
    located = locate(function)
    place = {"file": located.file, "line": located.line} if located.file else {}
    return {"name": located.name, **place}


def write_speedscope(timeline: Timeline, calls: list[LaneCalls], path: Path) -> None:
    """Profiles of calls first; every profile spans the whole run, so that threads can be compared."""
    frames = Frames()
    names = [f"{n} ({t})" for n, t in zip(timeline.threads["name"], timeline.threads["tid"], strict=True)]
    with open_json(path) as file:
        file.write(f'{{"$schema":"{SCHEMA}",'.encode())
        file.write(b'"profiles":[')
        between = ""
        for name, events in _profiles(timeline, calls, frames, names):
            about = {"type": "evented", "name": name, "unit": "nanoseconds", "startValue": 0}
            head = quoted(about | {"endValue": _end(timeline, calls)})
            file.write(f'{between}{head[:-1]},"events":'.encode())
            write_array(file, events)
            file.write(b"}")
            between = ",\n"
        _write_tail(file, timeline, frames)


def _write_tail(file: IO[bytes], timeline: Timeline, frames: Frames) -> None:
    run = timeline.run
    tail = {
        "shared": {"frames": frames.as_json()},
        "name": " ".join(run.command) or "python",
        "activeProfileIndex": 0,
        "exporter": f"gtrace {run.gtrace_version}",
    }
    file.write(f"],\n{quoted(tail)[1:]}\n".encode())


def _end(timeline: Timeline, calls: list[LaneCalls]) -> int:
    """A call can return after the thread was last seen."""
    return max([int(timeline.run.duration), *(int(one.ends.max()) for one in calls)])


def _profiles(
    timeline: Timeline, calls: list[LaneCalls], frames: Frames, names: list[str]
) -> Iterator[tuple[str, Iterable[str]]]:
    for one in calls:
        numbers = [frames.number(text) for text in one.texts]
        yield names[one.lane], _joined(_call_events(one, numbers))
    kinds = kinds_of_intervals(timeline)
    stacks = [_stack(kind, frames) for kind in kinds.found]
    lanes = timeline.intervals["lane"].to_numpy("int64")
    for lane, name in enumerate(names):
        rows = slice(*np.searchsorted(lanes, [lane, lane + 1]).tolist())
        spans = timeline.intervals.iloc[rows]
        chosen = [stacks[code] for code in kinds.codes[rows].tolist()]
        yield f"{name}: states", _joined(_state_events(spans["start_ns"], spans["end_ns"], chosen))


def _stack(kind: Kind, frames: Frames) -> tuple[int, ...]:
    names = [kind.state, kind.caller, kind.function if kind.function != kind.caller else ""]
    return tuple(frames.number(name) for name in names if name)


def _joined(events: Iterator[str]) -> Iterator[str]:
    """Some thousand events at a time."""
    part: list[str] = []
    for event in events:
        part.append(event)
        if len(part) == ROWS:
            yield ",".join(part)
            part = []
    if part:
        yield ",".join(part)


def _call_events(one: LaneCalls, numbers: list[int]) -> Iterator[str]:
    """Opens each call after those before it have been closed; calls are well nested."""
    around: list[tuple[int, int]] = []
    for start, end, name in zip(one.starts.tolist(), one.ends.tolist(), one.names.tolist(), strict=True):
        while around and around[-1][0] <= start:
            yield _event("C", *around.pop())
        yield _event("O", start, numbers[name])
        around.append((end, numbers[name]))
    while around:
        yield _event("C", *around.pop())


def _state_events(starts: Iterable[int], ends: Iterable[int], stacks: list[tuple[int, ...]]) -> Iterator[str]:
    for start, end, stack in zip(starts, ends, stacks, strict=True):
        yield from (_event("O", start, frame) for frame in stack)
        yield from (_event("C", end, frame) for frame in reversed(stack))


def _event(kind: str, at: int, frame: int) -> str:
    return f'{{"type":"{kind}","at":{at},"frame":{frame}}}'
