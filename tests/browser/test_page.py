"""The page in a real browser: what a person does with it, and that it does nothing else."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from timelines import EXACT_RUN, INFERRED_RUN, synthetic, timeline, with_joins, with_wakeups

from gtrace.model import TimeNs
from gtrace.report import Span, render
from gtrace.report.page import WAKEUP_CAUSES

sys.path.insert(0, str(Path(__file__).parent))
from chromium import CHROMIUM, browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
]

SMALL = """
MainThread  0-100    lock_wait Lock.acquire reason="thread join" caller="main (a.py:1)" <- w1
w1          0-30     running "crunch (a.py:3)"
w1          30-60    gil_wait "crunch (a.py:3)" <- w2
w1          60-100   running "crunch (a.py:3)"
w2          0-30     gil_wait "parse (a.py:9)" <- w1
w2          30-60    running "parse (a.py:9)"
w2          60-90    sleep time.sleep reason=sleep caller="parse (a.py:9)"
w2          90-100   io_wait socket.recv reason=socket
"""
HOSTILE = "</script><img src=x onerror=window.hacked=1>"
HOSTILE_TEXT = f"""
"{HOSTILE}"           0-100  running "<b>bold</b> ({HOSTILE}:1)"
"'\\"--><svg onload=window.hacked=1>"  0-100  gil_wait "javascript:window.hacked=1" <- "{HOSTILE}"
"=cmd|'/c calc'!A0"    0-100  lock_wait "<i>f</i>" reason="<u>lock</u>"
"{"long" * 200}"       0-100  sleep "{"g" * 3000} (x.py:1)"
"\u202egnp.exe"  0-100  io_wait "line \u2028 paragraph \u2029"
"""


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


TABLES = "html:is([data-ready=tables], [data-ready=charts])"
CHARTS = "html[data-ready=charts]"


class Opened:
    """A page that opened, and everything it complained about or asked for."""

    def __init__(self, page, complaints, requests):
        self.page, self.complaints, self.requests = page, complaints, requests

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def note(self):
        return self.text("#view-note")

    def wait_for_note(self, pattern):
        self.page.wait_for_function(
            "pattern => new RegExp(pattern).test(document.querySelector('#view-note').textContent)",
            arg=pattern,
        )

    def wait_for_hash(self, pattern):
        self.page.wait_for_function("pattern => new RegExp(pattern).test(location.hash)", arg=pattern)

    def rows(self, table):
        return self.page.locator(f"{table} tbody tr").all_inner_texts()

    def column(self, table, number):
        return self.page.locator(f"{table} tbody tr > :nth-child({number})").all_inner_texts()


@pytest.fixture
def open_page(chromium, tmp_path):
    contexts = []

    def opened(known, *, width=1280, theme="light", fragment="", ready=TABLES, span=None):
        path = tmp_path / "page.html"
        path.write_text(render(known, span), encoding="utf-8")
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        complaints, requests = [], []
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri() + fragment)
        page.wait_for_selector(ready, state="attached")
        return Opened(page, complaints, requests)

    yield opened
    for context in contexts:
        context.close()


KINDS = {
    "exact": timeline(SMALL),
    "inferred": timeline(
        "\n".join(f"{line} evidence=inferred" for line in SMALL.strip().splitlines()), INFERRED_RUN
    ),
    "free-threaded": timeline(SMALL.replace("gil_wait", "running"), replace(EXACT_RUN, free_threaded=True)),
    "one thread": timeline("main 0-10 running f"),
    "an instant": timeline("main 0-0.000001 unknown"),
    "many": synthetic(30_000, 150, seed=5),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_opens_from_a_file_without_requests_or_complaints(open_page, kind):
    opened = open_page(KINDS[kind], ready=CHARTS)
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert len([url for url in opened.requests if url.startswith("file:")]) == 1
    assert opened.text(".verdict-text")


@pytest.mark.parametrize(("width", "theme"), [(380, "dark"), (768, "light"), (1280, "dark"), (2560, "light")])
def test_nothing_is_wider_than_the_window(open_page, width, theme):
    opened = open_page(timeline(HOSTILE_TEXT), width=width, theme=theme, ready=CHARTS)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.page.evaluate("document.documentElement.dataset.theme") == theme


def test_hostile_names_show_as_text_and_run_nothing(open_page):
    run = replace(EXACT_RUN, command=("python", HOSTILE), cwd=f"/{HOSTILE}", notes=(f"A note {HOSTILE}.",))
    opened = open_page(timeline(HOSTILE_TEXT, run), ready=CHARTS)
    page = opened.page
    page.locator("#lane-canvas").hover(position={"x": 200, "y": 12})
    page.locator("#lane-canvas").click(position={"x": 200, "y": 44})
    assert page.evaluate("window.hacked") is None
    assert opened.complaints == []
    assert page.locator("img, svg[onload], b:has-text('bold')").count() == 0
    assert HOSTILE in opened.text("#lane-labels")
    assert HOSTILE in opened.text("#table-threads")
    assert "<u>lock</u>" in opened.text("#table-waits")
    assert "javascript:window.hacked=1" in opened.text("#pinned")
    assert HOSTILE in opened.text("#about")
    assert "\\u202egnp.exe" in opened.text("#lane-labels")
    chart = page.locator("#state-chart .annotation-text").all_text_contents()
    assert any("script>" in text for text in chart)


def test_long_names_are_cut_and_can_be_read_in_full(open_page):
    opened = open_page(timeline(HOSTILE_TEXT))
    title = opened.page.locator("#lane-labels .lane-label", has_text="longlong").get_attribute("title")
    assert "long" * 200 in title
    cell = opened.page.locator("#table-waits td[title]", has_text="gggg").first
    assert cell.get_attribute("title").startswith("g" * 3000)
    assert len(cell.inner_text()) < 100


def drag(opened, start, end, y=20):
    canvas = opened.page.locator("#lane-canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    opened.page.mouse.move(box["x"] + start * box["width"], box["y"] + y)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + end * box["width"], box["y"] + y, steps=5)
    opened.page.mouse.up()


def test_hovering_tells_thread_state_duration_function_and_how_it_is_known(open_page):
    opened = open_page(timeline(SMALL))
    opened.page.locator("#lane-canvas").hover(position={"x": 400, "y": 48})
    words = opened.text("#tooltip")
    for part in (
        "w1",
        "GIL wait",
        "wants the GIL",
        "30.0 ms",
        "crunch (a.py:3)",
        "w2, in parse (a.py:9)",
        "exact",
    ):
        assert part in words


def test_hovering_many_intervals_tells_the_shares(open_page):
    opened = open_page(synthetic(100_000, 4, seed=1))
    opened.page.locator("#lane-canvas").hover(position={"x": 400, "y": 16})
    words = opened.text("#tooltip")
    assert re.search(r"\d+ intervals in", words)
    assert "%" in words


def test_the_wheel_zooms_at_the_pointer_and_the_page_stays(open_page):
    opened = open_page(synthetic(3_000, 4, seed=1))
    canvas = opened.page.locator("#lane-canvas")
    canvas.scroll_into_view_if_needed()
    canvas.hover(position={"x": 300, "y": 20})
    before = opened.page.evaluate("scrollY")
    opened.page.mouse.wheel(0, -600)
    opened.wait_for_hash(r"^#t=\d+-\d+")
    start, end = map(int, re.findall(r"\d+", opened.page.evaluate("location.hash")))
    assert 0 < start < end
    assert opened.page.evaluate("scrollY") == before


def test_shift_drag_moves_the_view(open_page):
    opened = open_page(timeline(SMALL), fragment="#t=40000000-60000000")
    opened.page.keyboard.down("Shift")
    drag(opened, 0.6, 0.3)
    opened.page.keyboard.up("Shift")
    opened.wait_for_hash(r"^#t=4[56]\d{6}-6[56]\d{6}$")


def test_a_selected_range_recounts_every_number_and_table(open_page):
    opened = open_page(timeline(SMALL))
    whole = opened.rows("#table-threads")
    drag(opened, 0.1, 0.2)
    opened.page.wait_for_selector("#range-bar:not([hidden])")
    assert "10.0 ms of 100 ms" in opened.text("#range-text")
    assert [text.split()[0] for text in opened.column("#table-threads", 3)] == ["10.0"] * 3
    assert opened.text("[data-number=wall] .value") == "10.0 ms"
    assert opened.text("[data-number=held] .value") == "100 %"
    assert "sleep" not in " ".join(opened.column("#table-waits", 2))
    assert "10.0 ms" in opened.text("#legend [data-state=running]")
    opened.wait_for_hash(r"s=\d+-\d+")
    opened.page.click("#range-clear")
    assert opened.rows("#table-threads") == whole
    assert opened.text("[data-number=wall] .value") == "100 ms"
    assert opened.page.locator("#range-bar").is_hidden()


def test_the_address_brings_back_range_selection_filter_and_search(open_page):
    opened = open_page(
        timeline(SMALL), fragment="#t=20000000-70000000&s=30000000-60000000&hide=sleep&find=w2"
    )
    opened.wait_for_note("^50.0 ms in view.*1 of 3 threads")
    assert "30.0 ms of 100 ms" in opened.text("#range-text")
    assert opened.page.get_attribute("[data-state=sleep]", "aria-pressed") == "false"
    assert opened.page.input_value("#search") == "w2"


def test_the_timeline_can_be_used_with_keys_alone(open_page):
    opened = open_page(timeline(SMALL))
    page = opened.page
    page.locator("#lanes").focus()
    for key, note in [
        ("w", "^62.5 ms"),
        ("w", "^39.1 ms"),
        ("s", "^62.5 ms"),
        ("u", "^39.1 ms"),
        ("Home", "^100 ms"),
    ]:
        page.keyboard.press(key)
        opened.wait_for_note(note)
    page.keyboard.press(".")
    assert "MainThread" in opened.text("#pinned")
    page.keyboard.press("ArrowDown")
    assert "GIL wait" in opened.text("#pinned")
    page.keyboard.press(".")
    assert re.search(r"w1\s+running", opened.text("#pinned"))
    page.keyboard.press(",")
    page.keyboard.press("f")
    opened.wait_for_note("^33.0 ms")
    page.keyboard.press("Enter")
    assert "30.0 ms of 100 ms" in opened.text("#range-text")
    page.keyboard.press("r")
    assert "33.0 ms of 100 ms" in opened.text("#range-text")
    page.keyboard.press("a")
    opened.wait_for_hash("t=2")
    page.keyboard.press("Escape")
    assert opened.text("#pinned") == ""
    assert page.locator("#range-bar").is_hidden()
    page.keyboard.press("?")
    assert "zoom in, out" in opened.text("#help")
    page.keyboard.press("/")
    page.keyboard.type("w2")
    opened.wait_for_note("1 of 3 threads match")


def test_a_pinned_wait_leads_to_the_thread_that_let_it_go_on(open_page):
    opened = open_page(timeline(SMALL))
    opened.page.locator("#lane-canvas").click(position={"x": 400, "y": 48})
    assert "GIL held by" in opened.text("#pinned")
    opened.page.get_by_role("button", name="Go to w2").click()
    assert "parse (a.py:9)" in opened.text("#pinned")
    assert opened.page.locator(".pinned-lane").inner_text() == "w2"


def test_undo_leads_back_to_the_view_before(open_page):
    opened = open_page(timeline(SMALL))
    opened.page.click("#zoom-in")
    opened.wait_for_note("^50.0 ms")
    opened.page.click("#zoom-fit")
    opened.wait_for_note("^100 ms")
    opened.page.click("#undo")
    opened.wait_for_note("^50.0 ms")
    opened.page.click("#undo")
    opened.wait_for_note("^100 ms")


def test_tables_sort_by_any_column_both_ways(open_page):
    opened = open_page(synthetic(3_000, 6, seed=9))
    opened.page.get_by_role("button", name="Native id").click()
    assert opened.column("#table-threads", 2) == [str(tid) for tid in range(5005, 4999, -1)]
    assert opened.page.locator("#table-threads th[aria-sort=descending]").inner_text().startswith("Native id")
    opened.page.get_by_role("button", name="Native id").click()
    assert opened.column("#table-threads", 2) == [str(tid) for tid in range(5000, 5006)]
    opened.page.locator("#table-waits").get_by_role("button", name="Thread", exact=True).click()
    threads = opened.column("#table-waits", 1)
    assert threads == sorted(threads)


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
    assert lines[0].startswith("thread,tid,lifetime_s,")
    assert len(lines) == 6
    assert any(line.startswith("'=cmd") for line in lines)
    assert download.value.suggested_filename.endswith("threads.csv")


PIXELS_OF_A_ROW = """y => {
    const canvas = document.querySelector('#lane-canvas');
    const {data} = canvas.getContext('2d').getImageData(0, y, canvas.width, 1);
    const found = {};
    for (let i = 0; i < data.length; i += 4) {
        const colour = data[i + 3] ? `${data[i]},${data[i + 1]},${data[i + 2]}` : 'none';
        found[colour] = (found[colour] ?? 0) + 1;
    }
    return found;
}"""


def pixels(opened, y):
    """How many pixels of a row of the lanes have each colour."""
    return opened.page.evaluate(PIXELS_OF_A_ROW, y)


def settle(opened):
    opened.page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


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


def test_inferred_intervals_do_not_look_exact(open_page):
    exact = open_page(KINDS["exact"])
    settle(exact)
    inferred = open_page(KINDS["inferred"])
    settle(inferred)
    green = "47,138,42"
    assert pixels(inferred, 40)[green] < 0.8 * pixels(exact, 40)[green]
    assert "Calls alone cannot tell running from gil_wait" in inferred.text(".banner")
    assert exact.page.locator(".banner:visible").count() == 0


def test_the_theme_follows_the_system_until_someone_chooses(open_page):
    opened = open_page(timeline(SMALL), theme="dark")
    assert opened.page.get_attribute("html", "data-theme") == "dark"
    opened.page.emulate_media(color_scheme="light")
    opened.page.wait_for_selector("html[data-theme=light]")
    opened.page.click("#theme")
    assert opened.page.get_attribute("html", "data-theme") == "dark"
    opened.page.reload()
    opened.page.wait_for_selector("html[data-ready=charts]")
    assert opened.page.get_attribute("html", "data-theme") == "dark"


def test_five_hundred_lanes_scroll_and_sort_and_are_found(open_page):
    opened = open_page(synthetic(20_000, 500, seed=3))
    page = opened.page
    assert page.locator(".lane-label").all_inner_texts() == ["MainThread", "▸ worker-* (499)"]
    page.click("#fold")
    assert page.locator(".lane-label").count() == 500
    before = page.evaluate("document.querySelector('#lane-canvas').toDataURL().length")
    page.evaluate("document.querySelector('#lane-scroll').scrollTop = 4000")
    settle(opened)
    assert page.evaluate("document.querySelector('#lane-canvas').toDataURL().length") != before
    page.fill("#search", "worker-49")
    opened.wait_for_note("11 of 500 threads match")
    page.fill("#search", "")
    page.select_option("#lane-sort", "name")
    assert page.locator(".lane-label").nth(1).inner_text() == "worker-1"
    page.locator("#table-threads tbody button").first.click()
    assert page.locator(".pinned-lane").count() == 1


def test_pools_fold_into_one_lane_and_open_again(open_page):
    opened = open_page(synthetic(6_000, 40, seed=3))
    page = opened.page
    page.click("#fold")
    assert page.locator(".lane-label").all_inner_texts() == ["MainThread", "▸ worker-* (39)"]
    opened.wait_for_note("1 pools? folded")
    page.locator("#lane-canvas").hover(position={"x": 300, "y": 48})
    assert "worker-*, 39 threads" in opened.text("#tooltip")
    page.get_by_role("button", name="worker-* (39)").click()
    assert page.locator(".lane-label").count() == 41
    page.get_by_role("button", name="worker-* (39)").click()
    page.locator("#table-threads").get_by_role("button", name="worker-7", exact=True).click()
    assert page.locator(".pinned-lane").inner_text() == "worker-7"


def test_a_thread_can_be_kept_on_top(open_page):
    opened = open_page(synthetic(3_000, 20, seed=3))
    opened.page.locator("#table-threads").get_by_role("button", name="worker-7", exact=True).click()
    opened.page.get_by_role("button", name="Keep thread on top").click()
    assert opened.page.locator(".lane-label").first.inner_text() == "worker-7"
    opened.page.get_by_role("button", name="No longer on top").click()
    assert opened.page.locator(".lane-label").first.inner_text() == "MainThread"


def test_a_hundred_thousand_intervals_open_and_zoom(open_page):
    opened = open_page(synthetic(100_000, 8, seed=2))
    assert "columns of" in opened.note()
    opened.page.locator("#lanes").focus()
    for _ in range(24):
        opened.page.keyboard.press("w")
    opened.wait_for_note("every interval drawn by itself")
    assert opened.complaints == []


def axe_core():
    """The source of axe-core, as the package axe-playwright-python ships it."""
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


@pytest.mark.skipif(
    importlib.util.find_spec("axe_playwright_python") is None, reason="axe-playwright-python is not installed"
)
@pytest.mark.parametrize(("width", "theme"), [(380, "dark"), (1280, "light")])
def test_axe_finds_nothing(open_page, width, theme):
    opened = open_page(KINDS["inferred"], width=width, theme=theme, ready=CHARTS)
    opened.page.click("#help-button")
    opened.page.locator("#lane-canvas").click(position={"x": 150, "y": 48})
    opened.page.evaluate(axe_core())
    found = opened.page.evaluate(
        "axe.run().then(found => found.violations.map(one => [one.id, one.nodes.map(n => n.html)]))"
    )
    assert found == []


def test_on_paper_the_tables_are_there_and_the_tools_are_not(open_page):
    opened = open_page(timeline(SMALL), theme="dark")
    opened.page.emulate_media(media="print")
    assert opened.page.locator(".tools:visible").count() == 0
    assert opened.page.locator("#table-threads table").is_visible()
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_run_without_a_gil_claims_nothing_about_one(open_page):
    opened = open_page(KINDS["free-threaded"])
    assert opened.page.locator("[data-number=held], [data-number=wait], [data-number=handoffs]").count() == 0
    assert opened.page.locator("#table-blame:visible, #table-holds:visible, #gil:visible").count() == 0


def test_blame_names_waiter_holder_and_function(open_page):
    opened = open_page(timeline(SMALL))
    assert [" ".join(row.split()) for row in opened.rows("#table-blame")] == [
        "w1 w2 parse (a.py:9) 30.0 ms 1 30.0 ms",
        "w2 w1 crunch (a.py:3) 30.0 ms 1 30.0 ms",
    ]


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
        "the end of w1 main (a.py:1) w1 crunch (a.py:3) 0.00000 s 1 100 ms 1 100 ms"
    ]


def test_a_wait_for_a_threads_end_says_whose_and_that_end_says_who_waited(open_page):
    opened = open_page(with_joins(timeline(SMALL), ("MainThread", "w1", 0, 100, "ended")))
    opened.page.locator("#lane-canvas").hover(position={"x": 400, "y": 16})
    assert re.search(r"waits for\s+the end of w1", opened.text("#tooltip"))
    opened.page.locator("#lane-canvas").hover(position={"x": 800, "y": 48})
    assert re.search(r"awaited by\s+MainThread, which waited for this thread to end", opened.text("#tooltip"))
    opened.page.locator("#lane-canvas").hover(position={"x": 400, "y": 48})
    assert "awaited by" not in opened.text("#tooltip")


def dark_pixels(opened, y):
    """How many pixels of a row of the lanes are as dark as an arrow."""
    found = pixels(opened, y)
    return sum(n for colour, n in found.items() if colour != "none" and max(map(int, colour.split(","))) < 60)


def test_a_pin_draws_the_arrow_from_the_thread_that_let_it_go_on(open_page):
    opened = open_page(timeline(SMALL))
    settle(opened)
    between_w1_and_w2 = 64
    assert dark_pixels(opened, between_w1_and_w2) == 0
    opened.page.locator("#lane-canvas").click(position={"x": 400, "y": 48})
    settle(opened)
    assert 1 <= dark_pixels(opened, between_w1_and_w2) <= 10
    opened.page.keyboard.press("Escape")
    settle(opened)
    assert dark_pixels(opened, between_w1_and_w2) == 0


WITH_NATIVE = (
    SMALL
    + """
"native thread 71"  0-60   native
"native thread 71"  60-100 blocked
"native thread 72"  0-80   native
"native thread 72"  80-100 blocked
"""
)


def test_native_threads_are_one_lane_that_opens(open_page):
    known = timeline(WITH_NATIVE)
    native = known.threads["name"].str.startswith("native")
    known = replace(known, threads=known.threads.assign(kind=native.map({True: "native", False: "python"})))
    opened = open_page(known, ready=CHARTS)
    page = opened.page
    names = ["MainThread", "w1", "w2"]
    assert page.locator(".lane-label").all_inner_texts() == [*names, "▸ native threads (2)"]
    assert "native 140 ms\nblocked 60.0 ms" in page.locator(".pool button").get_attribute("title")
    page.locator("#lane-canvas").hover(position={"x": 400, "y": 112})
    assert "native threads, 2 threads" in opened.text("#tooltip")
    bars = page.locator("#state-chart .annotation-text").all_text_contents()
    assert bars == [*names, "native threads (2)"]
    page.get_by_role("button", name="native threads (2)").click()
    natives = ["native thread 71", "native thread 72"]
    assert page.locator(".lane-label").all_inner_texts() == [*names, "▾ native threads (2)", *natives]


def test_a_page_of_a_part_moves_within_it_and_counts_it_alone(open_page):
    known = timeline(SMALL)
    opened = open_page(known, span=Span(TimeNs(20_000_000), TimeNs(50_000_000)), ready=CHARTS)
    page = opened.page
    assert opened.note().startswith("30.0 ms in view")
    assert [text.split()[0] for text in opened.column("#table-threads", 3)] == ["30.0"] * 3
    assert opened.text("[data-number=wall] .value") == "100 ms"
    page.locator("#lanes").focus()
    page.keyboard.press("w")
    opened.wait_for_note("^18.8 ms")
    for key in "aaaaaaaa":
        page.keyboard.press(key)
    opened.wait_for_hash("t=20000000-")
    page.keyboard.press("Home")
    opened.wait_for_note("^30.0 ms")
    opened.wait_for_hash("^$")
    assert "from 0.02 s to 0.05 s of a run of 100 ms" in opened.text("#part")
    assert opened.complaints == []


def test_hovering_tells_the_chain_of_calls(open_page):
    chain = "main (a.py:1);work (a.py:5);fetch (a.py:8);time.sleep"
    opened = open_page(timeline(f'main 0-100 sleep time.sleep caller="fetch (a.py:8)" chain="{chain}"'))
    opened.page.locator("#lane-canvas").hover(position={"x": 400, "y": 16})
    words = " ".join(opened.text("#tooltip").split())
    assert "called by fetch (a.py:8) ← work (a.py:5) ← main (a.py:1)" in words
