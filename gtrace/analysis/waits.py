"""What each thread waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gtrace.model import NS_PER_S, WAIT_STATES, State

if TYPE_CHECKING:
    import pandas as pd

    from gtrace.timeline import Timeline

COLUMNS: Final = ("thread", "lane", "state", "reason", "function", "caller", "seconds", "count", "longest_s")
_KEYS: Final = ["lane", "state", "reason", "function", "caller"]


def wait_table(timeline: Timeline) -> pd.DataFrame:
    """Waits by thread, state, reason, call and the function it stands in, most seconds first.

    Columns ``COLUMNS``; waits for the GIL name the code that waited, and ``native`` is no wait.
    """
    intervals = timeline.intervals
    waits = intervals[intervals["state"].isin([state.value for state in WAIT_STATES]).to_numpy()]
    lengths = (waits["end_ns"] - waits["start_ns"]) / NS_PER_S
    grouped = lengths.groupby([waits[key] for key in _KEYS], observed=True)
    table = grouped.agg(seconds="sum", count="count", longest_s="max").reset_index()
    table["thread"] = timeline.threads["name"].reindex(table["lane"]).to_numpy()
    table = table.sort_values(["seconds", "lane"], ascending=[False, True], kind="stable")
    return table.reset_index(drop=True)[list(COLUMNS)]


def wait_seconds(timeline: Timeline, state: State) -> float:
    """Seconds that all threads together were in ``state``."""
    chosen = timeline.intervals[(timeline.intervals["state"] == state.value).to_numpy()]
    return float((chosen["end_ns"] - chosen["start_ns"]).sum() / NS_PER_S)
