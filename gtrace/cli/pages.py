"""Where pages go: to their file, to the index of its folder, and to a browser."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from gtrace.cli.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

REPORTS: Final = "reports"
"""A folder of this name lists its pages."""


def write_page(page: Path, html: str) -> None:
    """Writes a page, and the index of the folder it is in; raises OutputError where it cannot."""
    from gtrace.report.index import INDEX_NAME, render_index

    write_text(page, html)
    if page.parent.name == REPORTS:
        write_text(page.parent / INDEX_NAME, render_index(page.parent))


def open_page(page: Path) -> None:
    """Shows ``page`` in the user's browser, or says that there is none."""
    import webbrowser

    from gtrace.cli.console import clean

    if not webbrowser.open(page.absolute().as_uri()):
        print(f"note: no browser was found: open {clean(str(page))} in one", file=sys.stderr)
