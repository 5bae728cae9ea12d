"""Tables, numbers, legend and charts in a real browser, for the run and for a range of it."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import replace
from itertools import pairwise

import pandas as pd
import pytest
from pages import CHARTS, HOSTILE_TEXT, SMALL, drag, needs_browser, pixels, settle
from timelines import PID, synthetic, timeline, with_wakeups

from gtrace.report.page import WAKEUP_CAUSES
from gtrace.timeline.standing import COLUMNS

pytestmark = needs_browser


def test_a_selected_range_recounts_every_number_and_table(open_page):
    opened = open_page(timeline(SMALL))
    whole = opened.rows("#table-threads")
    drag(opened, 0.1, 0.2)
    opened.page.wait_for_selector("#range-bar:not([hidden])")
    assert "10.0 ms of 100 ms" in opened.text("#range-text")
    assert [text.split()[0] for text in opened.column("#table-threads", 2)] == ["10.0"] * 3
    assert opened.text("[data-number=wall] .value") == "10.0 ms"
    assert opened.text("[data-number=held] .value") == "100 %"
    assert "sleep" not in " ".join(opened.column("#table-waits", 2))
    assert "10.0 ms" in opened.text("#legend [data-state=running]")
    opened.wait_for_hash(r"s=\d+-\d+")
    opened.page.click("#range-clear")
    assert opened.rows("#table-threads") == whole
    assert opened.text("[data-number=wall] .value") == "100 ms"
    assert opened.page.locator("#range-bar").is_hidden()


def test_what_stays_of_the_whole_run_says_so_while_a_range_is_selected(open_page):
    opened = open_page(timeline(SMALL), ready=CHARTS)
    marks = opened.page.locator(".of-whole:visible")
    assert marks.count() == 0
    drag(opened, 0.1, 0.2)
    opened.page.wait_for_selector("#range-bar:not([hidden])")
    assert opened.text("#verdict-title").endswith("whole run")
    assert opened.text(".grounds").startswith("whole run")
    assert opened.text("#about-title").endswith("whole run")
    assert "what says whole run is not" in opened.text("#range-bar")
    for note in opened.page.locator("#headline .note").all():
        assert note.get_attribute("title") == note.inner_text()
    opened.page.keyboard.press("Escape")
    assert marks.count() == 0


def test_a_range_in_which_nobody_had_the_gil_claims_no_hold(open_page):
    opened = open_page(timeline("main 0-20 running f\nmain 20-100 sleep"), ready=CHARTS)
    assert opened.page.locator("#hold-chart").is_visible()
    drag(opened, 0.5, 0.9)
    opened.page.wait_for_selector("#hold-chart", state="hidden")
    assert opened.text("[data-number=hold] .value") == "0"
    assert opened.text("[data-number=hold] .note") == "nobody held it"


def test_tables_sort_by_any_column_both_ways(open_page):
    opened = open_page(synthetic(3_000, 6, seed=9))
    opened.page.get_by_role("button", name="Native id").click()
    assert opened.column("#table-threads", -1) == [str(tid) for tid in range(5005, 4999, -1)]
    assert opened.page.locator("#table-threads th[aria-sort=descending]").inner_text().startswith("Native id")
    opened.page.get_by_role("button", name="Native id").click()
    assert opened.column("#table-threads", -1) == [str(tid) for tid in range(5000, 5006)]
    opened.page.locator("#table-waits").get_by_role("button", name="Thread", exact=True).click()
    threads = opened.column("#table-waits", 1)
    assert threads == sorted(threads)


def test_a_click_anywhere_in_a_heading_sorts_as_one_on_its_word_does(open_page):
    opened = open_page(synthetic(3_000, 6, seed=9))
    heading = opened.page.locator("#table-waits thead th").first
    box = heading.bounding_box()
    beside_the_word = {"x": box["width"] - 4, "y": box["height"] - 3}
    for direction in ("ascending", "descending"):
        heading.click(position=beside_the_word)
        assert heading.get_attribute("aria-sort") == direction
    heading.locator("button").focus()
    opened.page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert opened.page.evaluate("document.activeElement.dataset.key") == "thread"


POOL = "site-packages/dask/multiprocessing/workers/threadpool.py"
SUBMIT = f"ContextAwareThreadPoolExecutor.submit_the_next ({POOL}:155)"
DEEP = f"""
ContextAware-0_0  0-100  lock_wait acquire reason=lock lock=64 caller="{SUBMIT}" <- Thread-4_handle_results
Thread-4_handle_results  0-100  running "ThreadingBackend._get_pool_of_threads ({POOL}:507)"
"""


def deep():
    """Threads in deep folders, one of which waits for a lock of the other."""
    where = [(PID, 64, 0, f"ThreadingBackend._get_pool ({POOL}:7)")]
    columns = ["pid", "lock", "since_ns", "where"]
    return replace(timeline(DEEP), locks=pd.DataFrame(where, columns=columns))


def test_long_functions_and_places_fit_their_table_and_can_be_read_in_full(open_page):
    opened = open_page(deep(), width=1440)
    wider = "[...document.querySelectorAll('.scroll-x')].filter(one => one.scrollWidth > one.clientWidth)"
    assert opened.page.evaluate(f"{wider}.length") == 0
    assert opened.page.locator(".scroll-hint:visible").count() == 0
    cell = opened.page.locator("#table-locks td[data-column='Mostly in']")
    assert cell.text_content() == f"{SUBMIT.partition(' ')[0]} (…/workers/threadpool.py:155)"
    assert cell.get_attribute("title") == SUBMIT


def test_a_table_that_has_to_be_scrolled_says_so(open_page):
    opened = open_page(deep(), width=700)
    hint = opened.page.locator("#table-locks .scroll-hint")
    hint.wait_for(state="visible")
    opened.page.set_viewport_size({"width": 1440, "height": 900})
    hint.wait_for(state="hidden")


def test_on_a_phone_every_cell_of_a_table_is_in_sight_and_says_what_it_is(open_page):
    opened = open_page(deep(), width=390, ready=CHARTS)
    for cell in opened.page.locator("#tables :is(th, td):visible").all():
        box = cell.bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= 390
        assert box["height"] < 80
    longest = "document.querySelector('#table-locks td[data-column=Longest]')"
    assert "Longest" in opened.page.evaluate(f"getComputedStyle({longest}, '::before').content")
    opened.page.locator("#table-threads").get_by_role("button", name="Started at").click()
    assert opened.page.locator("#table-threads th[aria-sort]").inner_text().startswith("Started at")


def test_on_a_phone_the_axes_of_charts_can_be_read(open_page):
    opened = open_page(synthetic(3_000, 60, seed=9), width=390, ready=CHARTS)
    page = opened.page
    assert page.locator("#state-chart .xtitle").text_content().endswith("summed over the threads of a bar")
    for chart in ("#state-chart", "#utilisation-chart", "#hold-chart"):
        title = page.locator(f"{chart} .xtitle").bounding_box()
        assert 0 <= title["x"] < title["x"] + title["width"] <= 390
        ticks = [tick.bounding_box() for tick in page.locator(f"{chart} .xtick text").all()]
        assert len(ticks) > 1
        assert all(a["x"] + a["width"] < b["x"] for a, b in pairwise(ticks))
        assert all(tick["y"] + tick["height"] <= title["y"] for tick in ticks)


def test_tables_filter_and_show_all(open_page):
    opened = open_page(synthetic(3_000, 40, seed=9))
    assert len(opened.rows("#table-threads")) == 15
    opened.page.locator("#table-threads").get_by_role("button", name="Show all").click()
    assert len(opened.rows("#table-threads")) == 40
    opened.page.get_by_label("Filter rows of Threads").fill("worker-3")
    assert len(opened.rows("#table-threads")) == 11


def test_a_table_is_saved_as_csv(open_page, tmp_path):
    opened = open_page(timeline(HOSTILE_TEXT))
    with opened.page.expect_download() as download:
        opened.page.locator("#table-threads").get_by_role("button", name="CSV").click()
    path = tmp_path / "threads.csv"
    download.value.save_as(path)
    lines = path.read_text("utf-8-sig").splitlines()
    assert lines[0].startswith("thread,lifetime_s,")
    assert len(lines) == 6
    assert any(line.startswith("'=cmd") for line in lines)
    assert download.value.suggested_filename.endswith("threads.csv")


def test_the_legend_hides_a_state_and_isolates_one(open_page):
    opened = open_page(timeline(SMALL))
    settle(opened)
    green = "47,138,42"
    assert pixels(opened, 40)[green] > 500
    opened.page.click("[data-state=running]")
    settle(opened)
    assert green not in pixels(opened, 40)
    opened.page.click("[data-state=running]")
    opened.page.dblclick("[data-state=gil_wait]")
    settle(opened)
    pressed = opened.page.locator("#legend button[aria-pressed=true]").all_inner_texts()
    assert len(pressed) == 1
    assert "GIL wait" in pressed[0]
    assert green not in pixels(opened, 40)
    assert pixels(opened, 40)["238,154,58"] > 200
    opened.page.dblclick("[data-state=gil_wait]")
    assert opened.page.locator("#legend button[aria-pressed=true]").count() == 10
    opened.page.focus("[data-state=sleep]")
    opened.page.keyboard.press("Shift+Enter")
    assert opened.page.locator("#legend button[aria-pressed=true]").count() == 1


def test_blame_names_waiter_holder_and_function(open_page):
    opened = open_page(timeline(SMALL))
    assert [" ".join(row.split()) for row in opened.rows("#table-blame")] == [
        "w1 30.0 ms 1 30.0 ms w2 parse (a.py:9)",
        "w2 30.0 ms 1 30.0 ms w1 crunch (a.py:3)",
    ]


def test_a_row_of_blame_leads_to_the_longest_wait_it_tells_of(open_page):
    opened = open_page(
        timeline("""
    main  0-10  running f
    main  10-20 sleep
    main  20-60 running f
    w1    0-10  gil_wait g <- main
    w1    10-20 running g
    w1    20-60 gil_wait g <- main
    w1    60-65 running g
    """)
    )
    opened.page.locator("#table-blame").get_by_role("button", name="w1", exact=True).click()
    assert re.search(r"w1\s+GIL wait.*lasted\s+40\.0 ms", opened.text("#pinned"), re.DOTALL)


def test_a_function_is_told_apart_from_its_place_and_never_called_by_itself(open_page):
    opened = open_page(
        timeline('main 0-100 preempted "crunch (deep/numbers.py:3)" caller="crunch (deep/numbers.py:3)"')
    )
    row = opened.page.locator("#table-waits tbody tr")
    assert row.locator(".place").all_inner_texts() == ["(deep/numbers.py:3)"]
    assert row.locator("td").last.inner_text() == "–"
    assert row.locator(".place").evaluate("one => one.getClientRects().length") == 1


def test_wake_up_latencies_are_told_by_cause_for_the_selected_range(open_page):
    known = with_wakeups(synthetic(3_000, 6, seed=9), 0.5)
    opened = open_page(known)
    counts = known.wakeups["cause"].value_counts()
    assert dict(zip(opened.column("#table-wakeups", 1), opened.column("#table-wakeups", 2), strict=True)) == {
        WAKEUP_CAUSES[cause]: str(count) for cause, count in counts.items()
    }
    whole = opened.rows("#table-wakeups")
    drag(opened, 0.2, 0.4)
    opened.page.wait_for_selector("#range-bar:not([hidden])")
    inside = [int(count) for count in opened.column("#table-wakeups", 2)]
    assert 0 < sum(inside) < 0.4 * len(known.wakeups)
    opened.page.keyboard.press("Escape")
    assert opened.rows("#table-wakeups") == whole
    opened.page.locator("#table-wakeups tbody button").first.click()
    assert "lasted" in opened.text("#pinned")


def test_without_wake_ups_there_is_no_table_of_them(open_page):
    assert open_page(timeline(SMALL)).page.locator("#table-wakeups:visible").count() == 0


def test_locks_tell_what_was_waited_for_where_and_who_let_go(open_page):
    opened = open_page(timeline(SMALL))
    assert [" ".join(row.split()) for row in opened.rows("#table-locks")] == [
        "the end of w1 100 ms 1 100 ms 1 main (a.py:1) w1 – 0.00000 s"
    ]


def test_where_a_lock_was_created_is_told_where_it_is_known(open_page):
    known = timeline("a 0-100 lock_wait acquire lock=64 reason=lock\nb 0-100 running f")
    where = pd.DataFrame(
        [(PID, 64, 0, "Pool.__init__ (pool.py:7)")], columns=["pid", "lock", "since_ns", "where"]
    )
    assert "Created in" not in open_page(known).text("#table-locks thead")
    opened = open_page(replace(known, locks=where))
    assert opened.column("#table-locks", 6) == ["Pool.__init__ (pool.py:7)"]
    opened.page.locator("#lane-canvas").hover(position={"x": 400, "y": 16})
    assert "Pool.__init__ (pool.py:7)" in opened.text("#tooltip")


def test_a_selected_range_redraws_the_charts(open_page):
    opened = open_page(timeline(SMALL), ready=CHARTS)
    run = "document.querySelector('#state-chart').data.find(trace => trace.name === 'running').x"
    assert sum(opened.page.evaluate(run)) == pytest.approx(100)
    drag(opened, 0.1, 0.2)
    opened.page.wait_for_function(f"{run}.reduce((a, b) => a + b) < 50")
    assert sum(opened.page.evaluate(run)) == pytest.approx(10, rel=0.02)
    start, end = opened.page.evaluate("document.querySelector('#utilisation-chart').layout.xaxis.range")
    assert (start, end) == (pytest.approx(10, rel=0.02), pytest.approx(20, rel=0.02))


def test_utilisation_over_time_counts_the_threads_in_each_state(open_page):
    opened = open_page(timeline(SMALL), ready=CHARTS)
    ends = "data.map(trace => [trace.name, trace.y[0], trace.y.at(-1)])"
    traces = opened.page.evaluate(f"document.querySelector('#utilisation-chart').{ends}")
    assert {name: (first, last) for name, first, last in traces if first or last} == {
        "running": (pytest.approx(1), pytest.approx(1)),
        "GIL wait": (pytest.approx(1), 0),
        "lock wait": (pytest.approx(1), pytest.approx(1)),
        "I/O wait": (0, pytest.approx(1)),
    }


KEPT = """
main  0-60    running zlib.compress caller="pack (a.py:3)"
main  60-100  gil_wait "pack (a.py:3)" <- w1
w1    0-60    gil_wait "serve (a.py:9)" <- main
w1    60-62   running "serve (a.py:9)"
w1    62-100  stalled "read (a.py:12)"
"""


def test_the_longest_holds_say_which_call_does_not_release_the_gil(open_page):
    opened = open_page(timeline(KEPT), ready=CHARTS)
    assert [" ".join(row.split()) for row in opened.rows("#table-holds")] == [
        "main 60.0 ms 0.00000 s zlib.compress does not release the GIL",
        "w1 40.0 ms 0.06000 s read (a.py:12) blocks while it keeps the GIL",
    ]
    chart = opened.page.locator("#hold-chart")
    assert "switch interval 5.00 ms" in " ".join(chart.locator(".annotation-text").all_text_contents())
    assert opened.page.evaluate("document.querySelector('#hold-chart').layout.shapes[0].x0") == pytest.approx(
        math.log10(5e6)
    )
    assert sum(opened.page.evaluate("document.querySelector('#hold-chart').data[0].y")) == 2


@pytest.mark.parametrize("table", ["threads", "waits", "locks", "blame", "holds", "wakeups"])
def test_every_table_sorts_and_saves_what_it_shows(open_page, tmp_path, table):
    opened = open_page(with_wakeups(synthetic(900, 5, seed=4), 0.5))
    place = opened.page.locator(f"#table-{table}")
    heading = place.locator("thead button").nth(1)
    heading.click()
    assert place.locator("th[aria-sort]").count() == 1
    with opened.page.expect_download() as download:
        place.get_by_role("button", name="CSV").click()
    path = tmp_path / "table.csv"
    download.value.save_as(path)
    saved = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    shown = opened.column(f"#table-{table}", 1)
    assert [row[0] for row in saved[1 : len(shown) + 1]] == shown
    assert len(saved[0]) == place.locator("thead th").count()


def test_a_hidden_state_stays_hidden_by_the_address(open_page):
    opened = open_page(timeline(SMALL), ready=CHARTS)
    opened.page.click("[data-state=sleep]")
    opened.wait_for_hash("hide=sleep")
    fragment = opened.page.evaluate("location.hash")
    again = open_page(timeline(SMALL), fragment=fragment, ready=CHARTS)
    assert again.page.get_attribute("[data-state=sleep]", "aria-pressed") == "false"
    visible = "document.querySelector('#state-chart').data.find(trace => trace.name === 'sleep').visible"
    assert again.page.evaluate(visible) is False


def test_who_stood_at_which_lock_at_the_end_is_told_where_it_is_known(open_page):
    rows = [
        (80_000_000, 1, "waits", "Lock", 1, "b", "left (a.py:3)", 2, False, "exact"),
        (80_000_000, 1, "has", "Lock", 2, "a", "left (a.py:2)", 1, False, "derived"),
        (80_000_000, 2, "waits", "Lock", 2, "<b>a</b>", "right (a.py:7)", -1, False, "exact"),
    ]
    known = timeline(SMALL)
    opened = open_page(replace(known, standing=pd.DataFrame(rows, columns=[*COLUMNS])))
    assert [" ".join(row.split()) for row in opened.rows("#table-standing")] == [
        "w2 waits for <b>a</b> Lock right (a.py:7) – exact",
        "w1 waits for b Lock left (a.py:3) w2 exact",
        "w1 has a Lock left (a.py:2) – derived",
    ]
    assert open_page(known).page.locator("#table-standing:visible").count() == 0
