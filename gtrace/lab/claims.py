"""The words of the lab: a claim, the runs that test it, and what was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gtrace.timeline import Timeline


class Outcome(str, Enum):
    """What became of a claim on one interpreter."""

    HOLDS = "holds"
    FAILS = "does not hold"
    NOT_HERE = "not on this interpreter"
    NOT_MEASURED = "not measured"
    """Evidence that the claim rests on was missing, or a run failed: nothing is known, and it says why."""


class CannotTell(Exception):  # noqa: N818  it is an answer of a check, not a failure of ours
    """A check raises it where what it looks at is missing, with the reason: nothing is known then."""


@dataclass(frozen=True)
class Figure:
    """One quantity an experiment measured, a value for each repeat of its run."""

    name: str
    values: tuple[float, ...]
    unit: str = ""
    """``s``, ``%``, or empty for a plain number or a ratio."""


@dataclass(frozen=True)
class Table:
    """Rows to show beside a finding; cells are text, numbers or None.

    Where several interpreters have a table of this title and these columns, and its first column names
    each row once, they are shown as one: rows are matched by the first column, and columns that say the
    same everywhere stay. Words that differ get a column an interpreter, what else differs small beside
    them; numbers a row a quantity. In a long table what is small or the same is shown on demand. So the
    first column should be what is measured, the second what came out, in a word or a number.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    muted: tuple[str, ...] = ()
    """Cells that say one of these stand back, so that the others are seen."""


@dataclass(frozen=True)
class Curve:
    """One line of a chart: ``points`` are (x, median of y, least y, greatest y)."""

    name: str
    points: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True)
class Chart:
    """Curves over one x axis; ``log`` names the axes drawn on a logarithmic scale (``x``, ``y``, ``xy``).

    Where several interpreters have a chart of this title, each curve gets a panel in which they are laid
    over each other.
    """

    title: str
    x: str
    y: str
    curves: tuple[Curve, ...]
    log: str = ""


@dataclass(frozen=True)
class Finding:
    """What one experiment found: ``measured`` says it in a sentence, with the numbers it rests on."""

    outcome: Outcome
    measured: str
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()


@dataclass(frozen=True)
class Run:
    """One workload to record, as ``python workloads/WORKLOAD.py ARGUMENTS``, ``repeats`` times."""

    label: str
    """What the check calls it; unique within the experiment."""
    workload: str
    arguments: tuple[str, ...] = ()
    repeats: int = 1
    light: bool = False
    """Record without calls, so that what the program times itself is not slowed."""
    switch_interval_s: float | None = None
    interrupt_after_s: float | None = None
    """Send the program SIGINT after so long."""
    since: tuple[int, int] = (3, 10)
    """On earlier versions of Python this run is left out, and the check finds no observation of it."""


@dataclass(frozen=True)
class Observation:
    """One recorded run, folded, with what the program wrote and its exit status (128+n for signal n)."""

    timeline: Timeline
    output: str
    exit_status: int


@dataclass(frozen=True)
class Experiment:
    """A claim, where it is made, the runs that test it, and the check that decides.

    ``check`` gets the observations by the label of their run, one for each repeat.
    """

    name: str
    claim: str
    source: str
    """Where it is said: a page of the documentation, a PEP, or how it is usually told."""
    runs: tuple[Run, ...]
    check: Callable[[Mapping[str, Sequence[Observation]]], Finding]
    needs: tuple[str, ...] = ()
    """Sources of evidence (``gil``, ``scheduler``, ``calls``) that must be exact in every run."""
    since: tuple[int, int] = (3, 10)
    without_gil: bool = True
    """Whether the claim has a meaning on a free-threaded interpreter."""
    shown: str = ""
    """The label of the run whose page illustrates the claim; empty: the first."""
    notes: tuple[str, ...] = field(default=())
    """What a reader must know to read the result right, each a full sentence."""
