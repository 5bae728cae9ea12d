"""The page of the lab: claims by interpreters, and what each rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gtrace.lab.results import Results


def render_lab(labs: Sequence[Results], folder: Path, expected: Sequence[str] = ()) -> str:
    """The page of ``labs``, as text."""
    rows = Markup("").join(
        Markup("<tr><td>{}</td><td>{}</td><td>{}</td></tr>").format(
            result.claim, result.finding.measured, result.finding.outcome.value
        )
        for lab in labs
        for result in lab.results
    )
    return Markup("<!doctype html><title>{}</title><table>{}</table>").format(escape("gtrace lab"), rows)
