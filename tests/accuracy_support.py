"""Lays what gtrace says of a thread beside what the kernel and the program counted in the same run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import gtrace
from gtrace.evidence.scheduler import SwitchKind, on_core
from gtrace.model import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

PROGRAM: Final = Path(__file__).parent / "programs" / "accuracy.py"
SCENARIOS: Final = ("preempted", "stalled", "native", "sleeping", "pipes", "semaphores")
CLOSE_NS: Final = 1_000_000
CLOSE: Final = 0.01
"""Figures agree within 1 ms or 1 %."""
TRIES: Final = 5
SWITCH_NS: Final = 10_000
"""Longer than a switch takes: 0.6 µs, and up to 7 µs in a virtual machine whose cores fall idle."""
OFF_BY_ITS_WILL: Final = (State.SLEEP, State.IO_WAIT, State.LOCK_WAIT, State.BLOCKED, State.STALLED)
ON_A_CORE: Final = (State.RUNNING, State.NATIVE)


@dataclass(frozen=True)
class Figure:
    """One quantity of a thread, in ns or as a count: what it must be, and what gtrace says."""

    thread: str
    what: str
    known: tuple[int, int]
    """The least and the most it can be."""
    seen: int
    slack: int

    @property
    def difference(self) -> int:
        """How far what was seen is from what is known; 0 inside of it."""
        return self.seen - min(max(self.seen, self.known[0]), self.known[1])

    @property
    def agrees(self) -> bool:
        return abs(self.difference) <= self.slack


@dataclass(frozen=True)
class Witness:
    """What one thread read of itself; times in ns of CLOCK_MONOTONIC."""

    thread: str
    tid: int
    begin: dict[str, int]
    end: dict[str, int]
    spans: list[list[int]]
    """Begin, end and CPU time of each call it timed."""

    def counted(self, key: str) -> int:
        return self.end[key] - self.begin[key]

    @property
    def life(self) -> tuple[int, int]:
        """From its first reading to its last."""
        return self.begin["time_ns"], self.end["time_ns"]

    @property
    def length(self) -> int:
        """Of the calls it timed, all together."""
        return sum(end - begin for begin, end, _ in self.spans)

    @property
    def cpu(self) -> int:
        """The CPU time of those calls."""
        return sum(cpu for _, _, cpu in self.spans)


@dataclass(frozen=True)
class Seen:
    """What gtrace recorded of one thread, on the clock that the thread read."""

    witness: Witness
    intervals: pd.DataFrame
    switches: pd.DataFrame
    on_core: pd.DataFrame
    stolen_ns: int

    def time_in(self, *states: State) -> int:
        """How long it was in ``states`` between its two readings."""
        return _inside(self._of(*states), *self.witness.life)

    def time_in_calls(self, *states: State) -> int:
        """How long it was in ``states`` in the calls it timed."""
        begin, end, _ = zip(*self.witness.spans, strict=True)
        return _inside(self._of(*states), begin, end)

    def time_on_core(self) -> int:
        """Between its two readings, by the switches alone."""
        return _inside(self.on_core, *self.witness.life)

    def time_waiting_on_core(self) -> int:
        """How long it was on a core while it waited for the GIL: to ask for it, and to be woken up."""
        rows, life = self._of(State.GIL_WAIT), self.witness.life
        return _inside(self.on_core, rows["start_ns"].clip(*life), rows["end_ns"].clip(*life))

    def count(self, kind: SwitchKind) -> int:
        times = self.switches["time_ns"][(self.switches["kind"] == kind).to_numpy()]
        return int(times.between(*self.witness.life).sum())

    def figure(self, what: str, known: tuple[int, int], seen: int) -> Figure:
        # a stolen core stops the thread's clock, and is no switch: the figures may differ by that; and the
        # kernel charges a switch to one of the two threads, here it belongs to neither
        switches = self.witness.counted("voluntary") + self.witness.counted("involuntary")
        slack = max(CLOSE_NS, round(CLOSE * known[1])) + self.stolen_ns + switches * SWITCH_NS
        return Figure(self.witness.thread, what, known, seen, slack)

    def _of(self, *states: State) -> pd.DataFrame:
        return self.intervals[self.intervals["state"].isin([state.value for state in states]).to_numpy()]


def _inside(rows: pd.DataFrame, begin: Any, end: Any) -> int:
    """How much of the rows, which do not overlap, lies between begin and end, or all such pairs."""
    rows = rows.sort_values("start_ns")
    starts, ends = (rows[name].to_numpy("int64") for name in ("start_ns", "end_ns"))
    before = np.append(0, np.cumsum(ends - starts))

    def until(time: Any) -> Any:
        number = np.searchsorted(starts, time, side="right")
        over = np.append(0, ends)[number] - time
        return before[number] - np.where(number > 0, np.maximum(over, 0), 0)

    return int(np.sum(until(np.asarray(end)) - until(np.asarray(begin))))


def run(scenario: str, recording: Path, *options: str) -> list[Seen]:
    """Records the scenario with ``options``; every thread that was its own witness."""
    command = [sys.executable, "-m", "gtrace", "run", *options, "--no-report", "-o", recording]
    done = subprocess.run(
        [*command, PROGRAM, scenario], capture_output=True, text=True, timeout=120, check=True
    )
    return observe(recording, done.stdout)


def undisturbed(scenario: str, folder: Path, *options: str) -> list[Seen]:
    """As ``run``, again where a host took cores from the machine meanwhile: no clock tells whose.

    What it takes for less than a tick (10 ms) is not counted anywhere, and shows as a difference only.
    """
    for number in range(TRIES):
        seen = run(scenario, folder / f"{number}.gtrace", *options)
        if not seen[0].stolen_ns and all(figure.agrees for one in seen for figure in figures(one)):
            break
    return seen


def observe(recording: Path, output: str) -> list[Seen]:
    first, *lines = map(json.loads, output.splitlines())
    loaded = gtrace.load(recording)
    rows, switches = loaded.intervals, loaded.load_scheduler()
    assert switches is not None
    rows = rows.assign(start_ns=rows["start_ns"] + loaded.began_ns, end_ns=rows["end_ns"] + loaded.began_ns)
    tables = rows, switches.events, on_core(switches)
    return [
        Seen(Witness(**line), *(t[(t["tid"] == line["tid"]).to_numpy()] for t in tables), first["stolen_ns"])
        for line in lines
    ]


def figures(seen: Seen) -> list[Figure]:
    """Every quantity of the thread that is known from two sides."""
    own = KNOWN.get(seen.witness.thread)
    return [*_of_any_thread(seen), *(own(seen) if own else ())]


def _of_any_thread(seen: Seen) -> Iterator[Figure]:
    life, cpu, queue = (seen.witness.counted(key) for key in ("time_ns", "cpu_ns", "queue_ns"))
    waiting = seen.time_waiting_on_core()
    ran = seen.time_in(*ON_A_CORE) + waiting
    yield Figure(seen.witness.thread, "all states", (life, life), seen.time_in(*State), 0)
    yield seen.figure("on a core", (cpu, cpu), ran)
    yield seen.figure("on a core, by the switches alone", (cpu, cpu), seen.time_on_core())
    off = seen.time_in(*OFF_BY_ITS_WILL, State.GIL_WAIT) - waiting
    # who is let go waits for a core, too: the queue holds that, and who was preempted
    yield seen.figure("off by its will", (max(life - cpu - queue, 0), life - cpu), off)
    yield seen.figure("preempted", (0, queue), seen.time_in(State.PREEMPTED))
    for kind, key in ((SwitchKind.OUT, "voluntary"), (SwitchKind.PREEMPT, "involuntary")):
        known = seen.witness.counted(key)
        yield Figure(seen.witness.thread, f"{key} switches", (known, known), seen.count(kind), 0)


def _preempted(seen: Seen) -> Iterator[Figure]:
    """It never gave its core away: all it waited on the queue it was preempted."""
    queue = seen.witness.counted("queue_ns")
    yield seen.figure("all of the queue", (queue, queue), seen.time_in(State.PREEMPTED))


def _native(seen: Seen) -> Iterator[Figure]:
    """Its calls did nothing but compute, without the GIL."""
    yield seen.figure("native", (seen.witness.cpu,) * 2, seen.time_in_calls(State.NATIVE))


def _waits(*states: State) -> Callable[[Seen], Iterator[Figure]]:
    """Its calls did nothing but wait; what it then waited for the GIL is not theirs."""

    def known(seen: Seen) -> Iterator[Figure]:
        length = seen.witness.length - seen.witness.cpu - seen.time_in_calls(State.GIL_WAIT)
        what = " or ".join(state.value for state in states)
        least = max(length - seen.witness.counted("queue_ns"), 0)
        yield seen.figure(what, (least, length), seen.time_in_calls(*states))

    return known


# without calls, a reason that nobody saw leaves a wait ``blocked``
_SLEEPS = _waits(State.SLEEP, State.BLOCKED)
_READS = _waits(State.IO_WAIT, State.BLOCKED)
_LOCKS = _waits(State.LOCK_WAIT)
_STALLS = _waits(State.STALLED)
KNOWN: Final = {
    "pinned": _preempted, "stalls": _STALLS, "first": _native, "second": _native,
    "nap0": _SLEEPS, "nap1": _SLEEPS, "ping": _READS, "pong": _READS,
    "link0": _LOCKS, "link1": _LOCKS, "link2": _LOCKS,
}  # fmt: skip
"""By the names of the threads of ``programs/accuracy.py``."""
