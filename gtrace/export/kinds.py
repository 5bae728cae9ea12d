"""All that an interval says but its thread and time, each distinct combination once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from gtrace.timeline.blockers import blocker_lanes

if TYPE_CHECKING:
    import numpy.typing as npt

    from gtrace.timeline import Timeline

    Ints = npt.NDArray[np.int64]

COLUMNS: Final = ("state", "function", "caller", "reason", "gil", "core", "lock", "evidence")


@dataclass(frozen=True)
class Kind:
    """``facts`` holds what there is of function, caller, reason, blocker, lock, core, gil, evidence."""

    state: str
    function: str
    caller: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class Kinds:
    """``codes`` has the place in ``found`` of each interval."""

    codes: Ints
    found: tuple[Kind, ...]


def kinds_of_intervals(timeline: Timeline) -> Kinds:
    """The kinds of all intervals, in the order in which they first occur."""
    intervals = timeline.intervals
    blockers = blocker_lanes(timeline.threads, intervals)
    key = blockers + 1
    for name in COLUMNS:
        codes, texts = pd.factorize(intervals[name], use_na_sentinel=False)
        key, _ = pd.factorize(key * max(len(texts), 1) + codes)
    _, first = np.unique(key, return_index=True)
    threads = zip(timeline.threads["name"], timeline.threads["tid"], strict=True)
    names = [f"{name} ({tid})" for name, tid in threads]
    rows = zip(*(intervals[name].iloc[first].tolist() for name in COLUMNS), strict=True)
    found = tuple(
        _kind(dict(zip(COLUMNS, row, strict=True)), names[lane] if lane >= 0 else "")
        for row, lane in zip(rows, blockers[first].tolist(), strict=True)
    )
    return Kinds(key.astype(np.int64), found)


def _kind(row: dict[str, Any], blocker: str) -> Kind:
    facts = {
        "function": _text(row["function"]),
        "caller": _text(row["caller"]),
        "reason": _text(row["reason"]),
        "blocker": blocker,
        "lock": hex(row["lock"] % (1 << 64)) if row["lock"] else "",
        "core": row["core"] if row["core"] >= 0 else "",
        "gil": _text(row["gil"]),
        "evidence": _text(row["evidence"]),
    }
    said = {name: value for name, value in facts.items() if value != ""}
    return Kind(str(row["state"]), facts["function"], facts["caller"], said)


def _text(value: Any) -> str:
    """A missing category is no text."""
    return value if isinstance(value, str) else ""
