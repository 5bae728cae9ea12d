"""What a lab found, as JSON that another machine or interpreter can be laid beside."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from gtrace.errors import RecordingError, RecordingFormatError
from gtrace.lab.claims import Chart, Curve, Figure, Finding, Outcome, Table
from gtrace.lab.interpreter import Interpreter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

VERSION: Final = 1


@dataclass(frozen=True)
class Result:
    """One experiment on one interpreter; ``page`` is its page relative to the lab's own, or empty."""

    name: str
    claim: str
    source: str
    finding: Finding
    page: str = ""


@dataclass(frozen=True)
class Results:
    """All experiments on one interpreter."""

    interpreter: Interpreter
    gtrace: str
    results: tuple[Result, ...]


def to_json(labs: Sequence[Results]) -> str:
    """The text of a results file: ``{"version": 1, "labs": [...]}``; fields as in the dataclasses."""
    return json.dumps({"version": VERSION, "labs": [asdict(lab) for lab in labs]}, indent=1) + "\n"


def read_results(path: Path) -> tuple[Results, ...]:
    """The labs of the file ``path``; raises RecordingError where it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["version"]
        if version > VERSION:
            raise RecordingFormatError(f"results of a newer gtrace: {path}: update gtrace to read them")
        return tuple(_results(lab) for lab in content["labs"])
    except OSError as error:
        raise RecordingError(f"cannot read the results: {path}: {error.strerror}; check the path") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"no results of a lab: {path}: name a file of gtrace lab --json") from error


def _results(lab: Mapping[str, Any]) -> Results:
    facts = dict(lab["interpreter"])
    major, minor, micro = facts.pop("release")
    return Results(
        Interpreter(release=(major, minor, micro), **facts),
        lab["gtrace"],
        tuple(Result(**{**result, "finding": _finding(result["finding"])}) for result in lab["results"]),
    )


def _finding(found: Mapping[str, Any]) -> Finding:
    return Finding(
        Outcome(found["outcome"]),
        found["measured"],
        tuple(Figure(**{**figure, "values": tuple(figure["values"])}) for figure in found["figures"]),
        tuple(_table(table) for table in found["tables"]),
        tuple(_chart(chart) for chart in found["charts"]),
    )


def _table(table: Mapping[str, Any]) -> Table:
    return Table(table["title"], tuple(table["columns"]), tuple(tuple(row) for row in table["rows"]))


def _chart(chart: Mapping[str, Any]) -> Chart:
    curves = tuple(
        Curve(curve["name"], tuple((x, y, low, high) for x, y, low, high in curve["points"]))
        for curve in chart["curves"]
    )
    return Chart(**{**chart, "curves": curves})
