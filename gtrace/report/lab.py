"""The page of the lab: claims by interpreters, and what each rests on."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from gtrace.lab.claims import Outcome
from gtrace.lab.results import by_claim, column_names
from gtrace.model import State
from gtrace.report.escape import prose, safe_text, script_json
from gtrace.report.frame import About, frame
from gtrace.report.labmerge import charts, grids, number
from gtrace.report.palette import COLOURS
from gtrace.report.script import bundle, plotly
from gtrace.report.template import template

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from gtrace.lab.claims import Finding
    from gtrace.lab.results import Result, Results

LAB_SCRIPTS: Final = ("format.js", "unpack.js", "theme.js", "labchart.js", "labtable.js", "lab.js")
SERIES: Final = (State.NATIVE, State.GIL_WAIT, State.RUNNING, State.LOCK_WAIT, State.IO_WAIT,
                 State.STALLED, State.BLOCKED)  # fmt: skip
"""The states whose colours the curves of a chart borrow, in this order."""
NOT_RUN: Final = "not run"
DEPENDS: Final = "depends"
FOR_ONE: Final[dict[Any, tuple[str, str]]] = {
    Outcome.HOLDS: ("holds", "hold"),
    Outcome.FAILS: ("does not hold", "do not hold"),
    Outcome.NOT_HERE: ("is not about it", "are not about it"),
    Outcome.NOT_MEASURED: ("could not be measured", "could not be measured"),
}
FOR_MANY: Final[dict[Any, tuple[str, str]]] = {
    Outcome.HOLDS: ("holds wherever measured", "hold wherever measured"),
    DEPENDS: ("depends on the interpreter", "depend on the interpreter"),
    Outcome.FAILS: ("holds nowhere", "hold nowhere"),
    Outcome.NOT_MEASURED: ("could not be judged", "could not be judged"),
}
"""How many claims came out so, for one of them and for more."""
MANY_ROWS: Final = 8
"""From so many rows on a table can be filtered."""
STRIP_WIDTH: Final = 96
LARGEST_YEAR: Final = 253402300799


@dataclass(frozen=True)
class Mark:
    """How an outcome is shown: never by its colour alone."""

    key: str
    symbol: str
    word: str


MARKS: Final[dict[Outcome | None, Mark]] = {
    Outcome.HOLDS: Mark("holds", "✓", Outcome.HOLDS.value),
    Outcome.FAILS: Mark("fails", "✗", Outcome.FAILS.value),
    Outcome.NOT_HERE: Mark("not-here", "–", Outcome.NOT_HERE.value),
    Outcome.NOT_MEASURED: Mark("not-measured", "?", Outcome.NOT_MEASURED.value),
    None: Mark("not-run", "·", NOT_RUN),
}


def render_lab(labs: Sequence[Results], folder: Path, expected: Sequence[str] = ()) -> str:
    """The page of ``labs``, to stand in ``folder``; same results, same text.

    ``expected`` are names of interpreters (``3.14t``); those missing are named as not run.
    """
    names = column_names([lab.interpreter for lab in labs])
    claims = [_claim(results, names, folder) for results in by_claim(labs)]
    known = {lab.interpreter.name for lab in labs}
    drawn = {claim["name"]: claim["charts"] for claim in claims if claim["charts"]}
    outcomes = [[result.finding.outcome for result in results if result] for results in by_claim(labs)]
    return template("lab.html").render({
        **frame(_about(labs, verdict(outcomes, names)), "lab.css"),
        "columns": [_column(lab, name) for lab, name in zip(labs, names, strict=True)],
        "claims": claims,
        "missing": [safe_text(name) for name in dict.fromkeys(expected) if name not in known],
        "many_rows": MANY_ROWS,
        "config": Markup(script_json({"charts": drawn, "colours": _colours()})),  # noqa: S704 - escaped there
        "script": bundle(LAB_SCRIPTS),
        "plotly": plotly() if drawn else "",
    })  # fmt: skip


def _about(labs: Sequence[Results], verdict: str) -> About:
    return About(
        version=safe_text(labs[0].gtrace) if labs else "",
        title="The lab",
        command="gtrace lab",
        started=max((lab.measured_at for lab in labs), default=0.0),
        python=", ".join(safe_text(name) for name in column_names([lab.interpreter for lab in labs])),
        verdict_code="lab",
        verdict=verdict,
    )


def _colours() -> list[dict[str, str]]:
    return [{"light": COLOURS[state].light, "dark": COLOURS[state].dark} for state in SERIES]


def verdict(outcomes: Sequence[Sequence[Outcome]], names: Sequence[str]) -> str:
    """What the whole page says, in a sentence; ``outcomes`` are those of each claim."""
    if not outcomes:
        return "Nothing was measured."
    many = len(names) > 1
    words = FOR_MANY if many else FOR_ONE
    found = Counter(_kind(some) if many else some[0] for some in outcomes)
    parts = ", ".join(f"{found[kind]} {word[found[kind] > 1]}" for kind, word in words.items() if found[kind])
    claims = f"{len(outcomes)} claim{'s' if len(outcomes) > 1 else ''}"
    return f"Of {claims} on {f'{len(names)} interpreters' if many else f'Python {names[0]}'}, {parts}."


def _kind(found: Sequence[Outcome]) -> Any:
    """The one outcome of a claim wherever it could be judged, DEPENDS where there are both."""
    judged = {outcome for outcome in found if outcome in (Outcome.HOLDS, Outcome.FAILS)}
    if len(judged) > 1:
        return DEPENDS
    return judged.pop() if judged else Outcome.NOT_MEASURED


def _column(lab: Results, name: str) -> dict[str, Any]:
    facts = lab.interpreter
    gil = "no GIL" if facts.free_threaded else "GIL"
    return {
        "name": safe_text(name),
        "python": safe_text(f"{facts.implementation} {facts.full_name}, {gil}"),
        "executable": safe_text(facts.executable),
        "machine": safe_text(f"{facts.platform}, {facts.cores} {'core' if facts.cores == 1 else 'cores'}"),
        "gtrace": safe_text(lab.gtrace),
        "measured": _when(lab.measured_at),
        "took": f"{sum(result.took_s for result in lab.results):.0f} s",
    }


def _when(seconds: float) -> str:
    if not 0 < seconds < LARGEST_YEAR:
        return "not known"
    return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def _claim(results: Sequence[Result | None], names: Sequence[str], folder: Path) -> dict[str, Any]:
    first = next(result for result in results if result)
    cells = [_cell(result, safe_text(name), folder) for result, name in zip(results, names, strict=True)]
    findings = {name: result.finding for result, name in zip(results, names, strict=True) if result}
    return {
        "name": safe_text(first.name),
        "claim": prose(first.claim),
        "source": safe_text(first.source),
        "notes": [prose(note) for note in first.notes],
        "runs": [safe_text(run) for run in first.runs],
        "cells": cells,
        "groups": _groups(cells),
        "figures": _figures(findings),
        "grids": grids(findings),
        "charts": charts(findings),
    }


def _cell(result: Result | None, name: str, folder: Path) -> dict[str, Any]:
    mark = MARKS[result.finding.outcome if result else None]
    page = os.path.relpath(result.page, folder) if result and result.page else ""
    measured = prose(result.finding.measured) if result else ""
    return {"mark": mark, "name": name, "measured": measured, "page": page}


def _groups(cells: Sequence[Mapping[str, Any]]) -> list[tuple[Mark, str]]:
    """The outcomes that occur, each with the interpreters it occurs on."""
    marks = [mark for mark in MARKS.values() if any(cell["mark"] == mark for cell in cells)]
    if len(marks) == 1:
        return [(marks[0], f"on all {len(cells)}" if len(cells) > 1 else "")]
    return [(mark, ", ".join(cell["name"] for cell in cells if cell["mark"] == mark)) for mark in marks]


def _figures(findings: Mapping[str, Finding]) -> list[dict[str, Any]]:
    """A row a figure, a cell an interpreter: the median, the spread, and a mark for each repeat."""
    names = dict.fromkeys(
        (figure.name, figure.unit) for found in findings.values() for figure in found.figures
    )
    return [
        {"name": safe_text(name), "cells": list(_figure_cells(name, unit, findings))} for name, unit in names
    ]


def _figure_cells(name: str, unit: str, findings: Mapping[str, Finding]) -> Iterator[dict[str, Any]]:
    values = {
        lab: next(
            (figure.values for figure in found.figures if (figure.name, figure.unit) == (name, unit)), ()
        )
        for lab, found in findings.items()
    }
    every = [value for some in values.values() for value in some]
    low, high = min(every), max(every)
    for lab, some in values.items():
        if not some:
            yield {"lab": safe_text(lab), "median": "–", "spread": "", "marks": ()}
            continue
        spread = f"{quantity(min(some), unit)} to {quantity(max(some), unit)}" if len(some) > 1 else ""
        marks = [f"{STRIP_WIDTH * (value - low) / (high - low):.1f}" for value in some] if high > low else []
        yield {
            "lab": safe_text(lab),
            "median": quantity(median(some), unit),
            "spread": spread,
            "marks": marks,
        }


def quantity(value: float, unit: str) -> str:
    """A number with its unit; seconds in the unit that suits their size."""
    if unit == "s":
        for factor, name in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
            if abs(value) * factor >= 0.9995 or value == 0:  # noqa: PLR2004
                return f"{number(value * factor)} {name}"
        return f"{number(value * 1e9)} ns"
    return f"{number(value)} {safe_text(unit)}".rstrip()
