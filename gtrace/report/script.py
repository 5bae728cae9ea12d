"""The scripts of a page, as text that stands inside it."""

from __future__ import annotations

import re
import zlib
from functools import cache
from typing import Final

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from gtrace.report.base91 import to_text
from gtrace.report.template import asset

_IMPORT: Final = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT: Final = re.compile(r"^export ", re.MULTILINE)


@cache
def bundle(names: tuple[str, ...]) -> Markup:
    """The modules ``names``, each after those it imports, as one script.

    Inside a page opened from a file, modules cannot import each other.
    """
    parts = [_EXPORT.sub("", _IMPORT.sub("", asset(name))) for name in names]
    return Markup("\n".join(parts))  # noqa: S704 - files of this package


@cache
def plotly() -> Markup:
    """plotly.js deflated, as text: less than half its size, and nothing to parse before the first paint."""
    return to_text(zlib.compress(get_plotlyjs().encode("utf-8"), 9))
