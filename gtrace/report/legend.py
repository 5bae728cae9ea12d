"""What a page's scripts know of the states and of the kinds of evidence."""

from __future__ import annotations

from typing import Any

from gtrace.model import EVIDENCE_MEANING, MEANING, State
from gtrace.report.palette import COLOURS, LABELS, PATTERNED


def state_entries() -> list[dict[str, Any]]:
    """One entry a state, in the model's order."""
    return [
        {"id": s.value, "label": LABELS[s], "meaning": MEANING[s], "light": COLOURS[s].light,
         "dark": COLOURS[s].dark, "striped": s in PATTERNED}
        for s in State
    ]  # fmt: skip


def evidence_entries() -> list[dict[str, str]]:
    """One entry a kind of evidence, in the model's order."""
    return [{"id": kind.value, "meaning": meaning} for kind, meaning in EVIDENCE_MEANING.items()]
