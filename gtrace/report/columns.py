"""A timeline's intervals as a few compressed columns that the page decodes.

A lane's intervals leave no gap, so durations are enough to know every start. All else that an
interval says repeats, so each distinct combination is one *kind* and an interval names its kind. Only who it
waited for is told apart from that: with many threads hardly any combination with it would come twice.
Durations stand in the order of their states, for those of a state are alike.
A wake-up names the interval it ended and how long before that interval's end it came, which is mostly 0.
A column is an array of uint32, its bytes regrouped by significance (all lowest bytes first, the highest left
out where all are 0), deflated; what needs more bits stands beside it, by place.
"""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from gtrace.analysis.locks import places_of
from gtrace.report.base91 import to_text
from gtrace.report.escape import safe_text
from gtrace.report.names import shortener
from gtrace.timeline.blockers import blocker_lanes
from gtrace.timeline.chains import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from markupsafe import Markup

    from gtrace.timeline.timeline import Timeline

    Ints = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

UINT32_LIMIT: Final = 1 << 32
GIL_CODES: Final = 4
EVIDENCE_CODES: Final = 3
BLOCKED_CODES: Final = 2
WAKEUP_COLUMNS: Final = ("wakeupStep", "wakeupBefore", "wakeupLatency", "wakeupCause")
COMPRESSION: Final = 5
"""Levels above it took several times as long for 2 % on a million intervals."""


@dataclass(frozen=True)
class Columns:
    """What the page's script needs to draw and count: small values as they are, columns packed."""

    header: dict[str, Any]
    blob: Markup
    """The deflated columns, one after another in the order of ``header["columns"]``, as text of base 91."""


def pack(timeline: Timeline) -> Columns:
    """Every interval of the timeline, none dropped, none merged."""
    intervals = timeline.intervals
    lane = intervals["lane"].to_numpy("int64")
    duration = (intervals["end_ns"] - intervals["start_ns"]).to_numpy("int64")
    blocker = blocker_lanes(timeline.threads, intervals)
    texts, facts = _facts_of(timeline, blocker >= 0)
    kind, first = kinds_of(lane, tuple(facts.values()))
    lanes = len(timeline.threads)
    kind_base = np.searchsorted(lane[first], np.arange(lanes))
    columns = {
        "duration": duration[np.argsort(intervals["state"].cat.codes, kind="stable")],
        "kind": kind - kind_base[lane],
        "blocker": blocker[blocker >= 0],
        "core": intervals["core"].to_numpy("int64") + 1,
        **{name: fact[first] for name, fact in facts.items()},
        **wakeup_columns(timeline),
    }
    packed, sizes = _compress(columns)
    header = {
        "columns": [
            {"name": n, "count": len(v), "bytes": size, "long": _beyond(v)}
            for (n, v), size in zip(columns.items(), sizes, strict=True)
        ],
        **texts,
        "laneCounts": np.bincount(lane, minlength=lanes).tolist(),
        "laneStarts": _lane_starts(timeline).tolist(),
        "kindCounts": np.bincount(lane[first], minlength=lanes).tolist(),
    }
    return Columns(header, packed)


def _lane_starts(timeline: Timeline) -> Ints:
    """When the first interval of each lane begins: with its thread, or where a part of the run does."""
    starts = timeline.threads["start_ns"].to_numpy("int64").copy()
    lane = timeline.intervals["lane"].to_numpy("int64")
    first = np.flatnonzero(np.append(True, lane[1:] != lane[:-1])[: len(lane)])
    starts[lane[first]] = timeline.intervals["start_ns"].to_numpy("int64")[first]
    return starts


def _beyond(values: Ints) -> list[list[int]]:
    """The place and the value of each that does not fit a uint32."""
    return [[int(i), int(values[i])] for i in np.flatnonzero(values >= UINT32_LIMIT)]


def wakeup_columns(timeline: Timeline) -> dict[str, Ints]:
    """The wake-ups in the order of the intervals they ended; the first column counts from row to row."""
    intervals, wakeups = timeline.intervals, timeline.wakeups
    if wakeups.empty or intervals.empty:
        return {name: np.zeros(0, dtype=np.int64) for name in WAKEUP_COLUMNS}
    time, lane = (wakeups[name].to_numpy("int64") for name in ("time_ns", "lane"))
    scale = max(int(intervals["end_ns"].max()), int(time.max())) + 1
    key = intervals["lane"].to_numpy("int64") * scale + intervals["start_ns"].to_numpy("int64")
    ended = np.maximum(np.searchsorted(key, lane * scale + time, side="left") - 1, 0)
    order = np.lexsort((time, ended))
    ended, time = ended[order], time[order]
    values = (
        np.diff(ended, prepend=0),
        np.maximum(intervals["end_ns"].to_numpy("int64")[ended] - time, 0),
        wakeups["latency_ns"].to_numpy("int64")[order],
        wakeups["cause"].cat.codes.to_numpy("int64")[order],
    )
    return dict(zip(WAKEUP_COLUMNS, values, strict=True))


def _facts_of(timeline: Timeline, blocked: Flags) -> tuple[dict[str, list[str]], dict[str, Ints]]:
    """The texts that intervals name, and per interval everything it says besides when, where, and for whom.

    ``blocked`` tells the intervals of which it is known for whom they waited.
    """
    intervals, shorten = timeline.intervals, shortener(timeline.run)
    functions, (function, caller) = _shared_texts(intervals, ("function", "caller"), shorten)
    reasons, reason = _used_texts(intervals["reason"])
    locks, lock_places, lock = _used_locks(timeline)
    chains, chain = _used_texts(intervals["chain"])
    chains = [shorten(text) for text in chains]
    facts = {
        "kindFacts": _facts(intervals) * BLOCKED_CODES + blocked,
        "kindFunction": function,
        "kindCaller": caller,
        "kindReason": reason,
        "kindLock": lock,
        "kindChain": chain,
    }
    places = [shorten(place) for place in lock_places]
    texts = {"functions": functions, "reasons": reasons, "locks": locks, "lockPlaces": places}
    return {**texts, **_chain_tree(chains)}, facts


def _chain_tree(chains: list[str]) -> dict[str, Any]:
    """The chains as a tree: each node a function and the node around it, numbered from 1; 0 is none.

    Chains share their beginnings: as a tree they take a small part of the room that texts do.
    """
    names: dict[str, int] = {}
    nodes: dict[tuple[int, int], int] = {}
    leaves = []
    for chain in chains:
        node = 0
        for name in filter(None, chain.split(SEPARATOR)):
            node = nodes.setdefault((node, names.setdefault(name, len(names))), len(nodes) + 1)
        leaves.append(node)
    return {
        "chainNames": list(names),
        "chainNodes": [part for node in nodes for part in node],
        "chains": leaves,
    }


def _facts(intervals: pd.DataFrame) -> Ints:
    """State, GIL and evidence of every interval as one number; 0 for the GIL means not known."""
    state = intervals["state"].cat.codes.to_numpy("int64")
    gil = intervals["gil"].cat.codes.to_numpy("int64") + 1
    evidence = intervals["evidence"].cat.codes.to_numpy("int64")
    return (state * GIL_CODES + gil) * EVIDENCE_CODES + evidence


def _used_texts(column: pd.Series[str]) -> tuple[list[str], Ints]:
    """The texts that occur, made safe to show, and each row's index in them; missing is empty."""
    codes = column.cat.codes.to_numpy("int64") + 1
    used = np.flatnonzero(np.bincount(codes))
    categories = column.cat.categories
    place = np.zeros(int(used.max(initial=0)) + 1, dtype="int64")
    place[used] = np.arange(len(used))
    return ["" if code == 0 else safe_text(str(categories[code - 1])) for code in used.tolist()], place[codes]


def _shared_texts(
    intervals: pd.DataFrame, columns: tuple[str, ...], shorten: Callable[[str], str]
) -> tuple[list[str], list[Ints]]:
    """As ``_used_texts``, for columns that name the same things: one list for all, of shortened texts."""
    each = [_used_texts(intervals[column]) for column in columns]
    found = [([shorten(text) for text in used], index) for used, index in each]
    texts = list(dict.fromkeys(text for used, _ in found for text in used))
    place = {text: i for i, text in enumerate(texts)}
    return texts, [np.array([place[text] for text in used], dtype="int64")[index] for used, index in found]


def _used_locks(timeline: Timeline) -> tuple[list[str], list[str], Ints]:
    """The addresses of locks waited for, where each was created, and each row's place among them; 0: none."""
    waited = timeline.intervals[(timeline.intervals["lock"] != 0).to_numpy()]
    (lock, addresses), (place, places) = (
        pd.factorize(part) for part in (waited["lock"], places_of(timeline, waited))
    )
    index, used = pd.factorize(lock * max(len(places), 1) + place)
    rows = np.zeros(len(timeline.intervals), dtype=np.int64)
    rows[np.flatnonzero(timeline.intervals["lock"])] = index + 1
    pairs = [divmod(int(number), max(len(places), 1)) for number in used]
    shown = [hex(int(addresses[at]) % (1 << 64)) for at, _ in pairs]
    return ["", *shown], ["", *(safe_text(places[at]) for _, at in pairs)], rows


def kinds_of(lane: Ints, facts: tuple[Ints, ...]) -> tuple[Ints, Ints]:
    """Per row the number of its kind (lane and all facts together), and per kind one row of it.

    Kinds are numbered by lane, in a lane the most frequent first: small numbers pack best.
    """
    key = lane
    for fact in facts:
        key, _ = pd.factorize(key * (int(fact.max(initial=0)) + 1) + fact)
    code, uniques = pd.factorize(key)
    first = np.full(len(uniques), -1, dtype="int64")
    first[code[::-1]] = np.arange(len(code))[::-1]
    count = np.bincount(code, minlength=len(uniques))
    order = np.lexsort((-count, lane[first]))
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    return number[code].astype("int64"), first[order]


def _compress(columns: dict[str, Ints]) -> tuple[Markup, list[int]]:
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(_deflate, columns.values()))
    return to_text(b"".join(parts)), [len(part) for part in parts]


def _deflate(values: Ints) -> bytes:
    values = values % UINT32_LIMIT
    used = (int(values.max(initial=0)).bit_length() + 7) // 8
    planes = values.astype("<u4").view("u1").reshape(-1, 4).T[:used]
    return zlib.compress(np.ascontiguousarray(planes).tobytes(), COMPRESSION)
