"""Evidence as text, for tests: lines of text become a recording on disk, a timeline becomes lines of text.

Times are milliseconds since the recording began; names with spaces are quoted as in a shell; ``#``
starts a comment. A line says what one process or one of its threads did::

    process python=3.13.0 switch=5          facts of a process (optional; a second one is a child)
    main  begin 0                           the registry: begins, ends, joins
    w1    begin 5 parent=main target=work
    w1    end 90
    w1    profiler-replaced
    main  join w1 10-91 [timeout=0.05 outcome=ended]
    main  call time.sleep 10-50             calls, outer ones first; "10-" has not returned
    main  GIL_WAIT 20 [gil=1]               the agent's records, by the names of record.h
    main  LOCK_WAIT 20 A                    locks are letters
    main  CALL 20 READ [PIPE]               at the time of the release before it; also TIMED_CALL, CALL_END
    main  IN 10 core=1 | main OUT 20        the scheduler's records, by the names of its record.h
    agent full=60 | agent level="why" | agent none="why"
    stop 100 [saved=300]                    the orderly end; without it the process was killed
    meta ended=100 signal=9                 what the launcher saw

A thread without ``begin`` is one the registry never saw. Native ids count from 1000 in the order
in which names appear; ``tid=N`` behind ``begin`` or a thread's first record gives another.

Intervals are ``THREAD START-END STATE [FUNCTION] [<- BLOCKER] [key=value …]`` with the keys
``reason caller gil evidence lock number core``; ``gil=none`` is a missing value.
"""

from __future__ import annotations

import difflib
import json
import shlex
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from evidence_files import (
    DESCRIPTORS,
    FIRST_LOCK,
    FUNCTIONS,
    GIL_STEP,
    KINDS,
    MAIN_GIL,
    SWITCHES,
    TEXT,
    Call,
    ProcessText,
    raw,
    scheduler_file,
    write_process,
)

from gtrace.recording import load
from gtrace.timeline.build import build_timeline
from gtrace.timeline.invariants import check

if TYPE_CHECKING:
    from gtrace.timeline import Timeline

CONTENDED: Final = """
main begin 0
w1 begin 1 parent=main target=work
main GIL_HOLDS 0
main GIL_RELEASE {release}
w1 GIL_WAIT 5
w1 GIL_ACQUIRE {release}
w1 GIL_RELEASE 90
w1 end 95
stop 100
meta ended=100
"""
"""A run in which ``w1`` waits for the GIL from 5 ms to ``release``."""


def _options(words: list[str]) -> tuple[list[str], dict[str, str]]:
    plain = [word for word in words if "=" not in word]
    return plain, dict(word.split("=", 1) for word in words if "=" in word)


def parse(text: str) -> tuple[list[ProcessText], dict[str, str]]:
    """The processes a text describes, and what the launcher saw."""
    processes, meta = [ProcessText()], {}
    for line in lines_of(text):
        words = shlex.split(line, comments=True)
        if words[0] == "meta":
            meta.update(_options(words)[1])
            continue
        if words[0] == "process" and processes[-1].tids:
            processes.append(ProcessText())
        _take(processes[-1], words)
    return processes, meta


def _take(process: ProcessText, words: list[str]) -> None:
    subject, plain, options = words[0], *_options(words[1:])
    if subject == "process":
        process.facts.update(options)
    elif subject == "agent":
        process.agent.update(options)
    elif subject == "stop":
        process.stop, process.saved = raw(plain[0]), raw(options.get("saved", plain[0]))
    elif plain[0] == "call":
        _take_call(process, subject, words[2:])
    elif plain[0] in KINDS:
        _take_record(process, subject, plain, options)
    elif plain[0] in SWITCHES:
        _take_switch(process, subject, plain, options)
    else:
        _take_registry(process, subject, plain, options)


def _take_call(process: ProcessText, thread: str, words: list[str]) -> None:
    name, span, *more = words
    start, _, end = span.partition("-")
    tid = process.tid(thread, _options(more)[1])
    process.calls.append(Call(tid, name, raw(start), raw(end) if end else None))


def _take_record(process: ProcessText, thread: str, plain: list[str], options: dict[str, str]) -> None:
    process.tid(thread, options)
    address = 0
    if "gil" in options:
        address = MAIN_GIL + int(options["gil"]) * GIL_STEP
    if "CALL" in plain[0]:
        address = FUNCTIONS[plain[2]] | sum(DESCRIPTORS[kind] << 8 for kind in plain[3:])
    elif len(plain) > 2:
        address = FIRST_LOCK + 64 * (ord(plain[2]) - ord("A"))
    process.records.setdefault(thread, []).append((plain[0], raw(plain[1]), address))


def _take_switch(process: ProcessText, thread: str, plain: list[str], options: dict[str, str]) -> None:
    tid = process.tid(thread, options)
    core = process.core_of[thread] = int(options.get("core", process.core_of.get(thread, 0)))
    word = SWITCHES[plain[0]] | core << 5 | process.pid << 18 | tid << 40
    process.switches.append(struct.pack("<QQ", raw(plain[1]), word))
    if plain[0] == "NAME":
        for part in struct.unpack("<QQ", plain[2].encode().ljust(16, b"\0")):
            process.switches.append(struct.pack("<QQ", part, TEXT))


def _take_registry(process: ProcessText, thread: str, plain: list[str], options: dict[str, str]) -> None:
    tid = process.tid(thread, options)
    key = process.keys.setdefault(thread, len(process.keys) + 1)
    what = plain[0]
    if what == "begin":
        time = raw(plain[1])
        parent = process.tids.get(options.get("parent", ""), -1)
        start = {"event": "start", "time": time, "key": key, "parent": parent}
        start |= {"target": options.get("target", ""), "created": options.get("created", "")}
        process.journal.append((time, start))
        facts = {"tid": tid, "ident": 1 << 40 | tid, "name": thread, "daemon": "daemon" in plain}
        process.journal.append((time, {"event": "begin", "time": time, "key": key, **facts}))
    elif what == "end":
        time = raw(plain[1])
        process.journal.append((time, {"event": "end", "time": time, "key": key, "note": None}))
    elif what == "profiler-replaced":
        process.journal.append((1 << 62, {"event": "profiler_replaced", "tid": tid}))
    elif what == "join":
        began, ended = (raw(part) for part in plain[2].split("-"))
        timeout = float(options["timeout"]) if "timeout" in options else None
        facts = {"tid": tid, "key": process.keys.get(plain[1], 0), "timeout": timeout}
        facts["outcome"] = options.get("outcome", "ended")
        process.journal.append((ended, {"event": "join", "time": began, "end": ended, **facts}))
    else:
        raise ValueError(f"what does {what!r} mean?")


def write_recording(folder: Path, text: str) -> Path:
    """Writes the recording that ``text`` describes to ``folder``, by the documented formats."""
    folder.mkdir(exist_ok=True)
    processes, seen = parse(text)
    meta: dict[str, Any] = {"format": 1, "command": ["python", "program.py"], "cwd": "/tmp", "gtrace": "0"}
    meta["pid"] = processes[0].pid
    meta["options"] = {"calls": "light" not in seen}
    if "ended" in seen:
        meta["ended"] = {"monotonic_ns": raw(seen["ended"])}
    if "signal" in seen:
        meta |= {"signal": int(seen["signal"]), "exit_status": 128 + int(seen["signal"])}
    else:
        meta["exit_status"] = int(seen.get("status", "0"))
    (folder / "meta.json").write_text(json.dumps(meta), "utf-8")
    for process in processes:
        write_process(folder, process)
    if any(process.switches for process in processes):
        (folder / f"scheduler.{processes[0].pid}.bin").write_bytes(scheduler_file(processes))
    return folder


def timeline_of(folder: Path, text: str) -> Timeline:
    """The timeline of the recording that ``text`` describes; it holds what every timeline must."""
    timeline = build_timeline(load(write_recording(folder / "run.gtrace", text)))
    check(timeline)
    return timeline


KEYS: Final = ("reason", "caller", "gil", "evidence", "lock", "number", "core")


def parse_interval(line: str) -> dict[str, str]:
    """A line of expected intervals -> what it says, as words."""
    thread, span, state, *rest = shlex.split(line, comments=True)
    start, end = (f"{float(part):g}" for part in span.split("-"))
    row = {"thread": thread, "span": f"{start}-{end}", "state": state, "blocker": ""}
    words = iter(rest)
    for word in words:
        key, equals, value = word.partition("=")
        if word == "<-":
            row["blocker"] = next(words)
        elif equals and key in KEYS:
            row[key] = value
        else:
            row["function"] = word
    return row


def rows_of(timeline: Timeline) -> list[dict[str, str]]:
    """All that each interval says, as words."""
    names = _names_by_time(timeline)
    return [
        {
            "thread": str(row.thread),
            "span": f"{row.start_ns / 1e6:g}-{row.end_ns / 1e6:g}",
            "state": str(row.state),
            "blocker": names(row.pid, row.blocker_tid, row.end_ns),
            "function": str(row.function),
            "caller": str(row.caller),
            "reason": str(row.reason),
            "gil": "none" if pd.isna(row.gil) else str(row.gil),
            "evidence": str(row.evidence),
            "lock": chr(ord("A") + (row.lock - FIRST_LOCK) // 64) if row.lock else "",
            "number": str(row.gil_number),
            "core": str(row.core),
        }
        for row in timeline.intervals.itertuples()
    ]


def _names_by_time(timeline: Timeline) -> Any:
    """A native id at a time -> the thread that had it; "" for -1."""

    def name(pid: int, tid: int, time: int) -> str:
        if tid == -1:
            return ""
        threads = timeline.threads
        had = threads[(threads["pid"] == pid) & (threads["tid"] == tid) & (threads["start_ns"] <= time)]
        return str(had["name"].iloc[-1]) if len(had) else f"tid {tid}"

    return name


def as_text(row: dict[str, str]) -> str:
    words = [row["thread"], row["span"], row["state"]]
    if row.get("function"):
        words.append(shlex.quote(row["function"]))
    if row["blocker"]:
        words += ["<-", row["blocker"]]
    words += [f"{key}={shlex.quote(row[key])}" for key in KEYS if key in row]
    return " ".join(words)


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if shlex.split(line, comments=True)]


def assert_says(timeline: Timeline, expected: str) -> None:
    """The intervals are those of ``expected``; of each only what its line mentions is compared.

    A line that names no blocker claims that there is none.
    """
    wanted = [parse_interval(line) for line in lines_of(expected)]
    actual = rows_of(timeline)
    if len(wanted) == len(actual):
        actual = [
            {k: v for k, v in row.items() if k in want} for row, want in zip(actual, wanted, strict=True)
        ]
    told, claimed = [as_text(row) for row in actual], [as_text(row) for row in wanted]
    if told != claimed:
        raise AssertionError("\n".join(["- expected, + found", *difflib.ndiff(claimed, told)]))
