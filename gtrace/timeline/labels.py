"""What a person is shown as the name of a thread: it tells the process where there are several."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from gtrace.timeline.lanes import NATIVE_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gtrace.timeline.timeline import Timeline


def thread_labels(threads: pd.DataFrame, recorded: Sequence[int]) -> list[str]:
    """A label a row: the thread's name, and of another process than the first ``recorded`` also which."""
    if not recorded or threads["pid"].isin(recorded[:1]).all():
        return [str(name) for name in threads["name"]]
    rows = zip(*(threads[name].tolist() for name in ("name", "pid", "tid")), strict=True)
    return [_label(str(name), pid, tid, recorded) for name, pid, tid in rows]


def labelled(timeline: Timeline) -> Timeline:
    """The timeline with labels in place of the names of threads; for sentences and pages, not for formats."""
    labels = thread_labels(timeline.threads, timeline.run.pids)
    if labels == [str(name) for name in timeline.threads["name"]]:
        return timeline
    codes, names = pd.factorize(pd.Series(labels, dtype=object))
    thread = pd.Categorical.from_codes(codes[timeline.intervals["lane"].to_numpy()], names)
    return replace(
        timeline,
        threads=timeline.threads.assign(name=pd.Series(labels, dtype=object, index=timeline.threads.index)),
        intervals=timeline.intervals.assign(thread=thread),
    )


def _label(name: str, pid: int, tid: int, recorded: Sequence[int]) -> str:
    of_process = f"(pid {pid})"
    if pid == recorded[0] or name.endswith(of_process):
        return name
    if pid not in recorded and tid == pid and name.startswith(NATIVE_NAME):
        return f"process {of_process}"
    return f"{name} {of_process}"
