"""The states' sums agree with what the kernel and the program itself counted in the same run.

No figure is compared with a duration that was hoped for: both sides measure one run.
"""

from __future__ import annotations

import itertools
import os
import sys
from dataclasses import replace

import pandas as pd
import pytest
from accuracy_support import CLOSE_NS, SCENARIOS, _inside, figures, undisturbed
from hypothesis import given
from hypothesis import strategies as st
from scheduler_support import needs_switches

from gtrace.evidence.scheduler import SwitchKind
from gtrace.model import State

HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()


@pytest.fixture(scope="module")
def threads(tmp_path_factory):
    """The threads of a scenario by their names, recorded once for each way of recording."""
    recorded = {}

    def record(scenario, *options):
        needs_switches()
        if not os.path.exists("/proc/self/schedstat"):
            pytest.skip("this kernel does not count how long a thread waits for a core")
        if scenario == "stalled" and not HAS_GIL:
            pytest.skip("without a GIL nobody stalls the others")
        if (scenario, options) not in recorded:
            seen = undisturbed(scenario, tmp_path_factory.mktemp(scenario), *options)
            recorded[scenario, options] = {one.witness.thread: one for one in seen}
        if any(one.stolen_ns for one in recorded[scenario, options].values()):
            pytest.skip("the machine's host took cores from it each time: no clock tells whose")
        return recorded[scenario, options]

    return record


def disagreements(seen):
    return [figure for figure in figures(seen) if not figure.agrees]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_figure_of_every_thread_agrees_with_the_kernels_own(threads, scenario):
    for seen in threads(scenario, "--light").values():
        assert disagreements(seen) == []


@pytest.mark.parametrize("scenario", ["sleeping", "pipes", "semaphores"])
def test_with_calls_the_figures_agree_as_well(threads, scenario):
    for seen in threads(scenario).values():
        assert disagreements(seen) == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_not_one_switch_of_a_thread_is_missed(threads, scenario):
    for seen in threads(scenario, "--light").values():
        counted = seen.witness.counted
        assert seen.count(SwitchKind.OUT) == counted("voluntary")
        assert seen.count(SwitchKind.PREEMPT) == counted("involuntary")


def test_a_thread_that_shares_its_core_is_preempted(threads):
    pinned = threads("preempted", "--light")["pinned"]
    assert pinned.count(SwitchKind.PREEMPT) > 0
    assert len(set(pinned.on_core["core"][pinned.on_core["start_ns"] > pinned.witness.life[0]])) == 1


def test_with_calls_every_wait_has_its_name(threads):
    for scenario, names in {"sleeping": ("nap0", "nap1"), "pipes": ("ping", "pong")}.items():
        for name in names:
            seen = threads(scenario)[name]
            assert seen.figure("blocked", (0, 0), seen.time_in_calls(State.BLOCKED)).agrees


@pytest.mark.parametrize(
    ("scenario", "thread", "states"),
    [
        ("preempted", "pinned", (State.PREEMPTED, State.GIL_WAIT)),
        ("stalled", "stalls", (State.STALLED, State.SLEEP)),
        ("native", "first", (State.NATIVE, State.RUNNING)),
        ("semaphores", "link0", (State.LOCK_WAIT, State.BLOCKED)),
        ("semaphores", "link0", (State.LOCK_WAIT, State.RUNNING)),
        ("pipes", "ping", (State.RUNNING, State.LOCK_WAIT)),
    ],
)
def test_a_state_taken_for_another_is_found(threads, scenario, thread, states):
    true, false = states
    seen = threads(scenario, "--light")[thread]
    taken = seen.intervals["state"].mask(seen.intervals["state"] == true.value, false.value)
    assert disagreements(replace(seen, intervals=seen.intervals.assign(state=taken))) != []


def test_a_lost_interval_is_found(threads):
    seen = threads("native", "--light")["first"]
    computed = seen.intervals[seen.intervals["state"] == State.NATIVE.value]
    longest = (computed["end_ns"] - computed["start_ns"]).idxmax()
    assert disagreements(replace(seen, intervals=seen.intervals.drop(index=longest))) != []


def test_a_lost_switch_is_found(threads):
    seen = threads("pipes", "--light")["ping"]
    inside = seen.switches["time_ns"].between(*seen.witness.life) & (seen.switches["kind"] == SwitchKind.OUT)
    lost = seen.switches.drop(index=inside.idxmax())
    assert [f.what for f in disagreements(replace(seen, switches=lost))] == ["voluntary switches"]


@given(st.lists(st.integers(0, 5), max_size=16), st.lists(st.tuples(*[st.integers(0, 40)] * 2), max_size=5))
def test_the_time_inside_of_spans_is_that_of_every_pair_added_up(steps, spans):
    times = list(itertools.accumulate(steps))
    rows = pd.DataFrame({"start_ns": times[: len(times) // 2 * 2 : 2], "end_ns": times[1::2]}, dtype="int64")
    spans = [(min(span), max(span)) for span in spans]
    pairs = itertools.product(rows.itertuples(index=False), spans)
    slow = sum(max(min(row[1], end) - max(row[0], begin), 0) for row, (begin, end) in pairs)
    assert _inside(rows, [begin for begin, _ in spans], [end for _, end in spans]) == slow


def test_a_clock_that_is_off_is_found(threads):
    seen = threads("stalled", "--light")["stalls"]
    off = 500 * CLOSE_NS
    late = seen.intervals.assign(
        start_ns=seen.intervals["start_ns"] + off, end_ns=seen.intervals["end_ns"] + off
    )
    assert "stalled" in [figure.what for figure in disagreements(replace(seen, intervals=late))]
