"""What the tests of the page in a browser share: runs to look at, and what a person can see and do."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import pytest
from chromium import CHROMIUM
from timelines import EXACT_RUN, INFERRED_RUN, synthetic, timeline

needs_browser = [
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
        """The cells of a column, counted from 1, or from the end from -1."""
        place = f":nth-child({number})" if number > 0 else f":nth-last-child({-number})"
        return self.page.locator(f"{table} tbody tr > {place}").all_inner_texts()


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


def drag(opened, start, end, y=20):
    canvas = opened.page.locator("#lane-canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    opened.page.mouse.move(box["x"] + start * box["width"], box["y"] + y)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + end * box["width"], box["y"] + y, steps=5)
    opened.page.mouse.up()


PIXELS_OF_A_ROW = """([id, y]) => {
    const canvas = document.querySelector(id);
    const {data} = canvas.getContext('2d').getImageData(0, y, canvas.width, 1);
    const found = {};
    for (let i = 0; i < data.length; i += 4) {
        const colour = data[i + 3] ? `${data[i]},${data[i + 1]},${data[i + 2]}` : 'none';
        found[colour] = (found[colour] ?? 0) + 1;
    }
    return found;
}"""


def pixels(opened, y, canvas="#lane-canvas"):
    """How many pixels of a row of the lanes, or of another canvas, have each colour."""
    return opened.page.evaluate(PIXELS_OF_A_ROW, [canvas, y])


def settle(opened):
    opened.page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
