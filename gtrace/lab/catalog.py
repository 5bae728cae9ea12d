"""All experiments, in the order in which the lab shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gtrace.errors import UsageError
from gtrace.lab.experiments import (
    atlas,
    cpu_bound,
    io_overlap,
    releases_gil,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gtrace.lab.claims import Experiment

EXPERIMENTS: Final[tuple[Experiment, ...]] = (
    cpu_bound.EXPERIMENT,
    cpu_bound.PRICE,
    io_overlap.EXPERIMENT,
    io_overlap.FILES,
    releases_gil.EXPERIMENT,
    atlas.EXPERIMENT,
)  # fmt: skip


def named(names: Sequence[str]) -> tuple[Experiment, ...]:
    """The experiments called ``names``, all for none; raises UsageError for a name there is not."""
    known = {experiment.name: experiment for experiment in EXPERIMENTS}
    for name in names:
        if name not in known:
            raise UsageError(f"no such experiment: {name}: there are {', '.join(known)}")
    return tuple(known[name] for name in names) or EXPERIMENTS
