"""The numbers of a run, as a dictionary that can be written as JSON; keys are only ever added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gtrace.analysis.deadlock import find_deadlocks
from gtrace.analysis.verdict import judge
from gtrace.model import NS_PER_S, Gil, Source, State
from gtrace.timeline.amounts import native_bounds
from gtrace.timeline.labels import thread_labels

if TYPE_CHECKING:
    import pandas as pd

    from gtrace.timeline import Timeline

VERSION: Final = 1
GIL_KEYS: Final = (
    "held_s", "utilization", "wait_s", "acquisitions", "handoffs", "forced_releases", "processes",
)  # fmt: skip


def summarize(timeline: Timeline) -> dict[str, Any]:
    """The summary of ``timeline``; times in seconds, what the evidence does not tell is null."""
    run = timeline.run
    wall = run.duration / NS_PER_S
    states = state_seconds(timeline)
    verdict = judge(timeline)
    return {
        "version": VERSION,
        "command": list(run.command),
        "python": {
            "version": run.python_version,
            "implementation": run.implementation,
            "free_threaded": run.free_threaded,
        },
        "cores": run.cores,
        "switch_interval_s": run.switch_interval_s,
        "wall_s": wall,
        "exit_status": run.exit_status,
        "evidence": dict(run.evidence),
        "lost": dict(run.lost),
        "notes": list(run.notes),
        "gil": gil_numbers(timeline),
        "parallelism": parallelism(timeline),
        "wakeups": wakeup_numbers(timeline),
        "threads": _threads(timeline, states),
        "deadlock": _deadlocks(timeline),
        "verdict": {"code": verdict.code, "text": verdict.text},
    }


def state_seconds(timeline: Timeline) -> pd.DataFrame:
    """Seconds in each state: a row a lane, a column a state; a row adds up to the thread's lifetime."""
    intervals = timeline.intervals
    lengths = (intervals["end_ns"] - intervals["start_ns"]) / NS_PER_S
    keys = [intervals["lane"], intervals["state"]]
    table = lengths.groupby(keys, observed=False).sum().unstack(fill_value=0)  # noqa: PD010  sums, not cells
    table = table.reindex(index=timeline.threads.index, fill_value=0.0)
    return table.reindex(columns=[state.value for state in State], fill_value=0.0)


def parallelism(timeline: Timeline) -> float:
    """Cores in use on average: the time of all threads that ran, over the length of the run."""
    wall = timeline.run.duration / NS_PER_S
    ran = state_seconds(timeline)[[State.RUNNING.value, State.NATIVE.value]].to_numpy().sum()
    return float(ran / wall) if wall else 0.0


def gil_numbers(timeline: Timeline) -> dict[str, Any]:
    """Who held the GIL in all, as far as known; null where there is no evidence of it.

    ``acquisitions``, ``handoffs`` and ``forced_releases`` need the agent's evidence: calls alone
    show when a thread had the GIL, not each time it took it. ``processes`` is how many had one: all
    are sums over these.
    """
    intervals = timeline.intervals
    known = timeline.run.evidence.get(Source.CALLS.value, "none").startswith(("exact", "derived"))
    if timeline.run.free_threaded or not (known or gil_is_exact(timeline)):
        return dict.fromkeys(GIL_KEYS)
    holding = (intervals["gil"] == Gil.HOLDS.value).to_numpy()
    held = _seconds(intervals[holding])
    waited = _seconds(intervals[(intervals["gil"] == Gil.WAITS.value).to_numpy()])
    wall = timeline.run.duration / NS_PER_S
    return {
        "held_s": held,
        "utilization": held / wall if wall else 0.0,
        "wait_s": waited,
        "acquisitions": _total(timeline.threads["gil_acquisitions"]),
        "handoffs": timeline.handoffs,
        "forced_releases": _total(timeline.threads["gil_forced_releases"]),
        "processes": int(intervals["pid"][holding].nunique()),
    }


def wakeup_numbers(timeline: Timeline) -> dict[str, Any]:
    """By cause (``gil``, ``lock``) how many wake-ups there were, and how long they took."""
    numbers: dict[str, Any] = {}
    if timeline.wakeups.empty:
        return numbers
    for cause, rows in timeline.wakeups.groupby("cause", observed=True):
        seconds = rows["latency_ns"].to_numpy() / NS_PER_S
        p50, p99 = np.percentile(seconds, (50, 99))
        numbers[str(cause)] = {
            "count": len(seconds),
            "p50_s": float(p50),
            "p99_s": float(p99),
            "max_s": float(seconds.max()),
        }
    return numbers


def _deadlocks(timeline: Timeline) -> list[dict[str, Any]]:
    """One entry a cycle; of its ``waits`` each is for what the thread of the next one has."""
    return [
        {
            "seen_s": found.time / NS_PER_S,
            "since_s": found.since / NS_PER_S,
            "evidence": found.evidence.value,
            "waits": [
                {
                    "thread": link.thread,
                    "tid": int(timeline.threads["tid"][link.lane]),
                    "waits_for": link.waits_for,
                    "where": link.where,
                    "since_s": link.since / NS_PER_S,
                    "holder": link.holder,
                    "holder_where": link.holder_where,
                    "evidence": link.evidence.value,
                }
                for link in found.links
            ],
            "behind": list(found.behind),
        }
        for found in find_deadlocks(timeline)
    ]


def _total(counts: pd.Series) -> int | None:
    known = counts[counts >= 0]
    return int(known.sum()) if len(known) else None


def gil_is_exact(timeline: Timeline) -> bool:
    return timeline.run.evidence.get(Source.GIL.value, "").startswith("exact")


def _seconds(intervals: pd.DataFrame) -> float:
    return float((intervals["end_ns"] - intervals["start_ns"]).sum() / NS_PER_S)


def _threads(timeline: Timeline, states: pd.DataFrame) -> list[dict[str, Any]]:
    intervals = timeline.intervals
    holding = intervals[(intervals["gil"] == Gil.HOLDS.value).to_numpy()]
    lengths = (holding["end_ns"] - holding["start_ns"]).to_numpy()
    held = np.bincount(holding["lane"], weights=lengths, minlength=len(timeline.threads)) / NS_PER_S
    known = gil_numbers(timeline)["held_s"] is not None
    clocks = _clocks(timeline)
    labels = thread_labels(timeline.threads, timeline.run.pids)
    rows = states.to_dict("records")
    return [
        {
            "pid": int(thread["pid"]),
            "tid": int(thread["tid"]),
            "ident": int(thread["ident"]),
            "name": thread["name"],
            "label": labels[lane],
            "kind": thread["kind"],
            "daemon": bool(thread["daemon"]),
            "parent_tid": int(thread["parent_tid"]),
            "target": thread["target"],
            "created": thread["created"],
            "start_s": thread["start_ns"] / NS_PER_S,
            "end_s": thread["end_ns"] / NS_PER_S if thread["ended"] else None,
            "gil_held_s": float(held[lane]) if known else None,
            "gil_acquisitions": int(thread["gil_acquisitions"]) if thread["gil_acquisitions"] >= 0 else None,
            "states_s": dict(rows[lane]),
            **clocks[lane],
        }
        for lane, thread in enumerate(timeline.threads.to_dict("records"))
    ]


def _clocks(timeline: Timeline) -> list[dict[str, Any]]:
    """Where no switches were recorded, what the clocks of each thread tell; null elsewhere.

    ``cpu_s`` on a core, ``queue_s`` waiting for one, ``native_s_bounds`` the least and the most of that
    without the GIL.
    """
    threads = timeline.threads
    if "cpu_ns" not in threads:
        return [dict.fromkeys(("cpu_s", "queue_s", "native_s_bounds"))] * len(threads)
    cpu, queue = (threads[name].to_numpy() for name in ("cpu_ns", "queue_ns"))
    bounds = zip(*native_bounds(threads, timeline.intervals), strict=True)
    return [
        {
            "cpu_s": cpu[lane] / NS_PER_S if cpu[lane] >= 0 else None,
            "queue_s": queue[lane] / NS_PER_S if queue[lane] >= 0 else None,
            "native_s_bounds": [least / NS_PER_S, most / NS_PER_S] if most >= 0 else None,
        }
        for lane, (least, most) in enumerate(bounds)
    ]
