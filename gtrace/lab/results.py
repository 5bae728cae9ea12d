"""What a lab found, as JSON that another machine or interpreter can be laid beside."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gtrace.errors import RecordingError, RecordingFormatError
from gtrace.lab.claims import Finding  # noqa: TC001  read as types by msgspec
from gtrace.lab.interpreter import Interpreter  # noqa: TC001  likewise
from gtrace.lab.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VERSION: Final = 1
NO_RESULTS: Final = "name a file of gtrace lab --json"


@dataclass(frozen=True)
class Result:
    """One experiment on one interpreter."""

    name: str
    claim: str
    source: str
    finding: Finding
    page: str = ""
    """Where the page of the run that illustrates it is; relative to the file in a file. Empty: nowhere."""
    notes: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    """What was recorded, as one would type it."""
    took_s: float = 0.0


@dataclass(frozen=True)
class Results:
    """The experiments done on one interpreter."""

    interpreter: Interpreter
    gtrace: str
    results: tuple[Result, ...]
    measured_at: float = 0.0
    """Wall clock at the start, seconds since the epoch; 0 where not known."""


def to_json(labs: Sequence[Results], folder: Path) -> str:
    """The text of a results file in ``folder``: ``{"version": 1, "labs": [...]}``, fields as here."""
    moved = [_with_pages(lab, lambda page: os.path.relpath(page, folder)) for lab in labs]
    content = {"version": VERSION, "labs": [asdict(lab) for lab in moved]}
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def read_results(path: Path) -> tuple[Results, ...]:
    """The labs of the file ``path``, or of all ``*.json`` in the folder ``path``.

    Pages that are not there any more are left out. Raises RecordingError where there are no labs.
    """
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise RecordingError(f"no results in the folder: {path}: run gtrace lab --json first")
        return tuple(lab for file in files for lab in _read_file(file))
    return _read_file(path)


def _read_file(path: Path) -> tuple[Results, ...]:
    try:
        content = json.loads(path.read_bytes())
        version = content["version"]
        if version > VERSION:
            raise RecordingFormatError(f"results of a newer gtrace: {path}: update gtrace to read them")
        labs = msgspec.convert(content["labs"], tuple[Results, ...])
    except OSError as error:
        raise RecordingError(f"cannot read the results: {path}: {error.strerror}; check the path") from error
    except (msgspec.ValidationError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecordingError(f"no results of a lab: {path}: {_why(error)}{NO_RESULTS}") from error
    return tuple(_plain(_with_pages(lab, lambda page: _existing(path.parent / page))) for lab in labs)


def _why(error: Exception) -> str:
    return f"{error}; " if isinstance(error, msgspec.ValidationError) else ""


def _existing(page: Path) -> str:
    return os.path.normpath(page) if page.is_file() else ""


def _plain(lab: Results) -> Results:
    return replace(
        lab, results=tuple(replace(result, finding=plain(result.finding)) for result in lab.results)
    )


def _with_pages(lab: Results, move: Any) -> Results:
    moved = (replace(result, page=move(result.page) if result.page else "") for result in lab.results)
    return replace(lab, results=tuple(moved))


def in_order(labs: Sequence[Results]) -> tuple[Results, ...]:
    """The labs by release, a build without a GIL after the one with it."""
    return tuple(sorted(labs, key=lambda lab: (lab.interpreter.release[:2], lab.interpreter.free_threaded)))


def by_claim(labs: Sequence[Results]) -> tuple[tuple[Result | None, ...], ...]:
    """For each claim its result in each of ``labs``, None where it was not tried; in the labs' order."""
    names = dict.fromkeys(result.name for lab in labs for result in lab.results)
    found = [{result.name: result for result in lab.results} for lab in labs]
    return tuple(tuple(results.get(name) for results in found) for name in names)


def column_names(interpreters: Sequence[Interpreter]) -> tuple[str, ...]:
    """A name for each of ``interpreters``, as short as tells them apart: 3.13, 3.13.1, or 3.13.1 (2)."""
    return tuple(_distinct([interpreter.name for interpreter in interpreters], interpreters))


def _distinct(names: Sequence[str], interpreters: Sequence[Interpreter]) -> Iterator[str]:
    alike = Counter(names)
    full = [
        interpreter.full_name if alike[name] > 1 else name
        for name, interpreter in zip(names, interpreters, strict=True)
    ]
    seen: Counter[str] = Counter()
    for name in full:
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name} ({seen[name]})"
