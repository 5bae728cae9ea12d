"""All experiments, in the order in which the lab shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gtrace.errors import UsageError
from gtrace.lab.experiments import (
    atlas,
    contention,
    convoy,
    cpu_bound,
    daemon_threads,
    deadlock,
    executors,
    first_of_several,
    identity,
    io_overlap,
    joining,
    lost_update,
    producer_consumer,
    releases_gil,
    short_threads,
    switch_interval,
    thread_data,
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
    switch_interval.EXPERIMENT,
    switch_interval.FORCED,
    convoy.EXPERIMENT,
    short_threads.EXPERIMENT,
    identity.EXPERIMENT,
    identity.ENUMERATE,
    daemon_threads.EXPERIMENT,
    daemon_threads.LOCK,
    daemon_threads.CTRL_C_ENDS,
    joining.EXPERIMENT,
    joining.STOPPING,
    first_of_several.EXPERIMENT,
    thread_data.PLACES,
    lost_update.INCREMENT,
    lost_update.LOST_UPDATE,
    thread_data.CONTEXT,
    executors.EXECUTORS,
    executors.START_METHODS,
    executors.TO_THREAD,
    producer_consumer.EXPERIMENT,
    contention.THROUGHPUT,
    contention.REENTRANT,
    contention.NOTIFY,
    contention.MEET,
    deadlock.EXPERIMENT,
)  # fmt: skip


def named(names: Sequence[str]) -> tuple[Experiment, ...]:
    """The experiments called ``names``, all for none; raises UsageError for a name there is not."""
    known = {experiment.name: experiment for experiment in EXPERIMENTS}
    for name in names:
        if name not in known:
            raise UsageError(f"no such experiment: {name}: `gtrace lab --list` names them")
    return tuple(known[name] for name in names) or EXPERIMENTS
