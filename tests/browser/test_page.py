"""The page in a real browser: it opens, it fits, and it does nothing else."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from importlib import resources

import pytest
from pages import CHARTS, HOSTILE, HOSTILE_TEXT, KINDS, SMALL, needs_browser
from timelines import EXACT_RUN, timeline

from gtrace.model import TimeNs
from gtrace.report import Span

pytestmark = needs_browser


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


def test_a_phone_shows_the_whole_verdict_and_all_of_the_head(open_page):
    function = "ThreadedTaskDispatcher.handler_thread_of_the_long_name (tasks.py:64)"
    opened = open_page(timeline(SMALL.replace("crunch (a.py:3)", function)), width=360)
    assert function.partition(" ")[0] in opened.text(".verdict-text")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360
    for element in opened.page.locator(".top .meta span, #theme").all():
        box = element.bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= 360
    assert opened.page.locator("#theme").bounding_box()["width"] > 30


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


def test_the_address_brings_back_range_selection_filter_and_search(open_page):
    opened = open_page(
        timeline(SMALL), fragment="#t=20000000-70000000&s=30000000-60000000&hide=sleep&find=w2"
    )
    opened.wait_for_note("^50.0 ms in view.*1 of 3 threads")
    assert "30.0 ms of 100 ms" in opened.text("#range-text")
    assert opened.text("[data-number=held] .note") == "of the selected time"
    assert opened.page.get_attribute("[data-state=sleep]", "aria-pressed") == "false"
    assert opened.page.input_value("#search") == "w2"


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


def axe_core():
    """The source of axe-core, as the package axe-playwright-python ships it."""
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


@pytest.mark.skipif(
    importlib.util.find_spec("axe_playwright_python") is None, reason="axe-playwright-python is not installed"
)
@pytest.mark.parametrize(("width", "theme"), [(380, "dark"), (1280, "light")])
def test_axe_finds_nothing(open_page, width, theme):
    opened = open_page(KINDS["inferred"], width=width, theme=theme, ready=CHARTS)
    opened.page.locator("#lane-canvas").click(position={"x": 150, "y": 48})
    opened.page.keyboard.press("?")
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


def test_a_page_of_a_part_moves_within_it_and_counts_it_alone(open_page):
    known = timeline(SMALL)
    opened = open_page(known, span=Span(TimeNs(20_000_000), TimeNs(50_000_000)), ready=CHARTS)
    page = opened.page
    assert opened.note().startswith("30.0 ms in view")
    assert [text.split()[0] for text in opened.column("#table-threads", 2)] == ["30.0"] * 3
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
