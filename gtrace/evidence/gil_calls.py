"""Reads from the agent's evidence in which functions of the C library threads were away from the GIL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gtrace.evidence.gil_format import GIL_KINDS, Descriptor, Function, GilKind

if TYPE_CHECKING:
    from gtrace.evidence.gil import GilEvents

__all__ = ["Descriptor", "Function", "blocking_calls"]

_ENDS: Final = (*GIL_KINDS, GilKind.CALL, GilKind.CALL_END, GilKind.THREAD_EXIT)


def blocking_calls(evidence: GilEvents) -> pd.DataFrame:
    """Every stay in a function that may block, of threads away from the GIL, by thread and start.

    Columns ``start_ns end_ns tid thread function descriptor fd``, all int64: ``function`` is a
    Function, ``descriptor`` a Descriptor (UNKNOWN also for brief calls, of which it is not asked)
    and ``fd`` its number, -1 where there is none. Calls that do the same in quick succession are
    one. Where the end was not seen ``end_ns`` is the end of the evidence.
    """
    events = evidence.events
    about = events[events["kind"].isin([int(kind) for kind in _ENDS]).to_numpy()]
    order = np.argsort(about["thread"].to_numpy(), kind="stable")
    kind, time, thread, tid, word = (
        about[name].to_numpy()[order] for name in ("kind", "time_ns", "thread", "tid", "address")
    )
    begin = np.flatnonzero(kind == GilKind.CALL)
    after = np.minimum(begin + 1, len(kind) - 1)
    closed = (thread[after] == thread[begin]) & (after > begin)
    last = np.where(closed & (kind[after] == GilKind.CALL_END), word[after], word[begin])
    columns = {
        "start_ns": time[begin],
        "end_ns": np.where(closed, time[after], np.maximum(evidence.end_ns, time[begin])),
        "tid": tid[begin],
        "thread": thread[begin],
        "function": word[begin] & 0xFF,
        "descriptor": last >> 8 & 0xFF,
        "fd": (word[begin] >> 16 & 0xFFFFFFFF) - 1,
    }
    return pd.DataFrame(columns, copy=False)
