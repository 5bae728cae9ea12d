"""The list of the pages in a folder, read from the pages' own meta tags."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timezone
from html.parser import HTMLParser
from typing import Final

from gtrace.report.frame import frame
from gtrace.report.template import template

INDEX_NAME: Final = "index.html"
HEAD_CHARACTERS: Final = 32_768
"""A page's meta tags are within its first characters; the megabytes after them stay unread."""


@dataclass(frozen=True)
class Entry:
    """One page: where it is and what it says of itself."""

    file: str
    title: str
    command: str
    started_at: float
    python: str
    verdict_code: str
    verdict: str

    @property
    def started(self) -> str:
        """When the recorded run began, to the minute, UTC."""
        return datetime.fromtimestamp(self.started_at, tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


class _Meta(HTMLParser):
    """Collects ``<meta name="gtrace-…">``; attribute values arrive unescaped."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "meta" and name.startswith("gtrace-"):
            self.found.setdefault(name.removeprefix("gtrace-"), given.get("content") or "")


def render_index(folder: str | os.PathLike[str]) -> str:
    """HTML that lists the pages in ``folder``, the newest run first."""
    return template("index.html").render({**frame(None), "entries": entries(folder)})


def entries(folder: str | os.PathLike[str]) -> list[Entry]:
    """The pages in ``folder``; other HTML files are left out, and so is what cannot be read."""
    names = sorted(name for name in os.listdir(folder) if name.endswith(".html") and name != INDEX_NAME)
    found = (_entry(folder, name) for name in names)
    return sorted((entry for entry in found if entry), key=lambda entry: (-entry.started_at, entry.file))


def _entry(folder: str | os.PathLike[str], name: str) -> Entry | None:
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as page:
            head = page.read(HEAD_CHARACTERS)
    except OSError:
        return None
    meta = _Meta()
    meta.feed(head)
    found = meta.found
    if "title" not in found:
        return None
    return Entry(
        file=name,
        title=found["title"],
        command=found.get("command", ""),
        started_at=_number(found.get("started", "")),
        python=found.get("python", ""),
        verdict_code=found.get("verdict-code", ""),
        verdict=found.get("verdict", ""),
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
