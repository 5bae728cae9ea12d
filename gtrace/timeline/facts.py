"""The facts of a run, and what its reader must be told about the evidence."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gtrace.model import NS_PER_S, Source, TimeNs
from gtrace.timeline.amounts import derived_evidence
from gtrace.timeline.timeline import RunInfo

if TYPE_CHECKING:
    from gtrace.evidence.gil import GilEvents
    from gtrace.evidence.scheduler import SchedulerEvents
    from gtrace.evidence.sites import Sites
    from gtrace.recording import Process, Recording

DEFAULT_SWITCH_INTERVAL_S: Final = 0.005
LONG_SAVE_NS: Final = 100_000_000
"""A reader who looks at the whole run sees what takes longer."""
MOST_NAMED: Final = 5
"""Threads, or processes, named in a note; the others are in the table of threads."""
UNSEEN_END: Final = "ended at once, as a pool ends its workers"


@dataclass(frozen=True)
class Clock:
    """CLOCK_MONOTONIC at the start of the recording and at the end of each process."""

    zero: int
    ends: dict[int, int]
    struck: frozenset[int] = frozenset()
    """Processes that a signal ended where they stood: what their threads did last lasted to the end."""

    def end_of(self, pid: int) -> int:
        return self.ends[pid]

    @property
    def duration(self) -> TimeNs:
        return TimeNs(max([end - self.zero for end in self.ends.values()], default=0))


def read_clock(recording: Recording) -> Clock:
    """When the run began, and when each of its processes ended or was last seen."""
    begins = [process.registry.process.get("time") or _first_seen(process) for process in recording.processes]
    zero = min((begin for begin in begins if begin), default=0)
    ends = {process.pid: _end(process, recording.meta, zero) for process in recording.processes}
    return Clock(zero, ends, frozenset(p.pid for p in recording.processes if _was_struck(p, recording.meta)))


def _was_struck(process: Process, meta: dict[str, Any]) -> bool:
    """Whether its launcher saw a signal kill it, and it had not become another program before.

    Who calls ``exec`` saves the calls first; where none are recorded, that cannot be told.
    """
    seen = meta.get("pid") == process.pid and "ended" in meta and meta.get("signal") is not None
    may_tell = meta.get("options", {}).get("calls", False)
    return bool(seen and may_tell and process.registry.stop is None and not process.call_files)


def _first_seen(process: Process) -> int:
    """The first sign of a process without a journal, 0 where there is none."""
    starts, gil = process.load_calls().table["start_ns"], process.load_gil()
    signs = [int(starts.min()) if len(starts) else 0, gil.started_ns if gil is not None else 0]
    return min((sign for sign in signs if sign), default=0)


def _end(process: Process, meta: dict[str, Any], zero: int) -> int:
    """The orderly end; else when its launcher saw it die; else the last thing it recorded."""
    if process.registry.stop is not None:
        return int(process.registry.stop["time"])
    if meta.get("pid") == process.pid and "ended" in meta:
        return int(meta["ended"]["monotonic_ns"])
    threads, joins = process.registry.threads, process.registry.joins
    times = [zero + 1, *(t.begin_ns or 0 for t in threads), *(t.end_ns or 0 for t in threads)]
    times += [int(join["end"]) for join in joins]
    ends, gil = process.load_calls().table["end_ns"], process.load_gil()
    return max([*times, int(ends.max()) if len(ends) else 0, gil.end_ns if gil is not None else 0])


def describe_run(recording: Recording, clock: Clock, calls_known_from: int) -> RunInfo:
    """Run info from ``meta.json`` and from what the first process said of itself."""
    meta = recording.meta
    main = recording.processes[0].registry.process if recording.processes else {}
    return RunInfo(
        command=tuple(meta.get("command", ())),
        python_version=str(main.get("python", "")),
        implementation=str(main.get("implementation", "")),
        free_threaded=not main.get("gil_enabled", True),
        executable=str(main.get("executable", "")),
        cwd=str(meta.get("cwd", "")),
        platform=str(main.get("platform", "")),
        cores=int(main.get("cores", 0)),
        switch_interval_s=float(main.get("switch_interval", DEFAULT_SWITCH_INTERVAL_S)),
        started_at=float(main.get("wall_ns", 0)) / NS_PER_S,
        duration=clock.duration,
        exit_status=meta.get("exit_status"),
        gtrace_version=str(meta.get("gtrace", "")),
        viztracer_version=main.get("viztracer"),
        evidence=_evidence(recording),
        lost=_lost(recording),
        notes=tuple(_notes(recording, clock, calls_known_from)),
        pids=tuple(process.pid for process in recording.processes),
        began_ns=clock.zero,
    )


def _evidence(recording: Recording) -> dict[str, str]:
    return {
        Source.CALLS.value: _calls_evidence(recording),
        Source.GIL.value: _gil_evidence(recording),
        Source.SCHEDULER.value: _scheduler_evidence(recording),
        Source.THREADS.value: _threads_evidence(recording),
        Source.SITES.value: _sites_evidence(recording),
    }


def _calls_evidence(recording: Recording) -> str:
    if any(process.call_files for process in recording.processes):
        return "exact"
    if not recording.meta.get("options", {}).get("calls", True):
        return "none: left out by --light"
    facts = recording.processes[0].registry.process if recording.processes else {}
    if str(facts.get("calls", "")).startswith("none"):
        return str(facts["calls"])
    number = recording.meta.get("signal")
    if number is not None:
        return f"none: the program was killed by {_signal_name(number)} before its calls could be saved"
    return "none: the program ended before its calls could be saved"


def _gil_evidence(recording: Recording) -> str:
    main = recording.processes[0] if recording.processes else None
    evidence = None if main is None else main.load_gil()
    if main is not None and evidence is not None:
        return evidence.level if evidence.level == "exact" else f"none: {evidence.level}"
    facts = {} if main is None else main.registry.process
    return str(facts.get("agent", "none: not recorded"))


def _scheduler_evidence(recording: Recording) -> str:
    if recording.load_scheduler() is not None:
        return "exact"
    facts = recording.processes[0].registry.process if recording.processes else {}
    said = str(facts.get("scheduler", "none: not recorded"))
    if not said.startswith("none"):
        return "none: what it recorded is missing, or cannot be read"
    return derived_evidence(said) if any(p.registry.amounts for p in recording.processes) else said


def _threads_evidence(recording: Recording) -> str:
    if any(process.registry.threads for process in recording.processes):
        return "exact"
    return "none: the journal of threads is missing"


def _sites_evidence(recording: Recording) -> str:
    if any(process.sites is not None for process in recording.processes):
        return "exact"
    facts = recording.processes[0].registry.process if recording.processes else {}
    return str(facts.get("sites", "none: not recorded"))


def _lost(recording: Recording) -> dict[str, int]:
    calls = sum(process.load_calls().damaged for process in recording.processes)
    threads = sum(
        p.registry.damaged + (p.registry.stop or {}).get("journal_lost", 0) for p in recording.processes
    )
    scheduler = recording.load_scheduler()
    gil = sum(e.lost for p in recording.processes if (e := p.load_gil()) is not None)
    return {
        Source.CALLS.value: calls,
        Source.GIL.value: gil,
        Source.SCHEDULER.value: 0 if scheduler is None else scheduler.lost,
        Source.THREADS.value: threads,
        Source.SITES.value: sum(p.sites.lost for p in recording.processes if p.sites is not None),
    }


def _notes(recording: Recording, clock: Clock, calls_known_from: int) -> list[str]:
    notes = list(recording.problems)
    notes += _damage(recording.load_scheduler(), clock)
    if calls_known_from:
        notes.append(
            f"The buffer for calls was full: calls are known from {calls_known_from / NS_PER_S:.3f} s on,"
            " what was before is unknown."
        )
    for process in recording.processes:
        notes += process.registry.notes
        notes += _damage(process.load_gil(), clock)
        notes += _damage(process.sites, clock)
        replaced = [t.name or str(t.tid) for t in process.registry.threads if t.profiler_replaced]
        if replaced:
            notes.append(
                f"The program set a profiler of its own in {', '.join(replaced[:MOST_NAMED])}"
                f"{' and others' if len(replaced) > MOST_NAMED else ''}: calls there are missing since."
            )
    kept = [_kept(process) for process in recording.processes[1:] if _save_ns(process) >= LONG_SAVE_NS]
    return notes + kept + _unseen_ends(recording) + _blind_spot(recording)


def _save_ns(process: Process) -> int:
    """From the end of what the program did in it to when it could go."""
    stop = process.registry.stop or {}
    return int(stop.get("saved", 0)) - int(stop.get("time", 0)) if process.call_files else 0


def _kept(process: Process) -> str:
    return (
        f"Process {process.pid} took {_save_ns(process) / NS_PER_S:.1f} s at its end, in which its calls were"
        " saved: whatever waited for its end waited for that, too. With --light nothing has to be saved."
    )


def _blind_spot(recording: Recording) -> list[str]:
    """What calls alone get wrong: the wait that leaves no call."""
    seen_otherwise = recording.load_scheduler() is not None or any(
        process.load_gil() is not None for process in recording.processes
    )
    several = any(len(process.registry.threads) > 1 for process in recording.processes)
    if seen_otherwise or not several or not any(process.call_files for process in recording.processes):
        return []
    return ["Only calls were recorded, and a wait of `with lock:` leaves none: it may be shown as running."]


def _damage(evidence: GilEvents | SchedulerEvents | Sites | None, clock: Clock) -> list[str]:
    """What a file says is wrong with it, and from when on it says nothing."""
    if evidence is None:
        return []
    full = evidence.full_at_ns
    when = [f"That was {(full - clock.zero) / NS_PER_S:.3f} s into the run."] if full else []
    return [*evidence.damage, *when]


def _unseen_ends(recording: Recording) -> list[str]:
    """A note for all processes that could not save anything at their end for the same reason."""
    alike: dict[tuple[str, str], list[str]] = {}
    for process in recording.processes:
        if process.registry.stop is None:
            number = recording.meta.get("signal") if recording.meta.get("pid") == process.pid else None
            how = f"killed by {_signal_name(number)}" if number else UNSEEN_END
            alike.setdefault((how, _loss(recording, process)), []).append(str(process.pid))
    return [f"{_processes(pids)} {how}: {loss}" for (how, loss), pids in alike.items()]


def _loss(recording: Recording, process: Process) -> str:
    """What a process that saved nothing at its end has lost: only calls are kept in its memory."""
    evidence = process.load_gil()
    if evidence is None or evidence.level != "exact":
        return "what was only in memory is lost, what was on disk is shown."
    if recording.meta.get("options", {}).get("calls", False) and not process.call_files:
        return "the calls are lost; who had the GIL, and when, is known to the end."
    return "nothing of what was recorded is lost."


def _processes(pids: list[str]) -> str:
    if len(pids) == 1:
        return f"Process {pids[0]} was"
    named = [*pids[:MOST_NAMED], f"{len(pids) - MOST_NAMED} others"] if len(pids) > MOST_NAMED + 1 else pids
    return f"Processes {', '.join(named[:-1])} and {named[-1]} were"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
