"""A Recording is what was captured, on disk: a folder that loads even when parts of it are missing."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gtrace.errors import RecordingError, RecordingFormatError
from gtrace.evidence.calls import SCHEMA, Calls, empty_calls, read_calls
from gtrace.evidence.gil import GilEvents, read_gil
from gtrace.evidence.scheduler import SchedulerEvents, read_scheduler
from gtrace.evidence.sites import Sites, read_sites
from gtrace.evidence.threads import Registry, read_registry
from gtrace.recorder.folder import FORMAT, META

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LATER: Final[dict[str, Callable[[Recording], Any]]] = {}
"""What later parts make of a recording, by name: this part must not import them, ``gtrace`` names them."""


META_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "command": (list,),
    "cwd": (str,),
    "ended": (dict,),
    "exit_status": (int,),
    "gtrace": (str,),
    "options": (dict,),
    "pid": (int,),
    "signal": (int, type(None)),
    "started": (dict,),
}


@dataclass(frozen=True)
class Recording:
    """A loaded recording.

    ``meta`` is ``meta.json`` (format version, command, interpreter, clocks, exit status); keys may
    be absent where the recording is damaged. ``processes`` has one entry a process that took part,
    the program's first process first. ``problems`` are sentences on what is missing or damaged.
    """

    path: Path
    meta: dict[str, Any]
    processes: tuple[Process, ...]
    problems: tuple[str, ...] = ()
    scheduler_file: Path | None = None
    scheduler_cached: list[SchedulerEvents] = field(default_factory=list, repr=False)
    made: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __repr__(self) -> str:
        command = " ".join(map(str, self.meta.get("command", []))) or "python"
        return f"<Recording {str(self.path)!r} of {command!r}>"

    def _repr_html_(self) -> str | None:
        """In Jupyter: the verdict and the page."""
        html: str | None = self.make("html") if "html" in LATER else None
        return html

    def make(self, name: str) -> Any:
        """What ``LATER`` makes of this recording, once.

        Raises RecordingError where the recording was not loaded by ``gtrace.load``.
        """
        if name not in self.made:
            if name not in LATER:
                raise RecordingError(f"cannot fold the recording: {self.path}: load it with `gtrace.load`")
            self.made[name] = LATER[name](self)
        return self.made[name]

    @property
    def intervals(self) -> pd.DataFrame:
        """What every thread did at each instant, folded when first asked for.

        One row an interval: ``pid tid thread start_ns end_ns state gil core function reason
        blocker_tid evidence lane caller lock gil_number chain``, times in ns since the recording began;
        what each column says is told by ``gtrace.Timeline``.
        """
        table: pd.DataFrame = self.make("timeline").intervals
        return table

    @property
    def began_ns(self) -> int:
        """CLOCK_MONOTONIC (ns) when the recording began: the zero of the intervals' times."""
        began: int = self.make("clock").zero
        return began

    @property
    def threads(self) -> pd.DataFrame:
        """One row a thread: ``pid tid ident name daemon parent_tid target created begin_ns end_ns``.

        Times are ns on CLOCK_MONOTONIC (less ``began_ns``: since the recording began), ``end_ns`` NaN for a
        thread that was alive at the end. ``gtrace.Timeline`` has those that never entered Python, too.
        """
        rows = [
            {
                "pid": process.pid,
                "tid": thread.tid,
                "ident": thread.ident,
                "name": thread.name,
                "daemon": thread.daemon,
                "parent_tid": thread.parent,
                "target": thread.target,
                "created": thread.created,
                "begin_ns": thread.begin_ns,
                "end_ns": thread.end_ns,
            }
            for process in self.processes
            for thread in process.registry.threads
        ]
        return pd.DataFrame(rows)

    @property
    def calls(self) -> pd.DataFrame:
        """One row a call: ``tid start_ns end_ns name pid``; none with ``--light``.

        Times are ns on CLOCK_MONOTONIC (less ``began_ns``: since the recording began), ``end_ns`` -1 for a
        call that had not returned.
        """
        tables = [process.load_calls().table.assign(pid=process.pid) for process in self.processes]
        return pd.concat(tables, ignore_index=True) if tables else empty_calls()

    def load_scheduler(self) -> SchedulerEvents | None:
        """Reads the scheduler's evidence of all processes, once; None where there is none."""
        if self.scheduler_file is None:
            return None
        if not self.scheduler_cached:
            self.scheduler_cached.append(read_scheduler(self.scheduler_file))
        return self.scheduler_cached[0]


@dataclass(frozen=True)
class Process:
    """The files of one process."""

    pid: int
    registry: Registry
    call_files: tuple[Path, ...] = ()
    gil_file: Path | None = None
    cached: list[Calls] = field(default_factory=list, repr=False)
    gil_cached: list[GilEvents] = field(default_factory=list, repr=False)
    sites: Sites | None = field(default=None, repr=False)
    """Where threads stood while they waited long."""

    def load_calls(self) -> Calls:
        """Reads the calls of this process, once."""
        if not self.cached:
            parts = [_read_call_file(path) for path in self.call_files]
            self.cached.append(_without_inherited(_join(parts), self.registry.process))
        return self.cached[0]

    def load_gil(self) -> GilEvents | None:
        """Reads the agent's evidence of this process, once; None where there is none."""
        if self.gil_file is None:
            return None
        if not self.gil_cached:
            self.gil_cached.append(read_gil(self.gil_file))
        return self.gil_cached[0]


def load(path: str | Path) -> Recording:
    """Loads a recording; what is damaged or missing is named in ``problems``, the rest is used.

    Raises RecordingError where ``path`` is no recording or cannot be read, RecordingFormatError
    where a newer gtrace wrote it.
    """
    folder = Path(path)
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise RecordingError(
            f"cannot read the recording: {folder}: {error.strerror}; check the path"
        ) from error
    meta, problems = _read_meta(folder, names)
    processes = _read_processes(folder, names, problems)
    processes.sort(key=lambda p: p.registry.process.get("time", 0))
    scheduler = [folder / name for name in names if re.fullmatch(r"scheduler\.\d+\.bin", name)]
    switches = _read_evidence(read_scheduler, scheduler[:1], problems)
    return Recording(
        folder, meta, tuple(processes), tuple(problems), scheduler[0] if switches else None, switches
    )


def _read_meta(folder: Path, names: list[str]) -> tuple[dict[str, Any], list[str]]:
    if META not in names:
        if not any(re.fullmatch(r"threads\.\d+\.jsonl", name) for name in names):
            raise RecordingError(f"not a recording: {folder}: make one with `gtrace run SCRIPT`")
        return {}, [f"{META} is missing: the command and the exit status are not known."]
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        found = meta["format"]
    except OSError as error:
        raise RecordingError(f"cannot read the recording: {folder / META}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError):
        return {}, [f"{META} is damaged: the command and the exit status are not known."]
    if not isinstance(found, int) or found > FORMAT:
        raise RecordingFormatError(
            f"written by a newer gtrace: {folder}: format {found}, this one reads up to {FORMAT};"
            " update gtrace"
        )
    wrong = [key for key, kinds in META_TYPES.items() if key in meta and not isinstance(meta[key], kinds)]
    problems = [f"{META} is damaged: {', '.join(wrong)} cannot be read."] if wrong else []
    return {key: value for key, value in meta.items() if key not in wrong}, problems


def _read_processes(folder: Path, names: list[str], problems: list[str]) -> list[Process]:
    of_process = re.compile(r"(?:threads|calls|gil|sites)\.(\d+)\.")
    pids = sorted({int(found[1]) for name in names if (found := of_process.match(name))})
    return [_read_process(folder, names, pid, problems) for pid in pids]


def _read_process(folder: Path, names: list[str], pid: int, problems: list[str]) -> Process:
    registry = Registry()
    journal = f"threads.{pid}.jsonl"
    try:
        registry = read_registry(folder / journal)
    except OSError as error:
        problems.append(f"{journal} cannot be read ({error.strerror}): threads are named by their ids.")
    if registry.damaged:
        problems.append(f"{registry.damaged} lines of {journal} are damaged and left out.")
    calls = _call_files(folder, names, pid, problems)
    gil = [folder / name for name in (f"gil.{pid}.bin",) if name in names]
    events = _read_evidence(read_gil, gil, problems)
    site_files = [folder / name for name in (f"sites.{pid}.bin",) if name in names]
    sites = _read_evidence(read_sites, site_files, problems)
    return Process(
        pid,
        registry,
        calls,
        gil[0] if events else None,
        gil_cached=events,
        sites=sites[0] if sites else None,
    )


def _call_files(folder: Path, names: list[str], pid: int, problems: list[str]) -> tuple[Path, ...]:
    """The files of calls that can be read; a Parquet file stands for the dump it was made of."""
    found = [n for n in names if re.fullmatch(rf"calls\.{pid}\.\d+\.(json|json\.part|parquet)", n)]
    for name in [n for n in found if n.endswith("parquet")]:
        try:
            pq.read_schema(folder / name)
        except (OSError, pa.ArrowException) as error:
            problems.append(
                f"{name} cannot be read ({str(error).partition(chr(10))[0]}): its calls are missing."
            )
            found.remove(name)
    found = [n for n in found if n.endswith("parquet") or n.split(".json")[0] + ".parquet" not in found]
    for name in [n for n in found if not (folder / n).is_file() or not os.access(folder / n, os.R_OK)]:
        problems.append(f"{name} cannot be read: its calls are missing.")
        found.remove(name)
    problems.extend(f"{n} breaks off: calls after its end are missing." for n in found if n.endswith("part"))
    return tuple(folder / name for name in found)


def _read_evidence(read: Callable[[Path], T], paths: list[Path], problems: list[str]) -> list[T]:
    """What ``read`` makes of each file; of one that cannot be read, why not."""
    events: list[T] = []
    for path in paths:
        try:
            events.append(read(path))
        except RecordingFormatError:
            raise
        except RecordingError as error:
            problems.append(f"{path.name} is left out: {error}.")
    return events


def _read_call_file(path: Path) -> Calls:
    if path.suffix != ".parquet":
        return read_calls(path)
    try:
        table = pq.read_table(path, schema=SCHEMA)
    except (OSError, pa.ArrowInvalid) as error:
        raise RecordingError(f"cannot read the calls: {path}: {error}; delete it, or record again") from error
    damaged = int((table.schema.metadata or {}).get(b"damaged", b"0"))
    return Calls(table.to_pandas(), damaged)


def _join(parts: list[Calls]) -> Calls:
    if len(parts) == 1:
        return parts[0]
    tables = [part.table for part in parts]
    table = pd.concat(tables, ignore_index=True) if tables else empty_calls()
    table["name"] = table["name"].astype("category")
    return Calls(table, sum(part.damaged for part in parts))


def _without_inherited(calls: Calls, process: dict[str, Any]) -> Calls:
    """Without what other threads of the parent were in the middle of: in a forked child they are not."""
    forked_from, began = process.get("forked_from", -1), process.get("time", 0)
    if forked_from == -1:
        return calls
    table = calls.table
    own = (table["tid"] == forked_from) | (table["start_ns"] >= began)
    return Calls(table[own].reset_index(drop=True), calls.damaged)


def compact(recording: Recording) -> None:
    """Replaces the dumps of a finished recording by Parquet, a tenth of the size, nothing lost.

    Where that cannot be written the dumps stay: they are the same, only larger.
    """
    for process in recording.processes:
        if [path.suffix for path in process.call_files] != [".json"]:
            continue
        source = process.call_files[0]
        part = source.with_suffix(".parquet.part")
        try:
            _write_calls(process.load_calls(), part)
            part.rename(source.with_suffix(".parquet"))
            source.unlink()
        except OSError:
            part.unlink(missing_ok=True)


def _write_calls(calls: Calls, path: Path) -> None:
    table = pa.Table.from_pandas(calls.table, schema=SCHEMA, preserve_index=False)
    table = table.replace_schema_metadata({"damaged": str(calls.damaged)})
    pq.write_table(table, path, compression="zstd", compression_level=1)
    path.chmod(0o600)
