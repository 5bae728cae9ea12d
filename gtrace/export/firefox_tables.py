"""The tables that all threads of a Firefox profile share, and its head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gtrace.export.names import locate
from gtrace.model import MEANING, State

if TYPE_CHECKING:
    from gtrace.timeline import Timeline

VERSION: Final = 60
"""Of the processed format: the first with tables for all threads; later viewers upgrade it."""
GECKO_VERSION: Final = 33
HELD: Final = "gil_held"
"""The type of the markers that say who had a GIL."""
FREE: Final = "free"
"""The category of the time in which nobody had a GIL."""
MOST_SHOWN: Final = 50
"""Tracks beyond these are there, hidden at first."""

# the viewer knows these colours only; what stands still is drawn as nothing
CATEGORY_COLOURS: Final = {
    State.UNKNOWN: "grey",
    State.RUNNING: "green",
    State.NATIVE: "blue",
    State.GIL_WAIT: "orange",
    State.LOCK_WAIT: "magenta",
    State.IO_WAIT: "lightblue",
    State.SLEEP: "transparent",
    State.BLOCKED: "brown",
    State.STALLED: "red",
    State.PREEMPTED: "yellow",
}
CATEGORIES: Final = (*(state.value for state in CATEGORY_COLOURS), FREE)
"""The first of them is what the viewer falls back to."""
# markers have colours of their own
MARKER_COLOURS: Final = {
    State.UNKNOWN.value: "grey",
    State.RUNNING.value: "green",
    State.NATIVE.value: "blue",
    State.GIL_WAIT.value: "orange",
    State.LOCK_WAIT.value: "magenta",
    State.IO_WAIT.value: "teal",
    State.SLEEP.value: "grey",
    State.BLOCKED.value: "ink",
    State.STALLED.value: "red",
    State.PREEMPTED.value: "yellow",
    HELD: "green",
}
_FIELDS: Final = (
    ("function", "Function", "unique-string"),
    ("caller", "Caller", "unique-string"),
    ("reason", "Reason", "unique-string"),
    ("blocker", "Blocker", "unique-string"),
    ("lock", "Lock", "string"),
    ("core", "Core", "integer"),
    ("gil", "GIL", "string"),
    ("evidence", "Known by", "string"),
)
UNIQUE: Final = tuple(key for key, _, kind in _FIELDS if kind == "unique-string")
"""Fields of a marker that hold a number of a string."""
_SHOWN_IN: Final = ["marker-chart", "marker-table", "timeline-overview"]


class Tables:
    """Strings, functions, frames and stacks, each kept once and named by its number."""

    def __init__(self) -> None:
        self._strings: dict[str, int] = {}
        self._files: dict[str, int] = {}
        self._functions: dict[str, int] = {}
        self._frames: dict[tuple[int, int], int] = {}
        self._stacks: dict[tuple[int, int | None], int] = {}

    def string(self, text: str) -> int:
        return self._strings.setdefault(text, len(self._strings))

    def path(self, functions: tuple[str, ...], category: int) -> int:
        """The stack of ``functions``, of which there is at least one, outermost first."""
        inner: int | None = None
        for text in functions:
            function = self._functions.setdefault(text, len(self._functions))
            frame = self._frames.setdefault((function, category), len(self._frames))
            inner = self._stacks.setdefault((frame, inner), len(self._stacks))
        assert inner is not None, "a stack has a function"
        return inner

    def as_json(self) -> dict[str, Any]:
        """``profile.shared``; to be asked for when all has been added."""
        functions, frames = self._function_table(), self._frame_table()
        sources = {
            "length": len(self._files),
            "id": [None] * len(self._files),
            "filename": [self.string(name) for name in self._files],
        }
        stacks = {
            "length": len(self._stacks),
            "frame": [frame for frame, _ in self._stacks],
            "prefix": [prefix for _, prefix in self._stacks],
        }
        return {
            "stackTable": stacks,
            "frameTable": frames,
            "funcTable": functions,
            "resourceTable": {"length": 0, "lib": [], "name": [], "host": [], "type": []},
            "nativeSymbols": {"length": 0, "libIndex": [], "address": [], "name": [], "functionSize": []},
            "sources": sources,
            "stringArray": list(self._strings),
        }

    def _function_table(self) -> dict[str, Any]:
        located = [locate(text) for text in self._functions]
        count = len(located)
        return {
            "length": count,
            "name": [self.string(one.name) for one in located],
            "isJS": [False] * count,
            "relevantForJS": [False] * count,
            "resource": [-1] * count,
            "source": [self._files.setdefault(o.file, len(self._files)) if o.file else None for o in located],
            "lineNumber": [one.line or None for one in located],
            "columnNumber": [None] * count,
        }

    def _frame_table(self) -> dict[str, Any]:
        count = len(self._frames)
        return {
            "length": count,
            "address": [-1] * count,
            "inlineDepth": [0] * count,
            "category": [category for _, category in self._frames],
            "subcategory": [0] * count,
            "func": [function for function, _ in self._frames],
            "nativeSymbol": [None] * count,
            "innerWindowID": [0] * count,
            "line": [None] * count,
            "column": [None] * count,
        }


def meta(timeline: Timeline, tracks: int) -> dict[str, Any]:
    """``profile.meta`` of a profile with so many threads."""
    run = timeline.run
    colours = [*CATEGORY_COLOURS.values(), "transparent"]
    command = " ".join(run.command) or "python"
    return {
        "interval": 1,
        "startTime": run.started_at * 1000,
        "profilingStartTime": 0,
        "profilingEndTime": run.duration / 1e6,
        "processType": 0,
        "product": command,
        "stackwalk": 0,
        "debug": False,
        "version": GECKO_VERSION,
        "preprocessedProfileVersion": VERSION,
        "categories": [
            {"name": name, "color": colour, "subcategories": ["Other"]}
            for name, colour in zip(CATEGORIES, colours, strict=True)
        ],
        "markerSchema": [*(_state_schema(state) for state in State), _held_schema()],
        "symbolicated": True,
        "symbolicationNotSupported": True,
        "usesOnlyOneStackType": True,
        "sourceCodeIsNotOnSearchfox": True,
        "keepProfileThreadOrder": True,
        "initialVisibleThreads": list(range(min(tracks, MOST_SHOWN))),
        "initialSelectedThreads": [0] if tracks else [],
        "importedFrom": f"gtrace {run.gtrace_version}",
        "arguments": command,
        "oscpu": run.platform,
        "logicalCPUs": run.cores,
        "extra": [
            {"label": "Evidence", "entries": _entries(dict(run.evidence))},
            {"label": "Notes", "entries": _entries({str(i): note for i, note in enumerate(run.notes, 1)})},
        ],
    }


def _entries(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"label": label, "format": "string", "value": value} for label, value in values.items()]


def _state_schema(state: State) -> dict[str, Any]:
    fields = [{"key": key, "label": label, "format": kind} for key, label, kind in _FIELDS]
    return _schema(state.value, MEANING[state], fields) | {
        "tableLabel": "{marker.data.reason} {marker.data.function}"
    }


def _held_schema() -> dict[str, Any]:
    fields = [{"key": "function", "label": "Function", "format": "unique-string"}]
    return _schema(HELD, "the thread of this name holds the GIL", fields)


def _schema(name: str, meaning: str, fields: list[dict[str, str]]) -> dict[str, Any]:
    colour: dict[str, Any] = {"key": "color", "format": "string", "hidden": True}
    return {
        "name": name,
        "description": meaning,
        "tooltipLabel": "{marker.name}",
        "tableLabel": "{marker.data.function}",
        "chartLabel": "{marker.data.function}",
        "display": _SHOWN_IN,
        "fields": [*fields, colour],
        "colorField": "color",
        "isStackBased": True,
    }
