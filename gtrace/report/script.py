"""The scripts of a page, as text that stands inside it."""

from __future__ import annotations

import base64
import re
import zlib
from functools import cache
from typing import Final

from markupsafe import Markup
from plotly.offline import get_plotlyjs

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
def plotly() -> str:
    """plotly.js deflated, as base64: a third of its size, and nothing to parse before the first paint."""
    return base64.b64encode(zlib.compress(get_plotlyjs().encode("utf-8"), 9)).decode("ascii")
