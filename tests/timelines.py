"""Timelines for tests: written by hand as text, or made at any size.

A line of text is ``THREAD START-END STATE [FUNCTION] [<- BLOCKER] [key=value …]``; times are
milliseconds, names with spaces are quoted as in a shell, and ``#`` starts a comment::

    main  0-100   running "crunch (a.py:3)"
    w1    0-40    gil_wait "crunch (a.py:3)" <- main
    w1    40-100  lock_wait reason="Lock.acquire" evidence=derived core=1

Keys: ``reason``, ``caller``, ``chain``, ``evidence`` (default exact), ``core`` (default -1), ``lock`` and
``gil_number`` (default 0), and ``gil`` (default: what the state implies).
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd

from gtrace.model import Gil, State, TimeNs
from gtrace.timeline.timeline import (
    EVIDENCE_DTYPE,
    GIL_DTYPE,
    INTERVAL_COLUMNS,
    STATE_DTYPE,
    RunInfo,
    Timeline,
)
from gtrace.timeline.wakeups import CAUSES

PID: Final = 4242
FIRST_TID: Final = 5000
FIRST_IDENT: Final = 140_000_000_000_000
NS_PER_MS: Final = 1_000_000

GIL_OF_STATE: Final[dict[State, Gil | None]] = {
    State.RUNNING: Gil.HOLDS,
    State.STALLED: Gil.HOLDS,
    State.PREEMPTED: Gil.HOLDS,
    State.GIL_WAIT: Gil.WAITS,
    State.UNKNOWN: None,
    **dict.fromkeys((State.NATIVE, State.LOCK_WAIT, State.IO_WAIT, State.SLEEP, State.BLOCKED), Gil.AWAY),
}

EXACT_RUN: Final = RunInfo(
    command=("python", "workloads/example.py", "--threads", "4"),
    python_version="3.13.0",
    implementation="cpython",
    free_threaded=False,
    executable="/usr/bin/python3.13",
    cwd="/home/ada/project",
    platform="Linux-6.1-x86_64",
    cores=2,
    switch_interval_s=0.005,
    started_at=1_790_000_000.0,
    duration=TimeNs(0),
    exit_status=0,
    gtrace_version="0.1.0",
    viztracer_version="1.1.1",
    evidence={"calls": "exact", "gil": "exact", "scheduler": "exact", "threads": "exact"},
    lost={"calls": 0, "gil": 0, "scheduler": 0},
    pids=(PID,),
)

INFERRED_RUN: Final = replace(
    EXACT_RUN,
    evidence={
        "calls": "exact",
        "gil": "none: not recorded in this run",
        "scheduler": "none: perf_event_paranoid is 3",
        "threads": "exact",
    },
)


def timeline(text: str, run: RunInfo = EXACT_RUN) -> Timeline:
    """The timeline a text describes; the run lasts until the last interval ends."""
    rows = [_parse_line(line) for line in text.split("\n") if shlex.split(line, comments=True)]
    names = list(dict.fromkeys(row["thread"] for row in rows))
    lanes = {name: lane for lane, name in enumerate(names)}
    rows.sort(key=lambda row: (lanes[row["thread"]], row["start_ns"]))
    frame = pd.DataFrame(rows, dtype=object)
    frame["lane"] = np.array([lanes[row["thread"]] for row in rows])
    tids = {name: FIRST_TID + lane for name, lane in lanes.items()}
    frame["blocker_tid"] = np.array([tids[row["blocker"]] if row["blocker"] else -1 for row in rows])
    if run.free_threaded:
        frame["gil"] = None
    duration = int(frame["end_ns"].max())
    spans = frame.groupby("lane").agg(start_ns=("start_ns", "min"), end_ns=("end_ns", "max"))
    threads = _threads(names, spans, duration)
    return Timeline(replace(run, duration=TimeNs(duration)), threads, _intervals(frame))


def _parse_line(line: str) -> dict[str, Any]:
    name, span, state, *rest = shlex.split(line, comments=True)
    start, end = (round(float(part) * NS_PER_MS) for part in span.split("-"))
    gil = GIL_OF_STATE[State(state)]
    row: dict[str, Any] = {
        "thread": name, "start_ns": start, "end_ns": end, "state": state, "gil": gil.value if gil else None,
        "core": -1, "function": "", "caller": "", "reason": "", "lock": 0, "gil_number": 0, "chain": "",
        "blocker": "", "evidence": "exact",
    }  # fmt: skip
    words = iter(rest)
    for word in words:
        key, equals, value = word.partition("=")
        if word == "<-":
            row["blocker"] = next(words)
        elif equals and key in ("reason", "caller", "chain", "evidence", "gil", "core", "lock", "gil_number"):
            row[key] = int(value) if key in ("core", "lock", "gil_number") else value
        else:
            row["function"] = word
    return row


def _threads(names: list[str], spans: pd.DataFrame, duration: int) -> pd.DataFrame:
    count = len(names)
    tids = FIRST_TID + np.arange(count)
    ends = spans["end_ns"].to_numpy("int64")
    return pd.DataFrame({
        "pid": np.full(count, PID),
        "tid": tids,
        "ident": FIRST_IDENT + 4096 * np.arange(count),
        "name": pd.Series(names, dtype=object),
        "daemon": np.zeros(count, bool),
        "parent_tid": np.where(np.arange(count) == 0, -1, FIRST_TID),
        "target": [""] + ["work"] * (count - 1),
        "created": [""] + ["start (example.py:12)"] * (count - 1),
        "start_ns": spans["start_ns"].to_numpy("int64"),
        "end_ns": ends,
        "ended": ends < duration,
        "gil_acquisitions": np.full(count, -1),
        "gil_forced_releases": np.full(count, -1),
        "kind": "python",
    })  # fmt: skip


def _intervals(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.assign(
        pid=PID,
        tid=FIRST_TID + frame["lane"],
        state=frame["state"].astype(STATE_DTYPE),
        gil=frame["gil"].astype(GIL_DTYPE),
        evidence=frame["evidence"].astype(EVIDENCE_DTYPE),
        **{c: frame[c].astype("int64") for c in ("start_ns", "end_ns", "core", "lock", "gil_number")},
    )
    for column in ("thread", "function", "reason", "caller", "chain"):
        texts = pd.Index(list(dict.fromkeys(frame[column])), dtype=object)  # Arrow refuses lone surrogates
        frame[column] = pd.Categorical(frame[column].astype(object), categories=texts)
    return frame[list(INTERVAL_COLUMNS)].reset_index(drop=True)


AWAY_STATES: Final = (State.IO_WAIT, State.SLEEP, State.LOCK_WAIT, State.NATIVE, State.BLOCKED)
SYNTHETIC_FUNCTIONS: Final = tuple(
    f"{verb}_{noun} (app/{noun}.py:{10 + 7 * i})"
    for i, (verb, noun) in enumerate(
        (v, n)
        for v in ("parse", "render", "load", "merge", "score")
        for n in ("row", "page", "index", "user")
    )
)
SYNTHETIC_CHAINS: Final = [
    ";".join(("main (app.py:3)", SYNTHETIC_FUNCTIONS[0], name)) for name in SYNTHETIC_FUNCTIONS
]
SYNTHETIC_REASONS: Final = ("socket.recv", "time.sleep", "Lock.acquire", "", "")


def synthetic(intervals: int, threads: int, seed: int = 0) -> Timeline:
    """A run of about ``intervals`` intervals in which one thread at a time holds the GIL.

    Between two holds a thread is away for a while and then waits for the GIL until it gets it.
    """
    random = np.random.default_rng(seed)
    holds = max(threads, intervals // 3)
    holder = random.integers(0, threads, holds)
    holder[:threads] = np.arange(threads)
    hold_end = np.cumsum(random.lognormal(11.0, 1.2, holds).astype("int64") + 1_000)
    order = np.argsort(holder, kind="stable")
    lane = holder[order]
    start = np.concatenate(([0], hold_end[:-1]))[order]
    first = np.concatenate(([True], lane[1:] != lane[:-1]))
    free_from = np.where(first, 0, np.concatenate(([0], hold_end[order][:-1])))
    away_until = free_from + ((start - free_from) * random.beta(0.8, 0.8, holds)).astype("int64")
    activity = (lane + random.choice(5, holds, p=[0.7, 0.12, 0.08, 0.06, 0.04])) % 5
    functions = (lane * 3 + random.choice(4, holds)) % len(SYNTHETIC_FUNCTIONS)
    previous = np.where(order > 0, holder[order - 1], -1)
    parts = {
        "start_ns": np.stack([free_from, away_until, start], axis=1).ravel(),
        "end_ns": np.stack([away_until, start, hold_end[order]], axis=1).ravel(),
        "state": _per_hold(_codes(AWAY_STATES, activity), State.GIL_WAIT, State.RUNNING),
        "lane": np.repeat(lane, 3),
        "function": np.repeat(functions, 3),
        "reason": np.stack([activity, np.full(holds, 3), np.full(holds, 3)], axis=1).ravel(),
        "blocker": np.stack([np.full(holds, -1), previous, np.full(holds, -1)], axis=1).ravel(),
    }
    keep = parts["end_ns"] > parts["start_ns"]
    return _synthetic_timeline({k: v[keep] for k, v in parts.items()}, threads, int(hold_end[-1]))


def _codes(states: tuple[State, ...], choice: np.ndarray) -> np.ndarray:
    return np.array([list(State).index(state) for state in states])[choice]


def _per_hold(away: np.ndarray, waiting: State, holding: State) -> np.ndarray:
    codes = [list(State).index(state) for state in (waiting, holding)]
    return np.stack([away, np.full(len(away), codes[0]), np.full(len(away), codes[1])], axis=1).ravel()


def _synthetic_timeline(parts: dict[str, np.ndarray], threads: int, duration: int) -> Timeline:
    names = ["MainThread"] + [f"worker-{i}" for i in range(1, threads)]
    gil_codes = [list(Gil).index(g) if (g := GIL_OF_STATE[s]) else -1 for s in State]
    lane = parts["lane"]
    count = len(lane)
    blocker = parts["blocker"]
    intervals = pd.DataFrame({
        "pid": np.full(count, PID),
        "tid": FIRST_TID + lane,
        "thread": pd.Categorical.from_codes(lane, names),
        "start_ns": parts["start_ns"],
        "end_ns": parts["end_ns"],
        "state": pd.Categorical.from_codes(parts["state"], dtype=STATE_DTYPE),
        "gil": pd.Categorical.from_codes(np.array(gil_codes)[parts["state"]], dtype=GIL_DTYPE),
        "core": np.where(parts["state"] <= 1, (lane + parts["start_ns"] // 50_000_000) % 2, -1),
        "function": pd.Categorical.from_codes(parts["function"], list(SYNTHETIC_FUNCTIONS)),
        "reason": pd.Categorical.from_codes(
            np.array([0, 1, 2, 3, 3])[parts["reason"]], list(SYNTHETIC_REASONS[:4])
        ),
        "blocker_tid": np.where(blocker >= 0, FIRST_TID + blocker, -1),
        "evidence": pd.Categorical.from_codes(np.zeros(count, "int8"), dtype=EVIDENCE_DTYPE),
        "lane": lane,
        "lock": (parts["state"] == list(State).index(State.LOCK_WAIT)) * (0x7F00_0000 + 64 * (lane % 3)),
        "gil_number": np.zeros(count, "int64"),
        "caller": pd.Categorical.from_codes((lane % 4).astype("int8"), list(SYNTHETIC_FUNCTIONS[:4])),
        "chain": pd.Categorical.from_codes(parts["function"], SYNTHETIC_CHAINS),
    })  # fmt: skip
    spans = intervals.groupby("lane").agg(start_ns=("start_ns", "min"), end_ns=("end_ns", "max"))
    run = replace(EXACT_RUN, duration=TimeNs(duration))
    return Timeline(run, _threads(names, spans, duration), intervals)


def with_wakeups(known: Timeline, share: float, seed: int = 0) -> Timeline:
    """The timeline with wake-ups: a share of its waits for the GIL and for locks ended by one.

    As in a recording, those for the GIL come at the end of the wait, those for locks shortly before.
    """
    random = np.random.default_rng(seed)
    waits = known.intervals[known.intervals["state"].isin(["gil_wait", "lock_wait"]).to_numpy()]
    waits = waits[random.random(len(waits)) < share]
    is_lock = (waits["state"] == "lock_wait").to_numpy()
    length = (waits["end_ns"] - waits["start_ns"]).to_numpy()
    before = np.where(is_lock, length // 3, 0)
    table = pd.DataFrame({
        "lane": waits["lane"].to_numpy("int64"),
        "time_ns": waits["end_ns"].to_numpy("int64") - before,
        "latency_ns": np.minimum(random.lognormal(9.0, 1.5, len(waits)).astype("int64"), length - before),
        "cause": pd.Categorical.from_codes(is_lock.astype("int8"), dtype=CAUSES),
    })  # fmt: skip
    return replace(known, wakeups=table.sort_values("time_ns", kind="stable", ignore_index=True))


def with_joins(known: Timeline, *joins: tuple[str, str, float, float, str]) -> Timeline:
    """The timeline with joins: who waited for whose end, from and until when in ms, and how it came out."""
    tid_of = dict(zip(known.threads["name"], known.threads["tid"], strict=True))
    rows = [
        {
            "pid": PID, "time_ns": int(begin * NS_PER_MS), "tid": tid_of[who], "joined_tid": tid_of[whose],
            "timeout_s": None, "end_ns": int(end * NS_PER_MS), "timed_out": outcome == "timed out",
            "outcome": outcome,
        }
        for who, whose, begin, end, outcome in joins
    ]  # fmt: skip
    return replace(known, joins=pd.DataFrame(rows))


def with_pids(known: Timeline, pids: dict[str, int]) -> Timeline:
    """The timeline with the threads named in ``pids`` being of those processes."""
    of_lane = known.threads["name"].map(pids).fillna(PID).astype("int64")
    return replace(
        known,
        threads=known.threads.assign(pid=of_lane),
        intervals=known.intervals.assign(pid=of_lane.to_numpy()[known.intervals["lane"]]),
    )
