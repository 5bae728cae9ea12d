"""Where in the program each interval was, from call sites, for processes whose calls were not recorded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gtrace.model import Gil, State
from gtrace.timeline.chains import DEPTH, SEPARATOR
from gtrace.timeline.fold import TIMERS, texts
from gtrace.timeline.reasons import CallClass, caller_reason, is_wrapper, resolve
from gtrace.timeline.timeline import STATE_DTYPE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gtrace.evidence.sites import Frame, Sites, Stack
    from gtrace.timeline.gil import GilHistory
    from gtrace.timeline.lanes import Lanes
    from gtrace.timeline.steps import Ints

NO_LANE: Final = -1
_RECORDER: Final = re.compile(r".*[/\\]gtrace[/\\]recorder[/\\].*\.py")
_REFINED: Final = [State.LOCK_WAIT.value, State.IO_WAIT.value, State.SLEEP.value]


def with_sites(
    folded: pd.DataFrame, lanes: Lanes, evidence: tuple[Sites, GilHistory], zero: int
) -> pd.DataFrame:
    """Fills in function, caller and chain, and better reasons, from call sites.

    While a thread was away from the GIL it stood where it took it again, and a wait is named after the
    functions of the standard library around it, as with recorded calls. What it did before, with the
    GIL, ended there.
    """
    sites, gil = evidence
    stacks = [*(_own(stack) for stack in sites.stacks), ()]
    stack = _stack_of_rows(folded, lanes, sites, zero)
    named = folded.assign(
        function=texts(tuple(_label(s[0]) if s else "" for s in stacks), stack),
        caller=texts(tuple(_caller(s) for s in stacks), stack),
        chain=texts(tuple(_chain(s) for s in stacks), stack),
    )
    return _with_reasons(named, stack, [_reason(s) for s in stacks], gil)


def lock_places(intervals: pd.DataFrame, sites: Sites | None, zero: int) -> pd.DataFrame:
    """Where the locks were created that ``intervals`` name: ``lock since_ns where``, by time."""
    if sites is None:
        return pd.DataFrame(columns=["lock", "since_ns", "where"])
    made = sites.made[sites.made["address"].isin(intervals["lock"].unique())]
    where = [_caller(_own(stack)) for stack in sites.stacks]
    return pd.DataFrame(
        {
            "lock": made["address"].to_numpy(),
            "since_ns": made["time_ns"].to_numpy() - zero,
            "where": np.array([where[number] for number in made["stack"]], dtype=object),
        }
    )


def _stack_of_rows(folded: pd.DataFrame, lanes: Lanes, sites: Sites, zero: int) -> Ints:
    """The stack of each interval; one behind the last where there is none."""
    axis, lane = lanes.axis, folded["lane"].to_numpy()
    holds = (folded["gil"] == Gil.HOLDS.value).to_numpy()
    known = folded["gil"].notna().to_numpy()
    changes = (lane[1:] != lane[:-1]) | (holds[1:] != holds[:-1]) | (known[1:] != known[:-1])
    phase = np.append(0, np.cumsum(changes))[: len(lane)]
    first = np.append(0, np.flatnonzero(changes) + 1)[: len(lane)]
    site_lane, time = _places(lanes, sites, zero)
    keys = axis.keys(lane, folded["start_ns"].to_numpy())
    before = np.searchsorted(keys, axis.keys(site_lane, time), side="left") - 1
    stack = np.full(len(first) + 1, len(sites.stacks), dtype=np.int64)
    found = np.flatnonzero((site_lane >= 0) & (before >= 0))
    found = found[(lane[before[found]] == site_lane[found]) & known[before[found]] & ~holds[before[found]]]
    away = phase[before[found]]
    hold = away - 1
    same = (hold >= 0) & (lane[first[hold]] == lane[first[away]]) & holds[first[hold]]
    stacks = sites.table["stack"].to_numpy()[found]
    stack[away] = stacks
    stack[hold[same]] = stacks[same]
    result: Ints = stack[phase]
    return result


def _places(lanes: Lanes, sites: Sites, zero: int) -> tuple[Ints, Ints]:
    """Lane and time of each site; of a thread that had not come back the end of its lane."""
    table = sites.table
    thread, still = table["thread"].to_numpy(), table["still"].to_numpy()
    time = table["time_ns"].to_numpy() - zero
    lane = np.where(still, NO_LANE, lanes.of(thread, time))
    alive = {
        record.ident: number
        for number, record in enumerate(lanes.records)
        if record.ident != NO_LANE and not lanes.ended[number]
    }
    for site in np.flatnonzero(still):
        lane[site] = alive.get(int(thread[site]), NO_LANE)
    return lane, np.where(still & (lane != NO_LANE), lanes.axis.ends[lane], time)


def _with_reasons(folded: pd.DataFrame, stack: Ints, why: list[str], gil: GilHistory) -> pd.DataFrame:
    """Names each wait after the standard library's functions that it is in."""
    away = (folded["gil"] == Gil.AWAY.value).to_numpy() & folded["state"].isin(_REFINED).to_numpy()
    rows = np.flatnonzero(away & np.array([bool(text) for text in why])[stack])
    told = pd.DataFrame(
        {
            "state": folded["state"],
            "reason": folded["reason"],
            "stack": stack,
            "ran_out": _ran_out(folded["lock"].to_numpy(), gil),
        }
    ).iloc[rows]
    number = told.groupby([*told], observed=True, sort=False).ngroup().to_numpy()
    refined = [
        _refined(state, reason, why[at], timed_out=ran_out)
        for state, reason, at, ran_out in told.drop_duplicates().to_numpy().tolist()
    ]
    states, reasons = (folded[name].astype(object).to_numpy().copy() for name in ("state", "reason"))
    if refined:
        states[rows] = np.array([state for state, _ in refined], dtype=object)[number]
        reasons[rows] = np.array([reason for _, reason in refined], dtype=object)[number]
    return folded.assign(
        state=pd.Series(states).astype(STATE_DTYPE), reason=pd.Series(reasons).astype("category")
    )


def _refined(state: str, reason: str, why: str, *, timed_out: bool) -> tuple[str, str]:
    found, text = resolve(CallClass(State(state), reason, is_python=False), why)
    if timed_out and found is State.LOCK_WAIT and text in TIMERS:
        found = State.SLEEP
    return (found or State(state)).value, text


def _ran_out(lock: Ints, gil: GilHistory) -> NDArray[np.bool_]:
    """Which of the waits for a lock, told by their rows in the agent's, ended because time was up."""
    if gil.waits.empty:
        return np.zeros(len(lock), dtype=bool)
    timed_out = (gil.waits["outcome"] == "timed out").to_numpy()
    result: NDArray[np.bool_] = timed_out[np.maximum(lock, 0)] & (lock >= 0)
    return result


def _own(stack: Stack) -> tuple[Frame, ...]:
    """Without the recorder's own functions."""
    return tuple(frame for frame in stack.frames if not _RECORDER.fullmatch(frame.file))


def _label(frame: Frame) -> str:
    return f"{frame.name} ({frame.file}:{frame.line})"


def _defined(frame: Frame) -> str:
    """As recorded calls name it: by the line where it begins."""
    return f"{frame.name} ({frame.file}:{frame.first_line})"


def _caller(stack: tuple[Frame, ...]) -> str:
    return next((_label(frame) for frame in stack if not is_wrapper(_defined(frame))), "")


def _chain(stack: tuple[Frame, ...]) -> str:
    return SEPARATOR.join(_label(frame) for frame in reversed(stack[:DEPTH]))


def _reason(stack: tuple[Frame, ...]) -> str:
    """What the outermost of the standard library's waiting functions around the wait says it is."""
    why = ""
    for name in map(_defined, stack):
        if not is_wrapper(name):
            break
        why = caller_reason(name) or why
    return why
