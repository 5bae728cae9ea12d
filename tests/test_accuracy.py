"""The states' sums agree with what the kernel and the program itself counted in the same run.

No figure is compared with a duration that was hoped for: both sides measure one run.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import pytest
from accuracy_support import CLOSE_NS, SCENARIOS, figures, undisturbed
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
        return recorded[scenario, options]

    return record


def disagreements(seen):
    return [figure for figure in figures(seen) if not figure.agrees]


@pytest.mark.parametrize("options", [("--light",), ()], ids=["light", "calls"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_figure_of_every_thread_agrees_with_the_kernels_own(threads, scenario, options):
    for seen in threads(scenario, *options).values():
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
    longest = (seen.intervals["end_ns"] - seen.intervals["start_ns"]).idxmax()
    assert disagreements(replace(seen, intervals=seen.intervals.drop(index=longest))) != []


def test_a_lost_switch_is_found(threads):
    seen = threads("pipes", "--light")["ping"]
    inside = seen.switches["time_ns"].between(*seen.witness.life) & (seen.switches["kind"] == SwitchKind.OUT)
    lost = seen.switches.drop(index=inside.idxmax())
    assert [f.what for f in disagreements(replace(seen, switches=lost))] == ["voluntary switches"]


def test_a_clock_that_is_off_by_more_than_a_millisecond_is_found(threads):
    seen = threads("stalled", "--light")["stalls"]
    late = seen.intervals.assign(
        start_ns=seen.intervals["start_ns"] + 20 * CLOSE_NS, end_ns=seen.intervals["end_ns"] + 20 * CLOSE_NS
    )
    assert "stalled" in [figure.what for figure in disagreements(replace(seen, intervals=late))]
