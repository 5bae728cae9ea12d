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
    stop 100                                the orderly end; without it the process was killed
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from gtrace.recording import load
from gtrace.timeline.build import build_timeline
from gtrace.timeline.invariants import check

if TYPE_CHECKING:
    from gtrace.timeline import Timeline

ZERO: Final = 3_604_445_000_000_000
"""CLOCK_MONOTONIC where the recordings begin, ns."""
FIRST_TID: Final = 1000
MAIN_GIL: Final = 0x7F00_0000_0100
GIL_STEP: Final = 0x10_0000
FIRST_LOCK: Final = 0x5500_0000_0040
# the format of the agent's file, from the comment of record.h
_KIND_NAMES: Final = """THREAD THREAD_EXIT GIL_HOLDS GIL_WAIT GIL_ACQUIRE GIL_RELEASE GIL_FORCED_RELEASE
    LOCK_WAIT LOCK_ACQUIRE LOCK_TIMEOUT LOCK_INTERRUPT LOCK_POST CALL TIMED_CALL CALL_END"""
KINDS: Final = {name: number for number, name in enumerate(_KIND_NAMES.split(), start=1)}
VALUE: Final = 31
_FUNCTIONS: Final = """READ WRITE RECV SEND ACCEPT CONNECT POLL SLEEP CHILD SYNC FILE_LOCK OPEN COPY SIGNAL
    NAME_LOOKUP SEMAPHORE TERMINAL"""
FUNCTIONS: Final = {name: number for number, name in enumerate(_FUNCTIONS.split(), start=1)}
DESCRIPTORS: Final = {"SOCKET": 1, "PIPE": 2, "FILE": 3, "TERMINAL": 4, "OTHER": 5}
FILE_HEADER: Final = struct.Struct("<8sIIIIQQQQQIIII160s")
CHUNK_HEADER: Final = struct.Struct("<IIIIQII")
SWITCHES: Final = {"IN": 1, "OUT": 2, "PREEMPT": 3, "EXIT": 5, "NAME": 6}
SCHEDULER_HEADER: Final = struct.Struct("<8s8I4Q4I")
TEXT: Final = 31
CHUNK_BYTES: Final = 16384
CHUNK_PLACES: Final = 2044
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


def raw(text: str) -> int:
    """Milliseconds as text -> ns of CLOCK_MONOTONIC."""
    return ZERO + round(float(text) * 1e6)


@dataclass
class Call:
    tid: int
    name: str
    start: int
    end: int | None


@dataclass
class ProcessText:
    """What the lines say of one process."""

    facts: dict[str, str] = field(default_factory=dict)
    agent: dict[str, str] = field(default_factory=dict)
    stop: int | None = None
    tids: dict[str, int] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    journal: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    records: dict[str, list[tuple[str, int, int]]] = field(default_factory=dict)
    switches: list[bytes] = field(default_factory=list)
    core_of: dict[str, int] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        return int(self.facts.get("pid", FIRST_TID))

    def tid(self, name: str, options: dict[str, str]) -> int:
        if name not in self.tids:
            self.tids[name] = int(options.get("tid", self.pid + len(self.tids)))
        return self.tids[name]


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
        process.stop = raw(plain[0])
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
        _write_process(folder, process)
    if any(process.switches for process in processes):
        (folder / f"scheduler.{processes[0].pid}.bin").write_bytes(scheduler_file(processes))
    return folder


def _write_process(folder: Path, process: ProcessText) -> None:
    lines = [_process_line(process)]
    lines += [line for _, line in sorted(process.journal, key=lambda entry: entry[0])]
    if process.stop is not None:
        lines.append({"event": "stop", "time": process.stop, "saved": process.stop, "journal_lost": 0})
    journal = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    (folder / f"threads.{process.pid}.jsonl").write_text(journal, "utf-8")
    if process.calls:
        (folder / f"calls.{process.pid}.0.json").write_text(calls_json(process), "utf-8")
    if process.records or "level" in process.agent:
        (folder / f"gil.{process.pid}.bin").write_bytes(agent_file(process))


def _process_line(process: ProcessText) -> dict[str, Any]:
    facts = process.facts
    return {
        "event": "process", "time": raw(facts.get("begin", "0")), "wall_ns": 1_790_000_000_000_000_000,
        "pid": process.pid, "tid": process.pid, "python": facts.get("python", "3.13.0"),
        "implementation": "cpython", "gil_enabled": facts.get("gil", "yes") == "yes",
        "executable": "/usr/bin/python3", "switch_interval": float(facts.get("switch", "5")) / 1000,
        "forked_from": int(facts.get("forked_from", "-1")), "cores": 2, "platform": "Linux",
        "viztracer": "1.1.1", "entries": int(facts.get("entries", "1000000")),
        "agent": f"none: {process.agent['none']}" if "none" in process.agent else "none: not started",
    }  # fmt: skip


def calls_json(process: ProcessText) -> str:
    """As viztracer 1.1.1 dumps them: returned calls in the order they ended, open ones innermost first."""
    inner_first = process.calls[::-1]
    returned = sorted((c for c in inner_first if c.end is not None), key=lambda c: c.end or 0)
    pid = process.pid
    events = [f'{{"ph":"M","pid":{pid},"tid":{pid},"name":"process_name","args":{{"name":"M"}}}}']
    events += [_event(process.pid, call) for call in (*returned, *(c for c in inner_first if c.end is None))]
    return '{"traceEvents":[' + ",".join(events) + '], "viztracer_metadata": {"overflow":false}}'


def _event(pid: int, call: Call) -> str:
    phase, length = ("B", 0) if call.end is None else ("X", call.end - call.start)
    return (
        f'{{"pid":{pid},"tid":{call.tid},"ts":{call.start / 1000:.3f},"ph":"{phase}","cat":"fee",'
        f'"dur":{length / 1000:.3f},"name":{json.dumps(call.name)}}}'
    )


def agent_file(process: ProcessText) -> bytes:
    """The agent's file: a header, then chunks of one thread each."""
    level = process.agent.get("level", "")
    full = raw(process.agent["full"]) if "full" in process.agent else 0
    header = FILE_HEADER.pack(
        b"gtrcgil", 2, CHUNK_BYTES, 8, process.pid, raw(process.facts.get("begin", "0")), process.stop or 0,
        full, 3 if full else 0, 0 if level else MAIN_GIL, 1 if full else 0, 0, 1 if level else 0, 0,
        level.encode(),
    )  # fmt: skip
    chunks = [header.ljust(CHUNK_BYTES, b"\0")]
    for serial, (thread, records) in enumerate(process.records.items(), start=1):
        chunks += _chunks(process.tids[thread], serial, records)
    return b"".join(chunks)


def _chunks(tid: int, serial: int, records: list[tuple[str, int, int]]) -> list[bytes]:
    places = [records[0][1] << 5 | KINDS["THREAD"], (tid | serial << 32) << 5 | VALUE]
    for kind, time, address in records:
        if kind == "CALL":
            places.append(address << 5 | KINDS[kind])
            continue
        places.append(time << 5 | KINDS[kind])
        if address and address != MAIN_GIL:
            places.append(address << 5 | VALUE)
    assert len(places) <= CHUNK_PLACES, "a test needs no more than one chunk a thread"
    head = CHUNK_HEADER.pack(0x4B435447, tid, serial, 0, records[0][1], 0, 0)
    return [(head + struct.pack(f"<{len(places)}Q", *places)).ljust(CHUNK_BYTES, b"\0")]


def scheduler_file(processes: list[ProcessText]) -> bytes:
    """The scheduler's file: a header, then the records of all processes."""
    size, pid, stop = SCHEDULER_HEADER.size, processes[0].pid, processes[0].stop or 0
    header = SCHEDULER_HEADER.pack(
        b"gtrcsch", 1, size, 16, pid, 1, 2, 4096, 0, raw("0"), stop, 0, 0, 0, 0, 1 if stop else 0, 0
    )
    return header + b"".join(record for process in processes for record in process.switches)


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
