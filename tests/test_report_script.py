"""The page's script against slow twins in Python, run by node."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from timelines import PID, synthetic, timeline, with_wakeups

from gtrace.model import WAIT_STATES, State
from gtrace.report.columns import pack
from gtrace.report.compare import COMPARE_SCRIPTS
from gtrace.report.lab import LAB_SCRIPTS
from gtrace.report.page import SCRIPTS
from gtrace.report.template import asset

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(
    NODE is None, reason="node is not installed; the browser tests cover the page"
)
HERE = Path(__file__).parent / "browser"
STATES = [state.value for state in State]
CELLS = 37


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """The page's modules as node wants them: in a folder that says they are modules."""
    folder = tmp_path_factory.mktemp("script")
    (folder / "package.json").write_text('{"type": "module"}')
    for name in SCRIPTS:
        (folder / name).write_text((resources.files("gtrace.report") / name).read_text("utf-8"))
    for source in HERE.glob("*.js"):
        (folder / source.name).write_text(source.read_text("utf-8"))
    return folder


def node(folder, *arguments, text=""):
    found = subprocess.run(
        [NODE, *arguments], input=text, capture_output=True, text=True, cwd=folder, check=False, timeout=120
    )
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr[-3000:]
    return found.stdout


def test_pure_functions_do_what_they_say(modules):
    node(modules, "--test", "pure.test.js")


@pytest.mark.parametrize("names", [SCRIPTS, COMPARE_SCRIPTS, LAB_SCRIPTS], ids=["page", "compare", "lab"])
def test_no_module_of_a_page_takes_the_name_of_another_s_function(names):
    declared = re.compile(r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+)", re.MULTILINE)
    found = [name for module in names for name in declared.findall(asset(module))]
    assert [name for name, count in Counter(found).items() if count > 1] == []
    assert len(found) > 20


def ask(modules, known, ranges):
    packed = pack(known)
    question = {
        "header": packed.header,
        "blob": packed.blob,
        "ranges": ranges,
        "cells": CELLS,
        "states": STATES,
        "names": known.threads["name"].tolist(),
        "waits": [STATES.index(state.value) for state in WAIT_STATES],
    }
    return json.loads(node(modules, "probe.js", text=json.dumps(question)))


def clipped(known, start, end):
    """The intervals cut to a range, with what is left of them as ``ns``."""
    intervals = known.intervals
    ns = intervals["end_ns"].clip(upper=end) - intervals["start_ns"].clip(lower=start)
    return intervals.assign(ns=ns)[ns > 0]


def ranges_of(known):
    duration = int(known.run.duration)
    random = np.random.default_rng(7)
    return [[0, duration], *(sorted(map(int, random.integers(0, duration, 2))) for _ in range(6))]


KNOWN = [synthetic(4_000, 5, seed=11), synthetic(900, 40, seed=12)]


@pytest.mark.parametrize("known", KNOWN, ids=["few threads", "many threads"])
def test_time_per_state_in_any_range_is_what_the_table_says(modules, known):
    ranges = ranges_of(known)
    for (start, end), answer in zip(ranges, ask(modules, known, ranges), strict=True):
        rows = clipped(known, start, end)
        table = rows.pivot_table(index="lane", columns="state", values="ns", aggfunc="sum", observed=False)
        table = table.reindex(index=range(len(known.threads)), columns=STATES).fillna(0)
        assert np.array_equal(np.array(answer["totals"])[:, : len(STATES)], table.to_numpy())


@pytest.mark.parametrize("known", KNOWN, ids=["few threads", "many threads"])
def test_the_cells_of_a_lane_add_up_to_its_totals(modules, known):
    ranges = ranges_of(known)
    for (start, end), answer in zip(ranges, ask(modules, known, ranges), strict=True):
        totals, cells = np.array(answer["totals"])[:, : len(STATES)], np.array(answer["cells"])
        assert np.allclose(cells.sum(axis=1), totals, atol=1)
        assert (cells >= -1e-3).all()
        assert (cells.sum(axis=2) <= (end - start) / CELLS + 1e-3).all()


@pytest.mark.parametrize("known", KNOWN, ids=["few threads", "many threads"])
def test_the_strip_of_the_gil_adds_up_to_what_its_holders_did(modules, known):
    ranges = ranges_of(known)
    for (start, end), answer in zip(ranges, ask(modules, known, ranges), strict=True):
        held = clipped(known, start, end).query("gil == 'holds'")
        expected = held.groupby("state", observed=False)["ns"].sum().reindex(STATES).fillna(0)
        cells = np.array(answer["strip"]).reshape(CELLS, -1)
        assert np.allclose(cells[:, : len(STATES)].sum(axis=0), expected, atol=1)
        assert cells.min() >= -1e-3
        assert cells.sum(axis=1).max() <= (end - start) / CELLS + 1e-3


def test_a_folded_pool_shows_the_sum_of_its_lanes(modules):
    ranges = ranges_of(KNOWN[0])
    for answer in ask(modules, KNOWN[0], ranges):
        assert np.allclose(np.array(answer["cells"]).sum(axis=0), answer["pool"], atol=1)
    (answer,) = ask(modules, KNOWN[1], ranges_of(KNOWN[1])[:1])
    each, pool = np.array(answer["cells"]).sum(axis=0), np.array(answer["pool"])
    whole = CELLS // 4 * 4  # many lanes are summed four cells at a time
    assert np.allclose(
        each[:whole].reshape(-1, 4, 10).sum(axis=1), pool[:whole].reshape(-1, 4, 10).sum(axis=1), atol=4
    )


def test_waits_of_a_range_are_those_of_the_table(modules):
    known = KNOWN[0]
    ranges = ranges_of(known)
    keys = ["lane", "state", "reason", "function", "caller"]
    for (start, end), answer in zip(ranges, ask(modules, known, ranges), strict=True):
        rows = clipped(known, start, end)
        rows = rows[rows["state"].isin([state.value for state in WAIT_STATES])]
        own = rows["caller"].astype(str) == rows["function"].astype(str)
        rows = rows.assign(caller=rows["caller"].astype(str).mask(own, ""))
        table = rows.groupby(keys, observed=True)["ns"].agg(["sum", "count", "max"])
        found = {
            tuple(row[key] for key in keys): (row["total"], row["count"], row["longest"])
            for row in answer["waits"]
        }
        assert found == {
            key: tuple(row) for key, row in zip(table.index, table.to_numpy().tolist(), strict=True)
        }
        totals = [row["total"] for row in answer["waits"]]
        assert totals == sorted(totals, reverse=True)


def slow_blame(known, start, end):
    rows = clipped(known, start, end)
    rows = rows.assign(a=rows["start_ns"].clip(lower=start), b=rows["end_ns"].clip(upper=end))
    holds = rows[rows["gil"] == "holds"].to_dict("records")
    found: dict[tuple[int, int, str], list[int]] = {}
    for wait in rows[rows["gil"] == "waits"].to_dict("records"):
        for hold in holds:
            ns = min(wait["b"], hold["b"]) - max(wait["a"], hold["a"])
            if ns > 0:
                key = (wait["lane"], hold["lane"], hold["function"])
                found.setdefault(key, []).append(ns)
    return {key: (sum(each), len(each), max(each)) for key, each in found.items()}


def test_blame_is_the_overlap_of_waits_and_holds(modules):
    known = synthetic(400, 6, seed=3)
    functions = pack(known).header["functions"]
    ranges = ranges_of(known)
    for (start, end), answer in zip(ranges, ask(modules, known, ranges), strict=True):
        lanes = {name: lane for lane, name in enumerate(known.threads["name"])}
        found = {
            (lanes[b["waiter"]], lanes[b["holder"]], functions[b["fn"]]): (b["ns"], b["count"], b["longest"])
            for b in answer["blame"]
        }
        assert found == slow_blame(known, start, end)


def test_blame_counted_by_groups_adds_up_to_the_same(modules):
    known = KNOWN[1]
    for answer in ask(modules, known, ranges_of(known)):
        assert {blame["waiter"] for blame in answer["grouped"]} <= {"MainThread", "worker-*"}
        for key, together in (("ns", sum), ("count", sum), ("longest", max)):
            each, grouped = (by_function(answer[name], key, together) for name in ("blame", "grouped"))
            assert grouped == pytest.approx(each, abs=1)


def test_threads_are_told_apart_in_blame_as_long_as_the_rows_are_few(modules):
    seen = set()
    for known in (KNOWN[1], synthetic(400, 6, seed=3)):
        for answer in ask(modules, known, ranges_of(known)):
            few = len(answer["blame"]) <= 200 or len(known.threads) <= 12
            rows, expected = (
                sorted(str(row) for row in answer[name]) for name in ("shown", "blame" if few else "grouped")
            )
            assert rows == expected
            seen.add(few)
    assert seen == {True, False}


def by_function(blame, key, together):
    found = {}
    for one in blame:
        found.setdefault(one["fn"], []).append(one[key])
    return {fn: together(values) for fn, values in found.items()}


def test_blame_is_the_same_hold_by_hold_and_wait_by_wait(modules):
    known = KNOWN[1]
    keys = ("waiter", "holder", "fn", "count", "longest", "lane")
    for answer in ask(modules, known, ranges_of(known)):
        by_hold, by_wait = (
            sorted([one[key] for key in keys] for one in answer[name]) for name in ("each", "blame")
        )
        assert by_hold == by_wait
        assert len(by_wait) > 40


def test_every_wait_for_the_gil_is_blamed_on_someone(modules):
    known = KNOWN[0]
    (answer,) = ask(modules, known, [[0, int(known.run.duration)]])
    waited = clipped(known, 0, int(known.run.duration)).query("gil == 'waits'")["ns"].sum()
    assert sum(blame["ns"] for blame in answer["blame"]) == waited


def test_holds_that_touch_are_one_hold_and_changes_of_holder_are_counted(modules):
    known = timeline("""
    main  0-10   running f
    main  10-30  stalled g
    main  30-60  gil_wait g <- w1
    main  60-70  running f
    w1    0-30   gil_wait h <- main
    w1    30-60  running h
    w1    60-70  sleep
    """)
    whole, part = ask(modules, known, [[0, 70_000_000], [20_000_000, 40_000_000]])
    assert whole["holds"] == {"held": 70e6, "count": 3, "handoffs": 2}
    assert [(hold["lane"], hold["ns"]) for hold in whole["longest"]] == [(0, 30e6), (1, 30e6), (0, 10e6)]
    assert part["holds"] == {"held": 20e6, "count": 2, "handoffs": 1}
    assert whole["lengths"] == [30e6, 30e6, 10e6]


def test_the_interval_at_an_instant_is_found(modules):
    known = KNOWN[0]
    ranges = ranges_of(known)
    lanes = known.intervals.groupby("lane")
    offset = lanes.size().cumsum().shift(fill_value=0)
    for (start, _), answer in zip(ranges, ask(modules, known, ranges), strict=True):
        for lane, rows in lanes:
            place = int(np.searchsorted(rows["start_ns"].to_numpy(), start, side="right")) - 1
            assert answer["first"][lane] == offset[lane] + max(place, 0)


def test_latencies_of_a_range_are_those_numpy_finds(modules):
    known = with_wakeups(KNOWN[0], 0.6, seed=8)
    ranges = ranges_of(known)
    for (start, end), answer in zip(ranges, ask(modules, known, ranges), strict=True):
        inside = known.wakeups[known.wakeups["time_ns"].between(start, end)]
        expected = []
        for code, (_, rows) in enumerate(inside.groupby("cause", observed=False)):
            if len(rows):
                p50, p99 = np.percentile(rows["latency_ns"], (50, 99))
                expected.append((code, len(rows), p50, p99, rows["latency_ns"].max()))
        keys = ("cause", "count", "p50", "p99", "max")
        found = [[one[key] for key in keys] for one in answer["latencies"]]
        assert np.allclose(found, expected)
        for one in answer["latencies"]:
            longest = inside[inside["latency_ns"] == one["max"]]
            assert (one["lane"], one["at"]) in set(zip(longest["lane"], longest["time_ns"], strict=True))


LOCKS = """
main  0-48    lock_wait Lock.acquire reason="thread join" caller="main (a.py:1)" <- w1
main  48-100  running "main (a.py:1)"
w1    0-20    running "give (a.py:3)"
w1    20-50   lock_wait Lock.acquire reason=lock lock=64 caller="take (a.py:5)" <- w2
w2    0-20    lock_wait Lock.acquire reason=lock lock=64 caller="take (a.py:5)" <- w1
w2    20-40   lock_wait Lock.acquire reason=queue lock=72 caller="get (a.py:7)" <- w1
w2    40-55   running _thread.lock.release caller="free (a.py:9)"
w2    55-80   lock_wait Lock.acquire reason=queue lock=88 caller="get (a.py:7)"
"""


def test_a_lock_is_told_by_its_address_and_a_queue_by_where_it_is_waited_for(modules):
    whole, part = ask(modules, timeline(LOCKS), [[0, 100_000_000], [45_000_000, 60_000_000]])
    assert {row["created"] for row in whole["locks"]} == {""}
    keys = ("lock", "place", "waker", "wakerIn", "first", "threads", "count", "total", "longest")
    assert [tuple(row[key] for key in keys) for row in whole["locks"]] == [
        ("lock 0x40", "take (a.py:5)", "w2", "free (a.py:9)", 0, 2, 2, 50e6, 30e6),
        ("the end of w1", "main (a.py:1)", "w1", "", 0, 1, 1, 48e6, 48e6),
        ("queue", "get (a.py:7)", "w1", "take (a.py:5)", 20e6, 1, 2, 45e6, 25e6),
    ]
    assert [(row["lock"], row["total"], row["first"]) for row in part["locks"]] == [
        ("lock 0x40", 5e6, 45e6),
        ("queue", 5e6, 55e6),
        ("the end of w1", 3e6, 45e6),
    ]


def test_a_lock_is_another_once_one_was_created_at_its_address(modules):
    known = timeline(LOCKS)
    rows = [
        (PID, 64, 0, "setup (/home/ada/project/a.py:2)"),
        (PID, 64, 10_000_000, "again (a.py:4)"),
        (PID, 72, 90_000_000, "late (a.py:6)"),
    ]
    known = replace(known, locks=pd.DataFrame(rows, columns=["pid", "lock", "since_ns", "where"]))
    (answer,) = ask(modules, known, [[0, 100_000_000]])
    assert [(row["lock"], row["created"], row["total"]) for row in answer["locks"]] == [
        ("the end of w1", "", 48e6),
        ("queue", "", 45e6),
        ("lock 0x40", "again (a.py:4)", 30e6),
        ("lock 0x40", "setup (a.py:2)", 20e6),
    ]
