"""The page of a comparison in a real browser: one axis for all runs, hostile names, nothing asked for."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from timelines import EXACT_RUN, synthetic, timeline

from gtrace.analysis.compare import Variant, compare
from gtrace.analysis.measuring import measure
from gtrace.report.compare import Shown, render_comparison

sys.path.insert(0, str(Path(__file__).parent))
from chromium import CHROMIUM, browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
]

LONG = """
MainThread  0-100    lock_wait Lock.acquire reason="thread join" <- w1
w1          0-30     running "crunch (a.py:3)"
w1          30-60    gil_wait "crunch (a.py:3)" <- w2
w1          60-100   running "crunch (a.py:3)"
w2          0-30     gil_wait "parse (a.py:9)" <- w1
w2          30-60    running "parse (a.py:9)"
w2          60-100   sleep
"""
SHORT = """
MainThread  0-50     lock_wait Lock.acquire reason="thread join" <- w1
w1          0-25     running "crunch (a.py:3)"
w1          25-50    sleep
"""
HOSTILE = "</script><img src=x onerror=window.hacked=1>"
HOSTILE_TEXT = f"""
"{HOSTILE}"  0-100  running "<b>bold</b> ({HOSTILE}:1)"
"'\\"--><svg onload=window.hacked=1>"  0-100  gil_wait "javascript:window.hacked=1" <- "{HOSTILE}"
"{"long" * 200}"       0-100  sleep "{"g" * 3000} (x.py:1)"
"\u202egnp.exe"  0-100  io_wait "line \u2028 paragraph \u2029"
"""
GREEN = "47,138,42"
SEEN = """run => {
    const canvas = document.querySelector(`#run-${run} canvas`);
    const {data} = canvas.getContext('2d').getImageData(0, 40, canvas.width, 1);
    const found = {};
    for (let i = 0; i < data.length; i += 4) {
        const colour = data[i + 3] ? `${data[i]},${data[i + 1]},${data[i + 2]}` : 'none';
        found[colour] = (found[colour] ?? 0) + 1;
    }
    return found;
}"""


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


def shown(name, *timelines):
    return Shown(Variant(name, tuple(measure(one) for one in timelines)), 0, timelines[0])


KINDS = {
    "two runs": [shown("long", timeline(LONG)), shown("short", timeline(SHORT))],
    "repeats": [shown("a", *[timeline(LONG)] * 3), shown("b", *[timeline(SHORT)] * 2)],
    "many threads": [shown("a", synthetic(9_000, 150, seed=5)), shown("b", synthetic(9_000, 40, seed=6))],
    "three": [shown(name, timeline(LONG)) for name in ("a", "b", "c")],
    "no GIL": [
        shown("gil", timeline(LONG)),
        shown("free", timeline(LONG.replace("gil_wait", "running"), replace(EXACT_RUN, free_threaded=True))),
    ],
    "nothing": [
        shown(
            name,
            replace(one, threads=one.threads.iloc[:0], intervals=one.intervals.iloc[:0]),
        )
        for name, one in (("a", timeline(SHORT)), ("b", timeline(LONG)))
    ],
    "hostile": [shown(HOSTILE, timeline(HOSTILE_TEXT)), shown("<b>b</b>", timeline(HOSTILE_TEXT))],
}


class Opened:
    """A page that opened, and everything it complained about or asked for."""

    def __init__(self, page, complaints, requests):
        self.page, self.complaints, self.requests = page, complaints, requests

    def wait_for_note(self, pattern):
        self.page.wait_for_function(
            "pattern => new RegExp(pattern).test(document.querySelector('#view-note').textContent)",
            arg=pattern,
        )

    def settle(self):
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def pixels(self, run):
        self.settle()
        return self.page.evaluate(SEEN, run)


@pytest.fixture
def open_page(chromium, tmp_path):
    contexts = []

    def opened(variants, *, width=1280, theme="light", fragment=""):
        path = tmp_path / "page.html"
        text = render_comparison(variants, compare([one.variant for one in variants]))
        path.write_text(text, encoding="utf-8")
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        contexts.append(context)
        page = context.new_page()
        complaints, requests = [], []
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri() + fragment)
        page.wait_for_selector("html[data-ready=runs]", state="attached")
        return Opened(page, complaints, requests)

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_opens_from_a_file_without_requests_or_complaints(open_page, kind):
    opened = open_page(KINDS[kind])
    opened.page.click("#theme")
    box = opened.page.locator("#run-0 canvas").bounding_box()
    opened.page.mouse.move(box["x"] + 150, box["y"] + 12)
    opened.settle()

    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith("file:")] == []
    assert len(opened.requests) == 1


@pytest.mark.parametrize(("width", "theme"), [(380, "dark"), (768, "light"), (1280, "dark"), (2560, "light")])
@pytest.mark.parametrize("kind", ["hostile", "three"])
def test_nothing_is_wider_than_the_window(open_page, kind, width, theme):
    opened = open_page(KINDS[kind], width=width, theme=theme)

    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.page.evaluate("document.documentElement.dataset.theme") == theme


def test_hostile_names_show_as_text_and_run_nothing(open_page):
    opened = open_page(KINDS["hostile"])
    page = opened.page
    page.locator("#run-0 canvas").hover(position={"x": 200, "y": 44})

    assert page.evaluate("window.hacked") is None
    assert opened.complaints == []
    assert page.locator("img, svg, b:has-text('bold')").count() == 0
    assert HOSTILE in page.locator("h1").inner_text()
    assert HOSTILE in page.locator("#run-0 .lane-labels").inner_text()
    assert HOSTILE in page.locator("#states").inner_text()
    assert "javascript:window.hacked=1" in page.locator("#tooltip").inner_text()
    assert "\\u202egnp.exe" in page.locator("#run-1 .lane-labels").inner_text()


def test_both_runs_stand_on_one_axis(open_page):
    opened = open_page(KINDS["two runs"])
    long, short = opened.pixels(0), opened.pixels(1)

    assert long[GREEN] == pytest.approx(0.7 * sum(long.values()), rel=0.03)
    assert short[GREEN] == pytest.approx(0.25 * sum(short.values()), rel=0.03)
    boxes = [opened.page.locator(f"#run-{run} canvas").bounding_box() for run in (0, 1)]
    assert (boxes[0]["x"], boxes[0]["width"]) == (boxes[1]["x"], boxes[1]["width"])


def drag(opened, run, start, end):
    canvas = opened.page.locator(f"#run-{run} canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    opened.page.mouse.move(box["x"] + start * box["width"], box["y"] + 20)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + end * box["width"], box["y"] + 20, steps=5)
    opened.page.mouse.up()


def test_a_drag_in_one_run_zooms_all(open_page):
    opened = open_page(KINDS["two runs"])
    drag(opened, 1, 0.0, 0.25)
    opened.wait_for_note(r"^25\.\d ms in view")
    long, short = opened.pixels(0), opened.pixels(1)

    assert long[GREEN] > 0.97 * sum(long.values())
    assert short[GREEN] > 0.97 * sum(short.values())
    opened.page.click("#undo")
    opened.wait_for_note("^100 ms in view")
    assert opened.pixels(0)[GREEN] == pytest.approx(0.7 * sum(long.values()), rel=0.03)


def test_the_shares_beside_a_run_are_of_the_part_in_view(open_page):
    opened = open_page(KINDS["two runs"])
    shares = lambda text: opened.page.locator("#run-1 .run-shares", has_text=text)  # noqa: E731  of one place
    shares("lock wait 50 % · running 25 % · sleep 25 %").wait_for()
    drag(opened, 0, 0.6, 0.9)
    opened.wait_for_note(r"^30\.\d ms in view|^29\.\d ms in view")
    shares("nothing in view").wait_for()


def test_keys_and_buttons_move_all_runs(open_page):
    opened = open_page(KINDS["two runs"])
    page = opened.page
    page.locator("#runs").focus()
    for key, note in [
        ("w", "^62.5 ms"),
        ("w", "^39.1 ms"),
        ("s", "^62.5 ms"),
        ("u", "^39.1 ms"),
        ("Home", "^100 ms"),
    ]:
        page.keyboard.press(key)
        opened.wait_for_note(note)
    page.click("#zoom-in")
    opened.wait_for_note("^50.0 ms")
    page.click("#zoom-fit")
    opened.wait_for_note("^100 ms")


def test_the_wheel_zooms_at_the_pointer_and_scrolls_past_the_whole(open_page):
    opened = open_page(KINDS["two runs"])
    canvas = opened.page.locator("#run-0 canvas")
    canvas.scroll_into_view_if_needed()
    canvas.hover(position={"x": 300, "y": 20})
    opened.page.mouse.wheel(0, -240)
    opened.wait_for_note(r"^\d\d\.\d ms in view")
    assert opened.complaints == []


def test_the_address_brings_back_the_view(open_page):
    opened = open_page(KINDS["two runs"], fragment="#t=20000000-70000000&hide=sleep")
    opened.wait_for_note("^50.0 ms in view")

    assert opened.page.get_attribute("[data-state=sleep]", "aria-pressed") == "false"
    drag(opened, 0, 0.2, 0.4)
    opened.page.wait_for_function("() => /t=(29|30)\\d{6}-(39|40)\\d{6}&hide=sleep/.test(location.hash)")


def test_a_hidden_state_goes_from_lanes_and_bars(open_page):
    opened = open_page(KINDS["two runs"])
    assert opened.pixels(0)[GREEN] > 100
    assert opened.page.locator(".part.running:visible").count() > 0
    opened.page.click("#legend [data-state=running]")

    assert GREEN not in opened.pixels(0)
    assert opened.page.locator(".part.running:visible").count() == 0


def test_hovering_marks_the_instant_in_all_runs_and_tells_what_was(open_page):
    opened = open_page(KINDS["two runs"])
    canvas = opened.page.locator("#run-0 canvas")
    canvas.scroll_into_view_if_needed()
    canvas.hover(position={"x": 450, "y": 48})
    words = opened.page.locator("#tooltip").inner_text()
    line = opened.page.locator("#instant").bounding_box()
    last = opened.page.locator("#run-1 canvas").bounding_box()

    assert re.search("w1.*GIL wait.*30.0 ms", words, re.DOTALL)
    assert line["x"] == pytest.approx(canvas.bounding_box()["x"] + 450, abs=2)
    assert line["y"] + line["height"] >= last["y"] + last["height"]


def test_large_pools_are_folded_and_open(open_page):
    opened = open_page(KINDS["many threads"])
    labels = opened.page.locator("#run-0 .lane-label")

    assert labels.all_inner_texts() == ["MainThread", "▸ worker-* (149)"]
    labels.nth(1).get_by_role("button").click()
    assert labels.count() == 151
    assert opened.page.locator("#run-1 .lane-label").count() == 2
    assert opened.complaints == []


def test_the_theme_can_be_chosen(open_page):
    opened = open_page(KINDS["two runs"], theme="dark")
    assert GREEN not in opened.pixels(0)
    opened.page.click("#theme")

    assert opened.page.get_attribute("html", "data-theme") == "light"
    assert opened.pixels(0)[GREEN] > 100


@pytest.mark.skipif(
    importlib.util.find_spec("axe_playwright_python") is None, reason="axe-playwright-python is not installed"
)
@pytest.mark.parametrize(("width", "theme"), [(380, "dark"), (1280, "light")])
def test_axe_finds_nothing(open_page, width, theme):
    opened = open_page(KINDS["repeats"], width=width, theme=theme)
    opened.page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    found = opened.page.evaluate(
        "axe.run().then(found => found.violations.map(one => [one.id, one.nodes.map(n => n.html)]))"
    )
    assert found == []
