"""Each time a thread had the GIL, from taking it to letting it go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from gtrace.model import Gil, State

if TYPE_CHECKING:
    import pandas as pd

    from gtrace.timeline import Timeline

COLUMNS: Final = ("lane", "thread", "start_ns", "end_ns", "function", "chain", "ran_ns")


def hold_table(timeline: Timeline) -> pd.DataFrame:
    """One row a hold: ``lane thread start_ns end_ns function chain ran_ns``, by lane and start.

    A hold goes on while its thread stalls or is preempted; ``ran_ns`` is the time without these.
    ``function`` and ``chain`` are those of its longest part.
    """
    intervals = timeline.intervals
    held = intervals[(intervals["gil"] == Gil.HOLDS.value).to_numpy()]
    lane, start, end = (held[c].to_numpy() for c in ("lane", "start_ns", "end_ns"))
    begins = np.append(True, (lane[1:] != lane[:-1]) | (start[1:] != end[:-1]))[: len(held)]
    number = np.cumsum(begins) - 1
    longest = np.lexsort((-(end - start), number))
    main = longest[np.append(True, np.diff(number[longest]) > 0)[: len(held)]]
    last = np.append(np.flatnonzero(begins)[1:], len(held))[: int(begins.sum())] - 1
    ran = np.where((held["state"] == State.RUNNING.value).to_numpy(), end - start, 0)
    table: pd.DataFrame = held.iloc[np.flatnonzero(begins)][["lane", "thread", "start_ns"]].assign(
        end_ns=end[last],
        function=held["function"].iloc[main].to_numpy(),
        chain=held["chain"].iloc[main].to_numpy(),
        ran_ns=np.add.reduceat(ran, np.flatnonzero(begins)) if len(held) else ran,
    )
    return table.reset_index(drop=True)
