"""Perfetto itself opens the trace: vizviewer serves its interface, in which its trace_processor runs."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from exported import CONVOY, HOSTILE, calls_from, shown, written
from timelines import synthetic, timeline

sys.path.insert(0, str(Path(__file__).parent / "browser"))
from chromium import CHROMIUM, browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
]

QUERY = """async query => {
    const rows = await window.app.trace.engine.query(query);
    const columns = rows.columns(), found = [];
    for (const row = rows.iter({}); row.valid(); row.next())
        found.push(columns.map(name => row.get(name)).map(v => typeof v === "bigint" ? Number(v) : v));
    return found;
}"""
CALLS = """
main 0-0   "zero (a.py:1)"
main 2-8   "inner (a.py:5)"
main 8-8   "zero (a.py:1)"
main 0-30  "crunch (a.py:3)"
io   40-60 "parse (b.py:9)"
"""


@contextmanager
def served(path):
    """vizviewer with this trace, as a user starts it; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "viztracer.viewer", "--server_only", "--port", str(port), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as viewer:
        try:
            assert any("Ctrl+C" in line for line in viewer.stdout), "it did not open the file"
            yield f"http://127.0.0.1:{port}/"
        finally:
            viewer.kill()


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


@contextmanager
def opened(chromium, path):
    """A function that asks trace_processor, in a page that shows this trace."""
    with served(path) as address:
        page = chromium.new_page()
        page.route("**/*", lambda route: route.continue_() if address in route.request.url else route.abort())
        page.goto(address)
        page.wait_for_function("() => window.app && window.app.trace")
        yield lambda query: page.evaluate(QUERY, query)
        page.close()


def test_perfetto_opens_the_trace_and_loses_nothing(chromium, tmp_path):
    run = timeline(CONVOY)
    written("perfetto", run, calls_from(run, CALLS), tmp_path / "t.json.gz")

    with opened(chromium, tmp_path / "t.json.gz") as ask:
        assert ask("select name, value from stats where value > 0 and severity != 'info'") == []
        assert ask(
            "select thread.name, slice.name, ts, dur, depth from slice"
            " join thread_track on slice.track_id = thread_track.id join thread using (utid)"
            " where category = 'call' and thread.name = 'main: calls' order by slice.id"
        ) == [
            ["main: calls", "crunch (a.py:3)", 0, 30_000_000, 0],
            ["main: calls", "zero (a.py:1)", 0, 0, 1],
            ["main: calls", "inner (a.py:5)", 2_000_000, 6_000_000, 1],
            ["main: calls", "zero (a.py:1)", 8_000_000, 0, 1],
        ]
        assert ask(
            "select s.name, e.name, s.ts + s.dur, e.ts from flow"
            " join slice s on slice_out = s.id join slice e on slice_in = e.id"
        ) == [["preempted", "running", 40_000_000, 40_000_000]]
        assert ask(
            "select name, count(*), max(value) from counter join track on track_id = track.id group by 1"
        ) == [["cores in use", 6, 1], ["threads waiting for the GIL", 2, 1]]


def test_perfetto_keeps_every_slice_of_a_busy_run_and_shows_any_name(chromium, tmp_path):
    run = synthetic(6_000, len(HOSTILE), seed=2)
    run.threads["name"] = pd.Series(HOSTILE, dtype=object)
    written("perfetto", run, [], tmp_path / "t.json")

    with opened(chromium, tmp_path / "t.json") as ask:
        assert ask("select name, value from stats where value > 0 and severity != 'info'") == []
        ((slices,),) = ask("select count(*) from slice where category = 'state' and depth = 0")
        assert slices == len(run.intervals)
        names = [name for (name,) in ask("select name from thread where tid >= 5000 order by tid")]
        assert names == [shown(name) for name in HOSTILE]
