"""Reads the journal of the thread registry: which threads there were, and what happened to them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class ThreadRecord:
    """One thread as the registry saw it; times on CLOCK_MONOTONIC, None where not seen."""

    key: int
    parent: int = -1
    target: str = ""
    created: str = ""
    tid: int = -1
    ident: int = -1
    names: list[str] = field(default_factory=list)
    """Every name it had, the last one last."""
    daemon: bool = False
    begin_ns: int | None = None
    end_ns: int | None = None
    profiler_replaced: bool = False

    @property
    def name(self) -> str:
        return self.names[-1] if self.names else ""


@dataclass
class Registry:
    """The journal of one process.

    ``process`` are the facts of the process (empty where the journal lacks them), ``stop`` those of
    its orderly end (None where there was none), ``joins`` the raw join events, ``locks`` those of the
    locks threads waited for and had when the program was asked to end, ``amounts`` what the clocks of
    threads had counted (``time tid run`` and maybe ``queue``, ns), ``notes`` sentences,
    ``damaged`` the number of lines that could not be read.
    """

    process: dict[str, Any] = field(default_factory=dict)
    threads: list[ThreadRecord] = field(default_factory=list)
    joins: list[dict[str, Any]] = field(default_factory=list)
    locks: list[dict[str, Any]] = field(default_factory=list)
    amounts: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stop: dict[str, Any] | None = None
    damaged: int = 0


MOST_NAMED: Final = 5
NUMBER: Final = (int,)
TEXT: Final = (str,)
FIELDS: Final[dict[str, dict[str, tuple[type, ...]]]] = {
    "process": {"time": NUMBER, "pid": NUMBER},
    "start": {"time": NUMBER, "key": NUMBER, "parent": NUMBER, "target": TEXT, "created": TEXT},
    "begin": {
        "time": NUMBER,
        "key": NUMBER,
        "tid": NUMBER,
        "ident": NUMBER,
        "name": TEXT,
        "daemon": (bool,),
    },
    "name": {"time": NUMBER, "key": NUMBER, "name": TEXT},
    "end": {"time": NUMBER, "key": NUMBER},
    "join": {"time": NUMBER, "end": NUMBER, "tid": NUMBER, "key": NUMBER},
    "lock": {
        "time": NUMBER,
        "ident": NUMBER,
        "asking": (bool,),
        "role": TEXT,
        "kind": TEXT,
        "lock": NUMBER,
        "name": TEXT,
        "where": TEXT,
        "owner": NUMBER,
        "evidence": TEXT,
    },
    "amount": {"time": NUMBER, "tid": NUMBER, "run": NUMBER},
    "profiler_replaced": {"tid": NUMBER},
    "note": {"text": TEXT},
    "stop": {"time": NUMBER},
}
"""What each event must have; one that has not is damaged, one of another name is of a later version."""


WHERE_GIVEN: Final[dict[str, tuple[type, ...]]] = {
    "agent": TEXT,
    "calls": TEXT,
    "cores": NUMBER,
    "end": NUMBER,
    "entries": NUMBER,
    "executable": TEXT,
    "forked_from": NUMBER,
    "gil_enabled": (bool,),
    "implementation": TEXT,
    "journal_lost": NUMBER,
    "outcome": TEXT,
    "platform": TEXT,
    "python": TEXT,
    "queue": NUMBER,
    "saved": NUMBER,
    "scheduler": TEXT,
    "switch_interval": (int, float),
    "timeout": (int, float, type(None)),
    "viztracer": (str, type(None)),
    "wall_ns": NUMBER,
}
"""What the others must be where an event has them."""
KEPT: Final = {"join": "joins", "lock": "locks", "amount": "amounts"}
"""Events that are kept as they are, and where."""
INT64: Final = range(-(1 << 63), 1 << 63)


def read_registry(path: Path) -> Registry:
    """Reads a journal, also one whose process died in the middle of a line."""
    registry = Registry()
    threads: dict[int, ThreadRecord] = {}
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for line in path.read_bytes().replace(b"\0", b"").split(b"\n"):
        if not line:
            continue
        try:
            record = decode(_readable(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            registry.damaged += 1
            continue
        if _is_whole(record):
            _take(registry, threads, record)
        else:
            registry.damaged += 1
    # a thread that was asked for and never began has no native id, and is no thread
    began = [t for t in threads.values() if t.begin_ns is not None]
    registry.threads = [t for t in began if not _is_greenlet(t)]
    greenlets = [t.name for t in began if _is_greenlet(t)]
    if greenlets:
        registry.notes.append(_about(greenlets))
    return registry


def _is_greenlet(thread: ThreadRecord) -> bool:
    """Whether it runs in the thread that started it, as only greenlets do that stand in for threads."""
    return thread.parent >= 0 and thread.parent == thread.tid


def _about(greenlets: list[str]) -> str:
    shown = ", ".join(greenlets[:MOST_NAMED]) + (" and others" if len(greenlets) > MOST_NAMED else "")
    return (
        f"What the program calls threads are greenlets in part (gevent, eventlet): {shown}. They run in the"
        " thread that started them, and are told as part of it."
    )


def _is_whole(record: dict[str, Any]) -> bool:
    event = record.get("event")
    if not isinstance(event, str):
        return False
    needed = FIELDS.get(event, {})
    wanted = {name: kinds for name, kinds in WHERE_GIVEN.items() if name in record} | needed
    return all(_is_one_of(record.get(name), kinds) for name, kinds in wanted.items())


def _is_one_of(value: object, kinds: tuple[type, ...]) -> bool:
    return type(value) in kinds and (not isinstance(value, int) or value in INT64)


def _readable(line: bytes) -> bytes:
    """A lone surrogate, legal in a Python string, is not in JSON: shown as the replacement character."""
    if b"\\ud" not in line:
        return line
    pair = rb"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}"
    lone = rb"\\ud[89a-f][0-9a-f]{2}"
    return re.sub(rb"(" + pair + rb")|" + lone, lambda m: m[1] or rb"\ufffd", line)


def _take(registry: Registry, threads: dict[int, ThreadRecord], record: dict[str, Any]) -> None:
    event = record["event"]
    if event == "process":
        registry.process = record
    elif event == "stop":
        registry.stop = record
    elif event == "note":
        registry.notes.append(record["text"])
    elif event in KEPT:
        getattr(registry, KEPT[event]).append(record)
    elif event == "profiler_replaced":
        _take_replaced(threads, record["tid"])
    elif event in FIELDS:
        _take_thread(threads.setdefault(record["key"], ThreadRecord(record["key"])), event, record)


def _take_replaced(threads: dict[int, ThreadRecord], tid: int) -> None:
    for thread in threads.values():
        if thread.tid == tid and thread.end_ns is None:
            thread.profiler_replaced = True


def _take_thread(thread: ThreadRecord, event: str, record: dict[str, Any]) -> None:
    if event == "start":
        thread.parent, thread.target, thread.created = record["parent"], record["target"], record["created"]
    elif event == "begin":
        thread.tid, thread.ident, thread.daemon = record["tid"], record["ident"], record["daemon"]
        thread.names.append(record["name"])
        thread.begin_ns = record["time"]
    elif event == "name":
        thread.names.append(record["name"])
    else:
        thread.end_ns = record["time"]
        thread.profiler_replaced = record.get("note") is not None
