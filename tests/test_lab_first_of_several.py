"""Waiting for the first of several: the check on timelines made by hand, and the workload by itself."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from timelines import EXACT_RUN, timeline

from gtrace.lab.claims import Observation, Outcome
from gtrace.lab.conduct import judge
from gtrace.lab.experiments.first_of_several import EXPERIMENT, WAYS, price_of, waited_while_held

WORKLOAD = Path(__file__).parents[1] / "workloads" / "first_of_several.py"
FREE_RUN = replace(EXACT_RUN, free_threaded=True)


def turns(way, start, names):
    """The threads of ``names`` take turns of 5 ms for 90 ms; the others wait for the GIL meanwhile."""
    lines = []
    for turn in range(18):
        begin = start + 5 * turn
        for number, name in enumerate(names):
            state = "running" if turn % len(names) == number else "gil_wait"
            lines.append(f"{way}-{name} {begin}-{begin + 5} {state}")
    return lines


def polls(way, start):
    return turns(way, start, ("waiter", "worker-0", "worker-1"))


def waits(way, start):
    lines = turns(way, start, ("worker-0", "worker-1"))
    return [
        *lines,
        f"{way}-waiter {start}-{start + 88} lock_wait",
        f"{way}-waiter {start + 88}-{start + 92} running",
    ]


def side_by_side(way, start, waiter="lock_wait"):
    """Without a GIL everybody runs who wants to."""
    names = ((f"worker-{i}", "running") for i in range(2))
    return [f"{way}-{name} {start}-{start + 90} {state}" for name, state in (*names, ("waiter", waiter))]


def ways(of, run=EXACT_RUN, **others):
    lines = ["MainThread 0-700 sleep"]
    for number, way in enumerate(WAYS):
        lines += others.get(way.replace("-", "_"), of)(way, 100 * number)
    return timeline("\n".join(lines), run)


def judged(made):
    return judge(EXPERIMENT, {"ways": [Observation(made, "", 0)]})


def test_polling_that_never_rests_and_takes_the_gil_is_as_told():
    found = judged(ways(waits, poll=polls))
    assert found.outcome is Outcome.HOLDS
    assert [row[0] for row in found.tables[0].rows] == list(WAYS)


def wants(way, start):
    """The waiter never gets the GIL that it wants."""
    return [*turns(way, start, ("worker-0", "worker-1")), f"{way}-waiter {start}-{start + 90} gil_wait"]


def burns(way, start):
    return side_by_side(way, start, "running")


def asleep(way, start):
    return [line.replace("running", "sleep") for line in side_by_side(way, start)]


def nobody(_way, _start):
    return []


def test_polling_that_costs_the_workers_nothing_is_not():
    assert judged(ways(waits, poll=wants)).outcome is Outcome.FAILS


def test_polling_that_rests_is_not():
    assert judged(ways(waits, poll=waits)).outcome is Outcome.FAILS


@pytest.mark.parametrize("way", WAYS[2:])
def test_a_wait_for_a_word_that_burns_a_core_is_not(way):
    assert judged(ways(waits, poll=polls, **{way: polls})).outcome is Outcome.FAILS


def test_of_a_sleep_in_a_loop_nothing_is_claimed():
    assert judged(ways(waits, poll=polls, poll_sleep=polls)).outcome is Outcome.HOLDS


def test_without_a_gil_polling_burns_a_core_and_takes_nothing():
    assert judged(ways(side_by_side, FREE_RUN, poll=burns)).outcome is Outcome.HOLDS
    assert judged(ways(side_by_side, FREE_RUN)).outcome is Outcome.FAILS


def test_workers_that_do_not_compute_show_nothing():
    assert judged(ways(asleep)).outcome is Outcome.NOT_MEASURED


def test_a_way_that_was_not_seen_shows_nothing():
    assert judged(ways(waits, poll=polls, queue=nobody)).outcome is Outcome.NOT_MEASURED


def test_the_price_is_what_the_waiter_had_while_the_workers_waited():
    price = price_of(ways(waits, poll=polls), "poll")
    # it has six turns of 5 ms, in each of which two workers wait
    assert price.stolen_s == pytest.approx(6 * 0.005 * 2)
    assert (price.busy, price.ran_s) == (pytest.approx(1), pytest.approx(0.03))
    assert price_of(ways(waits, poll=polls), "event").latency_s == pytest.approx(0.002)


def test_time_that_somebody_else_had_the_gil_is_not_the_holders():
    text = "a 0-10 running\na 10-30 sleep\nb 0-20 gil_wait\nb 20-30 running\nc 10-20 running\nc 20-30 sleep"
    assert waited_while_held(timeline(text), 0, [1]) == pytest.approx(0.01)


def test_the_workload_runs_by_itself_and_says_what_happened():
    command = [sys.executable, str(WORKLOAD), "--steps", "50"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == [f"{way}: the first has ended" for way in WAYS]
