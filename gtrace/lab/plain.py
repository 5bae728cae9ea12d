"""A finding of finite numbers and text only: for other numbers neither JSON nor a chart has a place."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from numbers import Integral, Real
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gtrace.lab.claims import Chart, Curve, Figure, Finding, Table


def plain(finding: Finding) -> Finding:
    """The finding without infinities and what is no number; figures that have no value left are gone."""
    figures = tuple(map(_figure, finding.figures))
    return replace(
        finding,
        figures=tuple(figure for figure in figures if figure.values),
        tables=tuple(map(_table, finding.tables)),
        charts=tuple(map(_chart, finding.charts)),
    )


def _figure(figure: Figure) -> Figure:
    return replace(figure, values=tuple(float(value) for value in figure.values if isfinite(value)))


def _table(table: Table) -> Table:
    return replace(table, rows=tuple(tuple(map(_cell, row)) for row in table.rows))


def _cell(cell: object) -> bool | int | float | str | None:
    if cell is None or isinstance(cell, bool):
        return cell
    if isinstance(cell, Integral):
        return int(cell)
    if isinstance(cell, Real):
        return float(cell) if isfinite(cell) else None
    return str(cell)


def _chart(chart: Chart) -> Chart:
    return replace(chart, curves=tuple(map(_curve, chart.curves)))


def _curve(curve: Curve) -> Curve:
    points = (tuple(map(float, point)) for point in curve.points)
    finite = (point for point in points if all(map(isfinite, point)))
    return replace(curve, points=tuple((x, y, low, high) for x, y, low, high in finite))
