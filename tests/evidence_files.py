"""The files of a recording, written as the recorder and the agent write them, of what a text says."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

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
    saved: int = 0
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


def write_process(folder: Path, process: ProcessText) -> None:
    lines = [_process_line(process)]
    lines += [line for _, line in sorted(process.journal, key=lambda entry: entry[0])]
    if process.stop is not None:
        lines.append({"event": "stop", "time": process.stop, "saved": process.saved, "journal_lost": 0})
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
