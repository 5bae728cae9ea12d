"""The atlas joins the windows of calls with what the agent saw of the GIL, and believes nothing else."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from timelines import EXACT_RUN, FIRST_TID, timeline

from gtrace.lab.claims import CannotTell, Observation, Outcome
from gtrace.lab.conduct import judge, not_here
from gtrace.lab.experiments.atlas import COLUMNS, CONTROL, EXPERIMENT, PROOF, answers, check
from gtrace.lab.interpreter import Interpreter

WORKLOAD = Path(__file__).parents[1] / "workloads" / "atlas.py"
MS = 1_000_000
# a sleep, a hash that lets the GIL go for 6 of its 8 ms, nothing, and a call that keeps it
RAN = """
    main 0-10  running
    main 10-20 sleep
    main 20-31 running
    main 31-37 native
    main 37-100 running
"""
SMALL, BIG, NOTHING, KEEPS = (21, 24), (30, 38), (45, 46), (50, 60)


def window(begin: float, end: float) -> list[int]:
    return [round(begin * MS), round(end * MS)]


def line(call: str, *windows: tuple[float, float], size: int = 0, unit: str = "") -> dict[str, object]:
    return {"call": call, "size": size, "unit": unit, "windows": [window(*w) for w in windows]}


LINES = (
    line(CONTROL, NOTHING),
    line(PROOF, (9, 21)),
    line("hash", SMALL, size=64, unit="bytes"),
    line("hash", BIG, size=2048, unit="bytes"),
    line("sine", KEEPS),
)


def observed(*lines: dict[str, object], ran: str = RAN, tid: int = FIRST_TID) -> Observation:
    output = "\n".join(json.dumps(said) for said in ({"tid": tid}, *lines))
    return Observation(timeline(ran), output, 0)


def rows(*lines: dict[str, object], ran: str = RAN) -> dict[str, tuple[object, ...]]:
    table = check({"atlas": [observed(*lines, ran=ran)]}).tables[0]
    assert (table.title, table.columns) == ("Atlas", COLUMNS)
    return {row[0]: row[1:] for row in table.rows}


def test_a_call_lets_the_gil_go_where_its_thread_was_away_from_it_within_the_calls_window() -> None:
    assert rows(*LINES) == {
        PROOF: ("lets it go", 83, 1, "", ""),
        "hash": ("from 2,048 bytes on", 75, 1, "2,048 bytes", "64, 2,048"),
        "sine": ("keeps it", 0, 0, "", ""),
    }


def test_the_claim_fails_by_one_call_that_keeps_the_gil() -> None:
    finding = check({"atlas": [observed(*LINES)]})
    assert finding.outcome is Outcome.FAILS
    assert (
        "Of 3 calls 1 let the GIL go at every size tried, 1 only from some size on, 1 never"
        in finding.measured
    )


def test_the_claim_would_hold_if_every_call_let_the_gil_go() -> None:
    finding = check({"atlas": [observed(line(CONTROL, NOTHING), line(PROOF, (9, 21)), line("hash", BIG))]})
    assert finding.outcome is Outcome.HOLDS
    assert finding.figures[0].values == (100,)


def test_several_stretches_are_several_releases_and_two_states_in_a_row_are_one() -> None:
    ran = "main 0-10 running\nmain 10-20 sleep\nmain 20-30 running\nmain 30-32 native\nmain 32-34 io_wait\n"
    ran += "main 34-36 running\nmain 36-37 native\nmain 37-100 running"
    assert rows(line(CONTROL, NOTHING), line(PROOF, (9, 21)), line("read", (29, 39)), ran=ran)["read"] == (
        "lets it go", 50, 2, "", "",
    )  # fmt: skip


def test_being_off_the_core_with_the_gil_is_not_letting_it_go() -> None:
    ran = (
        "main 0-10 running\nmain 10-20 sleep\nmain 20-50 running\nmain 50-55 stalled\nmain 55-58 preempted\n"
    )
    ran += "main 58-100 running"
    assert rows(line(CONTROL, NOTHING), line(PROOF, (9, 21)), line("usleep", KEEPS), ran=ran)["usleep"] == (
        "keeps it", 0, 0, "", "",
    )  # fmt: skip


def test_of_an_absence_that_outlasts_the_window_only_what_is_inside_counts() -> None:
    assert rows(*LINES, line("cut", (30, 32)))["cut"] == ("lets it go", 50, 1, "", "")


def test_what_happens_in_one_repeat_of_three_decides_nothing() -> None:
    assert rows(*LINES, line("rare", KEEPS, BIG, KEEPS))["rare"] == ("keeps it", 0, 0, "", "")
    assert rows(*LINES, line("usual", BIG, KEEPS, BIG))["usual"] == ("lets it go", 75, 1, "", "")


def test_a_call_that_lets_the_gil_go_only_when_small_is_not_said_to_do_so_from_some_size_on() -> None:
    odd = (line("odd", BIG, size=1, unit="bytes"), line("odd", KEEPS, size=2, unit="bytes"))
    assert rows(*LINES, *odd)["odd"][0] == "lets it go at some sizes"


def test_what_an_interpreter_has_not_is_no_call_of_it() -> None:
    found = rows(*LINES, {"call": "toml", "absent": "tomllib"}, {"call": "bad", "error": "OSError: no"})
    assert found["toml"] == ("no tomllib", None, None, "", "")
    assert found["bad"] == ("not measured: OSError: no", None, None, "", "")


def test_times_of_the_program_are_on_the_clock_of_the_recording() -> None:
    seen = timeline(RAN, replace(EXACT_RUN, began_ns=1000 * MS))
    moved = [
        {**said, "windows": [[time + 1000 * MS for time in times] for times in said["windows"]]}
        for said in LINES
    ]
    output = "\n".join(map(json.dumps, ({"tid": FIRST_TID}, *moved)))
    assert [answer.verdict for answer in answers(Observation(seen, output, 0))] == [
        "lets it go", "from 2,048 bytes on", "keeps it",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "tid", "why"),
    [
        ((*LINES, line(CONTROL, BIG)), FIRST_TID, "a call that does nothing let the GIL go 1 times"),
        (LINES[:1] + LINES[2:], FIRST_TID, "was not seen to let the GIL go"),
        (LINES, 17, "the thread that made the calls was not recorded"),
        (LINES[1:], FIRST_TID, "no call that does nothing"),
    ],
)
def test_without_its_controls_nothing_is_told(lines: tuple, tid: int, why: str) -> None:
    with pytest.raises(CannotTell, match=why):
        answers(observed(*lines, tid=tid))


def test_a_thread_that_was_made_to_let_go_tells_nothing() -> None:
    seen = observed(*LINES)
    seen.timeline.threads["gil_forced_releases"] = 3
    assert judge(EXPERIMENT, {"atlas": [seen]}).outcome is Outcome.NOT_MEASURED


def test_a_workload_that_said_nothing_tells_nothing() -> None:
    assert judge(EXPERIMENT, {"atlas": [Observation(timeline(RAN), "", 1)]}).outcome is Outcome.NOT_MEASURED


def test_without_a_gil_there_is_nothing_to_let_go() -> None:
    python = Interpreter("python3.14t", (3, 14, 0), "cpython", True, "Linux", 2)
    assert not_here(EXPERIMENT, python) == "there is no GIL"


def test_the_workload_makes_each_call_at_each_size_and_has_no_error() -> None:
    done = subprocess.run(
        [sys.executable, WORKLOAD, "--repeats", "2"], capture_output=True, text=True, timeout=120, check=True
    )
    first, *said = map(json.loads, done.stdout.splitlines())
    calls = {said["call"] for said in said}
    assert first["tid"] > 0
    assert len(calls) > 100
    assert {CONTROL, PROOF, "math.sin", "hashlib.sha256", "json.loads", "PyDLL function"} <= calls
    assert [one for one in said if "error" in one] == []
    windows = [window for one in said for window in one.get("windows", ())]
    assert len(windows) > 2 * len(calls)
    assert all(begin <= end for begin, end in windows)
    assert all(after[0] >= before[1] for before, after in itertools.pairwise(windows))
