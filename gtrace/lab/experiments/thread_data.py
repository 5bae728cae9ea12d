"""What belongs to a thread and what all of them share: variables, ``threading.local``, and the context."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gtrace.lab.claims import CannotTell, Experiment, Finding, Outcome, Run, Table
from gtrace.lab.looking import lanes_named
from gtrace.model import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from gtrace.lab.claims import Observation
    from gtrace.timeline import Timeline

LOCAL: Final = "local variable"
GLOBAL: Final = "global variable"
THREAD_LOCAL: Final = "threading.local"
AT_FIRST: Final = "threading.local at first"
NOTHING: Final = "nothing"
WAYS: Final = "Context variables in new threads: a value set by the starting thread"
NEW_THREAD: Final = "Thread(target)"
FLAG: Final = "-X thread_inherit_context=1"
INHERITED: Final = (
    "The program with the flag on is one of its own, started by the recorded one: what it says is shown, its"
    " threads are not recorded."
)


def check_places(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """After all have written, each thread reads its own name from what is its own, all one name elsewhere."""
    (observation,) = observations["places"]
    seen = _places(observation.output)
    _require_written_before_read(observation.timeline, len(seen[LOCAL]))
    own = all(value == name for place in (LOCAL, THREAD_LOCAL) for name, value in seen[place].items())
    fresh = set(seen[AT_FIRST].values()) == {NOTHING}
    shared = set(seen[GLOBAL].values())
    one = len(shared) == 1 and shared <= set(seen[GLOBAL])
    workers = len(seen[LOCAL])
    return Finding(
        Outcome.HOLDS if own and fresh and one else Outcome.FAILS,
        f"{workers} threads wrote their names and then read: {_own_names(seen[LOCAL])} of them found their"
        f" own in the local variable, {_own_names(seen[THREAD_LOCAL])} in threading.local,"
        f" {_own_names(seen[GLOBAL])} in the global one.",
        tables=(
            Table(
                "Places to write to: what threads read after all of them have written",
                ("place", "who reads its own name", *sorted(seen[LOCAL])),
                tuple(
                    (place, f"{_own_names(values)} of {workers}", *(values[name] for name in sorted(values)))
                    for place, values in seen.items()
                ),
            ),
        ),
    )


def _own_names(values: Mapping[str, str]) -> int:
    return sum(name == value for name, value in values.items())


def _places(output: str) -> dict[str, dict[str, str]]:
    """Place -> thread -> what it read there, from lines of ``THREAD: PLACE: VALUE``."""
    seen: dict[str, dict[str, str]] = {LOCAL: {}, THREAD_LOCAL: {}, AT_FIRST: {}, GLOBAL: {}}
    for name, place, value in re.findall(r"^(worker-\d+): ([^:]+): (.+)$", output, re.MULTILINE):
        seen[place][name] = value
    if not all(seen.values()):
        raise CannotTell("the program did not say what its threads read")
    return seen


def _require_written_before_read(timeline: Timeline, workers: int) -> None:
    """Every worker writes, sleeps, meets the others, and reads: none may have left before all have slept."""
    rows = timeline.intervals
    ours = rows[rows["lane"].isin(lanes_named(timeline, "worker-")).to_numpy()]
    sleeps = ours[(ours["state"] == State.SLEEP.value).to_numpy()]
    meets = ours[
        (ours["state"] == State.LOCK_WAIT.value).to_numpy() & (ours["reason"] == "barrier").to_numpy()
    ]
    if sleeps["lane"].nunique() < workers or meets.empty:
        raise CannotTell("the timeline does not show that all threads met at the barrier")
    if sleeps["end_ns"].max() > meets.groupby("lane")["end_ns"].max().min():
        raise CannotTell("a thread read before all of them had written")


def check_context(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """By default a new thread does not find what the thread that started it has set."""
    (default,) = observations["default"]
    seen = _contexts(default)
    _require_threads_of_their_own(default.timeline, seen)
    again = _contexts(observations["inherit"][0]) if "inherit" in observations else {}
    value = seen[NEW_THREAD][0]
    words = f"A new thread found {_what(value)}"
    if again:
        words += f", with {FLAG} {_what(again[NEW_THREAD][0])}"
    flag = re.search(r"^flag: (\w+)$", default.output, re.MULTILINE)
    known = {"0": "off", "1": "on"}.get(flag[1] if flag else "", "")
    words += f"; thread_inherit_context is {known} by default." if known else "; there is no flag for it."
    return Finding(
        Outcome.HOLDS if value == NOTHING else Outcome.FAILS,
        words,
        tables=(
            Table(
                WAYS,
                ("way to start it", "found", f"with {FLAG}"),
                tuple((way, value, again[way][0] if again else None) for way, (value, _) in seen.items()),
            ),
        ),
    )


def _what(value: str) -> str:
    return "nothing" if value == NOTHING else "what the thread that started it has set"


def _contexts(observation: Observation) -> dict[str, tuple[str, int]]:
    """Way to start a thread -> what it found, and its native id; from lines ``WAY: VALUE: ID``."""
    lines = re.findall(r"^(.+): (.+): (\d+)$", observation.output, re.MULTILINE)
    seen = {way: (value, int(native_id)) for way, value, native_id in lines}
    if NEW_THREAD not in seen:
        raise CannotTell("the program did not say what its threads found")
    return seen


def _require_threads_of_their_own(timeline: Timeline, seen: Mapping[str, tuple[str, int]]) -> None:
    threads: pd.DataFrame = timeline.threads
    others = set(threads.loc[(threads["tid"] != threads["pid"]).to_numpy(), "tid"])
    for way, (_, native_id) in seen.items():
        if native_id not in others:
            raise CannotTell(f"{way}: the timeline has no thread {native_id} beside the main thread")


PLACES: Final = Experiment(
    name="thread_data",
    claim="Local variables and threading.local belong to each thread; global variables are shared by all.",
    source="docs.python.org/3/library/threading.html: thread-local data",
    runs=(Run("places", "thread_data"),),
    check=check_places,
    needs=("calls",),
)

CONTEXT: Final = Experiment(
    name="context_inheritance",
    claim="A new thread starts with an empty context: it does not see its starter's context variables.",
    source="often told; PEP 567: each thread has its own context",
    runs=(
        Run("default", "context_inheritance", light=True),
        Run("inherit", "context_inheritance", ("--inherit",), light=True, since=(3, 14)),
    ),
    check=check_context,
    notes=(INHERITED,),
)
