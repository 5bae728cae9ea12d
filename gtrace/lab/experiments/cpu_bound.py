"""Threads that only compute: no faster under the GIL, as fast as the cores without it."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from gtrace.lab.claims import Experiment, Figure, Finding, Outcome, Run
from gtrace.lab.looking import lanes_named, seconds_in, span_of, spread
from gtrace.model import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gtrace.lab.claims import Observation

ONE_CORE: Final = (0.85, 1.05)
"""Cores in use by threads that take turns: a little below one for what other programs take."""
SPEEDS_UP: Final = 1.5
REPEATS: Final = 3


def cores_in_use(observation: Observation) -> float:
    """How many counters ran at once on average, from the start of the first to the end of the last."""
    timeline = observation.timeline
    lanes = lanes_named(timeline, "counter-")
    start, end = span_of(timeline, lanes)
    return seconds_in(timeline, lanes, State.RUNNING, State.NATIVE) / (end - start)


def duration(observation: Observation) -> float:
    """Seconds from the start of the first counter to the end of the last."""
    start, end = span_of(observation.timeline, lanes_named(observation.timeline, "counter-"))
    return end - start


def check(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """Under a GIL the cores in use by two threads are about one, and their work takes no less time."""
    one, two = observations["one"], observations["two"]
    cores = tuple(cores_in_use(observation) for observation in two)
    speed = tuple(median(map(duration, one)) / duration(observation) for observation in two)
    has_gil = not two[0].timeline.run.free_threaded
    limited = ONE_CORE[0] <= median(cores) <= ONE_CORE[1] and median(speed) < SPEEDS_UP
    scaled = median(cores) >= SPEEDS_UP
    return Finding(
        Outcome.HOLDS if (limited if has_gil else scaled) else Outcome.FAILS,
        f"Two threads used {spread(cores)} cores; the same work took {1 / median(speed):.2f} times as long"
        " as with one.",
        (Figure("cores in use, two threads", cores), Figure("speed of two threads against one", speed)),
    )


EXPERIMENT: Final = Experiment(
    name="cpu_bound",
    claim="Threads that compute do not run faster under the GIL; without one, they do.",
    source="docs.python.org/3/library/threading.html: only one thread can execute Python code at once",
    runs=(
        Run("one", "cpu_bound", ("--threads", "1"), REPEATS, light=True),
        Run("two", "cpu_bound", ("--threads", "2"), REPEATS, light=True),
    ),
    check=check,
    needs=("gil", "scheduler"),
    shown="two",
)
