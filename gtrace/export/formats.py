"""The formats of other tools that a run can be written in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gtrace.export.firefox import write_firefox
from gtrace.export.perfetto import write_perfetto
from gtrace.export.speedscope import write_speedscope

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gtrace.export.calls import LaneCalls
    from gtrace.timeline import Timeline


@dataclass(frozen=True)
class Format:
    """``write`` makes the file, with gzip where its name ends in ``.gz``; ``opens`` says what opens it."""

    write: Callable[[Timeline, list[LaneCalls], Path], None]
    opens: str


FORMATS: Final[dict[str, Format]] = {
    "perfetto": Format(write_perfetto, "open it at https://ui.perfetto.dev or with vizviewer"),
    "firefox": Format(write_firefox, "open it at https://profiler.firefox.com"),
    "speedscope": Format(write_speedscope, "open it at https://www.speedscope.app"),
}
