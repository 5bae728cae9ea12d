"""Where text of the traced program becomes safe to show and data becomes part of a script."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from markupsafe import Markup, escape

_UNSAFE_IN_SCRIPT: Final = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}
_CODE: Final = re.compile("`([^`]+)`")
_UNSHOWABLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def safe_text(text: str) -> str:
    """The text with control characters, direction overrides and lone surrogates spelled out as escapes.

    Any other character stays: names are shown as they are, and what cannot be encoded or would
    rearrange the text around it is shown by its escape.
    """
    return _UNSHOWABLE.sub(lambda match: _escape(match.group()), text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def prose(text: str) -> Markup:
    """HTML of a sentence of ours, in which `backticks` mark code; all of it escaped first."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(safe_text(text)))))  # noqa: S704 - escaped


def script_json(data: Any) -> str:
    """JSON that can stand inside a ``<script>`` element: ASCII, without ``<``, ``>`` and ``&``."""
    return json.dumps(data, ensure_ascii=True, separators=(",", ":")).translate(_UNSAFE_IN_SCRIPT)
