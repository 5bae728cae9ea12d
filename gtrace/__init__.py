"""What the threads of a Python program really do.

``gtrace run script.py`` records a program; what follows starts from its recording.

>>> recording = gtrace.load("reports/script.gtrace")   # what was captured
>>> recording.intervals                                # a pandas table: what each thread did, and when
>>> recording.threads                                  # names, ids, parents, starts and ends
>>> recording.calls                                    # every call that was recorded

>>> timeline = gtrace.build_timeline(recording)        # every thread in one state at a time
>>> gtrace.summarize(timeline)                         # the numbers, as a dict that JSON can hold
>>> gtrace.render(timeline)                            # the page, as text

``help(gtrace.Timeline)`` describes the columns. Times are nanoseconds: in intervals since the
recording began, in threads and calls those of CLOCK_MONOTONIC, which ``recording.began_ns`` is to be
taken from. A recording that cannot be read raises a ``gtrace.errors.RecordingError``.
"""

# Names are imported on first use: this package is imported in the traced program, too, which must stay
# free of pandas and plotly.

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gtrace.analysis.summary import summarize
    from gtrace.recording import Recording, load
    from gtrace.report import render
    from gtrace.timeline import Timeline
    from gtrace.timeline.build import build_timeline

__version__: Final = "0.1.0"
__all__ = ["Recording", "Timeline", "build_timeline", "load", "render", "summarize"]

_HOME: Final = {
    "Recording": "gtrace.recording",
    "Timeline": "gtrace.timeline",
    "build_timeline": "gtrace.timeline.build",
    "load": "gtrace.recording",
    "load_ipython_extension": "gtrace.notebook",
    "render": "gtrace.report",
    "summarize": "gtrace.analysis.summary",
}

_LATER: Final = {
    "timeline": ("gtrace.timeline.build", "build_timeline"),
    "clock": ("gtrace.timeline.facts", "read_clock"),
    "html": ("gtrace.notebook", "html_of"),
}
"""What a recording shows of itself by parts that come after it, and who makes it."""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(_HOME[name])
    if _HOME[name] == "gtrace.recording":
        home.LATER.update({what: partial(_make, *maker) for what, maker in _LATER.items()})
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _make(module: str, name: str, recording: Recording) -> Any:
    return getattr(import_module(module), name)(recording)
