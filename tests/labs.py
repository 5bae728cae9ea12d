"""Results of labs for tests: a few claims on several interpreters, with everything a page can show."""

from __future__ import annotations

from gtrace.lab.claims import Chart, Curve, Figure, Finding, Outcome, Table
from gtrace.lab.interpreter import Interpreter
from gtrace.lab.results import Result, Results

H, F, N, U = Outcome.HOLDS, Outcome.FAILS, Outcome.NOT_HERE, Outcome.NOT_MEASURED
VERSIONS = ((3, 12, 1), (3, 13, 0), (3, 14, 8))
OUTCOMES = {"everywhere": (H, H, H), "nowhere": (F, F, F), "newer": (N, H, F), "unclear": (U, U, N)}
CALLS = tuple(f"module{number}.call" for number in range(12))


def interpreter(version=(3, 13, 0), *, free_threaded=False, **facts):
    known = {
        "executable": "/usr/bin/python3",
        "implementation": "cpython",
        "platform": "Linux-6.1",
        "cores": 2,
    }
    return Interpreter(release=version, free_threaded=free_threaded, **{**known, **facts})


def finding(outcome, number=0):
    """A finding with a figure, a table of calls and two charts; ``number`` tells interpreters apart."""
    rows = tuple(
        (call, "lets it go" if (i + number) % 4 else "keeps it", 10 * i + number, "10, 1,000")
        for i, call in enumerate(CALLS)
    )
    sweep = tuple((x, x * (2 + number), x, x * 4) for x in (0.001, 0.01, 0.1))
    scaling = tuple((n, 1 + 0.1 * number, 1.0, 1.5) for n in (1, 2, 4))
    return Finding(
        outcome,
        f"It took `sleep` {number} times as long.",
        (Figure("waited", (0.0051 + number / 1000, 0.0049, 0.0052), "s"), Figure("share", (93.0,), "%")),
        (Table("Atlas", ("call", "the GIL", "share", "sizes"), rows),),
        (
            Chart("Sweep", "interval, s", "time, s", (Curve("wait", sweep), Curve("work", sweep)), "xy"),
            Chart("Scaling", "threads", "speed", (Curve("speed", scaling),)),
        ),
    )


def result(name, found, page=""):
    claim = f"The claim called {name}."
    return Result(
        name, claim, "a page", found, page, ("A note.",), ("python workloads/a.py  (2 times)",), 1.5
    )


def labs(versions=VERSIONS, outcomes=OUTCOMES):
    """A lab for each of ``versions`` with the claims ``outcomes`` names."""
    return tuple(
        Results(
            interpreter(version),
            "0.1.0",
            tuple(
                result(name, finding(found[number], number) if found[number] is not N else Finding(N, "old"))
                for name, found in outcomes.items()
            ),
            1_790_000_000.0,
        )
        for number, version in enumerate(versions)
    )
