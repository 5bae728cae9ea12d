"""How big a page is, how soon it paints, and how fast it follows: one table over sizes of recordings.

Usage: python benchmarks/page.py [--write FILE] [INTERVALS:THREADS ...]   (10^4 to 10^7, 2 to 500 threads)
Needs Chromium and playwright; each figure is a median, but for how soon pages of 10^7 intervals open.
With ``--write`` the table goes into FILE as well, in place of what stands there between the lines that
name this program.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "browser")]

from chromium import browser  # noqa: E402 - found by the line above
from timelines import synthetic, with_wakeups  # noqa: E402

from gtrace.report import render  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZES = [
    "10000:2",
    "10000:500",
    "100000:8",
    "1000000:2",
    "1000000:8",
    "1000000:500",
    "10000000:8",
    "10000000:500",
]
OPENINGS = 3
MANY = 10_000_000
"""Pages of so many intervals are opened once: each takes a while and half a gigabyte."""
WAKEUPS = 0.2
"""So many of the waits ended by a wake-up, in recordings of contended programs."""
BEGIN, END = "<!-- benchmarks/page.py -->", "<!-- end of benchmarks/page.py -->"
PRESS = """key => new Promise(done => {
    const began = performance.now();
    const event = new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true});
    document.activeElement.dispatchEvent(event);
    requestAnimationFrame(() => {
        const drawn = performance.now() - began;
        requestAnimationFrame(() => done([drawn, performance.now() - began]));
    });
})"""
MOMENTS = """['first-contentful-paint', 'gtrace-timeline', 'gtrace-tables', 'gtrace-charts'].map(
    name => performance.getEntriesByName(name)[0].startTime)"""


HELD = """() => JSON.parse(document.querySelector('#config').textContent).columns.laneCounts
    .reduce((sum, count) => sum + count)"""
TIME_POINTER_UP = """() => {
    const up = (target, action, capture) =>
        target.addEventListener('pointerup', action, { capture, once: true });
    up(document.querySelector('#lane-canvas'), () => { window.began = performance.now(); }, true);
    up(document, () => { window.counted = performance.now() - window.began; }, false);
}"""


@dataclass(frozen=True)
class Row:
    """Figures of one page; MB, s and ms as the names say."""

    intervals: str
    threads: int
    held: str
    render_s: float
    page_mb: float
    paint_s: float
    timeline_s: float
    tables_s: float
    charts_s: float
    zoom_ms: float
    zoom_worst_ms: float
    painted_ms: float
    range_ms: float
    heap_mb: float


def measure(chromium: Browser, intervals: int, threads: int, path: Path) -> Row:
    known = with_wakeups(synthetic(intervals, threads, seed=1), WAKEUPS, seed=2)
    began = time.perf_counter()
    text = render(known)
    rendered = time.perf_counter() - began
    path.write_text(text, encoding="utf-8")
    page, times = _open_again(chromium, path, OPENINGS if intervals < MANY else 1)
    zooms, worst, painted = _zoom(page)
    held = f"{page.evaluate(HELD) / len(known.intervals):.0%}"
    row = Row(
        f"{intervals:,}", threads, held, rendered, len(text.encode()) / 1e6,
        *(statistics.median(moments) for moments in zip(*times, strict=True)),
        zooms, worst, painted, _range(page), page.evaluate("performance.memory.usedJSHeapSize") / 1e6,
    )  # fmt: skip
    page.close()
    return row


def _open_again(chromium: Browser, path: Path, times: int) -> tuple[Page, list[tuple[float, ...]]]:
    """The page as it was opened last, and how soon it was each time."""
    page, first = _open(chromium, path)
    moments = [first]
    while len(moments) < times:
        page.close()
        page, again = _open(chromium, path)
        moments.append(again)
    return page, moments


def _open(chromium: Browser, path: Path) -> tuple[Page, tuple[float, ...]]:
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    page.goto(path.as_uri(), wait_until="commit")
    page.wait_for_selector("html[data-ready=charts]", state="attached", timeout=120_000)
    moments = page.evaluate(MOMENTS)
    return page, tuple(moment / 1e3 for moment in moments)


def _zoom(page: Page) -> tuple[float, float, float]:
    page.locator("#lanes").scroll_into_view_if_needed()
    page.locator("#lanes").focus()
    keys = "w" * 12 + "d" * 4 + "s" * 12 + "w" * 12 + "a" * 4
    times = [page.evaluate(PRESS, key) for key in keys]
    drawn = [drawn for drawn, _ in times]
    return statistics.median(drawn), max(drawn), statistics.median(painted for _, painted in times)


def _range(page: Page) -> float:
    """Selecting half of the run: every table and number counted again."""
    page.keyboard.press("Home")
    box = page.locator("#lane-canvas").bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 20, steps=2)
    page.evaluate(TIME_POINTER_UP)
    page.mouse.up()
    page.wait_for_selector("#range-bar:not([hidden])")
    return page.evaluate("window.counted")


def machine() -> str:
    """What the figures were measured on, and how busy it was meanwhile."""
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[1]
    python = platform.python_version()
    return f"{cores} cores of {platform.machine()}, Python {python}, load {load:.1f} in all (itself too)"


def write(path: Path, lines: list[str]) -> None:
    """Puts the lines into a file, between those that name this program."""
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    block = "\n".join([BEGIN, "", *lines, "", END])
    path.write_text(pattern.sub(lambda _: block, path.read_text("utf-8")), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    parser.add_argument("sizes", nargs="*", default=SIZES)
    arguments = parser.parse_args()
    lines = []

    def say(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    names = list(Row.__dataclass_fields__)
    say("| " + " | ".join(names) + " |")
    say("|---" * len(names) + "|")
    with browser() as chromium, tempfile.TemporaryDirectory() as folder:
        for intervals, threads in (map(int, size.split(":")) for size in arguments.sizes):
            row = measure(chromium, intervals, threads, Path(folder) / "page.html")
            cells = [f"{value:.2f}" if isinstance(value, float) else str(value) for value in astuple(row)]
            say("| " + " | ".join(cells) + " |")
    say("")
    say(f"Measured on {machine()}.")
    if arguments.write:
        write(arguments.write, lines)


if __name__ == "__main__":
    main()
