"""Calls of several threads, made by a stack machine, and what they mean, said in plain loops.

The slow twins of the fold are in three parts: calls, the GIL (``twin_gil``) and the fold of both
(``twin_fold``). Scenarios are small: a few threads, some tens of ticks of one microsecond. Everything
happens on a tick, so a list with one entry a tick says all that there is to say about a thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import strategies as st

from gtrace.timeline.nesting import NO_CALL, UNRECORDED

TICK: Final = 1000
PYTHON, C_CALL, AWAY = "python", "c call", "away"
WORK = "work (a.py:1)"
OTHER = "other (a.py:9)"
EVENT = "Event.wait (/usr/lib/python3.13/threading.py:641)"
QUEUE = "Queue.get (/usr/lib/python3.13/queue.py:154)"
NAMES: Final = {
    WORK: (PYTHON, "", ""),
    OTHER: (PYTHON, "", ""),
    EVENT: (PYTHON, "", ""),
    QUEUE: (PYTHON, "", ""),
    "builtins.sorted": (C_CALL, "", ""),
    "time.sleep": (AWAY, "sleep", "sleep"),
    "_thread.lock.acquire": (AWAY, "lock_wait", "lock"),
    "socket.recv": (AWAY, "io_wait", "socket recv"),
    "zlib.compress": (AWAY, "native", "compression"),
}
"""What a name says of its call: its kind, and for a call that is away its state and reason."""
WRAPPERS: Final = {EVENT: "event", QUEUE: "queue"}


@dataclass
class Call:
    lane: int
    name: str
    start: int
    end: int = -1
    outer: Call | None = None
    number: int = -1
    """Its place in the recording, where calls stand in the order they ended."""


@dataclass
class CallScript:
    """Properly nested calls of several threads, as a stack machine a thread makes them."""

    lanes: int
    calls: list[Call] = field(default_factory=list)
    """In the order they were entered."""
    recorded: list[Call] = field(default_factory=list)
    end: int = 0


def run_calls(lanes: int, steps: list[tuple[int, int, int]]) -> CallScript:
    """Plays (lane, what, ticks later): enters the function of that number, or leaves the innermost one."""
    script, names, now = CallScript(lanes), list(NAMES), 0
    stacks: list[list[Call]] = [[] for _ in range(lanes)]
    for lane, what, later in steps:
        now += later
        stack = stacks[lane % lanes]
        if what < len(names):
            call = Call(lane % lanes, names[what], now, outer=stack[-1] if stack else None)
            stack.append(call)
            script.calls.append(call)
        elif stack:
            call = stack.pop()
            call.end = now
            script.recorded.append(call)
    script.end = now + 1
    for stack in stacks:
        for call in reversed(stack):
            call.end = script.end
            script.recorded.append(call)
    for number, call in enumerate(script.recorded):
        call.number = number
    return script


def call_steps(lanes: int = 3, size: int = 40) -> st.SearchStrategy[list[tuple[int, int, int]]]:
    return of_any_length(
        st.tuples(st.integers(0, lanes - 1), st.integers(0, len(NAMES) + 5), st.integers(0, 3)), size
    )


def of_any_length(step: st.SearchStrategy[Any], size: int) -> st.SearchStrategy[list[Any]]:
    """Lists of all lengths alike: hypothesis by itself prefers short ones, in which little happens."""
    return st.integers(0, size).flatmap(lambda count: st.lists(step, min_size=count, max_size=count))


def innermost_calls(script: CallScript, lane: int, start: int, end: int) -> list[Call | int]:
    """By tick: the call entered last of those that go on, NO_CALL before any, UNRECORDED between them."""
    own = [c for c in script.calls if c.lane == lane and max(c.start, start) < min(c.end, end)]
    told: list[Call | int] = []
    for tick in range(start, end):
        going = [c for c in own if c.start <= tick < c.end]
        begun = any(max(c.start, start) <= tick for c in own)
        told.append(going[-1] if going else UNRECORDED if begun else NO_CALL)
    return told


def need_of(call: Call | int) -> str:
    """What a call has to do with the GIL; one that returned within 2 µs has not slept."""
    if isinstance(call, Call):
        kind = NAMES[call.name][0]
        return C_CALL if kind == AWAY and (call.end - call.start) * TICK < 2000 else kind
    return PYTHON if call == UNRECORDED else ""


def waits_for(call: Call) -> tuple[str, str]:
    """State and reason of a call that is away: the outermost wrapper around it, without a gap, names it."""
    _, state, reason = NAMES[call.name]
    outer = call.outer
    named = ""
    while outer is not None and outer.name in WRAPPERS:
        named, outer = WRAPPERS[outer.name], outer.outer
    if not named or state == "native":
        return state, reason
    if named == "queue" and state == "io_wait":
        return state, "process queue"
    return ("lock_wait" if (state, named) == ("sleep", "queue") else state), named
