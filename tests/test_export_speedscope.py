"""Speedscope's files: by its published schema, and by what its loader checks beyond that."""

from __future__ import annotations

from dataclasses import replace

import pytest
from exported import CONVOY, HOSTILE, calls_from, named, shown, written
from timelines import synthetic, timeline

CALLS = """
main 2-8   "inner (a.py:5)"
main 0-30  "crunch (a.py:3)"
io   40-60 time.sleep
"""
UNITS = {"none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"}


def file_of(tmp_path, run, calls=""):
    return written("speedscope", run, calls_from(run, calls) if calls else [], tmp_path / "t.json")


def spans(file, profile):
    """(depth, name, start, end) in ms of every frame of a profile, in the order they close."""
    around, found = [], []
    for event in profile["events"]:
        if event["type"] == "O":
            around.append(event)
        else:
            opened = around.pop()
            name = file["shared"]["frames"][opened["frame"]]["name"]
            found.append((len(around), name, opened["at"] / 1e6, event["at"] / 1e6))
    return found


def complaints(file):
    """What contradicts file-format-schema.json, or makes the loader throw."""
    found = [f"no {key}" for key in ("$schema", "shared", "profiles") if key not in file]
    if file["$schema"] != "https://www.speedscope.app/file-format-schema.json":
        found.append("$schema")
    for frame in file["shared"]["frames"]:
        kinds = {"name": str, "file": str, "line": int, "col": int}
        if not {"name"} <= set(frame) <= set(kinds) or any(
            not isinstance(value, kinds[key]) for key, value in frame.items()
        ):
            found.append(f"frame: {frame}")
    for profile in file["profiles"]:
        found += complaints_about(profile, len(file["shared"]["frames"]))
    return found


def complaints_about(profile, frames):
    if set(profile) != {"type", "name", "unit", "startValue", "endValue", "events"}:
        return [f"keys: {sorted(profile)}"]
    found = [] if profile["type"] == "evented" and profile["unit"] in UNITS else ["type or unit"]
    around, last = [], profile["startValue"]
    for event in profile["events"]:
        if set(event) != {"type", "at", "frame"} or not 0 <= event["frame"] < frames:
            found.append(f"event: {event}")
        if event["at"] < last:
            found.append(f"back in time: {event}")
        last = event["at"]
        if event["type"] == "O":
            around.append(event["frame"])
        elif not around or around.pop() != event["frame"]:
            found.append(f"closes what is not innermost: {event}")
    if around:
        found.append(f"left open: {around}")
    return found + ([] if last <= profile["endValue"] else ["events after the end"])


def test_each_thread_has_a_profile_of_its_calls_and_one_of_its_states(tmp_path):
    file = file_of(tmp_path, timeline(CONVOY), CALLS)

    assert [profile["name"] for profile in file["profiles"]] == [
        "main (5000)",
        "io (5001)",
        "main (5000): states",
        "io (5001): states",
    ]


def test_calls_nest_as_they_were_made(tmp_path):
    file = file_of(tmp_path, timeline(CONVOY), CALLS)

    assert spans(file, file["profiles"][0]) == [(1, "inner", 2, 8), (0, "crunch", 0, 30)]


def test_a_state_holds_the_caller_and_the_function_in_it(tmp_path):
    file = file_of(tmp_path, timeline(CONVOY))

    assert spans(file, file["profiles"][0])[:4] == [
        (2, "crunch", 0, 30),
        (1, "main", 0, 30),
        (0, "running", 0, 30),
        (1, "crunch", 30, 40),
    ]


def test_a_python_function_says_where_it_is_and_a_c_function_has_no_file(tmp_path):
    frames = file_of(tmp_path, timeline(CONVOY), CALLS)["shared"]["frames"]

    assert {"name": "crunch", "file": "a.py", "line": 3} in frames
    assert {"name": "time.sleep"} in frames


def test_all_profiles_span_the_run_so_that_threads_can_be_compared(tmp_path):
    profiles = file_of(tmp_path, timeline(CONVOY), CALLS)["profiles"]

    assert {(p["startValue"], p["endValue"]) for p in profiles} == {(0, 100_000_000)}


def test_a_call_that_outlasts_the_run_is_not_cut(tmp_path):
    file = file_of(tmp_path, timeline("main 0-5 running"), "main 0-7 f")

    assert spans(file, file["profiles"][0]) == [(0, "f", 0, 7)]
    assert complaints(file) == []


@pytest.mark.parametrize("calls", ["", CALLS, "main 1-1 zero\nmain 1-2 f\nmain 2-2 zero"])
def test_files_follow_the_schema(tmp_path, calls):
    assert complaints(file_of(tmp_path, timeline(CONVOY), calls)) == []


def test_a_busy_run_follows_the_schema(tmp_path):
    assert complaints(file_of(tmp_path, synthetic(2_000, 6))) == []


def test_a_run_without_threads_follows_the_schema(tmp_path):
    run = timeline("a 0-2 running")
    empty = replace(run, threads=run.threads.iloc[:0], intervals=run.intervals.iloc[:0])

    assert complaints(file_of(tmp_path, empty)) == []


@pytest.mark.parametrize(
    ("events", "complaint"),
    [
        ([("O", 1, 0)], "left open"),
        ([("O", 1, 0), ("O", 1, 1), ("C", 2, 0), ("C", 2, 1)], "not innermost"),
        ([("O", 5, 0), ("C", 4, 0)], "back in time"),
        ([("O", 5, 0), ("C", 11, 0)], "after the end"),
        ([("O", 5, 7), ("C", 6, 7)], "event"),
    ],
)
def test_what_the_loader_refuses_is_found(events, complaint):
    profile = {"type": "evented", "name": "x", "unit": "nanoseconds", "startValue": 0, "endValue": 10}
    profile["events"] = [{"type": kind, "at": at, "frame": frame} for kind, at, frame in events]

    assert complaint in complaints_about(profile, 2)[0]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_text(tmp_path, name):
    file = file_of(tmp_path, named(timeline("main 0-5 running"), name))

    assert complaints(file) == []
    assert [frame["name"] for frame in file["shared"]["frames"]] == ["running", shown(name)]
    assert file["profiles"][0]["name"] == f"{shown(name)} (5000): states"
