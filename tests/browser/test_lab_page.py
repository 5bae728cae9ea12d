"""The lab's page in a real browser: what a person does with it, and that it does nothing else."""

from __future__ import annotations

import importlib.util
import sys
from importlib import resources
from pathlib import Path

import pytest
from labs import CALLS, labs
from test_report_lab import HOSTILE, hostile_lab

from gtrace.report.lab import render_lab

sys.path.insert(0, str(Path(__file__).parent))
from chromium import CHROMIUM, browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
]
EVERYWHERE = "#claim-everywhere"
ATLAS = f"{EVERYWHERE} .grid"


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


class Opened:
    """A page that opened, and everything it complained about or asked for."""

    def __init__(self, page):
        self.page, self.complaints, self.requests = page, [], []
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: self.requests.append(request.url))

    def column(self, number):
        return self.page.locator(f"{ATLAS} tbody tr:visible > :nth-child({number})").all_inner_texts()

    def is_open(self, claim):
        return self.page.locator(f"#claim-{claim}").evaluate("claim => claim.open")


@pytest.fixture
def open_page(chromium, tmp_path):
    contexts = []

    def opened(known=None, *, width=1280, theme="light", fragment=""):
        path = tmp_path / "lab.html"
        path.write_text(render_lab(known or labs(), tmp_path, ["3.14t"]), encoding="utf-8")
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        contexts.append(context)
        found = Opened(context.new_page())
        found.page.goto(path.as_uri() + fragment)
        found.page.wait_for_selector("html[data-ready=charts]", state="attached")
        return found

    yield opened
    for context in contexts:
        context.close()


KINDS = {"several": labs(), "one": labs()[1:2], "none": (), "hostile": (hostile_lab(), *labs()[:1])}


@pytest.mark.parametrize("kind", KINDS)
def test_it_opens_from_a_file_without_requests_or_complaints(open_page, kind):
    opened = open_page(KINDS[kind] or [])
    if KINDS[kind]:
        opened.page.click("#open-all")
        opened.page.wait_for_selector(".js-plotly-plot")

    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert len([url for url in opened.requests if url.startswith("file:")]) == 1


def test_a_claim_of_the_matrix_opens_what_was_measured(open_page):
    opened = open_page()
    assert [opened.is_open(claim) for claim in ("everywhere", "nowhere")] == [False, False]
    opened.page.get_by_role("link", name="The claim called nowhere.").click()
    opened.page.wait_for_function("document.querySelector('#claim-nowhere').open")

    assert opened.page.locator("#claim-nowhere .findings").is_visible()
    assert not opened.is_open("everywhere")
    assert (
        "It took sleep 1 times as long." in opened.page.locator("#claim-nowhere .measured").all_inner_texts()
    )


def test_the_address_of_a_claim_opens_it(open_page):
    assert open_page(fragment="#claim-newer").is_open("newer")


@pytest.mark.parametrize("fragment", ["#claims", "#%E0%A4%A", "#nothing"])
def test_other_addresses_open_nothing_and_break_nothing(open_page, fragment):
    opened = open_page(fragment=fragment)

    assert opened.page.locator("details[open]").count() == 0
    assert opened.complaints == []


def test_all_claims_open_and_close_at_once(open_page):
    opened = open_page()
    opened.page.click("#open-all")
    assert opened.page.locator("details[open]").count() == 4
    opened.page.click("#close-all")
    assert opened.page.locator("details[open]").count() == 0


def test_charts_are_drawn_when_their_claim_opens_with_the_spread_as_a_band(open_page):
    opened = open_page()
    assert opened.page.locator(".js-plotly-plot").count() == 0
    opened.page.click(f"{EVERYWHERE} summary")
    opened.page.wait_for_selector(f"{EVERYWHERE} .js-plotly-plot .scatterlayer")

    panels = opened.page.locator(f"{EVERYWHERE} .panel")
    assert [panel.split("\n")[0] for panel in panels.all_inner_texts()][:2] == ["wait", "work"]
    assert panels.count() == 3
    drawn = opened.page.evaluate(
        f"""[...document.querySelectorAll('{EVERYWHERE} .js-plotly-plot')].map((plot) => [
            plot.data.filter((trace) => trace.mode === 'lines+markers').map((trace) => trace.y),
            plot.data.filter((trace) => trace.fill === 'tonexty').map((trace) => trace.y)])"""
    )
    assert drawn[0][0] == [[0.002, 0.02, 0.2], [0.003, 0.03, 0.30000000000000004], [0.004, 0.04, 0.4]]
    assert drawn[0][1] == [[0.004, 0.04, 0.4]] * 3
    assert opened.page.locator(f"{EVERYWHERE} .series").first.inner_text().split() == ["3.12", "3.13", "3.14"]


def test_panels_of_a_chart_have_the_same_axes(open_page):
    opened = open_page(fragment=EVERYWHERE)
    opened.page.wait_for_selector(f"{EVERYWHERE} .js-plotly-plot .scatterlayer")
    ranges = opened.page.evaluate(
        f"""[...document.querySelector('{EVERYWHERE} .panels').querySelectorAll('.js-plotly-plot')]
            .map((plot) => [plot.layout.xaxis.range, plot.layout.yaxis.range])"""
    )

    assert len(ranges) == 2
    assert ranges[0] == ranges[1]


def test_the_atlas_sorts_by_any_column_both_ways(open_page):
    opened = open_page(fragment=EVERYWHERE)
    assert opened.column(1) == list(CALLS)
    opened.page.click(f"{ATLAS} thead th:first-child button")
    opened.page.click(f"{ATLAS} thead th:first-child button")
    assert opened.column(1) == list(reversed(CALLS))
    opened.page.click(f"{ATLAS} thead th:nth-child(2) button")
    assert opened.column(2) == sorted(opened.column(2))
    assert opened.page.locator(f"{ATLAS} th[aria-sort=ascending]").inner_text().startswith("3.12")


def test_the_atlas_is_filtered_by_words_and_by_difference(open_page):
    opened = open_page(fragment=EVERYWHERE)
    section = opened.page.locator(f"{EVERYWHERE} .grid-section")
    section.locator(".grid-filter").fill("MODULE1 keeps")
    assert opened.column(1) == ["module10.call", "module11.call"]
    assert section.locator(".table-note").inner_text() == "2 of 12 rows match."
    section.locator(".grid-filter").fill("")
    section.locator(".grid-differs").check()
    assert opened.column(1) == [call for i, call in enumerate(CALLS) if i % 4 != 1]


def test_details_of_the_atlas_show_on_demand(open_page):
    opened = open_page(fragment=EVERYWHERE)
    assert opened.page.locator(f"{ATLAS} .detail:visible").count() == 0
    assert opened.page.locator(f"{ATLAS} thead th:visible").all_inner_texts() == [
        "call",
        "3.12",
        "3.13",
        "3.14",
    ]
    opened.page.locator(f"{EVERYWHERE} .grid-details").check()
    assert opened.page.locator(f"{ATLAS} .detail:visible").first.inner_text() == "share 0"
    assert opened.page.locator(f"{ATLAS} thead th:visible").last.inner_text() == "sizes"


@pytest.mark.parametrize(("width", "theme"), [(380, "dark"), (768, "light"), (1280, "dark"), (2560, "light")])
@pytest.mark.parametrize("kind", ["several", "hostile"])
def test_nothing_is_wider_than_the_window(open_page, kind, width, theme):
    opened = open_page(KINDS[kind], width=width, theme=theme)
    opened.page.click("#open-all")
    opened.page.wait_for_selector(".js-plotly-plot .scatterlayer")

    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.page.evaluate("document.documentElement.dataset.theme") == theme


def test_hostile_text_shows_as_text_and_runs_nothing(open_page):
    opened = open_page([hostile_lab()])
    opened.page.click("#open-all")
    opened.page.wait_for_selector(".js-plotly-plot .scatterlayer")
    opened.page.mouse.move(640, 400)

    assert opened.page.evaluate("window.hacked") is None
    assert opened.page.locator("img").count() == 0
    shown = HOSTILE.split(" \u202e", maxsplit=1)[0]
    for selector in (".matrix", ".measured", ".grid", ".series", ".source", ".notes", ".runs", "#about"):
        assert shown in opened.page.locator(selector).first.inner_text()
    assert shown in opened.page.locator(".xtitle").first.text_content()


def test_the_theme_can_be_chosen_and_the_charts_follow(open_page):
    opened = open_page(fragment=EVERYWHERE)
    colour = "document.querySelector('.js-plotly-plot').data.at(-1).line.color"
    opened.page.wait_for_selector(".js-plotly-plot .scatterlayer")
    light = opened.page.evaluate(colour)
    opened.page.click("#theme")

    assert opened.page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert opened.page.evaluate(colour) != light


def test_on_paper_every_claim_is_open_and_afterwards_as_before(open_page):
    opened = open_page(fragment="#claim-newer", theme="dark")
    opened.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert opened.page.locator("details[open]").count() == 4
    assert opened.page.evaluate("document.documentElement.dataset.theme") == "light"
    opened.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert opened.page.locator("details[open]").count() == 1
    assert opened.page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.skipif(
    importlib.util.find_spec("axe_playwright_python") is None, reason="axe-playwright-python is not installed"
)
@pytest.mark.parametrize(("width", "theme"), [(380, "dark"), (1280, "light")])
def test_axe_finds_nothing(open_page, width, theme):
    opened = open_page(width=width, theme=theme)
    opened.page.click("#open-all")
    opened.page.wait_for_selector(".js-plotly-plot .scatterlayer")
    opened.page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    found = opened.page.evaluate(
        "axe.run().then(found => found.violations.map(one => [one.id, one.nodes.map(n => n.html)]))"
    )
    assert found == []
