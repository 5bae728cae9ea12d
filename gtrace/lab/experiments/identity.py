"""Which threads there are and which is which: the program, the kernel, ps and the timeline side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gtrace.lab.claims import CannotTell, Experiment, Finding, Outcome, Run, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from gtrace.lab.claims import Observation

    Answers = Mapping[str, Any]

WHO: Final = ("name", "ident", "native_id")
TIMELINE: Final = "the timeline"


@dataclass(frozen=True)
class Instant:
    """What the program was told at one instant, and the threads that the timeline has alive then."""

    told: Answers
    alive: pd.DataFrame

    def answers(self) -> dict[str, Any]:
        """Each way to ask, and what it answered, in a form that can be compared with the timeline's."""
        listed = self.told["enumerate"]
        answers = {
            "active_count()": self.told["active_count"],
            "enumerate()": sorted((*_who(one), one["daemon"]) for one in listed if one["alive"]),
            "current_thread(), get_ident(), get_native_id()": sorted(map(_who, self.told["selves"])),
            "main_thread()": _who(self.told["main_thread"]),
            "/proc/self/task": sorted(self.told["tasks"]),
        }
        if self.told["ps"] is not None:
            answers["ps -T"] = sorted(self.told["ps"])
        return answers

    def expected(self) -> dict[str, Any]:
        """What the timeline says that each would have to answer."""
        rows = self.alive.to_dict("records")
        of_python = [row for row in rows if row["kind"] == "python"]
        who = sorted((str(row["name"]), int(row["ident"]), int(row["tid"])) for row in of_python)
        daemons = {int(row["tid"]): bool(row["daemon"]) for row in of_python}
        tids = sorted(int(row["tid"]) for row in rows)
        return {
            "active_count()": len(who),
            "enumerate()": [(*one, daemons[one[2]]) for one in who],
            "current_thread(), get_ident(), get_native_id()": who,
            "main_thread()": next((one for one in who if one[2] == int(rows[0]["pid"])), None),
            "/proc/self/task": tids,
            "ps -T": tids,
        }

    def wrong(self) -> list[str]:
        """The ways to ask that answered otherwise than the timeline."""
        expected = self.expected()
        return [name for name, answer in self.answers().items() if answer != expected[name]]


def _who(one: Mapping[str, Any]) -> tuple[str, int, int]:
    name, ident, native_id = (one[key] for key in WHO)
    return str(name), int(ident), int(native_id)


def instants(observation: Observation) -> list[Instant]:
    """The instants at which the program looked; raises CannotTell where it printed none."""
    timeline = observation.timeline
    threads = timeline.threads
    threads = threads[(threads["pid"] == timeline.run.pids[0]).to_numpy()]
    seen = []
    for line in observation.output.splitlines():
        told = json.loads(line)
        time = told["time_ns"] - timeline.run.began_ns
        alive = (threads["start_ns"] <= time) & (time < threads["end_ns"])
        if not alive.any():
            raise CannotTell("the timeline has no thread at a time at which the program looked")
        seen.append(Instant(told, threads[alive.to_numpy()]))
    if not seen:
        raise CannotTell("the program did not print what it saw")
    return seen


def check(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """All ways to ask agree with the timeline: how many, called what, with which numbers."""
    seen = [instants(run) for run in observations["seen"]]
    wrong = {name: None for run in seen for instant in run for name in instant.wrong()}
    counts = ", then ".join(str(len(instant.alive)) for instant in seen[0])
    agreed = [name for name in seen[0][0].answers() if name not in wrong]
    words = f"With {counts} threads the timeline agrees with {', '.join(agreed) or 'none of them'}"
    if wrong:
        words += f", and not with {', '.join(wrong)}"
    return Finding(
        Outcome.FAILS if wrong else Outcome.HOLDS, f"{words}.", tables=(_table(seen[0], [*wrong]),)
    )


def _table(run: Sequence[Instant], wrong: Sequence[str]) -> Table:
    """How many threads each way to ask named at each instant of one run."""

    def count(answer: Any) -> int:
        return answer if isinstance(answer, int) else len(answer)

    names = [name for name in run[0].answers() if name != "main_thread()"]
    rows = [
        (
            name,
            "no" if name in wrong else "yes",
            ", ".join(str(count(instant.answers()[name])) for instant in run),
        )
        for name in names
    ]
    rows.append((TIMELINE, "", ", ".join(str(len(instant.alive)) for instant in run)))
    return Table(
        "Which threads there are", ("asked", "agrees with the timeline", "threads, by instant"), (*rows,)
    )


def check_all(observations: Mapping[str, Sequence[Observation]]) -> Finding:
    """At each instant enumerate() names all that the kernel and the timeline have."""
    missing: dict[str, None] = {}
    listed = everything = 0
    for instant in (instant for run in observations["seen"] for instant in instants(run)):
        known = {one["native_id"] for one in instant.told["enumerate"]}
        if sorted(int(tid) for tid in instant.alive["tid"]) != sorted(instant.told["tasks"]):
            raise CannotTell("the kernel and the timeline do not agree on the threads of the process")
        rows = instant.alive[~instant.alive["tid"].isin(known).to_numpy()]
        missing |= dict.fromkeys(map(str, rows["name"]))
        listed, everything = max(listed, len(known)), max(everything, len(instant.alive))
    words = f"enumerate() named {listed} of {everything} threads that the kernel and the timeline have"
    if missing:
        words += f"; not among them: {', '.join(missing)}, started by _thread"
    return Finding(Outcome.FAILS if missing else Outcome.HOLDS, f"{words}.")


EXPERIMENT: Final = Experiment(
    name="identity",
    claim="What threading says of the threads there are, their names and numbers, is what the kernel says.",
    source="docs.python.org/3/library/threading.html: active_count, enumerate, get_ident, get_native_id …",
    runs=(Run("seen", "identity", ("--ps",), repeats=3, light=True),),
    check=check,
    needs=("threads",),
)

ENUMERATE: Final = Experiment(
    name="enumerate_all",
    claim="threading.enumerate() lists all threads of the process.",
    source="often told; the documentation says: all Thread objects currently active",
    runs=(Run("seen", "identity", ("--raw",), repeats=2, light=True),),
    check=check_all,
    needs=("threads",),
)
