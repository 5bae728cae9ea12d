"""The timeline in a real browser: what a person does with mouse and keys, and what it answers."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from pages import CHARTS, KINDS, SMALL, drag, needs_browser, pixels, settle
from timelines import synthetic, timeline, with_joins

pytestmark = needs_browser


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


def test_hovering_tells_the_chain_of_calls(open_page):
    chain = "main (a.py:1);work (a.py:5);fetch (a.py:8);time.sleep"
    opened = open_page(timeline(f'main 0-100 sleep time.sleep caller="fetch (a.py:8)" chain="{chain}"'))
    opened.page.locator("#lane-canvas").hover(position={"x": 400, "y": 16})
    words = " ".join(opened.text("#tooltip").split())
    assert "called by fetch (a.py:8) ← work (a.py:5) ← main (a.py:1)" in words


def test_without_calls_a_hold_is_said_to_end_where_its_site_is(open_page):
    small = timeline(SMALL)
    evidence = {**small.run.evidence, "calls": "none: left out by --light", "sites": "exact"}
    opened = open_page(replace(small, run=replace(small.run, evidence=evidence)))
    canvas = opened.page.locator("#lane-canvas")

    canvas.hover(position={"x": 400, "y": 48})
    assert "w2, until parse (a.py:9)" in opened.text("#tooltip")
    canvas.hover(position={"x": 150, "y": 48})
    assert re.search(r"hold ended in\s+crunch \(a.py:3\)", opened.text("#tooltip"))
    for table in ("blame", "holds"):
        heads = opened.page.locator(f"#table-{table} th").all_inner_texts()
        assert any(head.startswith("Which ended in") for head in heads), heads
    assert any("went on to" in head for head in opened.page.locator("#table-locks th").all_inner_texts())


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


@pytest.mark.parametrize("width", [380, 1280])
def test_a_selection_covers_no_tool_of_the_timeline_at_the_top_of_the_window(open_page, width):
    opened = open_page(timeline(SMALL), width=width, fragment="#s=10000000-20000000")
    top = "document.querySelector('#timeline').getBoundingClientRect().top"
    opened.page.evaluate(f"scrollBy({{top: {top}, behavior: 'instant'}})")
    assert opened.page.locator("#range-bar").is_visible()
    for name in ("#timeline-title", "#lane-sort", "#search", "#zoom-in", "#help-button", "#lane-canvas"):
        box = opened.page.locator(name).bounding_box()
        middle = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
        assert opened.page.evaluate("at => document.elementFromPoint(...at).id", middle) == name[1:]


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


@pytest.mark.parametrize("width", [380, 1280])
def test_the_help_is_seen_wherever_the_page_is_scrolled_to_and_escape_closes_it_first(open_page, width):
    opened = open_page(timeline(SMALL), width=width)
    page = opened.page
    page.locator("#lane-canvas").click(position={"x": 150, "y": 48})
    for where in ("0", "document.body.scrollHeight"):
        page.evaluate(f"scrollTo({{top: {where}, behavior: 'instant'}})")
        page.keyboard.press("?")
        box = page.locator("#help").bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= width
        assert 0 <= box["y"] < box["y"] + box["height"] <= 900
        page.keyboard.press("Escape")
        assert page.locator("#help").is_hidden()
        assert page.get_attribute("#help-button", "aria-expanded") == "false"
        assert "w1" in opened.text("#pinned")
    page.keyboard.press("?")
    page.get_by_role("button", name="Close").click()
    assert page.locator("#help").is_hidden()
    page.keyboard.press("Escape")
    assert opened.text("#pinned") == ""


def test_enter_in_the_search_goes_through_its_matches_and_shows_each(open_page):
    opened = open_page(timeline(SMALL), fragment="#t=40000000-50000000")
    page = opened.page
    page.fill("#search", "crunch")
    opened.wait_for_note("1 of 3 threads match.*3 intervals of it")

    def pressed(key):
        page.keyboard.press(key)
        lasted, start = re.search(r"lasted\s+(\S+) ms\s+from\s+(\S+) s", opened.text("#pinned")).groups()
        return float(lasted), float(start)

    def running_is_in_view():
        settle(opened)
        return "47,138,42" in pixels(opened, 16)

    assert not running_is_in_view()
    assert pressed("Enter") == (30, 0.03)
    assert pressed("Enter") == (40, 0.06)
    assert running_is_in_view()
    assert pressed("Enter") == (30, 0)
    assert pressed("Shift+Enter") == (40, 0.06)
    assert page.evaluate("document.activeElement.id") == "search"


def test_enter_goes_through_the_threads_where_only_their_names_match(open_page):
    opened = open_page(timeline(SMALL))
    opened.page.fill("#search", "w")
    for name in ("w1", "w2", "w1"):
        opened.page.keyboard.press("Enter")
        assert opened.page.locator(".pinned-lane").inner_text() == name


def test_what_a_search_finds_is_marked(open_page):
    opened = open_page(timeline(SMALL))
    opened.page.fill("#search", "time.sleep")
    opened.wait_for_note("1 of 3 threads match")
    settle(opened)
    below_the_bar, above_it = 28, 3
    width = opened.page.locator("#lane-canvas").bounding_box()["width"]
    assert abs(dark_pixels(opened, below_the_bar) - 0.3 * width) < 4
    assert dark_pixels(opened, above_it) == 0


def test_a_pinned_wait_leads_to_the_thread_that_let_it_go_on(open_page):
    opened = open_page(timeline(SMALL))
    opened.page.locator("#lane-canvas").click(position={"x": 400, "y": 48})
    assert "GIL held by" in opened.text("#pinned")
    opened.page.get_by_role("button", name="Go to w2").click()
    assert "parse (a.py:9)" in opened.text("#pinned")
    assert opened.page.locator(".pinned-lane").inner_text() == "w2"


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


def test_a_thread_that_ended_before_the_view_leaves_nothing_in_it(open_page):
    opened = open_page(
        timeline("main 0-100 sleep\nearly 0-20 running f\nlate 80-100 running f"),
        fragment="#t=30000000-70000000",
    )
    settle(opened)
    between_lanes, early, late = (pixels(opened, y) for y in (33, 48, 80))
    assert early == late == between_lanes
    assert opened.note().startswith("40.0 ms in view · 1 interval ·")


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


def test_inferred_intervals_do_not_look_exact(open_page):
    exact = open_page(KINDS["exact"])
    settle(exact)
    inferred = open_page(KINDS["inferred"])
    settle(inferred)
    green = "47,138,42"
    assert pixels(inferred, 40)[green] < 0.8 * pixels(exact, 40)[green]
    assert "Calls alone cannot tell running from gil_wait" in inferred.text(".banner")
    assert exact.page.locator(".banner:visible").count() == 0


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


def test_threads_of_started_processes_are_another_lane_than_native_ones(open_page):
    known = timeline(WITH_NATIVE + '"load 81" 0-90 native\n"load 82" 0-90 blocked\n')
    names = known.threads["name"]
    kind = names.str.startswith(("native", "load")).map({True: "native", False: "python"})
    elsewhere = known.threads["pid"].where(~names.str.startswith("load"), 77)
    opened = open_page(replace(known, threads=known.threads.assign(kind=kind, pid=elsewhere)), ready=CHARTS)
    folded = ["native threads (2)", "started processes (2)"]
    labels = opened.page.locator(".lane-label").all_inner_texts()
    assert labels == ["MainThread", "w1", "w2", *(f"▸ {name}" for name in folded)]
    assert opened.page.locator("#state-chart .annotation-text").all_text_contents()[3:] == folded


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


def test_a_double_click_zooms_to_the_interval(open_page):
    opened = open_page(timeline(SMALL))
    opened.page.locator("#lane-canvas").dblclick(position={"x": 400, "y": 48})
    opened.wait_for_note("^33.0 ms")
    opened.wait_for_hash(r"^#t=28500000-61500000")


def test_a_drag_on_the_overview_zooms_and_a_click_moves_there(open_page):
    opened = open_page(timeline(SMALL))
    strip = opened.page.locator("#overview")
    strip.scroll_into_view_if_needed()
    box = strip.bounding_box()
    at = lambda share: (box["x"] + share * box["width"], box["y"] + 20)  # noqa: E731  a place, twice
    opened.page.mouse.move(*at(0.25))
    opened.page.mouse.down()
    opened.page.mouse.move(*at(0.75), steps=3)
    opened.page.mouse.up()
    opened.wait_for_note("^50.0 ms")
    opened.page.mouse.click(*at(0.5))
    opened.page.mouse.click(*at(0.95))
    opened.wait_for_hash(r"^#t=[45]\d{7}-100000000")


def test_the_strip_of_the_gil_tells_who_holds_it_and_a_click_pins_it(open_page):
    opened = open_page(timeline(SMALL))
    opened.page.wait_for_selector("#gil:visible")
    opened.page.locator("#gil").hover(position={"x": 450, "y": 8})
    assert "w2 holds the GIL" in opened.text("#tooltip")
    assert "parse (a.py:9)" in opened.text("#tooltip")
    opened.page.locator("#gil").click(position={"x": 450, "y": 8})
    assert re.search(r"^w2\s+running", opened.text("#pinned"))


def test_the_strip_of_the_gil_shows_what_its_holders_did_where_there_is_no_room_for_each(open_page):
    states = ("running", "preempted", "sleep")
    opened = open_page(
        timeline("\n".join(f"main {at / 20}-{(at + 1) / 20} {states[at % 3]}" for at in range(3000)))
    )
    opened.page.wait_for_selector("#gil:visible")
    settle(opened)
    for y, colour in ((17, "47,138,42"), (10, "242,215,61"), (2, "none")):
        found = pixels(opened, y, "#gil")
        assert found[colour] > 0.9 * sum(found.values())


IS_DRAWN = """id => {
    const canvas = document.querySelector(id);
    const {data} = canvas.getContext('2d').getImageData(0, canvas.height - 2, canvas.width, 1);
    return data.some(value => value > 0);
}"""


def test_the_strip_of_cores_tells_how_many_are_in_use(open_page):
    opened = open_page(timeline(SMALL + "\nn 0-100 native core=1"))
    opened.page.wait_for_function(IS_DRAWN, arg="#cores")
    opened.page.locator("#cores").hover(position={"x": 400, "y": 10})
    assert "2.00 of 2 cores in use" in opened.text("#tooltip")


def test_hovering_tells_the_core_and_the_lock(open_page):
    opened = open_page(
        timeline("a 0-50 running f core=1\na 50-100 lock_wait Lock.acquire lock=255 reason=lock")
    )
    opened.page.locator("#lane-canvas").hover(position={"x": 200, "y": 16})
    assert re.search(r"core\s+1", opened.text("#tooltip"))
    opened.page.locator("#lane-canvas").hover(position={"x": 800, "y": 16})
    assert re.search(r"lock\s+0xff", opened.text("#tooltip"))


def test_lanes_come_in_the_order_asked_for(open_page):
    opened = open_page(timeline(SMALL))
    order = {"start": ["MainThread", "w1", "w2"], "name": ["MainThread", "w1", "w2"]}
    order |= {"run": ["w1", "w2", "MainThread"], "gil_wait": ["w1", "w2", "MainThread"]}
    order |= {"wait": ["MainThread", "w2", "w1"]}
    for by, names in order.items():
        opened.page.select_option("#lane-sort", by)
        assert opened.page.locator(".lane-label").all_inner_texts() == names


def test_arrow_keys_move_and_control_z_leads_back(open_page):
    opened = open_page(timeline(SMALL), fragment="#t=40000000-60000000")
    opened.page.locator("#lanes").focus()
    opened.page.keyboard.press("ArrowRight")
    opened.wait_for_hash("^#t=44000000-64000000")
    opened.page.keyboard.press("d")
    opened.wait_for_hash("^#t=48000000-68000000")
    opened.page.keyboard.press("ArrowLeft")
    opened.wait_for_hash("^#t=44000000-64000000")
    opened.page.keyboard.press("Control+z")
    opened.wait_for_hash("^#t=48000000-68000000")


def test_every_tool_of_the_timeline_is_reached_by_tab(open_page):
    opened = open_page(timeline(SMALL))
    page = opened.page
    page.locator("#legend button").last.focus()
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        if reached[-1] == "lanes":
            break
    expected = ["lane-sort", "search", "zoom-in", "zoom-out", "zoom-fit", "undo", "help-button", "lanes"]
    assert [name for name in reached if name in expected] == expected
    page.keyboard.press(".")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Zoom to it"
    page.keyboard.press("Enter")
    opened.wait_for_note("^33.0 ms")


def test_a_run_narrow_enough_for_a_phone_can_be_used(open_page):
    opened = open_page(timeline(SMALL), width=380)
    opened.page.locator("#lane-canvas").click(position={"x": 120, "y": 48})
    assert "GIL held by" in opened.text("#pinned")
    drag(opened, 0.1, 0.5)
    opened.page.wait_for_selector("#range-bar:not([hidden])")
    assert "of 100 ms" in opened.text("#range-text")
