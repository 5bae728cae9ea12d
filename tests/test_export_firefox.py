"""Profiles for the Firefox Profiler: by its published format, and by its own loader if it is there."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
from bisect import bisect
from dataclasses import replace
from itertools import accumulate

import pytest
from exported import CONVOY, HOSTILE, named, shown, written
from firefox_format import complaints
from timelines import EXACT_RUN, PID, synthetic, timeline

from gtrace.model import MEANING, State

CLI = shutil.which("profiler-cli")


def profile_of(tmp_path, run):
    return written("firefox", run, [], tmp_path / "p.json")


def thread_of(profile, name):
    return next(thread for thread in profile["threads"] if thread["name"] == name)


def markers_of(profile, name):
    """(name, start, end) of a thread's markers, in ms."""
    markers = thread_of(profile, name)["markers"]
    return [
        (profile["shared"]["stringArray"][text], start, end)
        for text, start, end in zip(markers["name"], markers["startTime"], markers["endTime"], strict=True)
    ]


def facts_of(profile, data):
    """A marker's data with its numbers of strings looked up."""
    strings = profile["shared"]["stringArray"]
    return {k: strings[v] if type(v) is int and k != "core" else v for k, v in data.items()}


def weights_of(profile, name):
    """ms of each stack, as ``outer > inner``."""
    shared, samples = profile["shared"], thread_of(profile, name)["samples"]
    totals = {}
    for stack, weight in zip(samples["stack"], samples["weight"], strict=True):
        names, at = [], stack
        while at is not None:
            frame = shared["stackTable"]["frame"][at]
            function = shared["frameTable"]["func"][frame]
            names.insert(0, shared["stringArray"][shared["funcTable"]["name"][function]])
            at = shared["stackTable"]["prefix"][at]
        totals[" > ".join(names)] = totals.get(" > ".join(names), 0) + weight
    return {path: round(total, 6) for path, total in totals.items()}


def test_each_interval_is_a_marker_of_its_state(tmp_path):
    assert markers_of(profile_of(tmp_path, timeline(CONVOY)), "main") == [
        ("running", 0, 30),
        ("preempted", 30, 40),
        ("gil_wait", 40, 60),
        ("lock_wait", 60, 100),
    ]


def test_a_marker_says_what_is_known_of_its_interval(tmp_path):
    profile = profile_of(tmp_path, timeline(CONVOY))
    first, second, *_ = thread_of(profile, "io")["markers"]["data"]

    assert facts_of(profile, first) == {
        "type": "io_wait", "color": "teal", "function": "socket.recv", "reason": "socket recv", "core": 1,
        "gil": "away", "evidence": "derived",
    }  # fmt: skip
    assert facts_of(profile, second)["blocker"] == "main (5000)"


def test_every_state_has_its_definition_and_a_category_and_colours(tmp_path):
    meta = profile_of(tmp_path, timeline(CONVOY))["meta"]
    described = {schema["name"]: schema["description"] for schema in meta["markerSchema"]}

    assert {state: described[state.value] for state in State} == MEANING
    assert {category["name"] for category in meta["categories"]} >= {state.value for state in State}


def test_the_call_tree_shows_exact_milliseconds_by_state(tmp_path):
    assert weights_of(profile_of(tmp_path, timeline(CONVOY)), "main") == {
        "running > main > crunch": 30,
        "preempted > crunch": 10,
        "gil_wait > crunch": 20,
        "lock_wait > main": 40,
    }


def test_the_graph_changes_colour_when_the_state_does(tmp_path):
    samples = thread_of(profile_of(tmp_path, timeline("a 0-4 running\na 4-9 sleep")), "a")["samples"]

    assert samples["time"] == [0, 3.999999, 4, 8.999999]
    assert samples["stack"][0] == samples["stack"][1] != samples["stack"][2] == samples["stack"][3]


def test_the_gil_has_a_track_with_a_marker_for_each_turn(tmp_path):
    profile = profile_of(tmp_path, timeline(CONVOY))

    assert markers_of(profile, "GIL") == [("main", 0, 40), ("io", 40, 60)]
    assert [facts_of(profile, data)["function"] for data in thread_of(profile, "GIL")["markers"]["data"]] == [
        "crunch (a.py:3)",
        "parse (b.py:9)",
    ]


def test_time_in_which_nobody_has_the_gil_is_free(tmp_path):
    profile = profile_of(tmp_path, timeline("a 0-2 running f\na 2-5 sleep\na 5-6 running f"))

    assert weights_of(profile, "GIL") == {"a > f": 3, "free": 3}
    assert markers_of(profile, "GIL") == [("a", 0, 2), ("a", 5, 6)]


def test_without_a_gil_there_is_no_track_of_it(tmp_path):
    run = timeline("a 0-2 running", replace(EXACT_RUN, free_threaded=True))

    assert [thread["name"] for thread in profile_of(tmp_path, run)["threads"]] == ["a"]


def test_counters_step_as_cores_and_waiting_threads_do(tmp_path):
    run = timeline("""
    main  0-4   running f
    main  4-10  gil_wait f <- io
    io    0-4   gil_wait g <- main
    io    4-10  running g
    n     2-6   native
    """)
    profile = profile_of(tmp_path, run)
    found = {}
    for counter in profile["counters"]:
        times, heights = counter["samples"]["time"], list(accumulate(counter["samples"]["count"]))
        found[counter["name"]] = [heights[bisect(times, at) - 1] for at in (0, 1.9, 2, 5.9, 6, 9.9, 10)]
        assert 9.999999 in times, "the viewer draws lines: a step has a sample at its foot"
    assert found == {
        "Cores in use": [1, 1, 2, 2, 1, 1, 0],
        "Waiting for the GIL": [1, 1, 1, 1, 1, 1, 0],
    }


def test_threads_that_had_one_native_id_are_told_apart(tmp_path):
    run = timeline("a 0-2 native\nb 3-5 native")
    run.threads.loc[1, "tid"] = run.threads.loc[0, "tid"]
    profile = profile_of(tmp_path, run)

    assert [thread["tid"] for thread in profile["threads"]] == [5000, "5000 in lane 1"]
    assert complaints(profile) == []


def test_threads_belong_to_their_process_from_their_start_to_their_end(tmp_path):
    io = thread_of(profile_of(tmp_path, timeline(CONVOY)), "io")

    assert (io["pid"], io["tid"], io["registerTime"], io["unregisterTime"]) == (str(PID), 5001, 0, 90)


@pytest.mark.parametrize(
    "run",
    [timeline(CONVOY), synthetic(2_000, 6), timeline("a 0-2 unknown evidence=inferred gil=holds")],
    ids=["every kind of track", "busy", "hardly anything"],
)
def test_profiles_follow_the_format(tmp_path, run):
    assert complaints(profile_of(tmp_path, run)) == []


def test_a_run_without_threads_follows_the_format(tmp_path):
    run = timeline("a 0-2 running")
    empty = replace(run, threads=run.threads.iloc[:0], intervals=run.intervals.iloc[:0])

    assert complaints(profile_of(tmp_path, empty)) == []


def spoil_prefix(profile):
    profile["shared"]["stackTable"]["prefix"][0] = 1


def spoil_length(profile):
    profile["threads"][1]["samples"]["length"] += 1


def spoil_order(profile):
    profile["threads"][1]["samples"]["time"][0] = 1e9


def spoil_marker(profile):
    profile["threads"][1]["markers"]["data"][0]["surprise"] = 1


def spoil_string(profile):
    profile["threads"][1]["markers"]["data"][0]["function"] = 10_000


def spoil_category(profile):
    profile["meta"]["categories"][3]["color"] = "#ff0000"


def spoil_pid(profile):
    profile["threads"][0]["pid"] = 12


def spoil_twice(profile):
    profile["threads"].append(profile["threads"][0])


def spoil_counter(profile):
    profile["counters"][0]["mainThreadIndex"] = 99


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_counter,
        spoil_prefix,
        spoil_length,
        spoil_order,
        spoil_marker,
        spoil_string,
        spoil_category,
        spoil_pid,
        spoil_twice,
    ],
)
def test_what_the_format_does_not_allow_is_found(tmp_path, spoil):
    profile = copy.deepcopy(profile_of(tmp_path, timeline(CONVOY)))
    spoil(profile)

    assert complaints(profile)


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_text(tmp_path, name):
    profile = profile_of(tmp_path, named(timeline("main 0-5 running"), name))

    assert complaints(profile) == []
    assert [thread["name"] for thread in profile["threads"]] == ["GIL", shown(name)]
    assert shown(name) in profile["shared"]["stringArray"]


@pytest.mark.skipif(CLI is None, reason="profiler-cli is not installed")
def test_the_firefox_profilers_own_loader_reads_it(tmp_path):
    """The package @firefox-devtools/profiler-cli; it talks to a process of its own that may start late."""
    written("firefox", timeline(CONVOY), [], tmp_path / "p.json.gz")
    environment = {**os.environ, "HOME": str(tmp_path)}

    def ask(*words):
        command = [CLI, *words, "--session", "gtrace"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout

    try:
        ask("load", str(tmp_path / "p.json.gz"))
        listed = next((text for _ in range(20) if "io" in (text := ask("thread", "list"))), "")
        ask("thread", "select", "t-1")
        tree = ask("thread", "samples-top-down", "--include-idle")
    finally:
        ask("stop")

    assert "GIL" in listed
    assert "gil_wait [total: 20.0%, self: 0.0%]" in tree
