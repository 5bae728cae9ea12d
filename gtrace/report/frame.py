"""What every page begins with: what it says of itself to the index, its colours and styles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from gtrace.report.palette import css_variables
from gtrace.report.template import asset


@dataclass(frozen=True)
class About:
    """What the index of a folder tells of a page; ``started`` in seconds since 1970."""

    version: str
    title: str
    command: str
    started: float
    python: str
    verdict_code: str
    verdict: str


def frame(about: About | None, *styles: str) -> dict[str, Any]:
    """What ``frame.html`` shows; ``styles`` are files of this package behind the one all pages have."""
    return {
        "about": about,
        "light": Markup(css_variables("light")),  # noqa: S704 - constants of this package
        "dark": Markup(css_variables("dark")),  # noqa: S704 - constants of this package
        "style": Markup("\n").join(asset(name) for name in ("page.css", *styles)),
    }
