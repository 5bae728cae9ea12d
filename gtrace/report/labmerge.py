"""Tables and charts of several interpreters, laid beside each other where that reads better."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from gtrace.report.escape import safe_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gtrace.lab.claims import Chart, Curve, Finding, Table

    Findings = Mapping[str, Finding]
    """By the name of the interpreter, in the order of the columns."""

MOST_COLUMNS: Final = 6
"""A table in which more columns than these differ between interpreters is shown once for each."""
EMPTY: Final = (None, "")
NOTHING: Final = "–"
_PERCENT: Final = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})? ?%")


@dataclass(frozen=True)
class Cell:
    """What a cell shows; ``small`` is what else is known, ``odd`` says that most of its row differs."""

    text: str
    key: float | None = None
    """The number to sort by, where it is one."""
    small: str = ""
    odd: bool = False


@dataclass(frozen=True)
class Grid:
    """A table ready to be shown; ``differs`` names the rows in which interpreters differ."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    differs: tuple[bool, ...]
    shared: int = 0
    """How many columns, the last ones, say the same of all interpreters."""
    muted: tuple[str, ...] = ()

    @property
    def has_details(self) -> bool:
        return self.shared > 0 or any(cell.small for row in self.rows for cell in row)

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers and nothing else, and are aligned as such."""
        columns = zip(*self.rows, strict=True)
        shown = [[cell for cell in column if cell.text != NOTHING] for column in columns]
        return tuple(bool(cells) and all(cell.key is not None for cell in cells) for cells in shown)


def grids(findings: Findings) -> tuple[Grid, ...]:
    """The tables of all interpreters, those of one title as one where their rows can be matched."""
    titles = dict.fromkeys(table.title for finding in findings.values() for table in finding.tables)
    return tuple(grid for title in titles for grid in _titled(title, findings))


def _titled(title: str, findings: Findings) -> Iterator[Grid]:
    tables = {
        name: table for name, finding in findings.items() for table in finding.tables if table.title == title
    }
    if len(tables) > 1 and _match(tuple(tables.values())):
        yield _merged(title, tables)
        return
    for name, table in tables.items():
        yield _single(table if len(tables) == 1 else replace(table, title=f"{title}, {name}"))


def _single(table: Table) -> Grid:
    rows = tuple(tuple(_cell(value) for value in _filled(row, table)) for row in table.rows)
    head = tuple(map(safe_text, table.columns))
    return Grid(safe_text(table.title), head, rows, (False,) * len(rows), 0, table.muted)


def _filled(row: Sequence[Any], table: Table) -> tuple[Any, ...]:
    """The row with as many cells as there are columns."""
    return (*row, *(None,) * len(table.columns))[: len(table.columns)]


def _match(tables: Sequence[Table]) -> bool:
    if len({table.columns for table in tables}) > 1 or len(tables[0].columns) < 2:  # noqa: PLR2004
        return False
    once = all(len(_by_first(table)) == len(table.rows) for table in tables)
    return once and len(_varying(tables)) <= MOST_COLUMNS


def _merged(title: str, tables: Mapping[str, Table]) -> Grid:
    ordered = tuple(tables.values())
    varying = _varying(ordered)
    if not varying and len({tuple(_by_first(table)) for table in ordered}) == 1:
        return replace(_single(ordered[0]), title=safe_text(f"{title}, the same on all {len(tables)}"))
    if not varying or not _has_numbers_only(ordered, 1):
        varying = [1, *(column for column in varying if column != 1)]
    by_quantity = len(varying) > 1 and _has_numbers_only(ordered, varying[0])
    matched = _Matched(
        tuple(tables),
        ordered[0].columns,
        tuple(map(_by_first, ordered)),
        tuple(_row_names(ordered)),
        tuple(varying),
        ordered[0].muted,
    )
    return (_by_quantity if by_quantity else _by_row)(title, matched)


def _has_numbers_only(tables: Sequence[Table], column: int) -> bool:
    said = [_filled(row, table)[column] for table in tables for row in table.rows]
    return all(_cell(value).key is not None for value in said if value not in EMPTY)


def _by_first(table: Table) -> dict[str, tuple[Any, ...]]:
    return {str(row[0]): row for row in (_filled(row, table) for row in table.rows)}


def _varying(tables: Sequence[Table]) -> list[int]:
    """The columns in which some row says different things; what is empty says nothing."""
    rows = [_by_first(table) for table in tables]
    names = _row_names(tables)
    return [
        column
        for column in range(1, len(tables[0].columns))
        if any(len(_said(rows, name, column)) > 1 for name in names)
    ]


def _row_names(tables: Sequence[Table]) -> dict[str, None]:
    """Every first cell, in the order of the tables; what only a later one has stands after its neighbour."""
    names: list[str] = []
    for table in tables:
        place = 0
        for name in _by_first(table):
            if name in names:
                place = names.index(name) + 1
            else:
                names.insert(place, name)
                place += 1
    return dict.fromkeys(names)


def _said(rows: Sequence[dict[str, tuple[Any, ...]]], name: str, column: int) -> list[Any]:
    said: list[Any] = []
    for table in rows:
        value = table[name][column] if name in table else None
        if value not in EMPTY and value not in said:
            said.append(value)
    return said


@dataclass(frozen=True)
class _Matched:
    """Tables of one title whose rows can be matched: ``found`` has their rows by the first cell."""

    labs: tuple[str, ...]
    columns: tuple[str, ...]
    found: tuple[dict[str, tuple[Any, ...]], ...]
    names: tuple[str, ...]
    varying: tuple[int, ...]
    muted: tuple[str, ...]

    @property
    def same(self) -> tuple[int, ...]:
        """The columns that say the same of all interpreters."""
        return tuple(column for column in range(1, len(self.columns)) if column not in self.varying)

    def first(self, name: str) -> Cell:
        return _cell(next(table[name][0] for table in self.found if name in table))

    def shared(self, name: str) -> tuple[Cell, ...]:
        return tuple(_cell(next(iter(_said(self.found, name, column)), None)) for column in self.same)

    def grid(self, title: str, before: Sequence[str], rows: Sequence[tuple[Cell, ...]]) -> Grid:
        """The grid of ``rows``, whose cells of the interpreters stand behind those of ``before``."""
        head = (*before, *self.labs, *(self.columns[column] for column in self.same))
        of_labs = [row[len(before) : len(before) + len(self.labs)] for row in rows]
        differs = tuple(len({cell.text for cell in cells if _is_text(cell)}) > 1 for cells in of_labs)
        return Grid(
            safe_text(title), tuple(map(safe_text, head)), tuple(rows), differs, len(self.same), self.muted
        )


def _by_row(title: str, matched: _Matched) -> Grid:
    """A row a row: the first of what differs large, the rest small."""
    rows = []
    for name in matched.names:
        own = [_versioned(table.get(name), matched.varying, matched.columns) for table in matched.found]
        rows.append((matched.first(name), *_marked(own), *matched.shared(name)))
    return matched.grid(title, matched.columns[:1], rows)


def _by_quantity(title: str, matched: _Matched) -> Grid:
    """A row for each quantity of each row: numbers of several interpreters are read side by side."""
    rows = []
    for column in matched.varying:
        for name in matched.names:
            values = [table[name][column] if name in table else None for table in matched.found]
            quantity = Cell(safe_text(matched.columns[column]))
            rows.append((quantity, matched.first(name), *map(_cell, values), *matched.shared(name)))
    return matched.grid(title, ("quantity", matched.columns[0]), rows)


def _is_text(cell: Cell) -> bool:
    return cell.key is None and cell.text != NOTHING


def _versioned(row: Sequence[Any] | None, varying: Sequence[int], columns: Sequence[str]) -> Cell:
    """One interpreter's cell: the first of the columns that vary, the others in small."""
    if row is None:
        return Cell(NOTHING)
    rest = [f"{columns[c]} {_cell(row[c]).text}" for c in varying[1:] if row[c] not in EMPTY]
    return replace(_cell(row[varying[0]]), small=safe_text(", ".join(rest)))


def _marked(cells: Sequence[Cell]) -> list[Cell]:
    """The cells, those marked whose words are not those of most; numbers always differ."""
    counts = Counter(cell.text for cell in cells if _is_text(cell))
    if len(counts) <= 1:
        return list(cells)
    [(most, times)] = counts.most_common(1)
    if list(counts.values()).count(times) > 1:
        most = ""
    return [replace(cell, odd=_is_text(cell) and cell.text != most) for cell in cells]


def _cell(value: Any) -> Cell:
    if value in EMPTY:
        return Cell(NOTHING)
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, int | float):
        return Cell(number(value), float(value))
    text = str(value)
    return Cell(safe_text(text), float(text.rstrip("% ")) if _PERCENT.fullmatch(text) else None)


def number(value: float) -> str:
    """Three significant digits, thousands apart, no exponent where a reader can do without."""
    if value == int(value) and abs(value) < 1e15:  # noqa: PLR2004
        return f"{int(value):,}"
    size = abs(value)
    if size >= 1e15 or size < 1e-4:  # noqa: PLR2004
        return f"{value:.2e}"
    if size >= 99.95:  # noqa: PLR2004
        return f"{value:,.0f}"
    if size >= 9.995:  # noqa: PLR2004
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.9995 else f"{value:.3g}"  # noqa: PLR2004


def charts(findings: Findings) -> tuple[dict[str, Any], ...]:
    """The charts as the page's script draws them.

    ``{title, x, y, log, series, panels}``: a chart of one interpreter has one panel with all its
    curves; of several, a panel a curve, in which the interpreters are the series. ``panels`` are
    ``{title, lines}``, ``lines`` are ``{series, points}`` with ``series`` an index.
    """
    titles = dict.fromkeys(chart.title for finding in findings.values() for chart in finding.charts)
    return tuple(_chart(title, findings) for title in titles)


def _chart(title: str, findings: Findings) -> dict[str, Any]:
    found = {
        name: chart for name, finding in findings.items() for chart in finding.charts if chart.title == title
    }
    first = next(iter(found.values()))
    drawn = {
        "title": safe_text(title),
        "x": safe_text(first.x),
        "y": safe_text(first.y),
        "log": first.log,
    }
    if len(found) == 1:
        lines = [_line(number, curve) for number, curve in enumerate(first.curves)]
        names = [curve.name for curve in first.curves]
        return {**drawn, "series": list(map(safe_text, names)), "panels": [{"title": "", "lines": lines}]}
    return {**drawn, "series": list(map(safe_text, found)), "panels": _panels(found)}


def _panels(found: Mapping[str, Chart]) -> list[dict[str, Any]]:
    curves = dict.fromkeys(curve.name for chart in found.values() for curve in chart.curves)
    panels = []
    for name in curves:
        lines = [
            _line(number, curve)
            for number, chart in enumerate(found.values())
            for curve in chart.curves
            if curve.name == name
        ]
        panels.append({"title": safe_text(name) if len(curves) > 1 else "", "lines": lines})
    return panels


def _line(series: int, curve: Curve) -> dict[str, Any]:
    return {"series": series, "points": [list(point) for point in curve.points]}
