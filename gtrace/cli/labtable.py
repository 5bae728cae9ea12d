"""The results of the lab as a person reads them in a terminal of eighty columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from rich import box
from rich.table import Table
from rich.text import Text

from gtrace.cli.console import Console, clean
from gtrace.lab.claims import Outcome
from gtrace.lab.results import by_claim, column_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gtrace.lab.results import Result, Results

STYLES: Final[dict[Outcome, str]] = {
    Outcome.HOLDS: "green",
    Outcome.FAILS: "red",
    Outcome.NOT_HERE: "dim",
    Outcome.NOT_MEASURED: "yellow",
}
SYMBOLS: Final[dict[Outcome, str]] = {
    Outcome.HOLDS: "✓",
    Outcome.FAILS: "✗",
    Outcome.NOT_HERE: "–",
    Outcome.NOT_MEASURED: "?",
}
CLAIM_WIDTH: Final = 32


def show(labs: Sequence[Results], stream: TextIO) -> None:
    """Prints what became of each claim: with what was measured for one lab, side by side for several."""
    console = Console(file=stream)
    if len(labs) == 1:
        console.print(_findings(labs[0], console.width))
    elif labs:
        console.print(_matrix(labs))
        console.print(Text("  ".join(f"{symbol} {outcome.value}" for outcome, symbol in SYMBOLS.items())))


def _findings(lab: Results, width: int) -> Table:
    facts = lab.interpreter
    table = Table(
        title=clean(f"{facts.implementation} {facts.full_name}, {facts.cores} cores"),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        expand=True,
    )
    table.add_column("claim", width=min(CLAIM_WIDTH, width * 2 // 5))
    table.add_column("measured", ratio=1, overflow="fold")
    for result in lab.results:
        outcome = result.finding.outcome
        claim = Text(f"{SYMBOLS[outcome]} {outcome.value}\n", STYLES[outcome])
        measured = Text(clean(result.finding.measured))
        if result.page:
            measured.append(f"\n{clean(result.page)}", _page_style(result))
        table.add_row(claim.append(clean(result.claim), "not dim default"), measured, end_section=True)
    return table


def _page_style(result: Result) -> str:
    return f"dim link {Path(result.page).absolute().as_uri()}"


def _matrix(labs: Sequence[Results]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("claim", overflow="fold")
    for name in column_names([lab.interpreter for lab in labs]):
        table.add_column(name, justify="center", no_wrap=True)
    for results in by_claim(labs):
        first = next(result for result in results if result)
        cells = [_symbol(result) for result in results]
        table.add_row(Text(clean(first.claim)), *cells, end_section=True)
    return table


def _symbol(result: Result | None) -> Text:
    if result is None:
        return Text("")
    outcome = result.finding.outcome
    return Text(SYMBOLS[outcome], STYLES[outcome])
