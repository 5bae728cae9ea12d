"""What the agent saw, as histories of lanes: who had the GIL, who waited for it or for a lock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from gtrace.evidence.gil import GilKind, holds, lock_waits
from gtrace.evidence.gil_calls import blocking_calls
from gtrace.timeline.cells import Turn
from gtrace.timeline.interleaving import NOBODY, Holders, compressed
from gtrace.timeline.steps import Steps, make_steps
from gtrace.timeline.system_calls import SYSTEM_CALLS

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from gtrace.evidence.gil import GilEvents
    from gtrace.timeline.lanes import Lanes
    from gtrace.timeline.steps import Ints

NO_LOCK: Final = -1
NO_SYSTEM_CALL: Final = 0
SYSTEM_CALL_KEYS: Final = tuple(SYSTEM_CALLS)
"""What ``GilHistory.system_calls`` counts, from 1 on."""
TURN_AFTER: Final = {
    GilKind.THREAD_EXIT: Turn.UNSEEN,
    GilKind.GIL_HOLDS: Turn.HOLDS,
    GilKind.GIL_WAIT: Turn.WAITS,
    GilKind.GIL_ACQUIRE: Turn.HOLDS,
    GilKind.GIL_RELEASE: Turn.AWAY,
    # it was made to let go, and wants it back
    GilKind.GIL_FORCED_RELEASE: Turn.WAITS,
    # but who then goes into a call that blocks let it go by its own will as well
    GilKind.CALL: Turn.AWAY,
}


@dataclass(frozen=True)
class GilHistory:
    """The agent's evidence of one process, by lane.

    ``turns`` has ``Turn`` values (None where the agent saw locks only), ``gils`` the number
    of the GIL a lane last dealt with, ``locks``
    row numbers of ``waits`` (``NO_LOCK`` where no lock is waited for), ``system_calls`` the functions of
    the C library threads are in while away. ``holders`` has one entry a
    GIL. The counts have one entry a lane.
    """

    turns: Steps | None
    gils: Steps
    locks: Steps
    system_calls: Steps
    waits: pd.DataFrame
    holders: tuple[Holders, ...]
    acquisitions: Ints
    forced_releases: Ints
    handoffs: int


def lane_of_rows(lanes: Lanes, rows: pd.DataFrame, zero: int) -> Ints:
    """The lane of each event: that of its thread, found by the thread's last sign of life."""
    name = rows["thread"].to_numpy()
    serial, inverse = np.unique(name, return_inverse=True)
    last = np.zeros(len(serial), dtype=np.int64)
    np.maximum.at(last, inverse, rows["time_ns"].to_numpy() - zero)
    tids = np.zeros(len(serial), dtype=np.int64)
    tids[inverse] = rows["tid"].to_numpy()
    return lanes.of(tids, last)[inverse]


def gil_history(lanes: Lanes, evidence: GilEvents, zero: int) -> GilHistory:
    """Lays the agent's events out by lane; times become ns since the recording began."""
    evidence = _until_its_end(evidence)
    events = evidence.events
    lane = lane_of_rows(lanes, events, zero)
    events = events.assign(lane=lane, time_ns=events["time_ns"] - zero)[lane >= 0]
    about = events[events["kind"].isin([int(kind) for kind in TURN_AFTER]).to_numpy()]
    keys = lanes.axis.keys(about["lane"].to_numpy(), np.maximum(about["time_ns"].to_numpy(), 0))
    table = np.full(max(GilKind) + 1, int(Turn.UNSEEN), dtype=np.int64)
    for kind, turn in TURN_AFTER.items():
        table[kind] = turn
    values = table[about["kind"].to_numpy()]
    every = np.arange(len(lanes.records), dtype=np.int64)
    # beyond its end the evidence says nothing
    ends = lanes.axis.keys(every, np.maximum(evidence.end_ns - zero, lanes.axis.starts))
    turns = make_steps(
        lanes.axis,
        np.concatenate([keys, ends]),
        np.concatenate([values, np.full(len(ends), Turn.UNSEEN)]),
        Turn.UNSEEN,
    )
    named = about["gil"].to_numpy() >= 0
    waits = _lock_waits(lanes, evidence, zero)
    return GilHistory(
        turns=turns if evidence.level == "exact" else None,
        gils=make_steps(lanes.axis, keys[named], about["gil"].to_numpy()[named].astype(np.int64), 0),
        locks=_lock_steps(lanes, waits),
        system_calls=_system_call_steps(lanes, evidence, zero),
        waits=waits,
        holders=tuple(_holders(about, gil) for gil in range(len(evidence.gils))),
        acquisitions=_count(lanes, about, GilKind.GIL_ACQUIRE),
        forced_releases=_count(lanes, about, GilKind.GIL_FORCED_RELEASE),
        handoffs=_handoffs(evidence),
    )


def _until_its_end(evidence: GilEvents) -> GilEvents:
    """Where the file was full threads with room left went on for a while: nobody knows until when."""
    events = evidence.events
    return replace(evidence, events=events[(events["time_ns"] <= evidence.end_ns).to_numpy()])


def _count(lanes: Lanes, events: pd.DataFrame, kind: GilKind) -> Ints:
    chosen = events["lane"].to_numpy()[(events["kind"] == kind).to_numpy()]
    return np.bincount(chosen, minlength=len(lanes.records)).astype(np.int64)


def _handoffs(evidence: GilEvents) -> int:
    """How often a GIL went from one thread to another."""
    table = holds(evidence)
    return sum(
        int((part["thread"].to_numpy()[1:] != part["thread"].to_numpy()[:-1]).sum())
        for _, part in table.groupby("gil")
    )


def _holders(events: pd.DataFrame, gil: int) -> Holders:
    """Who had one GIL when; NOBODY between a release and the next acquire."""
    changes = events[(events["gil"] == gil).to_numpy() & (events["kind"] != GilKind.GIL_WAIT).to_numpy()]
    takes = changes["kind"].isin([GilKind.GIL_HOLDS, GilKind.GIL_ACQUIRE]).to_numpy()
    times, lanes = changes["time_ns"].to_numpy(), changes["lane"].to_numpy()
    kept = _by_instant(times, lanes, takes)
    return compressed(times[kept], np.where(takes, lanes, NOBODY)[kept])


def _by_instant(times: Ints, lanes: Ints, takes: NDArray[np.bool_]) -> Ints:
    """In order of time, of each thread's events in one nanosecond the last; who takes the GIL comes last.

    Between threads the order of such events says nothing: it is that of their places in the file.
    """
    if not (times[1:] == times[:-1]).any():
        return np.arange(len(times))
    order = np.lexsort((lanes, times))
    last = np.append((times[order][1:] != times[order][:-1]) | (lanes[order][1:] != lanes[order][:-1]), True)
    kept = order[last]
    by_time: Ints = kept[np.lexsort((takes[kept], times[kept]))]
    return by_time


def _lock_waits(lanes: Lanes, evidence: GilEvents, zero: int) -> pd.DataFrame:
    """``lock_waits`` with lanes for threads and posters, in ns since the recording began."""
    waits = lock_waits(evidence)
    if waits.empty:
        return waits.assign(lane=waits["thread"], poster_lane=waits["thread"])
    lane, poster_lane = (
        _lane_of_serials(lanes, evidence, zero, waits[name].to_numpy()) for name in ("thread", "poster")
    )
    waits = waits.assign(
        start_ns=np.maximum(waits["start_ns"] - zero, 0),
        end_ns=waits["end_ns"] - zero,
        posted_ns=np.where(waits["posted_ns"] >= 0, waits["posted_ns"] - zero, -1),
        lane=lane,
        poster_lane=poster_lane,
    )
    known = (lane >= 0) & (waits["start_ns"] < waits["end_ns"]).to_numpy()
    result: pd.DataFrame = waits[known].reset_index(drop=True)
    return result


def _lane_of_serials(lanes: Lanes, evidence: GilEvents, zero: int, serials: Ints) -> Ints:
    """The lane of each of ``serials``, -1 where there is none; a damaged file may have any serial."""
    rows = evidence.events.drop_duplicates("thread", keep="last").sort_values("thread")
    known = rows["thread"].to_numpy()
    if not len(known):
        return np.full(len(serials), -1, dtype=np.int64)
    at = np.minimum(np.searchsorted(known, serials), len(known) - 1)
    result: Ints = np.where(known[at] == serials, lane_of_rows(lanes, rows, zero)[at], -1)
    return result


def _lock_steps(lanes: Lanes, waits: pd.DataFrame) -> Steps:
    lane, number = waits["lane"].to_numpy(), np.arange(len(waits), dtype=np.int64)
    starts = lanes.axis.keys(lane, waits["start_ns"].to_numpy())
    ends = lanes.axis.keys(lane, waits["end_ns"].to_numpy())
    # a wait may begin in the nanosecond in which the one before ended: begins come last, and win
    keys = np.concatenate([ends, starts])
    return make_steps(lanes.axis, keys, np.concatenate([np.full(len(waits), NO_LOCK), number]), NO_LOCK)


def _system_call_steps(lanes: Lanes, evidence: GilEvents, zero: int) -> Steps:
    calls = blocking_calls(evidence)
    numbers = np.zeros((256, 256), dtype=np.int64)
    for number, (function, descriptor) in enumerate(SYSTEM_CALL_KEYS, start=1):
        numbers[function, descriptor] = number
    lane = _lane_of_serials(lanes, evidence, zero, calls["thread"].to_numpy())
    known = (lane >= 0) & (calls["start_ns"] < calls["end_ns"]).to_numpy()
    calls, lane = calls[known], lane[known]
    starts = lanes.axis.keys(lane, np.maximum(calls["start_ns"].to_numpy() - zero, 0))
    ends = lanes.axis.keys(lane, calls["end_ns"].to_numpy() - zero)
    # a call may begin in the nanosecond in which the one before ended: begins come last, and win
    values = numbers[calls["function"].to_numpy(), calls["descriptor"].to_numpy()]
    keys = np.concatenate([ends, starts])
    nothing = np.full(len(calls), NO_SYSTEM_CALL)
    return make_steps(lanes.axis, keys, np.concatenate([nothing, values]), NO_SYSTEM_CALL)
