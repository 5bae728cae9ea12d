"""Records one blocking call of each kind under viztracer and prints what it is called on this interpreter.

Run it by hand with an interpreter that has viztracer, from anywhere:

    python tests/collect_call_names.py > tests/data/call_names/3.13.txt

A line is ``state <tab> reason <tab> outermost call > ... > innermost call``: the first two are what whoever
wrote the probe says it waits for, the chain is what viztracer saw around the innermost call that took
longest. Lines with state ``-`` are calls that keep the GIL. Paths of the standard library are written as
``/usr/lib/python3.X``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

from probes import children, computing, executors, files, sockets, threads
from probes.registry import FOLDER, PROBES, Probe
from viztracer import VizTracer

ABOUT = (threads, executors, children, sockets, files, computing)
"""The modules whose import fills ``PROBES``."""
HERE = os.path.dirname(__file__)


STDLIB = sysconfig.get_path("stdlib")
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


class Call(NamedTuple):
    start: float
    end: float
    name: str


def calls_of(function: Callable[[], object]) -> list[Call]:
    """Every call this thread makes while it is in ``function``, parents before children."""
    tracer = VizTracer(verbose=0, ignore_frozen=False)
    out = FOLDER / "calls.json"
    tracer.start()
    try:
        function()
    finally:
        tracer.stop()
    tracer.save(str(out))
    tracer.clear()
    tid = threading.get_native_id()
    rows = (
        Call(e["ts"], e["ts"] + e["dur"], e["name"].replace(STDLIB, f"/usr/lib/python{VERSION}"))
        for e in json.loads(out.read_text())["traceEvents"]
        if e["ph"] == "X" and e["tid"] == tid and e["pid"] == os.getpid()
    )
    return sorted(rows, key=lambda call: (call.start, -call.end))


def is_c(name: str) -> bool:
    """True for a C function: viztracer gives no file."""
    return not re.search(r"\(.*:\d+\)$", name)


def chain_of_longest(calls: list[Call]) -> list[str]:
    """The names around the C call that took longest by itself, outermost first, that call last."""
    spent = [call.end - call.start for call in calls]
    open_calls: list[int] = []
    around: dict[int, list[int]] = {}
    for index, call in enumerate(calls):
        while open_calls and calls[open_calls[-1]].end <= call.start:
            open_calls.pop()
        if open_calls:
            spent[open_calls[-1]] -= call.end - call.start
        open_calls.append(index)
        around[index] = list(open_calls)
    longest = max((i for i, call in enumerate(calls) if is_c(call.name)), key=lambda i: spent[i])
    return [calls[i].name for i in around[longest] if HERE not in calls[i].name]


def line_of(probe: Probe) -> str:
    try:
        calls = calls_of(probe.run)
    except OSError as error:
        return f"# {probe.run.__name__} cannot be had on this machine: {error.strerror}"
    return f"{probe.state}\t{probe.reason}\t{' > '.join(chain_of_longest(calls))}"


def lines() -> Iterator[str]:
    yield f"# CPython {sys.version.split()[0]}, viztracer; made by tests/collect_call_names.py"
    for probe in PROBES:
        yield line_of(probe)
    names = {call.name for call in calls_of(computing.ordinary) if is_c(call.name)}
    for name in sorted(names - computing.MAY_WAIT):
        yield f"-\t\t{name}"


def main() -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines())
    shutil.rmtree(FOLDER)


if __name__ == "__main__":
    main()
