"""The trace-event JSON of Chromium, which ui.perfetto.dev, vizviewer and chrome://tracing open.

Perfetto's own binary format has tracks below tracks, but vizviewer does not read it.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final

from gtrace.export.kinds import kinds_of_intervals
from gtrace.export.turns import CORES_IN_USE, count_at_once, handoffs, holds, wakeups
from gtrace.export.writing import chunks, open_json, quoted, write_array
from gtrace.model import EVIDENCE_MEANING, MEANING, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from gtrace.export.calls import LaneCalls
    from gtrace.timeline import Timeline

    Ints = npt.NDArray[np.int64]

CALL_TRACKS: Final = 1 << 22
"""Added to the id of a thread's track of states for that of its calls; no kernel gives ids so high."""
LATER_TRACKS: Final = 1 << 23
"""Where ids of tracks begin whose native id an earlier thread of the process had."""


def write_perfetto(timeline: Timeline, calls: list[LaneCalls], path: Path) -> None:
    """Per thread a track of states and one of calls, per GIL one of turns, counters and arrows.

    Viewers know two levels, processes and threads in them, and order threads by id: a track of
    states has the native id of its thread, so that all of these stand above all tracks of calls.
    """
    tracks = state_tracks(timeline)
    turns = holds(timeline)
    with open_json(path) as file:
        file.write(b'{"traceEvents":')
        write_array(file, _events(timeline, calls, tracks, turns))
        file.write(f',"otherData":{quoted(_about(timeline))}}}\n'.encode())


def state_tracks(timeline: Timeline) -> list[int]:
    """The id of each lane's track of states: its native id, or another where that was used before."""
    seen: set[tuple[int, int]] = set()
    tracks = []
    for lane, (pid, tid) in enumerate(zip(timeline.threads["pid"], timeline.threads["tid"], strict=True)):
        tracks.append(LATER_TRACKS + lane if (pid, tid) in seen else int(tid))
        seen.add((pid, tid))
    return tracks


def _events(
    timeline: Timeline, calls: list[LaneCalls], tracks: list[int], turns: pd.DataFrame
) -> Iterator[str]:
    """All events as JSON; an arrow comes after the slices it joins."""
    gils = _gil_tracks(timeline, turns)
    yield from _names(timeline, tracks, {one.lane for one in calls}, gils)
    yield from _states(timeline, tracks)
    yield from _turns(timeline, turns, gils)
    for one in calls:
        yield from _calls(one, int(timeline.threads["pid"].iloc[one.lane]), tracks[one.lane] + CALL_TRACKS)
    yield from _counters(timeline)
    yield from _arrows(timeline, tracks, turns)


def _gil_tracks(timeline: Timeline, turns: pd.DataFrame) -> dict[tuple[int, int], int]:
    """For each GIL, (pid, number), an id that no thread has; low, so that it stands on top."""
    taken = set(timeline.threads["tid"].tolist())
    free = (number for number in count(1) if number not in taken)
    gils = sorted(set(zip(turns["pid"].tolist(), turns["gil_number"].tolist(), strict=True)))
    return dict(zip(gils, free, strict=False))


def _names(
    timeline: Timeline, tracks: list[int], called: set[int], gils: dict[tuple[int, int], int]
) -> Iterator[str]:
    command = " ".join(timeline.run.command) or "python"
    for pid in dict.fromkeys(timeline.threads["pid"].tolist()):
        yield _name("process_name", pid, pid, command)
    for (pid, number), track in gils.items():
        yield _name("thread_name", pid, track, f"GIL of subinterpreter {number}" if number else "GIL")
    for lane, thread in enumerate(timeline.threads.to_dict("records")):
        again = f" (native id {thread['tid']} again)" if tracks[lane] >= LATER_TRACKS else ""
        name = f"{thread['name']}{again}"
        yield _name("thread_name", thread["pid"], tracks[lane], name)
        if lane in called:
            yield _name("thread_name", thread["pid"], tracks[lane] + CALL_TRACKS, f"{name}: calls")


def _name(what: str, pid: int, track: int, name: str) -> str:
    return quoted({"ph": "M", "name": what, "pid": pid, "tid": track, "args": {"name": name}})


def _states(timeline: Timeline, tracks: list[int]) -> Iterator[str]:
    kinds = kinds_of_intervals(timeline)
    tails = [
        f',"name":{quoted(kind.state)},"cat":"state","args":{quoted(kind.facts)}}}' for kind in kinds.found
    ]
    pids = timeline.threads["pid"].tolist()
    heads = [f'{{"ph":"X","pid":{pid},"tid":{track},' for pid, track in zip(pids, tracks, strict=True)]
    lanes = timeline.intervals["lane"].to_numpy("int64")
    starts = timeline.intervals["start_ns"].to_numpy("int64")
    ends = timeline.intervals["end_ns"].to_numpy("int64")
    for rows in chunks(len(lanes)):
        where = zip(lanes[rows].tolist(), kinds.codes[rows].tolist(), strict=True)
        spans = zip(starts[rows].tolist(), (ends - starts)[rows].tolist(), strict=True)
        yield ",\n".join(
            f'{heads[lane]}"ts":{_us(start)},"dur":{_us(length)}{tails[kind]}'
            for (lane, kind), (start, length) in zip(where, spans, strict=True)
        )


def _turns(timeline: Timeline, turns: pd.DataFrame, gils: dict[tuple[int, int], int]) -> Iterator[str]:
    names = [quoted(str(name)) for name in timeline.threads["name"]]
    quote = _remembered(lambda function: f',"args":{quoted({"function": function} if function else {})}}}')
    for rows in chunks(len(turns)):
        part = turns.iloc[rows]
        yield ",\n".join(
            f'{{"ph":"X","pid":{pid},"tid":{gils[pid, gil]},"ts":{_us(start)},"dur":{_us(end - start)},'
            f'"name":{names[lane]},"cat":"gil"{quote(function)}'
            for pid, gil, lane, start, end, function in zip(
                *(part[name].tolist() for name in part.columns), strict=True
            )
        )


def _calls(one: LaneCalls, pid: int, track: int) -> Iterator[str]:
    head = f'{{"ph":"X","pid":{pid},"tid":{track},"cat":"call",'
    tail = _remembered(lambda code: f',"name":{quoted(one.texts[code])}}}')
    lengths = one.ends - one.starts
    for rows in chunks(len(one.starts)):
        spans = zip(one.starts[rows].tolist(), lengths[rows].tolist(), one.names[rows].tolist(), strict=True)
        yield ",\n".join(
            f'{head}"ts":{_us(start)},"dur":{_us(length)}{tail(code)}' for start, length, code in spans
        )


def _counters(timeline: Timeline) -> Iterator[str]:
    """What is counted is named in two parts, which viewers join."""
    for pid in dict.fromkeys(timeline.threads["pid"].tolist()):
        own = timeline.intervals[(timeline.intervals["pid"] == pid).to_numpy()]
        for name, key, states in (
            ("cores", "in use", CORES_IN_USE),
            ("threads", "waiting for the GIL", (State.GIL_WAIT,)),
        ):
            times, values = count_at_once(own, states)
            head = f'{{"ph":"C","pid":{pid},"tid":{pid},"name":"{name}","ts":'
            for rows in chunks(len(times)):
                yield ",\n".join(
                    f'{head}{_us(time)},"args":{{"{key}":{value}}}}}'
                    for time, value in zip(times[rows].tolist(), values[rows].tolist(), strict=True)
                )


def _arrows(timeline: Timeline, tracks: list[int], turns: pd.DataFrame) -> Iterator[str]:
    """Each arrow is a pair of events, bound to the slices of states that they lie in."""
    pids = timeline.threads["pid"].tolist()
    number = count(1)
    for name, arrows in (("hand-off", handoffs(timeline, turns)), ("wake-up", wakeups(timeline))):
        for arrow in arrows:
            own = f'"id":{next(number)},"name":"{name}","cat":"{name}"'
            begin = f'"pid":{pids[arrow.from_lane]},"tid":{tracks[arrow.from_lane]},"ts":{_us(arrow.from_ns)}'
            end = f'"pid":{pids[arrow.to_lane]},"tid":{tracks[arrow.to_lane]},"ts":{_us(arrow.to_ns)}'
            yield f'{{"ph":"s",{own},{begin}}},\n{{"ph":"f","bp":"e",{own},{end}}}'


def _about(timeline: Timeline) -> dict[str, Any]:
    run = timeline.run
    return {
        "gtrace": run.gtrace_version,
        "command": " ".join(run.command),
        "python": f"{run.implementation} {run.python_version}",
        "platform": run.platform,
        "evidence": dict(run.evidence),
        "lost": dict(run.lost),
        "notes": list(run.notes),
        "states": {state.value: meaning for state, meaning in MEANING.items()},
        "evidence_meaning": {kind.value: meaning for kind, meaning in EVIDENCE_MEANING.items()},
    }


def _us(time_ns: int) -> str:
    """Microseconds, exact to the nanosecond, of a time that is not negative."""
    return f"{time_ns // 1000}.{time_ns % 1000:03d}"


def _remembered(make: Callable[[Any], str]) -> Callable[[Any], str]:
    """``make``, called once for each value: names repeat a million times."""
    known: dict[Any, str] = {}

    def remembered(value: Any) -> str:
        text = known.get(value)
        if text is None:
            text = known[value] = make(value)
        return text

    return remembered
